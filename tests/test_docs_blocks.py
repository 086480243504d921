"""What the pages show to be typed or written is taken by what reads it: each block is checked by its language.

Pipelines are in `test_docs.py`; the page of the first ten minutes is typed as a whole by `e2e/test_getting_started.py`.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import textwrap
import tomllib
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema

import lockgate
from helpers.command_lines import calls, parsed

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^( *)```(\S*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
SHELL = {"sh", "console", "crontab"}
CHECKED = {*SHELL, "yaml", "python", "json", "toml"}
MISSPELT = "gate rejected"  # what somebody may write in a comment


def blocks(*languages: str) -> list[Any]:
    """Page, and text without the indentation of its list, of each block in one of these languages."""
    return [
        pytest.param(textwrap.dedent(indent + text) if indent else text, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, (indent, language, text) in enumerate(FENCE.findall(page.read_text(encoding="utf-8")), start=1)
        if language in languages
    ]


def typed(text: str) -> str:
    """What is typed: of a console, what stands behind its prompt."""
    prompted = re.findall(r"^\$ (.*\n(?:.*(?<=\\)\n)*)", text, re.MULTILINE)
    return "".join(prompted) or text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_says_what_it_is(page: Path) -> None:
    """By a language that is checked here, or `text`."""
    languages = [language for _, language, _ in FENCE.findall(page.read_text(encoding="utf-8"))]

    assert set(languages) <= {*CHECKED, "text"}


@pytest.mark.parametrize("text", blocks(*SHELL))
def test_every_command_is_one_that_gate_takes(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the options that it has, all that it needs, and values of their form; files that it names are there."""
    monkeypatch.chdir(tmp_path)
    for call in calls(typed(text)):
        for word in call:
            if re.fullmatch(r"[\w.]+\.[a-z]+", word):
                Path(word).touch()
        parsed(call)


@pytest.mark.parametrize("text", blocks("sh"))
def test_every_script_is_one_that_a_shell_reads(text: str) -> None:
    """Without running it."""
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_in_a_sentence_is_one_that_gate_takes(page: Path) -> None:
    """Likewise, but a sentence may leave out what the command needs."""
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    for span in re.findall(r"`(gate [a-z][^`]*)`", prose):
        for call in calls(span.replace("\n", " ").replace(MISSPELT, "")):
            with suppress(click.MissingParameter, click.BadOptionUsage):
                parsed(call)


@pytest.mark.parametrize("text", blocks("sh", "console"))
def test_every_target_is_one_of_the_makefile(text: str) -> None:
    """`make NAME`."""
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    assert set(re.findall(r"^(?:\$ )?make ([a-z][\w-]*)", text, re.MULTILINE)) <= targets


@pytest.mark.parametrize("text", blocks("python"))
def test_every_program_imports_what_there_is(text: str) -> None:
    """It compiles; each name of lockgate in it exists, and takes the keywords that it is given."""
    compile(text, "page", "exec")
    names = {"lockgate": lockgate}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {
                alias.name: import_module(alias.name) for alias in node.names if alias.name.startswith("lockgate")
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lockgate"):
            home = import_module(str(node.module))
            names |= {alias.asname or alias.name: getattr(home, alias.name) for alias in node.names}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "lockgate":
            names[f"lockgate.{node.attr}"] = getattr(lockgate, node.attr)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and (called := names.get(ast.unparse(node.func))) is not None:
            inspect.signature(called).bind_partial(**{str(keyword.arg): None for keyword in node.keywords})


@pytest.mark.parametrize(
    "text", [param for param in blocks("yaml") if re.search(r"\b(?:env|uses):(?! ?\{)", param.values[0])]
)
def test_every_workflow_is_one_that_github_takes(text: str) -> None:
    """By its published schema, the rest of it filled in; the Action is given inputs that it has."""
    text = textwrap.dedent(re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    if text.startswith("env:"):
        text = "- run: make\n" + textwrap.indent(text, "  ")
    if text.startswith("- "):
        text = "jobs:\n  job:\n    runs-on: ubuntu-latest\n    steps:\n" + textwrap.indent(text, "      ")
    workflow = {"on": "push"} | yaml.load(text, Loader=yaml.BaseLoader)
    inputs = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]

    jsonschema.validate(workflow, get_builtin_schema("vendor.github-workflows"))
    for step in (step for job in workflow["jobs"].values() for step in job["steps"]):
        assert "lockgate@" not in step.get("uses", "") or set(step["with"]) <= set(inputs)


@pytest.mark.parametrize("text", blocks("json"))
def test_every_document_is_json(text: str) -> None:
    """As a program reads it."""
    json.loads(text)


@pytest.mark.parametrize("text", blocks("toml"))
def test_every_table_is_toml(text: str) -> None:
    """As a program reads it."""
    tomllib.loads(text)


def test_the_metric_of_ones_own_is_tried_as_its_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program of docs/own-metrics.md, with the function of the same page in the file that it names."""
    page = (ROOT / "docs" / "own-metrics.md").read_text(encoding="utf-8")
    program, function = (
        next(text for _, language, text in FENCE.findall(page) if language == "python" and word in text)
        for word in ("run_gate", "def profit")
    )
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "mine.py").write_text(function, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    exec(program, {})

    assert capsys.readouterr().out.startswith('pass ["profit is 10 EUR')

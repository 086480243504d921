"""Only `gate run`, and a re-run of its gates, runs code of the checkout; every other command reads it as text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from helpers.desk import Desk
from lockgate.cli.commands import adopt, check, history, kinds, plan, promote, report, rollback, schema, status, verify
from lockgate.cli.commands.vote import approve, reject
from lockgate.errors import PipelineError
from lockgate.pipeline.loader import load

TRAP = "from pathlib import Path\n(Path(__file__).parent / 'it-ran').touch()\n"
GATE = f"""\
{TRAP}from lockgate import Gate, Subject


class Size(Gate):
    subjects = {{"model_mb": Subject("model_mb", "lower", counted=True, unit="MB", bounds=(0, None))}}
    words: int = 3

    def check(self, case):
        yield from ()
"""
PIPELINE = """\
model: {model}
task: binary
threshold: 0.5
registry: {{uri: "sqlite:///m.db"}}
candidate: {{newest: true}}
champion: {{alias: production, else: none}}
data:
  holdout: {{path: data.csv, label: y}}
gates:
  - {{gate: metadata, require: [requirements >= 0]}}
  - {{gate: ./gates/size.py:Size, words: 4, require: [model_mb <= 5]}}
  - gate: metrics
    data: holdout
    functions: {{profit: {{function: ./gates/profit.py:profit, better: higher}}}}
    require: [profit >= 1, iou >= 0.5, accuracy >= 0.5]
per_row: {{iou: {{function: ./gates/iou.py:iou, better: higher}}}}
signoff:
  groups: {{owners: [{{key: "{key}"}}]}}
  require: {{owners: 1}}
  separation_of_duties: false
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Every kind of code that a checkout can bring, each of which leaves a trace where it runs."""
    desk = Desk(tmp_path, monkeypatch)
    from lockgate.signoff import ssh

    desk.pipeline.write_text(PIPELINE.format(model=desk.model, key=ssh.public_key(desk.key)))
    for name in ("profit", "iou"):
        (tmp_path / "gates" / f"{name}.py").write_text(f"{TRAP}\ndef {name}(*rows):\n    return 1.0\n")
    (tmp_path / "gates" / "size.py").write_text(GATE)
    (tmp_path / "data.csv").write_text("x,y\n1,0\n2,1\n")
    return desk


def ran(desk: Desk) -> bool:
    return (desk.folder / "gates" / "it-ran").exists()


def test_no_other_command_runs_code_of_the_checkout(desk: Desk) -> None:
    """From the first look to the way back."""
    first, second = desk.register(), desk.register()
    calls: list[tuple[Any, ...]] = [
        (check.command,), (check.command, "--data"), (plan.command,), (kinds.command,), (schema.command,),
        (adopt.command, desk.model, "--version", 1, "--reason", "it runs"),
    ]  # fmt: skip
    codes = {str(call[1:]) + call[0].name: desk.gate(*call).exit_code for call in calls}
    about = desk.evaluate(second, champion=first)
    for call in [
        (approve, about.digest, "--key", desk.key), (promote.command, about.digest), (report.command, about.digest),
        (status.command, desk.model), (history.command, desk.model), (verify.command, desk.model),
        (rollback.command, desk.model, "--reason", "stalls"), (reject, about.digest, "--key", desk.key),
    ]:  # fmt: skip
        codes[call[0].name] = desk.gate(*call).exit_code

    assert set(codes.values()) == {0}, codes
    assert not ran(desk)
    assert load(desk.pipeline, environ={}, run_code=True).policy_digest == load(desk.pipeline, environ={}).policy_digest
    assert ran(desk)


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        ("words: 4", "wrods: 4", "there is no key 'wrods' here; known: .*did you mean 'words'"),
        ("words: 4", "words: many", "words must be a whole number"),
        ("model_mb <= 5", "model_gb <= 5", "Size knows no 'model_gb'; known: model_mb"),
        ("size.py:Size", "size.py:Path", r"^ok$"),
        ("size.py:Size", "size.py:Nobody", "size.py has no 'Nobody'"),
        ("size.py:Size", "profit.py:profit", "is not a gate: it must be a class derived from"),
        ("size.py:Size", "broken.py:Size", r"broken.py is no Python, as line 2 shows"),
        ("./gates/iou.py:iou", "../iou.py:iou", "16:27: '../iou.py:iou' leads out of the project"),
        (
            "./gates/profit.py:profit",
            "./gates/out.py:profit",
            "14:36: './gates/out.py:profit' leads out of the project",
        ),
        ("./gates/size.py:Size", "./gates/out.py:Size", "there is no file ./gates/out.py below the project's root"),
    ],
)
def test_the_text_of_a_gate_is_checked(desk: Desk, written: str, instead: str, message: str) -> None:
    """What its class says in literals; what only running it tells is left to the run, and said."""
    (desk.folder / "gates" / "broken.py").write_text("x = 1\nclass secret-of-somebody\n")
    (desk.folder / "gates" / "out.py").symlink_to("/etc/passwd")
    text = desk.pipeline.read_text()
    assert written in text
    desk.pipeline.write_text(text.replace(written, instead))

    try:
        load(desk.pipeline, environ=None)
        complaints = "ok"
    except PipelineError as error:
        complaints = str(error)

    assert re.search(message, complaints), complaints
    assert "secret-of-somebody" not in complaints
    assert not ran(desk)


@pytest.mark.parametrize(
    ("sets", "complaint"),
    [
        ('{"small": ("model_mb <= 5",)}', "ok"),
        ('{"small": ("model_gb <= 5",)}', "Size knows no 'model_gb'"),
        ('{"large": ("model_mb <= 5",)}', "require must be a list, and is the text 'small'"),
        ("made()", "ok"),
        ('{"small": ("no line",)}', "ok"),
    ],
)
def test_a_word_of_require_stands_for_the_lines_that_the_class_has_for_it(
    desk: Desk, sets: str, complaint: str
) -> None:
    """As far as its text tells them; else they are known when it runs."""
    path = desk.folder / "gates" / "size.py"
    path.write_text(
        path.read_text().replace("    words: int = 3\n", f"    words: int = 3\n    requirement_sets = {sets}\n")
    )
    desk.pipeline.write_text(desk.pipeline.read_text().replace("require: [model_mb <= 5]", "require: small"))
    assert "requirement_sets" in path.read_text()

    try:
        load(desk.pipeline, environ=None)
        complaints = "ok"
    except PipelineError as error:
        complaints = str(error)

    assert complaint in complaints
    assert not ran(desk)


def test_what_a_gate_imports_from_beside_it_is_told_before_the_run(desk: Desk) -> None:
    """A run looks nowhere but where packages are installed; a name that is installed, too, is that one."""
    for name in ("helper", "yaml", "json"):
        (desk.folder / "gates" / f"{name}.py").touch()
    path = desk.folder / "gates" / "size.py"
    path.write_text(f"import json, yaml, helper.part\nfrom . import more\n{path.read_text()}")

    result = desk.gate(check.command)

    assert result.exit_code == 0, result.output
    assert "Size: ./gates/size.py:Size imports helper, .more, which a run does not find" in result.stderr


@pytest.mark.parametrize(
    ("body", "unread"),
    [
        ("    words: int = 3\n", ()),
        ("    words: 'int' = 3\n", ("fields",)),
        ("    words: int = Field(default=3)\n", ("fields",)),
        ("    words: int = 3\n    def complaints(self, pipeline):\n        return ()\n", ("fields",)),
        ("    words: int = 3\n    subjects = make()\n", ("fields", "requirements")),
        ("    words: int = 3\n    @property\n    def lines(self):\n        return ()\n", ("fields", "requirements")),
        ("    model_config = {'extra': 'allow'}\n", ("fields", "requirements")),
        ("    for words in ():\n        pass\n", ("fields", "requirements")),
    ],
)
def test_what_the_text_does_not_tell_is_said(desk: Desk, body: str, unread: tuple[str, ...]) -> None:
    """A gate is never refused for what could not be read."""
    subjects = "" if "subjects" in body else "    subjects = {'model_mb': Subject('model_mb', 'lower', counted=True)}\n"
    text = f"{TRAP}from lockgate import Gate, Subject\n\n\nclass Size(Gate):\n{subjects}{body}"
    (desk.folder / "gates" / "size.py").write_text(text)

    result = desk.gate(check.command)

    assert result.exit_code == 0, result.output
    said = f"Size: {' and '.join(unread)} of ./gates/size.py:Size are checked when it runs" in result.stderr
    assert said == bool(unread), result.stderr
    assert not ran(desk)

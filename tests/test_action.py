"""The action installs from hashes what the project is tested with, and offers only what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lockgate.commands.github import command

ROOT = Path(__file__).resolve().parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = ACTION["runs"]["steps"]
PIN = re.compile(r"^([A-Za-z0-9._\-]+)(?:\[[a-z,\-]+\])?==([^ ;\\]+)", re.M)


def pins(name: str) -> dict[str, str]:
    """Package → version of a file of pins."""
    found = PIN.findall((ROOT / name).read_text(encoding="utf-8"))
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in found}


@pytest.mark.parametrize("lock", ["locks/decide.txt", "locks/run.txt"])
def test_a_lock_holds_tested_versions_by_hash_and_names_no_index(lock: str) -> None:
    """Every version is the one of constraints.txt, where that has the package; each has hashes."""
    text, tested = (ROOT / lock).read_text(encoding="utf-8"), pins("constraints.txt")
    entries = re.split(r"\n(?=\S)", text.strip())

    assert {name: tested[name] for name in pins(lock) if name in tested} == {
        name: version for name, version in pins(lock).items() if name in tested
    }
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert "--index" not in text


def test_the_locks_hold_what_is_needed() -> None:
    """All dependencies of ours for a run, few and no mlflow for a decision; both can build us without an index."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.split(r"[<>=\[]", one)[0] for one in project["dependencies"]}

    assert needed | {"hatchling"} <= set(pins("locks/run.txt"))
    assert {"click", "pydantic", "pyyaml", "requests", "rfc8785", "hatchling"} <= set(pins("locks/decide.txt"))
    assert len(pins("locks/decide.txt")) < 25
    assert not {"mlflow", "numpy", "pandas", "pyarrow"} & set(pins("locks/decide.txt"))


def test_it_offers_what_gate_github_has() -> None:
    """Commands are the same in the description, in the installation and in the program."""
    cases = re.findall(r"^ +([a-z |]+)\) lock=", STEPS[0]["run"], re.M)
    installed = {name.strip() for case in cases for name in case.split("|")}

    assert installed == set(command.commands)
    assert all(name in ACTION["inputs"]["command"]["description"] for name in installed)


def test_no_text_from_outside_stands_in_a_script() -> None:
    """Inputs reach the program as variables; every one does, and nothing is imported from the workspace."""
    for step in STEPS:
        assert "${{" not in step["run"]
        assert step["run"].startswith("set -euo pipefail\n")
        called = re.findall(r"(?:bin/python|python3)\b.*", step["run"])
        assert called
        assert all(re.match(r"\S+ -I |\S+\" -I ", line) for line in called)
    given = {value.strip("${ }") for value in STEPS[1]["env"].values()}

    assert {f"inputs.{name}" for name in ACTION["inputs"]} <= given
    assert {re.search(r"outputs\.([a-z\-]+)", out["value"])[1] for out in ACTION["outputs"].values()} == set(
        ACTION["outputs"]
    )  # type: ignore[index]


def test_every_option_of_a_command_is_an_input() -> None:
    """What a command can be told, the action passes on."""
    told = set(STEPS[1]["env"])
    for sub in command.commands.values():
        assert {option.envvar for option in sub.params} - {None} <= told


@pytest.mark.parametrize("schema", ["vendor.github-actions"])
def test_it_is_what_github_accepts(schema: str) -> None:
    """By GitHub's own schema, and without a finding of zizmor."""
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, "action.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    judged = subprocess.run(
        [str(Path(sys.executable).parent / "zizmor"), "--offline", "action.yml", ".github/workflows"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert checked.returncode == 0, checked.stdout
    assert judged.returncode == 0, judged.stdout

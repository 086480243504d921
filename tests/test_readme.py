"""The README shows nothing that is not so."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

from helpers.fakes import ask, case_of
from lockgate.cli.main import COMMANDS
from lockgate.gates.gate import Gate
from lockgate.pipeline import loader

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKYHsdXnOq2+9Fd9r3H0tRr2a5p0q8fXTdxqyKQ0nG0w olga@example.org"

GATE_OF_RELEASE_0_1 = '''
from lockgate.estimate import counted
from lockgate.gate import Gate
from lockgate.judge import judge
from lockgate.requirement import Subject


class Size(Gate):
    """How many megabytes the candidate's files take."""

    subjects = {"model_mb": Subject("model_mb", "lower", counted=True, unit="MB", bounds=(0, None))}

    def check(self, case):
        files = [path for path in case.candidate.files.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / 1e6
        asked = self.asked(case)
        estimates = [counted(name, line, value=size, units=len(files)) for name, line in asked]
        yield from judge(self.title, asked, estimates, self.subjects)
'''


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "gates").mkdir()
    return tmp_path


def test_the_pipeline_that_it_shows_is_accepted(checkout: Path) -> None:
    """With a real key in the place of the shortened one, the example passes `gate check`."""
    path = checkout / "gates" / "fraud.yaml"
    path.write_text(blocks("yaml")[0].replace("ssh-ed25519 AAAA… olga@example.org", KEY), encoding="utf-8")

    loaded = loader.load(path, environ=None)

    assert [gate.title for gate in loaded.gates] == ["signature", "metadata", "metrics", "latency", "shadow"]
    assert loaded.signed


def size_gate(checkout: Path, source: str) -> Gate:
    """The README's gate of one's own with this source, run from its file, in the pipeline beside it there."""
    (checkout / "gates" / "size.py").write_text(source, encoding="utf-8")
    path = checkout / "gates" / "fraud.yaml"
    path.write_text(
        "model: fraud\ntask: binary\nregistry: {uri: 'sqlite:///mlflow.db'}\ngates:\n" + blocks("yaml")[1],
        encoding="utf-8",
    )
    return loader.load(path, environ=None, run_code=True).gate("Size")


def judged(folder: Path, gate: Gate, size: int) -> str:
    """What a gate of sizes says of a candidate with one file of so many bytes."""
    case = case_of(folder / "run")
    with (case.candidate.files / "weights.bin").open("wb") as file:
        file.truncate(size)
    result = ask(case, gate)
    return f"{result.verdict} {result.name} {[finding.requirement for finding in result.findings]}"


def test_the_gate_that_it_shows_is_a_gate(checkout: Path) -> None:
    """The example of a gate of one's own loads from its file with one import, and judges, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        gate = size_gate(checkout, blocks("python")[0])

        assert [str(line) for line in gate.lines] == ["model_mb <= 500"]
        assert judged(checkout, gate, 1_000_000) == "pass Size ['r1']"


def test_the_gate_that_the_readme_of_the_release_before_showed_still_works(checkout: Path) -> None:
    """Its modules and its methods, each with a warning that says what to write instead."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        gate = size_gate(checkout, GATE_OF_RELEASE_0_1)

        assert judged(checkout, gate, 501_000_000) == "fail Size ['r1']"
    said = {str(warning.message) for warning in warned if warning.filename.endswith("size.py")}
    assert said == {
        "lockgate.estimate goes with the next release; write: from lockgate import counted",
        "lockgate.gate goes with the next release; write: from lockgate import Gate",
        "lockgate.judge goes with the next release; write: from lockgate import judge",
        "lockgate.requirement goes with the next release; write: from lockgate import Subject",
        "Size.asked is called requirements_for now; the former name goes with the next release",
    }


def test_every_command_that_it_names_exists() -> None:
    """`gate WORD` in the README is a command."""
    named = set(re.findall(r"`?gate ([a-z]+)", README)) - {"demo"}
    assert {word for word in named if f"gate {word}" in README and word in COMMANDS} >= {"run", "check", "approve"}
    assert not {word for word in re.findall(r"`gate ([a-z]+)", README) if word not in COMMANDS}

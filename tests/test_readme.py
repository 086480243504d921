"""The README shows nothing that is not so."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
import yaml

from helpers.fakes import ask, case_of
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


def block(language: str, of: str) -> str:
    """The one block of that language with these words in it."""
    found = re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    (match,) = (text for text in found if of in text)
    return match


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "gates").mkdir()
    return tmp_path


def test_the_pipeline_that_it_shows_is_accepted(checkout: Path) -> None:
    """With a real key in the place of the shortened one, the example passes `gate check`."""
    path = checkout / "gates" / "fraud.yaml"
    path.write_text(block("yaml", of="signoff:").replace("ssh-ed25519 AAAA… olga@example.org", KEY), encoding="utf-8")

    loaded = loader.load(path, environ=None)

    assert [gate.title for gate in loaded.gates] == ["signature", "metrics", "latency", "shadow"]
    assert loaded.signed


def size_gate(checkout: Path, source: str) -> Gate:
    """The README's gate of one's own with this source, run from its file, in the pipeline beside it there."""
    (checkout / "gates" / "size.py").write_text(source, encoding="utf-8")
    path = checkout / "gates" / "fraud.yaml"
    path.write_text(
        "model: fraud\ntask: binary\nregistry: {uri: 'sqlite:///mlflow.db'}\ngates:\n" + block("yaml", of="size.py"),
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
        gate = size_gate(checkout, block("python", of="(Gate)"))

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


def test_the_workflow_that_it_shows_is_eight_lines_that_the_action_takes() -> None:
    """It names a command, and inputs that there are."""
    text = block("yaml", of="uses:")
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    ((*_, step),) = (job["steps"] for job in yaml.safe_load(text)["jobs"].values())

    assert len(text.splitlines()) == 8
    assert set(step["with"]) <= set(action["inputs"])
    assert step["with"]["command"] in action["inputs"]["command"]["description"]


def test_the_outcome_of_a_comment_that_it_shows_is_what_is_written() -> None:
    """Line by line, in the comment of a story that a test plays."""
    written = (ROOT / "tests" / "e2e" / "snapshots" / "comment-promoted.md").read_text(encoding="utf-8")
    shown = re.findall(r"^> (.+)$", README, re.MULTILINE)

    assert len(shown) == 4
    assert [line for line in shown if line not in written.replace("\u200b", "")] == []


def test_the_pictures_that_it_shows_load_nothing() -> None:
    """They are of a run of the demo's bad candidate, as `helpers.readme_picture` writes them; pages show no picture that fetches."""
    path, report = re.findall(r"^!\[.+\]\((.+)\)$", README, re.MULTILINE)
    picture = (ROOT / path).read_text(encoding="utf-8")

    assert set(re.findall(r"https?://[^\"' )]+", picture)) == {"http://www.w3.org/2000/svg"}
    assert "$&#160;gate&#160;run&#160;--candidate&#160;version=2" in picture
    assert "country=BR" in picture
    assert (ROOT / report).read_bytes().startswith(b"\x89PNG")

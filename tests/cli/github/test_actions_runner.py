"""What GitHub's runner is told, and what it must never take for a command."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from helpers.desk import Desk
from lockgate.cli.commands import adopt, promote
from lockgate.cli.commands.github import command
from lockgate.cli.commands.vote import approve
from lockgate.cli.github.actions_runner import triggering_identity
from lockgate.evidence.evidence import Evidence
from lockgate.signoff import ssh
from lockgate.signoff.identity import Identity

PIPELINE = """\
model: {model}
task: binary
registry: {{uri: "sqlite:///m.db"}}
candidate: {{newest: true}}
champion: {{alias: production, else: none}}
gates:
  - gate: metadata
    require: [{line}]
"""


class Step:
    """One step of a job: its files, and what it was called with."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.output, self.summary = folder, folder / "output", folder / "summary"

    def call(self, *arguments: str, **environ: str) -> Result:
        given = {"GITHUB_OUTPUT": str(self.output), "GITHUB_STEP_SUMMARY": str(self.summary), **environ}
        return CliRunner(env=given).invoke(command, list(arguments), standalone_mode=False)

    @property
    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.output.read_text().splitlines())


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


@pytest.fixture
def step(tmp_path_factory: pytest.TempPathFactory) -> Step:
    return Step(tmp_path_factory.mktemp("step"))


def ask(desk: Desk, line: str) -> None:
    """A pipeline whose one gate asks this of the version's metadata."""
    desk.register()
    desk.pipeline.write_text(PIPELINE.format(model=desk.model, line=line))


def test_a_run_tells_verdict_digest_summary_and_annotations(desk: Desk, step: Step, tmp_path: Path) -> None:
    """What may be uploaded lies in the folder, and the exit code is the verdict's; unset inputs arrive empty."""
    ask(desk, "training_data >= 1")
    done = step.call("run", "--evidence", str(tmp_path / "out"), GATE_CANDIDATE="", GATE_PIPELINE="", GATE_PYTHON="")
    kept = Evidence.read((tmp_path / "out" / "evidence.json").read_bytes())

    assert done.return_value == 1
    assert step.outputs == {"verdict": "fail", "opens": "no", "evidence-digest": kept.digest}
    assert "training data" in step.summary.read_text()
    assert re.search(r"^::error file=gates/fraud.yaml,line=8,title=metadata%3A training_data >= 1::", done.stderr, re.M)
    assert {"evidence.json", "evidence.sha256", "report.html", "report.md", "report.json", "report.xml"} == {
        str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()
    }


def opened(folder: Path, author: int, sender: int, kind: str = "User") -> dict[str, str]:
    """What the runner says of a pull request: who opened it, and who pushed to it."""
    people = [{"id": number, "login": f"n{number}", "type": kind} for number in (author, sender)]
    told = folder / "event.json"
    told.write_text(json.dumps({"pull_request": {"number": 12, "user": people[0]}, "sender": people[1]}))
    return {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(told)}


@pytest.mark.parametrize(
    ("author", "sender", "kind", "said"),
    [
        (7, 9, "User", "owners needs 1 and 0 can"),
        (9, 7, "User", "owners needs 1 and 0 can"),
        (9, 9, "Bot", "cannot be matched to anybody"),
        (9, 8, "User", None),
    ],
)
def test_a_pull_request_that_nobody_could_ever_approve_is_refused_before_a_model_is_asked(
    desk: Desk, step: Step, tmp_path: Path, author: int, sender: int, kind: str, said: str | None
) -> None:
    """Its only owner made it or pushed to it, or nobody knows who stands behind a bot."""
    ask(desk, "training_data >= 1")
    with desk.pipeline.open("a") as pipeline:
        pipeline.write("signoff: {groups: {owners: [{github: ana, id: 7}]}, require: {owners: 1}}\n")
    done = step.call("run", "--evidence", str(tmp_path / "out"), **opened(tmp_path, author, sender, kind))

    assert done.return_value == (1 if said is None else 2)
    assert step.outputs["verdict"] == ("fail" if said is None else "error")
    assert said is None or said in done.stderr
    assert (tmp_path / "out" / "evidence.json").exists() == (said is None)


def test_a_pass_is_a_pass(desk: Desk, step: Step, tmp_path: Path) -> None:
    """Exit code 0, no annotation, and what lay in the folder before is gone."""
    ask(desk, "requirements >= 0")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    done = step.call("run", "--evidence", str(tmp_path / "out"))

    assert (done.return_value, step.outputs["verdict"], step.outputs["opens"]) == (0, "pass", "yes")
    assert "::error" not in done.stderr
    assert not (tmp_path / "out" / "old").exists()


def test_what_a_run_writes_is_no_command(desk: Desk, step: Step, tmp_path: Path) -> None:
    """Everything but our own annotations stands between stop-commands and its token, on one stream."""
    ask(desk, "training_data >= 1")
    done = step.call("run", "--evidence", str(tmp_path / "out"))
    stop = re.search(r"^::stop-commands::([0-9a-f]{32})$", done.stderr, re.M)
    assert stop is not None
    before, _, rest = done.stderr.partition(stop[0])
    inside, _, after = rest.partition(f"\n::{stop[1]}::\n")

    assert done.stdout == ""
    assert all(line.startswith("::add-mask::") for line in before.splitlines())
    assert "fail" in inside
    assert all(line.startswith("::error ") for line in after.splitlines())


def test_a_broken_run_is_an_error_and_says_why_without_speaking_to_the_runner(
    step: Step, desk: Desk, tmp_path: Path
) -> None:
    """Its text is a message and a line of the summary, whatever it holds."""
    desk.pipeline.write_text('model: "x\\n::add-mask::pass\\n##[error]y @octo <img>"\nfrobnicate: 1\n')
    done = step.call("run", "--evidence", str(tmp_path / "out"))

    assert done.return_value == 2
    assert step.outputs == {"verdict": "error", "opens": "no"}
    assert "::add-mask::pass" not in step.summary.read_text()
    assert len(re.findall(r"^::error title=gate::.*frobnicate", done.stderr, re.M)) == 1


def test_what_is_secret_is_masked_as_it_stands_and_as_it_travels(step: Step, desk: Desk, tmp_path: Path) -> None:
    """Plain, in an address and in a header; what is short or no secret by its name is not hidden."""
    ask(desk, "requirements >= 0")
    done = step.call(
        "run",
        "--evidence",
        str(tmp_path / "out"),
        MLFLOW_TRACKING_TOKEN="to/ken=%1\nline two",
        MY_PASSWORD="abc",
        GITHUB_SHA="0" * 40,
    )
    masks = re.findall(r"^::add-mask::(.*)$", done.stderr, re.M)

    assert {"to/ken=%251", "to%252Fken%253D%25251", base64.b64encode(b"to/ken=%1").decode(), "line two"} <= set(masks)
    assert "abc" not in masks
    assert "0" * 40 not in masks


def test_the_runners_files_are_taken_away_from_whom_we_start(
    step: Step, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model could else set the outputs of the job that judges it."""
    seen: dict[str, str] = {}
    monkeypatch.setattr(
        "lockgate.cli.github.evaluation_job.run_pipeline", lambda *_, **__: seen.update(os.environ) or _stop()
    )
    done = step.call(
        "run", "--evidence", str(tmp_path / "out"), GITHUB_ENV="e", GITHUB_PATH="p", GITHUB_STATE="s", GITHUB_RUN_ID="7"
    )

    assert isinstance(done.exception, RuntimeError)
    assert not {"GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE"} & set(seen)
    assert seen["GITHUB_RUN_ID"] == "7"


def _stop() -> None:
    raise RuntimeError("seen")


def test_nothing_stands_by_and_the_schedule_says_so(desk: Desk, step: Step) -> None:
    """A schedule that finds nothing to do is done; it has verified the ledger, too."""
    desk.register()
    done = step.call("archive", GATE_MODEL=desk.model)

    assert (done.return_value, step.outputs) == (0, {"state": "done"})
    assert len(step.summary.read_text().splitlines()) >= 2
    assert all(line.startswith("* ") for line in step.summary.read_text().splitlines())


def test_a_schedule_that_finds_another_hand_fails(desk: Desk, step: Step) -> None:
    """An alias that the ledger knows nothing of."""
    version = desk.register()
    desk.models.registry.set_alias(desk.model, "production", version.version)
    done = step.call("archive", GATE_MODEL=desk.model)

    assert (done.return_value, step.outputs) == (1, {"state": "refused", "reason-code": "does_not_agree"})
    assert "production" in step.summary.read_text()


def test_a_rollback_that_is_refused_says_why(desk: Desk, step: Step) -> None:
    """There is nothing to go back to."""
    desk.register()
    done = step.call("rollback", GATE_MODEL=desk.model, GATE_REASON="it is slow", GATE_TO="")

    assert (done.return_value, step.outputs) == (1, {"state": "refused", "reason-code": "nothing_to_roll_back"})
    assert "::error title=gate::" in done.stderr


@pytest.mark.parametrize(
    ("who", "number", "again", "code", "outputs"),
    [
        ("mallory", "1", "mallory", 3, {"state": "pending", "reason-code": "owner_needed"}),
        ("octocat", "583231", "mallory", 3, {"state": "pending", "reason-code": "owner_needed"}),
        ("octocat", "583231", "octocat", 0, {"state": "rolled_back"}),
    ],
)
def test_where_an_owner_is_asked_only_a_run_that_an_owner_started_rolls_back(
    desk: Desk, step: Step, who: str, number: str, again: str, code: int, outputs: dict[str, str]
) -> None:
    """By their number; a run that somebody else started again is nobody's word."""
    owners = f'[{{key: "{ssh.public_key(desk.key)}"}}, {{github: octocat, id: 583231}}]'
    desk.write("  rollback: owner\n")
    desk.pipeline.write_text(re.sub(r"owners: \[.*\]", f"owners: {owners}", desk.pipeline.read_text()))
    first, second = desk.register(), desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    about = desk.evaluate(second, champion=first)
    desk.gate(approve, about.digest, "--key", desk.key)
    assert desk.gate(promote.command, about.digest).exit_code == 0

    done = step.call(
        "rollback", GATE_MODEL=desk.model, GATE_REASON="it is slow",
        GITHUB_ACTOR=who, GITHUB_ACTOR_ID=number, GITHUB_TRIGGERING_ACTOR=again,
    )  # fmt: skip

    assert (done.return_value, step.outputs) == (code, outputs), done.stderr
    assert desk.models.registry.aliases(desk.model)["production"] == ("1" if code == 0 else "2")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"GITHUB_ACTOR": "octocat", "GITHUB_ACTOR_ID": "583231", "GITHUB_TRIGGERING_ACTOR": "octocat"}, Identity("github", "583231", "octocat")),
        ({"GITHUB_ACTOR": "octocat", "GITHUB_ACTOR_ID": "583231", "GITHUB_TRIGGERING_ACTOR": "hubot"}, Identity("unverified", "hubot")),
        ({"GITHUB_ACTOR": "octocat", "GITHUB_ACTOR_ID": "x"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_who_started_a_run_is_known_by_number(environ: dict[str, str], expected: Identity | None) -> None:
    """Somebody who ran another's run again has only a login, which proves nothing."""
    assert triggering_identity(environ) == expected

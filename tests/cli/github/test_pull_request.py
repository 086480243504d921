"""A job about a pull request, against an emulated GitHub whose every request is held to GitHub's own description."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from helpers.hooks import Hook
from helpers.hub.contract import github
from helpers.hub.emulator import BOT, NAME, NUMBER, World, user
from helpers.hub.served import TOKEN, Served
from lockgate.cli.commands.github import command
from lockgate.cli.github.pull_request import code_not_run_again, require_possible_approval
from lockgate.errors import UsageError
from lockgate.pipeline.loader import load
from lockgate.registries.ports import ModelVersion

PIPELINE = f"""\
model: fraud
task: binary
registry: {{uri: "${{MLFLOW_TRACKING_URI}}"}}
candidate: {{file: models/fraud.version}}
champion: {{alias: production, else: none}}
gates:
  - gate: metadata
signoff:
  groups: {{owners: [{{github: ana, id: {user("ana")["id"]}}}, {{github: dev, id: {user("dev")["id"]}}}]}}
  require: {{owners: 1}}
"""


CHURN = ".github/workflows/gate-churn.yml"


class Job:
    """A job on the default branch, which holds nothing but a token for comments. name: of the pipeline."""

    name = "fraud"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".git").mkdir()
        (folder / "gates").mkdir()
        self.pipeline = folder / "gates" / "fraud.yaml"
        self.pipeline.write_text(PIPELINE)
        policy = load(self.pipeline, environ=None, root=folder).policy_digest
        self.world = World(github(), policy=policy, now=datetime.now(UTC).replace(microsecond=0))
        self.served = Served(self.world)

    def environ(self, event: dict[str, Any] | None) -> dict[str, str]:
        told = {"pull_request": {"number": NUMBER}} if event is None else event
        (self.folder / "event.json").write_text(json.dumps(told))
        return {
            "GITHUB_REPOSITORY": NAME, "GITHUB_API_URL": self.served.api, "GITHUB_EVENT_PATH": str(self.folder / "event.json"),
            "GITHUB_OUTPUT": str(self.folder / "output"), "GITHUB_STEP_SUMMARY": str(self.folder / "summary"), "GATE_TOKEN": TOKEN,
            "GATE_PIPELINE": f"gates/{self.name}.yaml", "GATE_WORKFLOW": "gate.yml" if self.name == "fraud" else f"gate-{self.name}.yml",
        }  # fmt: skip

    def call(self, name: str, event: dict[str, Any] | None = None) -> Result:
        (self.folder / "output").unlink(missing_ok=True)
        more = ["--record", str(self.folder / "record")] if name == "decide" else []
        done = CliRunner(env=self.environ(event)).invoke(command, [name, *more], standalone_mode=False)
        if name == "decide" and (self.folder / "record" / "record.jsonl").exists():
            path = ".github/workflows/gate-approve" + ("" if self.name == "fraud" else f"-{self.name}") + ".yml"
            self.world.keep((self.folder / "record" / "record.jsonl").read_bytes(), path=path)
        return done

    def add(self, name: str) -> str:
        """One more pipeline on the default branch; its policy digest."""
        path = self.folder / "gates" / f"{name}.yaml"
        path.write_text(PIPELINE.replace("fraud", name))
        return load(path, environ=None, root=self.folder).policy_digest

    def states(self, event: dict[str, Any]) -> dict[str, tuple[str, str]]:
        """pipeline → (state, reason-code) after each of two pipelines decided."""
        states = {}
        for self.name in ("fraud", "churn"):
            done = self.call("decide", event)
            assert done.exit_code == 0, done.stderr
            states[self.name] = (self.outputs["state"], self.outputs["reason-code"])
        return states

    @property
    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in (self.folder / "output").read_text().splitlines())

    @property
    def said(self) -> list[str]:
        """What we wrote below the pull request."""
        return [one["body"] for one in self.world.comments.values() if one["user"] == BOT]


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    monkeypatch.chdir(tmp_path)
    here = Job(tmp_path)
    yield here
    here.served.close()
    assert here.served.violations == []


def test_the_comment_stands_once_and_follows_what_happens(job: Job) -> None:
    """Written when the gate ran, rewritten when somebody votes and when the next commit was evaluated."""
    evidence = job.world.run_gate()
    job.call("comment")
    first = job.said
    decided = job.call("decide", job.world.comment("ana", f"/gate approve {evidence.digest}"))
    approved, told = job.said, job.outputs
    job.world.push("dev")
    newer = job.world.run_gate()
    job.call("comment")

    assert [len(first), len(approved), len(job.said)] == [1, 1, 1]
    assert first[0].startswith("<!-- gate:v1 100/12/fraud -->\n### ✅ fraud version 2 passes every gate that counts\n")
    assert f"\n/gate approve {evidence.digest}\n" in first[0]
    assert "1 of owners (@ana) must" in first[0]
    assert (decided.return_value, told["state"], told["evidence-digest"]) == (0, "approved", evidence.digest)
    assert "### ✅ fraud version 2 is approved" in approved[0]
    assert f"\n/gate approve {newer.digest}\n" in job.said[0]
    assert f"replaces ~~`{evidence.digest}`~~" in job.said[0]


def test_a_veto_is_remembered_when_its_comment_is_gone(job: Job) -> None:
    """The record that the job leaves has it, where no writer can delete it."""
    job.world.run_gate()
    veto = job.world.comment("ana", "/gate reject\nthe slice BR")
    job.call("decide", veto)
    gone = job.world.delete(veto["comment"]["id"], "dev")
    job.call("decide", gone)

    assert job.outputs["state"] == "rejected"
    assert "### ⛔ fraud version 2 was rejected" in job.said[0]


def test_a_vote_that_does_not_count_is_told_in_the_comment(job: Job) -> None:
    """The author of a commit cannot approve it."""
    evidence = job.world.run_gate()
    job.call("decide", job.world.comment("dev", f"/gate approve {evidence.digest}"))

    assert job.outputs == {"state": "pending", "reason-code": "votes_missing", "evidence-digest": evidence.digest}
    assert "'s approval does not count: dev had a hand in what was evaluated" in job.said[0]


def test_before_the_gate_ran_there_is_nothing_to_approve(job: Job) -> None:
    """And the comment says what it waits for."""
    job.call("decide", job.world.comment("ana", "/gate status"))

    assert job.outputs == {"state": "pending", "reason-code": "no_evidence", "evidence-digest": ""}
    assert "### ⏳ Nothing to approve yet" in job.said[0]


def test_a_token_that_may_not_comment_writes_the_summary(job: Job) -> None:
    """As in a pull request from a fork; the step still ends well."""
    evidence = job.world.run_gate()
    job.world.fault = lambda method, target: (
        (403, {}, b'{"message": "Resource not accessible"}') if method == "POST" else None
    )
    done = job.call("comment")

    assert (done.return_value, job.said) == (0, [])
    assert f"/gate approve {evidence.digest}" in (job.folder / "summary").read_text()


def test_sign_off_is_asked_for_once_for_each_evidence(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the job that keeps the comment, with a link; again for a new run, and not where nobody could approve."""
    with job.pipeline.open("a") as pipeline:
        pipeline.write('notify: [{webhook: "${HOOK}", on: [waiting]}]\n')
    job.world.policy = load(job.pipeline, environ=None, root=job.folder).policy_digest
    hook = Hook()
    monkeypatch.setenv("HOOK", hook.url)
    first = job.world.run_gate()
    job.call("comment")
    job.call("comment")
    job.call("decide", job.world.comment("ana", "/gate status"))
    second = job.world.run_gate()
    job.call("comment")
    job.world.push("dev", files=["gates/fraud.yaml"])
    job.world.run_gate()
    job.call("comment")
    hook.close()

    assert [told["digest"] for told in hook.told] == [first.digest, second.digest]
    assert hook.told[0]["links"]["pull_request"].startswith("https://github.com/")
    assert [one.startswith("<!-- gate:v1") for one in job.said] == [True]


def test_doubt_is_an_error_and_no_state(job: Job) -> None:
    """GitHub broke: exit code 4, the state error, nothing written."""
    job.world.run_gate()
    job.world.fault = lambda method, target: (
        (500, {}, b"{}") if target.startswith(f"/repos/{NAME}/pulls/{NUMBER}/files") else None
    )
    done = job.call("decide", job.world.comment("ana", "/gate status"))

    assert (done.return_value, job.outputs, job.said) == (4, {"state": "error"}, [])


def test_without_a_pipeline_on_the_default_branch_nothing_can_be_approved(job: Job) -> None:
    """What a pull request brings along does not judge it."""
    evidence = job.world.run_gate()
    job.pipeline.unlink()
    job.call("decide", job.world.comment("ana", f"/gate approve {evidence.digest}"))

    assert (job.outputs["state"], job.outputs["reason-code"]) == ("refused", "no_pipeline")
    assert "The default branch has no pipeline for this model yet" in job.said[0]


def test_the_pull_request_that_brings_a_first_pipeline_is_evaluated_and_can_be_merged(job: Job) -> None:
    """No job of it fails for what the default branch does not have yet, and its comment says what comes first."""
    job.world.files = [{"filename": "gates/fraud.yaml"}, {"filename": ".github/workflows/gate.yml"}]
    changed = job.call("changes").return_value, job.outputs["changed"]
    job.world.run_gate()
    job.pipeline.unlink()
    job.pipeline.parent.rmdir()
    told = job.call("comment").return_value

    assert (changed, told) == ((0, "yes"), 0)
    assert "nothing can be approved here. Merge the pipeline first; the next pull request that changes" in job.said[0]


def test_words_that_are_not_understood_are_linked_in_the_comment_and_answered(job: Job) -> None:
    """An owner approved, then another says something to the gate: it asks, and the job's output opens nothing."""
    evidence = job.world.run_gate()
    job.call("decide", job.world.comment("ana", f"/gate approve {evidence.digest}"))
    approved = job.outputs["state"]
    told = job.world.comment("dev", "wait, /gate hold")
    job.call("decide", told)

    assert (approved, job.outputs["state"], job.outputs["reason-code"]) == ("approved", "pending", "unclear")
    kept = next(one for one in job.said if one.startswith("<!-- gate:v1"))
    assert f"* @dev: the gate does not understand [these words]({told['comment']['html_url']}) of yours" in kept
    assert f"\n/gate approve {evidence.digest}\n" in kept
    assert [one.startswith("I know `/gate approve") for one in job.said if one != kept] == [True]
    job.call("decide", job.world.comment("dev", "/gate revoke"))
    assert job.outputs["state"] == "approved"


def test_a_review_updates_the_comment_and_starts_no_promotion(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its event holds no comment; what stands there is read as always. Its run has the pull request's own workflow."""
    evidence = job.world.run_gate()
    job.world.comment("ana", f"/gate approve {evidence.digest}")
    monkeypatch.setenv("GITHUB_EVENT_NAME", "pull_request_review")
    job.call("decide", job.world.review("ana", "APPROVED"))
    assert (job.outputs["state"], "### ✅ fraud version 2 is approved" in job.said[0]) == ("pending", True)
    job.call("decide", job.world.review("ana", "CHANGES_REQUESTED", "it flips on BR"))

    assert job.outputs["state"] == "rejected"
    assert "ana rejected it" in job.said[0]
    assert "a review that requests changes: it flips on BR" in job.said[0]


def test_an_update_of_the_branch_is_evaluated_where_its_sender_alone_could_approve(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the merge is GitHub's own is told later, by GitHub; a commit of theirs is refused at once."""
    author, ana = ({**user(name), "type": "User"} for name in ("eve", "ana"))
    event = {"action": "synchronize", "pull_request": {"number": NUMBER, "user": author}, "sender": ana}
    job.pipeline.write_text(PIPELINE.replace(f", {{github: dev, id: {user('dev')['id']}}}", ""))
    environ = {**job.environ(event), "GITHUB_EVENT_NAME": "pull_request"}
    (job.folder / ".git").rmdir()
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "GitHub")
        monkeypatch.setenv(f"{name}_EMAIL", "noreply@github.com")
    make = ["init -q", "commit -q --allow-empty -m a", "checkout -q -b other", "commit -q --allow-empty -m b"]
    for line in make:
        subprocess.run(["git", *line.split()], cwd=job.folder, check=True)
    with pytest.raises(UsageError, match="nobody could ever approve"):
        require_possible_approval(environ, None)

    merge = ["commit-tree", "-p", "HEAD", "-p", "HEAD~1", "-m", "Merge", "HEAD^{tree}"]
    made = subprocess.run(["git", *merge], cwd=job.folder, check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run(["git", "reset", "-q", "--soft", made], cwd=job.folder, check=True)

    require_possible_approval(environ, None)


@pytest.mark.parametrize(("by", "answers"), [("ana", 1), ("mallory", 0)])
def test_a_command_that_is_none_is_answered_to_those_who_may_vote(job: Job, by: str, answers: int) -> None:
    """Others cannot make us talk."""
    job.world.run_gate()
    job.call("decide", job.world.comment(by, "/gate approve sha256:1234"))

    assert len([one for one in job.said if one.startswith("I know `/gate approve")]) == answers
    assert job.outputs["state"] == "pending"


def test_an_event_of_something_else_is_refused(job: Job) -> None:
    """A comment below an issue, or no comment at all."""
    event = job.world.comment("ana", "/gate status")
    del event["issue"]["pull_request"]

    assert job.call("decide", event).return_value == 2
    assert job.call("comment", {"action": "opened"}).return_value == 2


def test_a_decision_loads_neither_a_model_nor_a_registry(job: Job) -> None:
    """A fresh process: none of the libraries that its small installation does not have."""
    evidence = job.world.run_gate()
    event = job.world.comment("ana", f"/gate approve {evidence.digest}")
    call = (
        "import sys; from lockgate.cli.main import run; code = run(['github', 'decide', '--record', 'r']); "
        "print(code, sorted({'numpy', 'scipy', 'pyarrow', 'pandas', 'mlflow', 'jinja2', 'rich'} & set(sys.modules)))"
    )
    path = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", call], env=job.environ(event) | path, capture_output=True, text=True, timeout=120
    )

    assert done.stdout == "0 []\n", done.stderr
    assert job.outputs["state"] == "approved"


def test_a_decision_on_three_hundred_comments_asks_the_api_at_most_twelve_times(job: Job) -> None:
    """The whole command, with a rejection to be remembered and the one comment written anew.

    The place where an artifact lies is another host, asked once for each of the two.
    """
    evidence = job.world.run_gate()
    job.call("decide", job.world.comment("dev", "/gate reject"))
    job.call("decide", job.world.comment("dev", "/gate revoke"))
    for _ in range(296):
        job.world.comment("eve", "+1")
    event = job.world.comment("ana", f"/gate approve {evidence.digest}")
    job.world.asked.clear()
    job.call("decide", event)
    stored = [one for one in job.world.asked if one.startswith("GET /storage/")]

    assert (len(job.world.comments), len(job.said), job.outputs["state"]) == (300, 1, "approved")
    assert len(job.world.asked) - len(stored) <= 12, job.world.asked
    assert len(stored) == 2


def test_two_models_in_one_pull_request_are_approved_each_by_its_own_digest(job: Job) -> None:
    """Each has its comment, its evidence and its record; what closes holds both."""
    policy = job.add("churn")
    job.world.files.append({"filename": "models/churn.version"})
    fraud = job.world.run_gate()
    churn = job.world.run_gate(path=CHURN, model="churn", policy=policy)
    opened = job.states(job.world.comment("ana", "/gate status"))
    first = job.states(job.world.comment("ana", f"/gate approve {fraud.digest}"))
    rejection = job.world.comment("ana", "/gate reject")
    rejected = job.states(rejection)
    gone = job.states(job.world.delete(rejection["comment"]["id"], "carl"))
    lifted = job.states(job.world.comment("ana", "/gate revoke"))
    second = job.states(job.world.comment("ana", f"/gate approve {churn.digest}"))

    waiting, approved = ("pending", "votes_missing"), ("approved", "approved")
    assert opened == {"fraud": waiting, "churn": waiting}
    assert first == {"fraud": approved, "churn": waiting}
    assert set(rejected.values()) == set(gone.values()) == {("rejected", "rejected")}
    assert lifted == {"fraud": waiting, "churn": waiting}
    assert second == {"fraud": waiting, "churn": approved}
    of_fraud, of_churn = job.said
    assert "fraud version 2" in of_fraud
    assert "churn version 2 is approved" in of_churn
    assert churn.digest not in of_fraud
    assert fraud.digest not in of_churn


def test_an_owner_of_one_model_holds_that_model_alone(job: Job) -> None:
    """Whoever is in the groups of another model only has no voice about this one, in the same pull request."""
    job.add("churn")
    path = job.folder / "gates" / "churn.yaml"
    path.write_text(
        path.read_text().replace("{github: ana,", f"{{github: pavel, id: {user('pavel')['id']}}}, {{github: ana,")
    )
    policy = load(path, environ=None, root=job.folder).policy_digest
    job.world.files.append({"filename": "models/churn.version"})
    fraud = job.world.run_gate()
    job.world.run_gate(path=CHURN, model="churn", policy=policy)
    job.states(job.world.comment("pavel", "/gate reject"))
    states = job.states(job.world.comment("ana", f"/gate approve {fraud.digest}"))

    assert states == {"fraud": ("approved", "approved"), "churn": ("rejected", "rejected")}


@pytest.mark.parametrize("files", [["models/churn.version"], ["models/churn.version", "models/fraud.version"]])
def test_words_that_are_not_understood_are_answered_once_for_all_models(job: Job, files: list[str]) -> None:
    """By one of the jobs, whichever of the models the pull request changes."""
    job.add("churn")
    job.world.files = [{"filename": name} for name in files]
    job.states(job.world.comment("ana", "/gate aprove"))

    assert sum(body.startswith("I know") for body in job.said) == 1


def test_evidence_of_another_model_never_counts_as_ones_own(job: Job) -> None:
    """Neither another workflow's run, nor its artifact under our name, nor other evidence from our own run."""
    policy = job.add("churn")
    job.world.files.append({"filename": "models/churn.version"})
    churn = job.world.run_gate(path=CHURN, model="churn", policy=policy)
    vote = job.world.comment("ana", f"/gate approve {churn.digest}")
    alone = job.states(vote)
    job.world.leave(job.world.runs[-1], {"evidence.json": churn.stored}, name="gate-12")
    copied = job.states(vote)
    job.world.run_gate(model="churn", policy=policy)

    assert alone == copied == {"fraud": ("pending", "no_evidence"), "churn": ("approved", "approved")}
    assert job.states(vote)["fraud"] == ("refused", "other_model")


def test_a_pull_request_that_changes_nothing_of_a_model_gets_no_answer_of_it(job: Job) -> None:
    """Until its gates were asked after all; an objection from before holds then."""
    policy = job.add("churn")
    job.world.run_gate()
    states = job.states(job.world.comment("ana", "/gate reject"))
    before = len(job.said)
    job.world.push("dev", files=["models/churn.version"])
    job.world.run_gate(path=CHURN, model="churn", policy=policy)

    assert states == {"fraud": ("rejected", "rejected"), "churn": ("pending", "not_concerned")}
    assert before == 1
    assert job.states(job.world.comment("ana", "/gate status"))["churn"] == ("rejected", "rejected")


def test_a_champion_that_is_its_own_candidate_asks_nobody(job: Job) -> None:
    """It was compared with itself: there is nothing to approve."""
    job.world.run_gate(champion=ModelVersion("fraud", "2", "sha256:" + "0" * 64))
    job.call("comment")

    assert "is the champion already" in job.said[0]
    assert "/gate approve" not in job.said[0]
    assert "Nothing to approve" in job.said[0]


CHANGED = {
    "README.md": "no",
    "models/churn.version": "no",
    "models/fraud.version": "yes",
    "gates/fraud.yaml": "yes",
    "requirements.txt": "yes",
    "base.txt": "yes",
    "src/model.py": "no",
    ".github/workflows/gate.yml": "yes",
    ".github/workflows/gate-approve.yml": "no",
}


@pytest.mark.parametrize("queue", [False, True], ids=["pull-request", "merge-queue"])
def test_the_gates_are_asked_only_where_something_that_they_read_is_changed(
    job: Job, monkeypatch: pytest.MonkeyPatch, queue: bool
) -> None:
    """The version, the pipeline, what the workflow installs, and the workflow itself; in doubt they are asked."""
    (job.folder / "requirements.txt").write_text("-r base.txt\nmlflow\n")
    (job.folder / "base.txt").write_text("pandas\n")
    workflows = job.folder / ".github" / "workflows"
    workflows.mkdir(parents=True)
    (workflows / "gate.yml").write_text("jobs: {gate: {steps: [{run: pip install -r requirements.txt}]}}")
    monkeypatch.setenv("GITHUB_WORKFLOW_REF", f"{NAME}/.github/workflows/gate.yml@refs/pull/12/merge")
    monkeypatch.setenv("GITHUB_EVENT_NAME", "merge_group" if queue else "pull_request")
    event = {"merge_group": {"base_sha": "b" * 40, "head_sha": "a" * 40}} if queue else None
    answers = {}
    for path in CHANGED:
        job.world.files = [{"filename": path}]
        assert job.call("changes", event).exit_code == 0
        answers[path] = job.outputs["changed"]
    job.world.fault = lambda method, target: (403, {}, b"{}")
    refused = job.call("changes", event)

    assert answers == CHANGED
    assert (refused.exit_code, job.outputs["changed"]) == (0, "yes")


def test_gates_that_were_asked_once_in_a_pull_request_are_asked_again(job: Job) -> None:
    """Or the comment would show what no longer lies there."""
    job.world.run_gate()
    job.call("comment")
    job.world.files = [{"filename": "README.md"}]
    job.call("changes")

    assert job.outputs["changed"] == "yes"


def test_code_that_decides_and_is_not_run_again_is_protected_by_the_default_branch(tmp_path: Path) -> None:
    """What commands read, and files of gates of one's own that are not repeated; a candidate's number is no code."""
    own = "from lockgate import Gate\n\n\nclass Size(Gate):\n    repeatable = {}\n\n    def check(self, case):\n        return []\n"
    (tmp_path / "checks").mkdir()
    for name in (False, True):
        (tmp_path / "checks" / f"{name}.py".lower()).write_text(own.format(name))
    (tmp_path / "fraud.yaml").write_text(
        "model: fraud\ntask: binary\nregistry: {uri: none}\ncandidate: {file: models/fraud.version}\ngates:\n"
        "  - {gate: metadata}\n"
        "  - {gate: './checks/false.py:Size', name: once}\n  - {gate: './checks/true.py:Size', name: again}\n"
        "  - {gate: command, run: [pytest, -q, serving, models/fraud.version], files: src, findings: j.xml}\n"
    )
    pipeline = load(tmp_path / "fraud.yaml", environ=None, root=tmp_path)

    assert code_not_run_again(pipeline) == ("checks/false.py", "src", "serving")

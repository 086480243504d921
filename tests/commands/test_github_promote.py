"""From a comment to Production: an emulated GitHub, a real registry, each job with nothing but what it reads anew."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from commands.desk import Desk
from commands.test_github_pull import Job
from hub.contract import github
from hub.emulator import World, user
from hub.served import Served
from lockgate.commands.github import command
from lockgate.evidence import Evidence
from lockgate.pipeline import load
from lockgate.signoff import Vote

PIPELINE = """\
model: {model}
task: binary
registry: {{uri: "sqlite:///m.db"}}
candidate: {{newest: true}}
champion: {{alias: production, else: none}}
gates:
  - gate: metadata
signoff:
  groups: {{owners: [{{github: ana, id: {ana}}}]}}
  require: {{owners: 1}}
"""


class Story(Job):
    """A pull request that asks for a version of a registry."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.folder, self.pipeline = desk, desk.folder, desk.pipeline
        self.pipeline.write_text(PIPELINE.format(model=desk.model, ana=user("ana")["id"]))
        policy = load(self.pipeline, environ={}).policy_digest
        self.world = World(github(), policy=policy, now=datetime.now(UTC).replace(microsecond=0))
        self.served = Served(self.world)
        self.asks = desk.register()

    def evaluate(self, **more: Any) -> Evidence:
        return self.world.run_gate(model=self.desk.model, **{"version": self.asks} | more)

    def then(self, name: str, digest: str, event: dict[str, Any]) -> Result:
        """A job behind the decision."""
        (self.folder / "output").unlink(missing_ok=True)
        who = {"GITHUB_ACTOR": "ana", "GITHUB_ACTOR_ID": str(user("ana")["id"]), "GITHUB_TRIGGERING_ACTOR": "ana"}
        more = {"GATE_DIGEST": digest, "GATE_PROOF": str(self.folder / "gate-proof")}
        return CliRunner(env=self.environ(event) | who | more).invoke(command, [name], standalone_mode=False)


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    here = Story(Desk(tmp_path, monkeypatch))
    yield here
    here.served.close()
    assert here.served.violations == []


def test_an_approved_version_becomes_production(story: Story) -> None:
    """decide, prove, promote; the ledger names the commenter, and the comment's own words lie beside the evidence."""
    evidence = story.evaluate()
    event = story.world.comment("ana", f"/gate approve {evidence.digest}\nlooks right")
    story.call("decide", event)
    digest = story.outputs["evidence-digest"]
    proven = story.then("prove", digest, event)
    told = story.outputs["state"]
    promoted = story.then("promote", digest, event)
    store = story.desk.models.registry.evidence(story.desk.model)
    votes = [Vote.read(vote) for vote, _ in store.votes(digest)]

    assert (proven.return_value, told) == (0, "proven"), proven.stderr
    assert (promoted.return_value, story.outputs["state"]) == (0, "promoted"), promoted.stderr
    assert story.desk.aliases["production"] == story.asks.version
    assert [(vote.by.id, vote.reason) for vote in votes] == [(str(user("ana")["id"]), "looks right")]
    assert b'"body":"/gate approve' in votes[0].bytes
    assert f"### 🚀 {story.desk.model} version {story.asks.version} is promoted" in story.said[0]


def test_a_job_behind_an_approval_reads_everything_anew(story: Story) -> None:
    """The approval was deleted, or a commit pushed, after the decision: nothing moves, and the comment says why."""
    evidence = story.evaluate()
    event = story.world.comment("ana", f"/gate approve {evidence.digest}")
    story.then("prove", evidence.digest, event)
    story.world.delete(event["comment"]["id"], "dev")
    deleted = story.then("promote", evidence.digest, event), story.outputs["state"]
    again = story.world.comment("ana", f"/gate approve {evidence.digest}")
    story.world.push("dev")
    pushed = story.then("promote", evidence.digest, again), story.outputs["state"]

    assert [deleted[1], pushed[1]] == ["refused", "refused"]
    assert [deleted[0].return_value, pushed[0].return_value] == [1, 1]
    assert "production" not in story.desk.aliases


def test_a_digest_that_was_not_approved_opens_nothing(story: Story) -> None:
    """Also one given by hand."""
    evidence = story.evaluate()
    event = story.world.comment("ana", f"/gate approve {evidence.digest}")
    done = story.then("promote", "sha256:" + "0" * 64, event)

    assert (done.return_value, story.outputs["state"]) == (1, "refused")
    assert "was approved, and the evidence of pull request 12 is" in story.said[0]


def test_without_a_proof_nothing_is_promoted(story: Story) -> None:
    """The job that holds the credential runs no model to make one."""
    evidence = story.evaluate()
    event = story.world.comment("ana", f"/gate approve {evidence.digest}")
    story.then("prove", evidence.digest, event)
    shutil.rmtree(story.folder / "gate-proof")
    done = story.then("promote", evidence.digest, event)

    assert (done.return_value, story.outputs["state"]) == (2, "error")
    assert "there is no proof of the way back" in done.stderr
    assert "production" not in story.desk.aliases

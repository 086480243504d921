"""From a comment to Production: an emulated GitHub, a real registry, each job with nothing but what it reads anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.github.test_pull_request import Job
from helpers.desk import Desk
from helpers.hooks import Hook
from helpers.hub.contract import github
from helpers.hub.emulator import World, user
from helpers.hub.served import Served
from lockgate.cli.commands import verify
from lockgate.cli.commands.github import command
from lockgate.errors import Refused
from lockgate.evidence.evidence import Evidence
from lockgate.hashing import sha256
from lockgate.pipeline.loader import load
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.rollback_proof import RerunResult
from lockgate.registries.ports import Registry
from lockgate.runs import rerun
from lockgate.signoff.vote import Vote

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
notify:
  - {{webhook: "${{HOOK}}", on: [promoted]}}
"""


CURVE = b'{"columns":["x"],"kind":"curve","name":"metrics/roc","points":[],"schema":"lockgate/exhibit/v1"}'


class Story(Job):
    """A pull request that asks for a version of a registry."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.folder, self.pipeline = desk, desk.folder, desk.pipeline
        self.pipeline.write_text(PIPELINE.format(model=desk.model, ana=user("ana")["id"]))
        policy = load(self.pipeline, environ={}).policy_digest
        self.world = World(github(), policy=policy, now=datetime.now(UTC).replace(microsecond=0))
        self.served = Served(self.world)
        self.asks = desk.register()
        self.hook = Hook()

    def evaluate(self, **more: Any) -> Evidence:
        return self.world.run_gate(**{"model": self.desk.model, "version": self.asks} | more)

    def draw(self, evidence: Evidence, files: dict[str, bytes]) -> Evidence:
        """The same evidence with a curve, and an artifact with these files beside it."""
        listed = [{"name": "metrics/roc", "kind": "curve", "sha256": sha256(CURVE)}]
        drawn = Evidence.from_document({**evidence.document, "exhibits": listed})
        self.world.leave(self.world.runs[-1], {"evidence.json": drawn.stored, **files})
        return drawn

    def then(self, name: str, digest: str, event: dict[str, Any]) -> Result:
        """A job behind the decision."""
        (self.folder / "output").unlink(missing_ok=True)
        who = {"GITHUB_ACTOR": "ana", "GITHUB_ACTOR_ID": str(user("ana")["id"]), "GITHUB_TRIGGERING_ACTOR": "ana"}
        more = {"GATE_DIGEST": digest, "GATE_PROOF": str(self.folder / "gate-proof")}
        more |= {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "77", "HOOK": self.hook.url}
        return CliRunner(env=self.environ(event) | who | more).invoke(command, [name], standalone_mode=False)


def history(registry: Registry, model: str) -> Entry:
    """The last entry of the ledger."""
    last = read_chain(registry.ledger(model).keys()).last
    assert last is not None
    return last


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    here = Story(Desk(tmp_path, monkeypatch))
    yield here
    here.served.close()
    here.hook.close()
    assert here.served.violations == []


def test_the_evaluations_of_all_pushes_are_published(story: Story) -> None:
    """No job before the promotion may write to the registry; until then the one comment remembers them."""
    for number in ("1", "2"):
        document = story.evaluate().document
        entry = {"rows": "sha256:" + "a" * 64, "id": number, "counted": 1, "unknown": "unrecorded"}
        run = {**document["run"], "looks": {"holdout": None}, "evaluations": {"holdout": entry}}
        evidence = Evidence.from_document({**document, "run": run})
        story.world.leave(story.world.runs[-1], {"evidence.json": evidence.stored})
        story.call("comment")
    event = story.world.comment("ana", f"/gate approve {evidence.digest}")
    for name in ("prove", "promote"):
        assert story.then(name, evidence.digest, event).return_value == 0
    [facts] = story.desk.models.registry.evidence(story.desk.model).all()

    assert "<sub>Evaluated at least: holdout 2 times, 2 of them on this pull request.</sub>" in story.said[-1]
    assert [each["id"] for each in json.loads(facts["evaluations"])] == ["2"]
    assert [each["id"] for each in json.loads(facts["earlier_evaluations"])] == ["1"]


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
    assert [(told["event"], told["actor"]["id"], told["verdict"]) for told in story.hook.told] == [
        ("promoted", str(user("ana")["id"]), "pass")
    ]
    assert set(story.hook.told[0]["links"]) == {"pull_request", "run"}
    assert [(vote.by.id, vote.reason) for vote in votes] == [(str(user("ana")["id"]), "looks right")]
    told = json.loads(votes[0].bytes)
    assert told["comment"]["body"].startswith("/gate approve sha256:")
    assert told["run"] == {"id": story.world.runs[-1]["id"], "attempt": 1, "url": told["run"]["url"]}
    assert told["run"]["url"].startswith("https://github.com/")
    entry = history(story.desk.models.registry, story.desk.model)
    assert "re-run: metadata; in https://github.com/acme/models/actions/runs/77" in entry.reason
    assert entry.votes == (votes[0].sha256,)
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
    assert story.hook.told == []


def test_without_a_proof_nothing_is_promoted(story: Story) -> None:
    """The job that holds the credential runs no model to make one."""
    evidence = story.evaluate()
    event = story.world.comment("ana", f"/gate approve {evidence.digest}")
    story.then("prove", evidence.digest, event)
    shutil.rmtree(story.folder / "gate-proof")
    done = story.then("promote", evidence.digest, event)

    assert (done.return_value, story.outputs["state"]) == (2, "error")
    assert "there is no rollback proof" in done.stderr
    assert "production" not in story.desk.aliases


def test_evidence_that_is_contradicted_is_not_promoted(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job that asks the gates again is refused, and leaves no proof for the next."""

    def differs(*_: Any, **__: Any) -> RerunResult:
        raise Refused("metrics/r1/overall is pass (0.9) in the evidence, and fail (0.5)", code="evidence_mismatch")

    monkeypatch.setattr(rerun, "rerun", differs)
    evidence = story.evaluate()
    event = story.world.comment("ana", f"/gate approve {evidence.digest}")
    done = story.then("prove", evidence.digest, event)

    assert (done.return_value, story.outputs["state"]) == (1, "refused")
    assert story.outputs["reason-code"] == "evidence_mismatch"
    assert "metrics/r1/overall is pass (0.9)" in (story.folder / "summary").read_text()
    monkeypatch.setenv("GATE_STOPPED", story.outputs["reason-code"])
    monkeypatch.setenv("GITHUB_RUN_ID", "78")
    story.call("comment", event)
    assert (story.outputs["state"], story.outputs["reason-code"]) == ("refused", "evidence_mismatch")
    assert "stopped it (evidence\\_mismatch)" in story.said[0]
    assert "The summary of run 78 of this workflow says why" in story.said[0]
    assert not (story.folder / "gate-proof").exists()


def test_a_proof_that_names_no_repeats_does_not_open_the_job_that_promotes(story: Story) -> None:
    """Nor one that leaves a gate out."""
    evidence = story.evaluate()
    event = story.world.comment("ana", f"/gate approve {evidence.digest}")
    story.then("prove", evidence.digest, event)
    path = story.folder / "gate-proof" / "proof.json"
    told = json.loads(path.read_bytes())
    path.write_text(json.dumps({name: value for name, value in told.items() if name != "repeats"}))
    done = story.then("promote", evidence.digest, event)

    assert (done.return_value, story.outputs["state"]) == (1, "refused")
    assert "does not say whether these gates were re-run: metadata" in story.said[0]
    assert "production" not in story.desk.aliases


def test_exhibits_are_published_and_verify_finds_them(story: Story) -> None:
    """They come out of the artifact, and what it holds besides does not."""
    evidence = story.draw(story.evaluate(), {"exhibits/metrics-roc.json": CURVE, "exhibits/evil.json": b"{}"})
    event = story.world.comment("ana", f"/gate approve {evidence.digest}")
    story.then("prove", evidence.digest, event)
    promoted = story.then("promote", evidence.digest, event)
    registry = story.desk.models.registry
    stored = registry.evidence(story.desk.model).fetch(evidence.digest, story.folder / "fetched")
    verified = story.desk.gate(verify.command, story.desk.model)

    assert promoted.return_value == 0, promoted.stderr
    assert [path.name for path in (stored / "exhibits").iterdir()] == ["metrics-roc.json"]
    assert (stored / "exhibits" / "metrics-roc.json").read_bytes() == CURVE
    assert verified.exit_code == 0, verified.stdout


@pytest.mark.parametrize("files", [{}, {"exhibits/metrics-roc.json": CURVE + b" "}])
def test_without_its_exhibits_nothing_moves(story: Story, files: dict[str, bytes]) -> None:
    """Evidence that binds what nobody has is not whole; the comment says what to do."""
    evidence = story.draw(story.evaluate(), files)
    event = story.world.comment("ana", f"/gate approve {evidence.digest}")
    story.then("prove", evidence.digest, event)
    done = story.then("promote", evidence.digest, event)

    assert (done.return_value, story.outputs["state"]) == (1, "refused")
    assert "exhibits/metrics-roc" in story.said[0].replace("\\", "")
    assert "production" not in story.desk.aliases

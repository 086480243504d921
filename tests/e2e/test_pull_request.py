"""The whole story of a pull request, against a GitHub and an MLflow that nobody here wrote.

Each stage's comment is kept whole in `snapshots/comment-*.md`. What differs between equal runs stands there as a
placeholder. After a wanted change: LOCKGATE_UPDATE_SNAPSHOTS=1 pytest tests/e2e/test_pull_request.py, and look at the
difference that git shows.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from helpers.checkout import BAD, CHAMPION, GOOD, HOLDOUT, METRICS, Checkout
from helpers.comment_snapshots import shown
from helpers.hub import programs
from helpers.hub.emulated import NAME, Emulated
from helpers.hub.published import Unavailable
from helpers.job import Ended, Job
from helpers.shelf import alone
from lockgate.integrations.github.client import GitHub
from lockgate.pipeline import loader
from lockgate.runs.lookup import open_registry
from lockgate.signoff.vote import Vote

MARKER = "<!-- gate:v1 1/12/fraud -->"
VERSION = "models/fraud.version"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    here = Emulated(tmp_path_factory.mktemp("hub"))
    yield here
    here.close()


@pytest.fixture
def held(hub: Emulated) -> Iterator[Emulated]:
    """The same; each request of a test is one that GitHub takes, by its own description."""
    hub.asked.clear()
    hub.wrong.clear()
    yield hub
    assert hub.asked
    assert hub.wrong == []
    assert set(hub.shown_to_storage) <= {None}


class Story:
    """A repository with one pull request, of `dev`; its jobs run one after the other."""

    def __init__(self, hub: Emulated, checkout: Checkout, folder: Path) -> None:
        self.hub, self.here, self.folder = hub, checkout, folder
        self.python = checkout.command[0]
        self.jobs = 0
        self.origin = folder / "origin.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(self.origin)], check=True)
        for name, value in {"user.email": "dev@example.org", "user.name": "Dev"}.items():
            checkout.git("config", name, value)
        checkout.git("checkout", "-q", "-b", "main")
        checkout.git("remote", "add", "origin", str(self.origin))
        (checkout.folder / ".gitignore").write_text(
            "*\n!/gates/\n!/gates/*\n!/data/\n!/data/*\n!/models/\n!/models/*\n"
        )
        path = checkout.folder / "gates" / "fraud.yaml"
        path.parent.mkdir()
        path.write_text(yaml.safe_dump(self.policy(), sort_keys=False))
        self.commit("main", "ask for gates", CHAMPION)

    def policy(self) -> dict[str, Any]:
        owners = [{"github": name, "id": self.hub.users[name]["id"]} for name in ("ana", "dev")]
        return {
            "model": "fraud",
            "task": "binary",
            "registry": {"kind": "mlflow", "uri": "${MLFLOW_TRACKING_URI}"},
            "candidate": {"file": VERSION},
            "champion": {"alias": "production", "else": "none"},
            "data": {"holdout": dict(HOLDOUT)},
            "gates": [{"gate": "metadata", "require": ["requirements >= 1"]}, dict(METRICS)],
            "signoff": {"groups": {"owners": owners}, "require": {"owners": 1}},
            "promotion": {"when": "merged"},
        }

    def commit(self, branch: str, message: str, version: int) -> None:
        """What dev pushes: a real commit, to a real repository and to GitHub."""
        path = self.here.folder / VERSION
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{version}\n")
        self.here.git("add", ".")
        self.here.git("commit", "-q", "--no-verify", "-m", message)
        self.here.git("push", "-q", "origin", branch)
        self.hub.push(self.here.folder, branch, by="dev")

    def job(self, ref: str) -> Job:
        self.jobs += 1
        return Job(self.folder / f"job-{self.jobs}", self.origin, ref, python=self.python)

    def call(self, job: Job, command: str, event: dict[str, Any], by: str, *, run: str = "77", **inputs: str) -> Ended:
        """A step in the name of the one who set it off."""
        who = str(self.hub.users[by]["id"])
        environ = {
            "GITHUB_REPOSITORY": NAME,
            "GITHUB_API_URL": self.hub.api,
            "GITHUB_EVENT_NAME": "issue_comment" if "comment" in event else "pull_request",
            "GITHUB_RUN_ID": run,
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_ACTOR": by,
            "GITHUB_ACTOR_ID": who,
            "GITHUB_TRIGGERING_ACTOR": by,
            "MLFLOW_TRACKING_URI": self.here.uri,
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_SYSTEM": "/dev/null",
        }
        if command in ("comment", "decide"):
            del environ["MLFLOW_TRACKING_URI"]  # these jobs are given no registry
        return job.step(
            command, event, self.hub.token, environ, pipeline="gates/fraud.yaml", python=self.here.python, **inputs
        )

    def gate(self, number: int, action: str) -> tuple[Ended, Ended]:
        """The workflow gate.yml: the gates are asked on the head, and the comment is kept right."""
        event = self.hub.pushed(number, action, by="dev")
        run = self.hub.run(number, by="dev")
        asking = self.job(run["head_sha"])
        asked = self.call(asking, "run", event, "dev", run=str(run["id"]))
        self.hub.leave(f"gate-{number}", asking.temp / "gate-evidence", run=run)
        return asked, self.call(self.job("main"), "comment", event, "dev", run=str(run["id"]))

    def decide(self, event: dict[str, Any]) -> Ended:
        """The first job of the workflow gate-approve.yml."""
        job = self.job("main")
        done = self.call(job, "decide", event, event["sender"]["login"])
        self.hub.leave(f"gate-{event['issue']['number']}", job.temp / "gate-record")
        return done

    def promote(self, event: dict[str, Any], digest: str) -> tuple[Ended, Ended]:
        """The two jobs behind it."""
        proving, promoting = self.job("main"), self.job("main")
        by = event["sender"]["login"]
        proven = self.call(proving, "prove", event, by, digest=digest)
        shutil.copytree(proving.temp / "gate-proof", promoting.temp / "gate-proof")
        return proven, self.call(promoting, "promote", event, by, digest=digest)

    def said(self, number: int) -> str:
        """The one comment of ours."""
        (body,) = (one["body"] for one in self.hub.comments(number) if one["user"]["login"] == "github-actions[bot]")
        return str(body)


@pytest.fixture
def story(
    held: Emulated, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_python: str, warm_gate: str
) -> Story:
    alone(monkeypatch)
    (tmp_path / "dev").mkdir()
    monkeypatch.chdir(tmp_path / "dev")
    checkout = Checkout(
        tmp_path / "dev", base=shelf / "mlflow.db", data=shelf / "data", python=warm_python, gate=warm_gate
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", checkout.uri)
    return Story(held, checkout, tmp_path)


def test_from_an_open_pull_request_to_the_ledger(story: Story) -> None:
    """Opened and stopped, pushed and passed, merged, approved by who may, promoted; the ledger says who, on what, and why."""
    hub, here = story.hub, story.here
    adopted = here.gate("adopt", "fraud", "--version", CHAMPION, "--reason", "it runs")
    assert adopted.code == 0, adopted.stderr
    here.git("checkout", "-q", "-b", "better")
    story.commit("better", "train on this year", BAD)
    number = hub.open("better", by="dev", title="A better model")
    friendly = hub.comment(number, "Looking forward to this one!", by="ana")

    stopped, commented = story.gate(number, "opened")
    assert (stopped.code, stopped.outputs["verdict"], stopped.outputs["opens"]) == (1, "fail", "no"), stopped.log
    assert re.search(r"^::error file=gates/fraud.yaml,line=\d+,title=metrics", stopped.log, re.M)
    assert commented.code == 0, commented.log
    shown("stopped", story.said(number))

    story.commit("better", "give BR its own weight", GOOD)
    passed, commented = story.gate(number, "synchronize")
    assert (passed.code, passed.outputs["verdict"], passed.outputs["opens"]) == (0, "pass", "yes"), passed.log
    assert commented.outputs["reason-code"] == "not_merged", commented.log
    shown("passed", story.said(number))
    digest = passed.outputs["evidence-digest"]
    (line,) = re.findall(r"^/gate approve .*$", story.said(number), re.M)
    assert line == f"/gate approve {digest}"

    # the author approves, and somebody who may write here makes an owner's kind words an approval
    own = story.decide(hub.comment(number, line, by="dev"))
    forged = story.decide(hub.edit(number, friendly["comment"]["id"], line, by="carl"))
    hub.merge(number, by="carl")
    here.git("push", "-q", "origin", "better:main")
    merged = story.decide(hub.comment(number, "/gate status", by="ana"))
    assert [one.outputs["state"] for one in (own, forged, merged)] == ["pending"] * 3, merged.log
    assert [one.outputs["reason-code"] for one in (own, forged)] == ["not_merged"] * 2
    assert merged.outputs["reason-code"] == "votes_missing"
    shown("not-counted", story.said(number))

    approval = hub.comment(number, f"{line}\nThe slice is fixed, thank you.", by="ana")
    decided = story.decide(approval)
    assert decided.outputs == {"state": "approved", "reason-code": "approved", "evidence-digest": digest}, decided.log
    shown("approved", story.said(number))

    proven, promoted = story.promote(approval, decided.outputs["evidence-digest"])
    assert (proven.code, proven.outputs) == (0, {"state": "proven"}), proven.log
    assert (promoted.code, promoted.outputs) == (0, {"state": "promoted"}), promoted.log
    shown("promoted", story.said(number))

    told = here.gate("history", "fraud", "--json")
    newest = json.loads(told.stdout)["entries"][0]
    registry = open_registry(loader.load(here.folder / "gates" / "fraud.yaml", environ=os.environ))
    kept = [Vote.read(vote) for vote, _ in registry.evidence("fraud").votes(digest)]
    (counted,) = (vote for vote in kept if vote.sha256 in newest["votes"])
    ana = {"kind": "github", "id": str(hub.users["ana"]["id"]), "name": "ana"}
    assert told.code == 0, told.stderr
    assert (newest["kind"], newest["from"], newest["to"]) == ("promoted", str(CHAMPION), str(GOOD))
    assert (newest["actor"], newest["evidence"], newest["reason"][:15]) == (ana, digest, "approved by ana")
    assert (counted.by.to_json(), counted.reason) == (ana, "The slice is fixed, thank you.")
    assert json.loads(counted.bytes)["comment"]["body"] == approval["comment"]["body"]
    assert {vote.by.name for vote in kept if vote.sha256 != counted.sha256} == {"ana", "dev"}  # kept, and not counted
    assert registry.aliases("fraud") == {"production": str(GOOD), "previous": str(CHAMPION)}


def test_comments_are_read_to_the_last_page_and_ours_is_told_from_others(held: Emulated) -> None:
    """More than a page of them, in the order in which they were written; the marker in another's comment is not ours."""
    number = held.ask("POST", f"/repos/{NAME}/issues", {"title": "many"}, by="ana")["number"]
    client = GitHub(NAME, held.token, api=held.api)
    for at in range(100):
        held.comment(number, f"{MARKER}\n{at}", by="carl")
    first = client.keep_comment(number, f"{MARKER}\nwaiting", marker=MARKER)
    again = client.keep_comment(number, f"{MARKER}\napproved", marker=MARKER)
    found = client.comments(number)

    assert (first.id, first.user.login, first.edited) == (again.id, "github-actions[bot]", False)  # type: ignore[union-attr]
    assert [one.body.partition("\n")[2] for one in found] == [*map(str, range(100)), "approved"]
    assert [one.id for one in found if one.edited] == [again.id]
    assert held.asked.count(("GET", f"/repos/{NAME}/issues/{number}/comments", 200)) == 5  # one, two and two pages


def test_what_another_writer_does_to_a_comment_is_seen(held: Emulated) -> None:
    """An edited comment keeps its author and says that it was edited; one that was taken away is gone."""
    number = held.ask("POST", f"/repos/{NAME}/issues", {"title": "two"}, by="ana")["number"]
    client = GitHub(NAME, held.token, api=held.api)
    edited, deleted = (held.comment(number, text, by="ana")["comment"]["id"] for text in ("nice", "/gate reject"))
    held.edit(number, edited, "/gate approve", by="carl")
    held.ask("DELETE", f"/repos/{NAME}/issues/comments/{deleted}", by="carl")
    (left,) = client.comments(number)

    assert (left.id, left.body, left.edited) == (edited, "/gate approve", True)
    assert left.user is not None
    assert left.user.login == "ana"


def test_a_request_that_github_would_not_take_is_noticed(hub: Emulated) -> None:
    """Or the tests that rest on it could not fail; that the emulator answers unlike GitHub is not counted."""
    hub.wrong.clear()
    number = hub.ask("POST", f"/repos/{NAME}/issues", {"title": "bad"}, by="ana")["number"]
    place = f"{hub.api}/repos/{NAME}"
    requests.post(f"{place}/issues/{number}/comments", json={"text": "no body"}, timeout=30)
    requests.get(f"{place}/issues/{number}/comments", params={"per_page": "many"}, timeout=30)
    requests.get(f"{place}/frobnications", timeout=30)
    noticed = [re.sub(r'.*"message":', "", one) for one in hub.wrong]
    hub.wrong.clear()
    requests.get(f"{place}/issues/{number}/comments", timeout=30)

    assert len(noticed) == 3, noticed
    for one, said in zip(noticed, ("'body'", "per_page", "route not found"), strict=True):
        assert said in one
    assert hub.wrong == []


def test_what_is_pinned_is_pinned_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every package of the emulator by the hash of its bytes, from no certain place; without npm its absence has a name."""
    lock = json.loads((Path(programs.__file__).parent / "npm" / "package-lock.json").read_text())
    found = {path: one for path, one in lock["packages"].items() if path}
    monkeypatch.setattr(programs, "KEPT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert all(one["integrity"].startswith("sha512-") and "resolved" not in one for one in found.values())
    assert {"node_modules/emulate", "node_modules/@stoplight/prism-cli"} <= set(found)
    with pytest.raises(Unavailable, match="npm is not installed"):
        programs.installed()
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []

"""From a run's evidence to a decision: who may sign what, and what a promotion refuses."""

from __future__ import annotations

import json
import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from helpers.checkout import BAD, CHAMPION, GOOD, LINES, METRICS, SCORED, Answer, Checkout, findings, verdicts
from helpers.promoting import ssh_key
from helpers.web import closed_port
from lockgate.pipeline import loader
from lockgate.runs.lookup import open_registry
from lockgate.runs.promotion_hooks import prove_rollback

FAR = {**SCORED, "slices": ["country", "region"]}
UNDECIDED = {"metric": "auc", "at_least": 0.8, "on": "region=far", "if_inconclusive": "ask"}


@pytest.fixture
def desk(checkout: Checkout) -> Checkout:
    """Its data holds both models' scores already, so that no model need be asked."""
    checkout.write(data={"holdout": SCORED})
    return checkout


def evaluated(desk: Checkout, *arguments: object) -> str:
    """The digest of a run that passed."""
    answer = desk.gate("run", *arguments)
    assert answer.code == 0, answer.stderr
    return desk.digest


def approve(desk: Checkout, digest: str, *more: object) -> Answer:
    return desk.gate("approve", digest, "--key", desk.key, *more)


def approved(desk: Checkout, *arguments: object) -> str:
    digest = evaluated(desk, *arguments)
    answer = approve(desk, digest)
    assert answer.code == 0, answer.stderr
    return digest


def aliases(desk: Checkout) -> dict[str, str]:
    found: dict[str, str] = json.loads(desk.gate("status", "fraud", "--json").stdout)["aliases"]
    return found


def test_approved_evidence_is_promoted_and_rolled_back(desk: Checkout) -> None:
    """The way back is proven by asking the champion; then it stands by."""
    desk.gate("adopt", "fraud", "--version", CHAMPION, "--reason", "it runs")
    digest = approved(desk, "--stage")

    promoted = desk.gate("promote", digest)
    assert promoted.code == 0, promoted.stderr
    assert aliases(desk) == {"production": "2", "previous": "1"}
    again = desk.gate("promote", digest)
    back = desk.gate("rollback", "fraud", "--reason", "complaints")
    late = desk.gate("promote", digest)

    assert (again.code, back.code, late.code) == (0, 0, 1), again.stderr + back.stderr
    assert "is Production already" in again.stdout
    assert aliases(desk)["production"] == "1"
    assert "was withdrawn after this evidence was made" in late.stderr
    assert desk.processes == []


def test_the_way_back_is_proven_from_files_and_not_at_a_server(desk: Checkout) -> None:
    """A server answers as it is deployed now; after a rollback it is the files that are served."""
    nobody = f"http://127.0.0.1:{closed_port()}"
    target = {"protocol": "mlflow", "candidate": nobody, "champion": nobody, "ready": "0s"}
    path = desk.write(target=target)
    of = loader.load(path, environ=os.environ)
    registry = open_registry(of)

    prove_rollback(of, registry, registry.version("fraud", str(CHAMPION)), environ=os.environ)


def test_without_a_vote_it_waits(desk: Checkout) -> None:
    """Exit 3, with the command that the owner needs."""
    digest = evaluated(desk)

    answer = desk.gate("promote", digest)

    assert answer.code == 3
    assert "1 approval of owners missing" in answer.stderr
    assert f"gate approve {digest}" in answer.stderr
    assert aliases(desk) == {}


def test_a_strangers_key_is_refused(desk: Checkout, tmp_path: Path) -> None:
    """It is in no group, so no vote is made."""
    digest = evaluated(desk)

    answer = desk.gate("approve", digest, "--key", ssh_key(tmp_path, "mallory"))

    assert answer.code == 1
    assert "is in no group of signoff" in answer.stderr
    assert not (desk.run / "votes").exists()
    assert desk.gate("promote", digest).code == 3


def test_without_a_key_the_owners_own_one_signs(desk: Checkout, tmp_path: Path) -> None:
    """Of all that lie in ~/.ssh; where none is an owner's, nobody signs."""
    digest = evaluated(desk)
    (tmp_path / ".ssh").mkdir()
    ssh_key(tmp_path / ".ssh", "id_ed25519")
    alone = desk.call("approve", digest, HOME=str(tmp_path))
    for path in (desk.key, desk.key.with_suffix(".pub")):
        shutil.copy(path, tmp_path / ".ssh")
    signed = desk.call("approve", digest, HOME=str(tmp_path))

    assert (alone.code, signed.code) == (2, 0)
    assert "name yours with --key FILE" in alone.stderr
    assert signed.stdout.startswith("olga@example.org approves")
    assert f", by the key {tmp_path}/.ssh/olga\n" in signed.stdout


def test_where_several_owners_have_a_key_here_one_is_named(
    desk: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody signs as another."""
    (tmp_path / ".ssh").mkdir()
    lines = [ssh_key(tmp_path / ".ssh", name).with_suffix(".pub").read_text().strip() for name in ("ana", "bea")]
    desk.write(signoff={"groups": {"owners": [{"key": line} for line in lines]}, "require": {"owners": 1}})
    digest = evaluated(desk)
    monkeypatch.setenv("HOME", str(tmp_path))

    answer = desk.gate("approve", digest)

    assert answer.code == 2
    assert "keys of several owners are here: ana@example.org, bea@example.org" in answer.stderr


def test_authors_do_not_sign_their_own_work(desk: Checkout) -> None:
    """The commit that was evaluated is olga's, and she is the only owner."""
    desk.git("config", "user.email", "olga@example.org")
    desk.write(data={"holdout": SCORED})
    digest = evaluated(desk)

    signed, answer = approve(desk, digest), desk.gate("promote", digest)

    assert (signed.code, answer.code) == (1, 3)
    assert "olga@example.org had a hand in what" in signed.stderr


def test_a_vote_for_other_evidence_opens_nothing(desk: Checkout) -> None:
    """A second run of the same thing has another digest, also where the vote is laid beside it."""
    approved(desk)
    votes = desk.run / "votes"
    second = evaluated(desk)
    shutil.copytree(votes, desk.run / "votes")

    answer = desk.gate("promote", second)

    assert answer.code == 3
    assert "it is about other evidence" in answer.stderr


def test_a_forged_vote_counts_for_nothing(desk: Checkout) -> None:
    """One byte of what was signed is changed."""
    digest = approved(desk)
    vote = next(path for path in (desk.run / "votes").iterdir() if path.suffix == ".json")
    vote.write_bytes(vote.read_bytes().replace(b'"reason":""', b'"reason":"!"'))

    answer = desk.gate("promote", digest)

    assert answer.code == 3
    assert "does not count" in answer.stderr


def test_one_rejection_is_a_veto(desk: Checkout, tmp_path: Path) -> None:
    """Another owner's approval does not outvote it."""
    otto = ssh_key(tmp_path, "otto")
    owners = [{"key": key.with_suffix(".pub").read_text().strip()} for key in (desk.key, otto)]
    signoff = {"groups": {"owners": owners, "authors": [{"email": "dana@example.org"}]}, "require": {"owners": 1}}
    desk.write(data={"holdout": SCORED}, signoff=signoff)
    digest = approved(desk)

    rejected = desk.gate("reject", digest, "--key", otto, "--reason", "not before the holidays")
    answer = desk.gate("promote", digest)

    assert (rejected.code, answer.code) == (0, 1)
    assert "otto@example.org rejected it on " in answer.stderr
    assert "not before the holidays" in answer.stderr


def test_what_is_undecided_may_be_accepted_by_the_owner(desk: Checkout) -> None:
    """Forty rows cannot decide; the run waits, and the vote must say how many findings it accepts."""
    desk.write(data={"holdout": FAR}, gates=[{**METRICS, "require": ["auc >= 0.7", UNDECIDED]}])

    ended = desk.gate("run", "--stage")
    digest = desk.digest
    without = approve(desk, digest)
    too_many = approve(desk, digest, "--accepting", 2)
    waiting = desk.gate("promote")
    shown = desk.gate("status", "fraud").stdout
    accepted = desk.gate("approve", "--key", desk.key, "--accepting", 1)
    promoted = desk.gate("promote")

    evidence = desk.evidence
    assert ended.code == 3, ended.stderr
    assert (evidence["verdict"], evidence["opens"]) == ("inconclusive", "by_owner")
    assert evidence["asks"] == ["metrics/r2/region=far"]
    assert "fraud version 2 is Staging since" in ended.stderr
    assert f"gate approve {digest} --accepting 1" in ended.stderr
    assert "and accepts what is undecided: metrics/r2/region=far" in " ".join(ended.stderr.split())
    assert "1 finding of metrics/r2 is undecided, and accepted by whoever approves" in " ".join(shown.split())
    assert f"gate approve {digest[:19]} --accepting 1" in shown
    assert (without.code, too_many.code, waiting.code) == (1, 1, 3)
    assert "1 undecided finding to accept, not 0\n  metrics/r2/region=far" in without.stderr
    assert (accepted.code, promoted.code) == (0, 0), accepted.stderr + promoted.stderr
    assert aliases(desk)["production"] == "2"


def test_what_was_not_declared_askable_cannot_be_accepted(desk: Checkout) -> None:
    """The same line without `if_inconclusive: ask` opens nothing."""
    line = {key: value for key, value in UNDECIDED.items() if key != "if_inconclusive"}
    desk.write(data={"holdout": FAR}, gates=[{**METRICS, "require": ["auc >= 0.7", line]}])

    ended = desk.gate("run")
    answer = approve(desk, desk.digest, "--accepting", 1)

    assert (ended.code, answer.code) == (3, 1)
    assert (desk.evidence["opens"], desk.evidence["asks"]) == ("no", [])
    assert "opens: no" in answer.stderr


def test_a_changed_policy_is_refused(desk: Checkout) -> None:
    """Evaluated under one, promoted under another."""
    digest = approved(desk)
    desk.write(data={"holdout": SCORED}, gates=[{**METRICS, "require": ["auc >= 0.6"]}])

    answer = desk.gate("promote", digest)

    assert answer.code == 1
    assert "its policy has changed since" in answer.stderr
    assert "evaluate again with gate run" in answer.stderr


def test_changed_model_files_are_refused(desk: Checkout, shelf: Path, tmp_path: Path) -> None:
    """The version is the same, its bytes are not."""
    from mlflow import MlflowClient

    files = shutil.copytree(shelf / "models" / str(GOOD), tmp_path / "files")
    made = MlflowClient(tracking_uri=desk.uri, registry_uri=desk.uri).create_model_version("fraud", source=str(files))
    digest = approved(desk, "--candidate", f"version={made.version}")
    (files / "python_model.pkl").write_bytes(b"something else")

    answer = desk.gate("promote", digest)

    assert answer.code == 1
    assert "are not those that were evaluated" in answer.stderr
    assert aliases(desk) == {}


def test_a_moved_champion_is_refused(desk: Checkout) -> None:
    """It was held against nobody, and somebody holds Production now."""
    digest = approved(desk)
    desk.gate("adopt", "fraud", "--version", CHAMPION, "--reason", "it runs")

    answer = desk.gate("promote", digest)

    assert answer.code == 1
    assert "the evidence compares with nothing, and version 1 is Production now" in answer.stderr


def test_an_alias_that_was_moved_by_hand_is_refused(desk: Checkout) -> None:
    """The ledger says otherwise, and status says so too."""
    from mlflow import MlflowClient

    desk.gate("adopt", "fraud", "--version", CHAMPION, "--reason", "it runs")
    digest = approved(desk)
    client = MlflowClient(tracking_uri=desk.uri, registry_uri=desk.uri)
    client.set_registered_model_alias("fraud", "production", str(BAD))

    answer, status = desk.gate("promote", digest), desk.gate("status", "fraud")

    assert (answer.code, status.code) == (1, 1)
    assert f"the ledger says that version 1 is Production, the alias points to version {BAD}" in answer.stderr


def test_older_published_evidence_is_refused(desk: Checkout) -> None:
    """What was published later on the same version counts."""
    first = approved(desk, "--stage")
    second = evaluated(desk, "--stage")

    answer = desk.gate("promote", first)

    assert answer.code == 1
    assert f"was evaluated again on {desk.evidence['run']['finished_at']} (pass), as {second}" in answer.stderr


def test_a_local_run_does_not_make_other_evidence_old(desk: Checkout) -> None:
    """Only what was published can."""
    first = approved(desk, "--stage")
    evaluated(desk)

    assert desk.gate("promote", first).code == 0


def waiver(**more: Any) -> dict[str, Any]:
    return {"finding": "metrics/r1/overall", "owner": "olga", "reason": "known, see the ticket", **more}


def test_a_waived_finding_is_shown_and_does_not_stop(desk: Checkout) -> None:
    """Until its day is over; it is counted in the first sentence and stands in the evidence."""
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date()
    gate = {**METRICS, "require": ["auc >= 0.99", "auc >= 0.7"]}
    desk.write(data={"holdout": SCORED}, gates=[gate])
    stopped = desk.gate("run")
    desk.write(data={"holdout": SCORED}, gates=[{**gate, "waive": [waiver(until=tomorrow)]}])

    ended = desk.gate("run")

    evidence = desk.evidence
    assert (stopped.code, ended.code) == (1, 0), ended.stderr
    assert evidence["gates"][0]["reason"].startswith("1 waived; ")
    assert findings(evidence)["metrics/r1/overall"]["verdict"] == "fail"
    assert [(one["finding"], one["until"], one["expired"]) for one in evidence["waivers"]] == [
        ("metrics/r1/overall", str(tomorrow), False)
    ]
    assert "known, see the ticket" in (desk.run / "report.md").read_text()


def test_an_expired_waiver_stops_nothing_from_failing(desk: Checkout) -> None:
    """And the evidence says that it is over."""
    yesterday = (datetime.now(UTC) - timedelta(days=2)).date()
    desk.write(
        data={"holdout": SCORED}, gates=[{**METRICS, "require": ["auc >= 0.99"], "waive": [waiver(until=yesterday)]}]
    )

    ended = desk.gate("run")

    assert ended.code == 1
    assert desk.evidence["waivers"][0]["expired"] is True


def test_observing_shows_everything_and_opens_nothing(desk: Checkout) -> None:
    """Exit 0 for a candidate that fails; a pass is not staged and cannot be promoted."""
    desk.write(data={"holdout": SCORED}, gates=[{**METRICS, "require": ["auc >= 0.99"]}], mode="observe")
    failing = desk.gate("run")
    verdict = desk.evidence["verdict"]
    desk.write(data={"holdout": SCORED})

    passing = desk.gate("run", "--observe", "--stage")

    assert (failing.code, verdict, desk.evidence["verdict"]) == (0, "fail", "pass")
    assert "observed only: nothing is promoted, exit 0" in failing.stderr
    assert (passing.code, desk.evidence["opens"]) == (0, "no")
    assert f"published as {desk.digest}; nothing was staged" in passing.stderr
    assert approve(desk, desk.digest).code == 1
    assert desk.gate("promote", desk.digest).code == 1
    assert aliases(desk) == {}


def test_a_part_of_the_gates_opens_nothing(desk: Checkout) -> None:
    """--only asks what it names, and its pass is no way around the rest."""
    second = {"gate": "metrics", "name": "strict", "data": "holdout", "require": ["auc >= 0.99"]}
    desk.write(data={"holdout": SCORED}, gates=[METRICS, second])

    ended = desk.gate("run", "--only", "metrics")
    unknown = desk.gate("run", "--only", "metric")

    assert (ended.code, unknown.code) == (0, 2)
    assert [gate["name"] for gate in desk.evidence["gates"]] == ["metrics"]
    assert (desk.evidence["verdict"], desk.evidence["opens"]) == ("pass", "no")
    assert "its gates are metrics, strict" in unknown.stderr
    assert desk.gate("promote", desk.digest).code == 1


def test_nobody_signs_only_where_the_policy_says_so(desk: Checkout) -> None:
    """`require: {owners: 0}` is out loud; saying nothing refuses."""
    desk.write(data={"holdout": SCORED}, signoff=None)
    silent = desk.gate("promote", evaluated(desk))
    desk.write(data={"holdout": SCORED}, signoff={"require": {"owners": 0}})

    loud = desk.gate("promote", evaluated(desk))

    assert (silent.code, loud.code) == (1, 0), silent.stderr + loud.stderr
    assert "the pipeline does not say who must approve" in silent.stderr


def test_a_gate_whose_need_did_not_pass_is_not_asked(desk: Checkout) -> None:
    """It counts as inconclusive, beside the failure."""
    strict = {**METRICS, "name": "strict", "require": ["auc >= 0.99"]}
    after = {**METRICS, "name": "after", "require": LINES, "needs": ["strict"]}
    desk.write(data={"holdout": SCORED}, gates=[METRICS, strict, after])

    ended = desk.gate("run")

    assert ended.code == 1
    assert verdicts(desk.evidence) == {"metrics": "pass", "strict": "fail", "after": "inconclusive"}
    assert "not run: it needs strict (fail)" in ended.stderr


def test_a_warning_is_shown_and_does_not_count(desk: Checkout) -> None:
    """Where nothing else counts either, nothing was proven."""
    strict = {**METRICS, "name": "strict", "require": ["auc >= 0.99"], "severity": "warn"}
    desk.write(data={"holdout": SCORED}, gates=[METRICS, strict])
    beside = desk.gate("run")
    desk.write(data={"holdout": SCORED}, gates=[strict])

    alone = desk.gate("run")

    assert (beside.code, alone.code) == (0, 3)
    assert re.search(r"^strict +fail +auc >= 0\.99 \(does not count\)", beside.stderr, re.M)

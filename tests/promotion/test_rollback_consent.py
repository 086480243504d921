"""Where the policy says `rollback: owner`, an owner's word is bound to this one rollback."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from helpers.desk import Desk
from helpers.promoting import NOW, ssh_key
from lockgate.cli.commands import adopt, promote, rollback
from lockgate.cli.commands.vote import approve
from lockgate.errors import Refused, ServingFault, UsageError, Waiting
from lockgate.hashing import folder_digest, sha256
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.rollback_consent import RollbackPlan, consenting_votes
from lockgate.registries.ports import ModelVersion
from lockgate.signoff.decision import Ballot, Objection
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import Owner, SignoffPolicy
from lockgate.signoff.vote import Vote

OCTOCAT, STRANGER = Identity("github", "583231", "octocat"), Identity("github", "1", "mallory")
POLICY = SignoffPolicy(
    groups={"owners": (Owner(github="octocat", id=583231),)}, require={"owners": 1}, rollback="owner"
)
PLAN = RollbackPlan("fraud", "8", "7", "sha256:" + "a" * 64)


def word(plan: RollbackPlan = PLAN, *, by: Identity = OCTOCAT, at: datetime = NOW, verb: str = "rollback") -> Vote:
    return Vote(verb, plan.sha256, plan.model, None, "stalls", at, by)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("vote", "said"),
    [
        (word(by=STRANGER), "in no group"),
        (word(RollbackPlan("fraud", "8", "6", PLAN.after)), "about something else"),
        (word(RollbackPlan("fraud", "8", "7", "sha256:" + "b" * 64)), "moved a version since"),
        (word(RollbackPlan("churn", "8", "7", PLAN.after)), "about something else"),
        (word(verb="approve"), "about something else"),
        (word(at=NOW - timedelta(hours=1)), "was good for 1h"),
        (word(at=NOW + timedelta(hours=1)), "still to come"),
    ],
)
def test_an_owners_word_is_for_one_rollback_at_one_time(vote: Vote, said: str) -> None:
    """Of an owner, for this model, from this version to that, on this ledger, within the hour."""
    with pytest.raises(Waiting, match=said) as waits:
        consenting_votes(POLICY, PLAN, Ballot((vote,)), actor=STRANGER, now=NOW)

    assert waits.value.code == "owner_needed"
    assert consenting_votes(POLICY, PLAN, Ballot((vote, word())), actor=STRANGER, now=NOW) == (word(),)


def test_what_a_channel_does_not_believe_is_no_word() -> None:
    """A signature that does not hold, for example."""
    doubt = {word().sha256: Objection("not_signed", "its signature is not that of octocat")}

    with pytest.raises(Waiting, match="its signature is not"):
        consenting_votes(POLICY, PLAN, Ballot((word(),), doubt), actor=STRANGER, now=NOW)


def test_an_owner_whom_a_channel_vouches_for_needs_no_vote() -> None:
    """GitHub says who started a run; what stands in git's configuration anybody can write."""
    assert consenting_votes(POLICY, PLAN, Ballot(), actor=OCTOCAT, now=NOW) == ()
    with pytest.raises(Waiting):
        consenting_votes(POLICY, PLAN, Ballot(), actor=Identity("unverified", "583231", "octocat"), now=NOW)


def test_nobody_is_asked_unless_the_policy_says_so() -> None:
    """A rollback is for the night."""
    silent = POLICY.model_copy(update={"rollback": "none"})

    assert consenting_votes(silent, PLAN, Ballot(), actor=STRANGER, now=NOW) == ()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Version 2 is Production, version 1 stands by, and an owner must agree to go back."""
    desk = Desk(tmp_path, monkeypatch)
    desk.write("  rollback: owner\n")
    first, second = desk.register(), desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    about = desk.evaluate(second, champion=first)
    desk.gate(approve, about.digest, "--key", desk.key)
    promoted = desk.gate(promote.command, about.digest)
    assert promoted.exit_code == 0, promoted.exception
    return desk


def test_a_rollback_waits_for_an_owner_and_one_signature_is_enough(desk: Desk) -> None:
    """The owner calls it with a key; the vote is named in the ledger, and its bytes lie beside the evidence."""
    keys = desk.models.registry.ledger(desk.model).keys
    before = dict(keys())
    for more in ((), ("--key", ssh_key(desk.folder, "mallory"))):
        ended = desk.gate(rollback.command, desk.model, "--reason", "stalls", *more)
        assert isinstance(ended.exception, Waiting | Refused)
        assert dict(keys()) == before

    done = desk.gate(rollback.command, desk.model, "--reason", "stalls", "--key", desk.key, "--json")

    assert done.exit_code == 0, done.exception
    (vote,) = json.loads(done.stdout)["entry"]["votes"]
    evidence = read_chain(before).entries[-1].evidence
    stored = [one for one, _ in desk.models.registry.evidence(desk.model).votes(str(evidence)) if sha256(one) == vote]
    assert (Vote.read(stored[0]).verb, Vote.read(stored[0]).reason) == ("rollback", "stalls")


def test_an_owner_signs_for_somebody_else(desk: Desk) -> None:
    """What was signed opens that rollback once; a cut or foreign file is wrong usage."""
    vote = desk.folder / "vote.json"
    signed = desk.gate(rollback.command, desk.model, "--reason", "stalls", "--key", desk.key, "--sign-only", vote)
    assert signed.exit_code == 0, signed.exception
    assert Vote.read(vote.read_bytes()).at <= datetime.now(UTC)
    assert desk.models.registry.aliases(desk.model)["production"] == "2"

    done = desk.gate(rollback.command, desk.model, "--reason", "stalls", "--vote", vote)
    again = desk.gate(
        rollback.command, desk.model, "--to", 2, "--withdrawn-ok", "--reason", "once more", "--vote", vote
    )
    vote.write_bytes(vote.read_bytes()[:-1])
    cut = desk.gate(rollback.command, desk.model, "--to", 2, "--withdrawn-ok", "--reason", "x", "--vote", vote)

    assert done.exit_code == 0, done.exception
    assert desk.models.registry.aliases(desk.model)["production"] == "1"
    assert isinstance(again.exception, Waiting)
    assert "moved a version since" in str(again.exception)
    assert isinstance(cut.exception, UsageError)


def test_a_promotion_that_others_left_unfinished_is_left_behind_by_an_owner_only(desk: Desk) -> None:
    """Nobody else's rollback ends it, also not by a vote from before."""
    third, vote = desk.register(), desk.folder / "vote.json"
    about = desk.evaluate(
        third,
        champion=ModelVersion(
            desk.model, "2", digest=folder_digest(desk.models.files(desk.models.registry.version(desk.model, "2")))
        ),
    )
    desk.gate(approve, about.digest, "--key", desk.key)
    desk.gate(rollback.command, desk.model, "--reason", "stalls", "--key", desk.key, "--sign-only", vote)
    desk.write("  rollback: owner\npromotion: {lease: 1s, switch: {run: [/bin/false], timeout: 500ms}}\n")
    about = desk.evaluate(third, champion=ModelVersion(desk.model, "2", digest=about.champion["digest"]))
    desk.gate(approve, about.digest, "--key", desk.key)
    broken = desk.gate(promote.command, about.digest).exception
    keys = desk.models.registry.ledger(desk.model).keys
    before = dict(keys())
    assert isinstance(broken, ServingFault)
    assert read_chain(before).unfinished is not None

    for more in ((), ("--vote", vote)):
        ended = desk.gate(rollback.command, desk.model, "--reason", "stalls", *more).exception
        assert isinstance(ended, Waiting)
        assert ended.code == "owner_needed"
        assert dict(keys()) == before

    desk.write("  rollback: owner\npromotion: {lease: 1s, switch: {run: [/bin/true], timeout: 500ms}}\n")
    done = desk.gate(rollback.command, desk.model, "--reason", "stalls", "--key", desk.key)
    assert done.exit_code == 0, done.exception
    assert desk.models.registry.aliases(desk.model)["production"] == "2"


def test_options_that_say_two_things_are_wrong_usage(desk: Desk) -> None:
    """Nothing is looked at then."""
    for given in (("--key", desk.key, "--vote", "v"), ("--sign-only", "v")):
        assert isinstance(desk.gate(rollback.command, desk.model, "--reason", "x", *given).exception, UsageError)

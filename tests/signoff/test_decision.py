"""Who may open a gate: never anybody without a quorum of distinct, allowed, fresh votes on exactly this evidence."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from helpers.promoting import NOBODY, NOW, evidence
from lockgate import hashing as digest
from lockgate.signoff.decision import Ballot, Objection, SignoffDecision, decide, unreachable_reason
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import Owner, SignoffPolicy, fingerprint
from lockgate.signoff.vote import Vote


def key(number: int, comment: str = "") -> str:
    """A public key line; nobody holds the private half."""
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (b"ssh-ed25519", bytes([number]) * 32))
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} {comment}".strip()


ALICE, BOB, EVE = key(1, "alice@example.org"), key(2, "bob@example.org"), key(3, "eve@example.org")
EVIDENCE = evidence()
AUTHOR = ("author@example.org",)


def policy(**more: Any) -> SignoffPolicy:
    groups = {"owners": [{"key": ALICE}, {"key": BOB}], "authors": [{"email": AUTHOR[0]}]}
    return SignoffPolicy.model_validate({"groups": groups, "require": {"owners": 1}} | more)


def vote(
    by: str, verb: Any = "approve", *, at: datetime = NOW, on: Any = EVIDENCE, accepting: int | None = None
) -> Vote:
    return Vote(verb, on.digest, on.model, accepting, "", at, Identity("ssh", fingerprint(by)))


def state(
    votes: list[Vote], *, now: datetime = NOW, authors: tuple[str, ...] = AUTHOR, on: Any = EVIDENCE, **more: Any
) -> str:
    return decide(policy(**more), on, Ballot(tuple(votes), {}, authors), now).state


def test_a_vote_has_exactly_the_fields_of_the_contract() -> None:
    """These bytes are what a key signs; reading them back keeps them."""
    cast = vote(ALICE, accepting=2)

    assert json.loads(cast.bytes) == {
        "schema": "lockgate/vote/v1",
        "verb": "approve",
        "digest": EVIDENCE.digest,
        "model": "fraud",
        "accepting": 2,
        "reason": "",
        "at": "2026-11-21T12:00:00.000Z",
        "by": {"kind": "ssh", "id": fingerprint(ALICE), "name": ""},
    }
    assert Vote.read(cast.bytes) == cast
    assert Vote.read(cast.bytes + b"\n").sha256 == digest.sha256(cast.bytes + b"\n")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"schema": "lockgate/vote/v2"}', b"null"])
def test_bytes_that_are_no_vote_are_not_read(data: bytes) -> None:
    """They say nothing."""
    with pytest.raises(ValueError):  # noqa: PT011  # the message is json's own for some
        Vote.read(data)


def test_an_owner_approves() -> None:
    """One vote where one is required, and the decision says whose."""
    cast = vote(ALICE)

    decision = decide(policy(), EVIDENCE, Ballot((cast,), {}, AUTHOR), NOW)

    assert (decision.state, decision.code, decision.counted) == ("approved", "approved", (cast.sha256,))
    assert decision.reason == "approved by alice@example.org"


def test_who_approves_what_is_undecided_is_on_record_as_accepting_it() -> None:
    """By lines, as slices name data; it is the reason that the ledger keeps."""
    undecided = evidence(verdict="inconclusive", opens="by_owner", asks=["latency/r2/a", "latency/r2/b"])
    cast = vote(ALICE, on=undecided, accepting=2)

    decision = decide(policy(), undecided, Ballot((cast,), {}, AUTHOR), NOW)

    assert decision.reason == "approved by alice@example.org, accepting 2 findings of latency/r2"


def test_without_votes_it_says_how_to_get_one() -> None:
    """Pending is not refused."""
    decision = decide(policy(), EVIDENCE, Ballot((), {}, AUTHOR), NOW)

    assert (decision.state, decision.code, dict(decision.missing)) == ("pending", "votes_missing", {"owners": 1})
    assert decision.reason == "1 approval of owners missing"
    assert decision.remedy == f"ask an owner for gate approve {EVIDENCE.digest}"


@pytest.mark.parametrize(
    ("verdict", "opens"), [("fail", "no"), ("error", "no"), ("pass", "no"), ("inconclusive", "no"), ("fail", "yes")]
)
def test_what_did_not_pass_can_never_be_approved(verdict: str, opens: str) -> None:
    """Nor by all owners together, nor where nobody signs."""
    closed = evidence(verdict=verdict, opens=opens)

    assert state([vote(ALICE, on=closed), vote(BOB, on=closed)], on=closed) == "refused"
    assert decide(NOBODY, closed, Ballot(), NOW).code == "not_open"


def test_undecided_findings_are_accepted_by_their_exact_number() -> None:
    """A vote that accepts another number was cast on another understanding."""
    asked = evidence(verdict="inconclusive", opens="by_owner", asks=["metrics/r1/overall", "metrics/r2/overall"])

    assert state([vote(ALICE, on=asked)], on=asked) == "pending"
    assert state([vote(ALICE, on=asked, accepting=1)], on=asked) == "pending"
    assert state([vote(ALICE, on=asked, accepting=2)], on=asked) == "approved"
    assert state([vote(ALICE, accepting=1)]) == "pending"
    assert decide(NOBODY, asked, Ballot(), NOW).code == "nobody_to_ask"


def test_a_rejection_stops_every_approval_until_the_same_person_votes_again() -> None:
    """Whatever others say, and whatever the order in which votes are read."""
    reject, again = vote(BOB, "reject"), vote(BOB, "revoke", at=NOW + timedelta(seconds=1))

    assert state([vote(ALICE, at=NOW + timedelta(minutes=1)), reject], now=NOW + timedelta(hours=1)) == "rejected"
    assert state([again, reject, vote(ALICE)], now=NOW + timedelta(hours=1)) == "approved"
    assert state([reject], now=NOW + timedelta(days=6)) == "rejected"


def test_a_revoked_approval_is_none() -> None:
    """The newest vote of a person is the one that stands."""
    assert state([vote(ALICE), vote(ALICE, "revoke", at=NOW + timedelta(seconds=1))]) == "pending"


def test_votes_and_evidence_expire() -> None:
    """Both are good for the same time."""
    old = evidence(finished=NOW - timedelta(days=8))
    early = vote(ALICE, at=NOW - timedelta(days=7))

    assert state([early]) == "expired"
    assert state([vote(ALICE, on=old)], on=old) == "expired"
    assert decide(NOBODY, old, Ballot(), NOW).code == "evidence_expired"


@pytest.mark.parametrize(("verdict", "opens"), [("pass", "yes"), ("fail", "no")])
def test_evidence_from_the_future_opens_nothing(verdict: str, opens: str) -> None:
    """Beyond what clocks may differ by; it says which clock, by how much, and of how much."""
    ahead = evidence(verdict=verdict, opens=opens, finished=NOW + timedelta(minutes=11))
    refused = decide(policy(), ahead, Ballot(), NOW)

    assert (refused.state, refused.code) == ("refused", "clock_ahead")
    assert "the machine that evaluated has a clock that is 11 minutes ahead, of 10 that are allowed" in refused.reason
    assert "2026-11-21T12:11:00.000Z" in refused.reason
    assert decide(policy(), ahead, Ballot(), NOW + timedelta(minutes=1)).code != "clock_ahead"


def test_a_vote_from_the_future_does_not_count_yet() -> None:
    """Or it would never expire."""
    assert state([vote(ALICE, at=NOW + timedelta(days=1))]) == "pending"


def test_the_author_cannot_approve() -> None:
    """By the email of the key's comment, of the entry, or of GitHub's noreply address."""
    groups = {"owners": [{"key": ALICE}, {"key": BOB, "email": "b@corp.example", "github": "bob", "id": 7}]}

    def by(who: str, author: str) -> str:
        return state([vote(who)], authors=(author,), groups=groups)

    assert by(ALICE, "Alice@example.org") == "pending"
    assert by(BOB, "alice@example.org") == "approved"
    assert by(BOB, "b@corp.example") == "pending"
    assert by(BOB, "7+bobby@users.noreply.github.com") == "pending"
    assert by(BOB, "8+bob@users.noreply.github.com") == "refused"


def test_authors_whom_nobody_knows_stop_it() -> None:
    """They could be anybody, the voter too, unless the policy gives that up."""
    assert decide(policy(), EVIDENCE, Ballot((vote(ALICE),), {}, ("x@y.example",)), NOW).code == "authors_unknown"
    assert decide(policy(), EVIDENCE, Ballot((vote(ALICE),), {}, ()), NOW).code == "authors_unknown"
    early = SignoffDecision("pending", "not_merged", "not yet")
    assert decide(policy(), EVIDENCE, Ballot((vote(ALICE),), {}, (), hold=early), NOW) == early, (
        "they come with the merge"
    )
    strangers = Ballot((vote(ALICE),), {}, ("x@y.example",), hold=early)
    assert decide(policy(), EVIDENCE, strangers, NOW).code == "authors_unknown"
    assert state([vote(ALICE)], authors=("x@y.example",), separation_of_duties=False) == "approved"


def test_an_objection_takes_a_vote_out_and_is_shown() -> None:
    """A channel that does not believe a signature is believed; a rejection with a false signature is none."""
    cast = vote(ALICE)

    decision = decide(
        policy(),
        EVIDENCE,
        Ballot((cast,), {cast.sha256: Objection("not_signed", "its signature is false")}, AUTHOR),
        NOW,
    )

    assert decision.state == "pending"
    assert "its signature is false" in decision.reason


def test_each_vote_that_does_not_count_says_why_in_one_word() -> None:
    """For machines; the sentence beside it is for people."""
    groups = {"owners": [{"key": ALICE}, {"key": BOB}]}
    cast = (
        vote(EVE),
        vote(ALICE, on=evidence()),
        vote(ALICE, accepting=1),
        vote(BOB, at=NOW - timedelta(days=8)),
    )

    decision = decide(policy(groups=groups, separation_of_duties=False), EVIDENCE, Ballot(cast), NOW)

    assert {one.vote: one.code for one in decision.ignored} == dict(
        zip(cast, ("not_owner", "other_evidence", "accepting", "expired"), strict=True)
    )


def test_who_had_a_hand_in_it_by_account_cannot_approve_and_need_not_be_named() -> None:
    """An account is known beyond doubt; an email must belong to somebody."""
    groups = {"owners": [{"github": "ana", "id": 7, "key": ALICE}, {"key": BOB}]}
    stranger, ana = Identity("github", "99", "eve"), Identity("github", "7", "ana")

    def by(key: str, *accounts: Identity) -> str:
        return decide(policy(groups=groups), EVIDENCE, Ballot((vote(key),), accounts=accounts), NOW).state

    assert by(ALICE, stranger) == "approved"
    assert by(ALICE, stranger, ana) == "pending"
    assert by(BOB, stranger, ana) == "approved"


def test_an_obstacle_stops_what_everybody_signed() -> None:
    """Also where nobody need sign; what can never open stays what it is."""
    obstacle = SignoffDecision("superseded", "new_head", "something else lies there now", "evaluate that")
    votes = Ballot((vote(ALICE), vote(BOB, "reject")), {}, AUTHOR, hold=obstacle)
    closed = evidence(verdict="fail", opens="no")

    decision = decide(policy(), EVIDENCE, votes, NOW)

    assert (decision.state, decision.code, decision.remedy) == ("superseded", "new_head", "evaluate that")
    assert decide(NOBODY, EVIDENCE, votes, NOW).code == "new_head"
    assert decide(policy(), closed, votes, NOW).code == "not_open"


def test_what_nobody_could_ever_approve_is_known_before_anybody_is_asked() -> None:
    """The only owner wrote it, or nobody knows who did."""
    alone = policy(groups={"owners": [{"key": ALICE}]})
    written = Ballot(authors=("alice@example.org",))

    assert "owners needs 1 and 0 can" in str(unreachable_reason(alone, written))
    assert "cannot be matched" in str(unreachable_reason(alone, Ballot(authors=("who@example.org",))))
    assert "is not known" in str(unreachable_reason(alone, Ballot()))
    assert unreachable_reason(alone, Ballot(accounts=(Identity("github", "99"),))) is None
    assert unreachable_reason(alone.model_copy(update={"separation_of_duties": False}), written) is None
    assert unreachable_reason(policy(groups={"owners": [{"key": ALICE}, {"key": BOB}]}), written) is None
    assert unreachable_reason(NOBODY, written) is None


def test_one_person_fills_one_seat() -> None:
    """Who stands in two groups still counts once, and seats are filled so that as many as possible are."""
    groups = {"owners": [{"key": ALICE}, {"key": BOB}], "risk": [{"key": ALICE, "email": AUTHOR[0]}]}
    both = {"groups": groups, "require": {"owners": 1, "risk": 1}, "separation_of_duties": False}

    assert state([vote(ALICE)], **both) == "pending"
    assert state([vote(ALICE), vote(BOB)], **both) == "approved"
    assert state([vote(BOB), vote(ALICE)], **both) == "approved"


def test_nobody_signs_only_where_the_policy_says_so() -> None:
    """An empty policy is no permission."""
    assert decide(NOBODY, EVIDENCE, Ballot(), NOW).code == "nobody_signs"
    assert decide(SignoffPolicy(), EVIDENCE, Ballot((vote(ALICE),)), NOW).code == "no_signoff"


people = st.sampled_from([ALICE, BOB, EVE])
votes = st.builds(
    vote,
    people,
    st.sampled_from(["approve", "approve", "reject", "revoke"]),
    at=st.integers(-20, 20).map(lambda days: NOW + timedelta(days=days)),
    on=st.sampled_from([EVIDENCE, evidence("other"), evidence()]),
    accepting=st.sampled_from([None, 0, 1]),
)


@given(st.lists(votes, max_size=8), st.integers(1, 2), st.booleans(), st.data())
def test_nothing_is_approved_without_a_quorum_of_distinct_allowed_votes_for_this_digest(
    cast: list[Vote], quorum: int, separated: bool, data: st.DataObject
) -> None:
    """Recomputed from the votes in the plainest way."""
    authors = data.draw(st.sampled_from([AUTHOR, ("alice@example.org",)]))
    refused = {one.sha256 for one in cast if data.draw(st.booleans())}

    decision = decide(
        policy(require={"owners": quorum}, separation_of_duties=separated),
        EVIDENCE,
        Ballot(tuple(cast), dict.fromkeys(refused, Objection("no", "no")), authors),
        NOW,
    )

    allowed = [fingerprint(ALICE), fingerprint(BOB)]
    heard = [
        one for one in cast if one.sha256 not in refused and one.digest == EVIDENCE.digest and one.by.id in allowed
    ]
    good = {
        one.by.id
        for one in heard
        if one.verb == "approve"
        and NOW - timedelta(days=7) < one.at <= NOW + timedelta(minutes=10)
        and not one.accepting
        and not any(other.by.id == one.by.id and other.at > one.at for other in heard)
        and not (separated and authors != AUTHOR and one.by.id == fingerprint(ALICE))
    }
    if decision.state == "approved":
        assert len(good) >= quorum
        assert len(decision.counted) == quorum
        assert {one.by.id for one in cast if one.sha256 in decision.counted} <= good
    last = {one.by.id: one for one in sorted(heard, key=lambda one: (one.at, one.verb == "reject"))}
    if any(one.verb == "reject" for one in last.values()):
        assert decision.state == "rejected"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"require": {"owners": 3}}, "which has 2"),
        (
            {"groups": {"owners": [{"key": ALICE}], "risk": [{"key": ALICE}]}, "require": {"owners": 1, "risk": 1}},
            "can never",
        ),
        ({"require": {"people": 1}}, "not in groups"),
        ({"require": {}}, "groups without require"),
        ({"require": {"owners": -1}}, "0 or more"),
        ({"groups": {"owners": [{"github": "octocat"}]}}, "needs its number"),
        ({"groups": {"owners": [{}]}}, "names nobody"),
        ({"groups": {"owners": [{"key": "ssh-ed25519 nonsense"}]}}, "not a public key"),
        ({"expires": "0s"}, "longer than nothing"),
        ({"override": {"owners": 3}}, "override needs 3 of owners, which has 2 with a key"),
        ({"override": {"owners": 0}}, "override requires nobody"),
        ({"override": {}}, "override requires nobody"),
        ({"override": {"risk": 1}}, "not in groups"),
        (
            {"groups": {"owners": [{"github": "o", "id": 1}]}, "override": {"owners": 1}},
            "which has 0 with a key to sign that with",
        ),
        (
            {"groups": {"owners": [{"key": ALICE}], "risk": [{"key": ALICE}]}, "override": {"owners": 1, "risk": 1}},
            "override can never be met",
        ),
        ({"groups": {}, "require": {"owners": 0}, "rollback": "owner"}, "names nobody who could give it"),
        ({"rollback": "everybody"}, "'none' or 'owner'"),
    ],
)
def test_a_policy_that_cannot_be_met_is_refused(given: dict[str, Any], said: str) -> None:
    """Before anybody waits for votes that cannot come."""
    with pytest.raises(ValidationError, match=said):
        policy(**given)


def test_a_fingerprint_is_that_of_ssh_keygen() -> None:
    """SHA-256 of the key's blob, in base64 without padding."""
    assert len(fingerprint(ALICE)) == len("SHA256:") + 43
    assert Owner(key=ALICE).name == "alice@example.org"

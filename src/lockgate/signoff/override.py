"""Override of unmet preconditions, once, by a quorum of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from lockgate.errors import Refused, Waiting
from lockgate.evidence.evidence import Evidence
from lockgate.signoff.decision import (
    Ballot,
    Objection,
    SignoffDecision,
    check_vote,
    count_votes,
    find_rejection,
    hashes_of,
    missing_text,
    newest_votes,
)
from lockgate.signoff.policy import Person, SignoffPolicy
from lockgate.signoff.vote import Vote
from lockgate.text import cut

GOOD_FOR = timedelta(hours=24)

# Facts that are old, missing or bad, and known as such. What is not here leaves in doubt what would be moved, from where,
# or under whose rules: other model files, another policy, a withdrawn version, somebody's find_rejection, an alias moved by hand.
OVERRIDABLE = frozenset(
    {
        *("not_open", "nobody_to_ask", "evidence_expired", "not_newest", "champion_moved"),
        *("votes_missing", "votes_expired", "authors_unknown"),
        *("way_back", "proof", "waiver_expired"),
    }
)
_MESSAGE, _REASON = 250, 200  # characters of one objection, and of one person's reason, that the ledger keeps


def decide_override(policy: SignoffPolicy, evidence: Evidence, ballot: Ballot, now: datetime) -> SignoffDecision:
    """Whether the quorum of `signoff.override` says that this evidence's candidate is promoted all the same.

    Only votes to override count, each with a reason, for a day. Whoever made the work does not count where duties are
    separate; one rejection closes this way too, and so does what a channel found in the way.
    """
    if policy.override is None:
        return SignoffDecision(
            "refused",
            "no_override",
            "the policy that was evaluated has no signoff.override, so nothing can be overridden",
            remedy="do what the refusal without --override says",
        )
    if ballot.hold is not None:
        return ballot.hold
    people = policy.people()
    newest, ignored = newest_votes(people, evidence, ballot, verbs=("override", "revoke", "reject"))
    if (rejected := find_rejection(people, evidence, ballot, ignored)) is not None:
        return rejected
    check = partial(_check_override, policy, ballot, now)
    counted, signed, missing = count_votes(policy.override, newest, ignored, verb="override", check=check)
    if missing:
        return SignoffDecision(
            "pending",
            "override_missing",
            missing_text(missing, ignored, noun="override", unread=ballot.unread),
            counted=hashes_of(counted.values()),
            missing=missing,
            ignored=tuple(ignored),
            remedy=f'ask for gate override {evidence.digest} --key FILE --reason "…"',
        )
    reasons = "; ".join(f"{person.name}: {cut(counted[person].reason, _REASON)}" for person in signed)
    hashes = hashes_of(counted[person] for person in signed)
    return SignoffDecision("approved", "overridden", f"override ({reasons})", counted=hashes, ignored=tuple(ignored))


def describe_overridden(overridden: Sequence[Refused | Waiting]) -> tuple[str, ...]:
    """What was overridden, a sentence each, as the ledger keeps it."""
    return tuple(f"overridden {unmet.code}: {cut(unmet.message, _MESSAGE)}" for unmet in overridden)


def _check_override(
    policy: SignoffPolicy, ballot: Ballot, now: datetime, person: Person, vote: Vote
) -> Objection | None:
    objection = check_vote(policy, ballot, now, person, vote, good_for=GOOD_FOR)
    if objection is None and not vote.reason.strip():
        return Objection("no_reason", "it gives no reason")
    return objection

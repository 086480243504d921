"""Override of unmet preconditions, once, by a quorum of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from lockgate.errors import Refused, Waiting
from lockgate.evidence.evidence import Evidence
from lockgate.signoff.decision import (
    Ballot,
    IgnoredVote,
    Objection,
    SignoffDecision,
    find_rejection,
    missing_text,
    newest_votes,
)
from lockgate.signoff.policy import Person, SignoffPolicy, seats
from lockgate.signoff.vote import CLOCK_SKEW, Vote
from lockgate.text import cut
from lockgate.units import duration_text, utc_text

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
        hold = ballot.hold
        return SignoffDecision(hold.state, hold.code, hold.reason, remedy=hold.remedy)
    people = policy.people()
    newest, ignored = newest_votes(people, evidence, ballot, verbs=("override", "revoke", "reject"))
    if (rejected := find_rejection(people, evidence, ballot, ignored)) is not None:
        return rejected
    counted: dict[Person, Vote] = {}
    for person, vote in newest.items():
        if vote.verb != "override":
            continue
        objection = _does_not_count(policy, ballot, person, vote, now)
        if objection is None:
            counted[person] = vote
        else:
            ignored.append(IgnoredVote(vote, objection.code, objection.reason))
    taken = seats(policy.override, list(counted))
    missing = {
        group: count - len(taken[group]) for group, count in policy.override.items() if count > len(taken[group])
    }
    if missing:
        return SignoffDecision(
            "pending",
            "override_missing",
            missing_text(missing, ignored, noun="override"),
            counted=tuple(sorted(vote.sha256 for vote in counted.values())),
            missing=missing,
            ignored=tuple(ignored),
            remedy=f'ask for gate override {evidence.digest} --key FILE --reason "…"',
        )
    signed = sorted((person for people in taken.values() for person in people), key=lambda person: person.name)
    reasons = "; ".join(f"{person.name}: {cut(counted[person].reason, _REASON)}" for person in signed)
    return SignoffDecision(
        "approved",
        "overridden",
        f"override ({reasons})",
        counted=tuple(sorted(counted[person].sha256 for person in signed)),
        ignored=tuple(ignored),
    )


def describe_overridden(overridden: Sequence[Refused | Waiting]) -> tuple[str, ...]:
    """What was overridden, a sentence each, as the ledger keeps it."""
    return tuple(f"overridden {unmet.code}: {cut(unmet.message, _MESSAGE)}" for unmet in overridden)


def _does_not_count(
    policy: SignoffPolicy, ballot: Ballot, person: Person, vote: Vote, now: datetime
) -> Objection | None:
    if policy.separation_of_duties and ballot.made_by(person):
        return Objection("own_work", f"{person.name} had a hand in what was evaluated")
    if vote.at > now + CLOCK_SKEW:
        return Objection("not_yet", f"it is dated {utc_text(vote.at)}, which is still to come")
    if vote.at + GOOD_FOR <= now:
        return Objection("expired", f"it is from {utc_text(vote.at)} and was good for {duration_text(GOOD_FOR)}")
    return None if vote.reason.strip() else Objection("no_reason", "it gives no reason")

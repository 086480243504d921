"""Sign-off decision: whether these votes approve this evidence, as a pure function."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from lockgate.evidence.evidence import Evidence
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import Person, SignoffPolicy, person_of, seats, unfilled
from lockgate.signoff.unclear_words import UnclearWords, still_unclear, unclear_reason
from lockgate.signoff.vote import CLOCK_SKEW, Verb, Vote
from lockgate.text import counted, one_line
from lockgate.units import duration_text, utc_text

NO_SIGNOFF = (
    "the pipeline does not say who must approve, and without that nothing is promoted",
    'write signoff: {groups: {owners: [{key: "the line of a .pub file"}]}, require: {owners: 1}}, or require: {owners: 0} '
    "where nobody is to approve",
)
LAST_RESORT = "as a last resort set signoff.separation_of_duties: false, which lets anybody sign their own work"
_NOUNS = {"approve": "approval", "reject": "rejection", "revoke": "revocation"}


@dataclass(frozen=True)
class Objection:
    """Why a channel does not believe a vote. `code` is stable, for machines."""

    code: str
    reason: str


@dataclass(frozen=True)
class Ballot:
    """What was cast, as the channels found it.

    objections: SHA-256 of a vote → why its channel does not believe it. authors: emails of who made what was evaluated;
    each must belong to somebody whom the policy names. accounts: who else had a hand in it, known beyond doubt, and so
    not asked to be in the policy. Without authors and accounts nobody knows who made it. hold: that no vote counts at
    the moment, because what was evaluated is not what lies there now. unread: a sentence for each file that should be a
    vote and is none. authors_remedy: how the authors become known, where they are not. unclear: what could be an objection,
    and was not understood. hands: email or number of an account → what hand they had in it, where that is known.
    """

    votes: tuple[Vote, ...] = ()
    objections: Mapping[str, Objection] = field(default_factory=dict)
    authors: tuple[str, ...] = ()
    accounts: tuple[Identity, ...] = ()
    hold: SignoffDecision | None = None
    unread: tuple[str, ...] = ()
    authors_remedy: str | None = None
    unclear: tuple[UnclearWords, ...] = ()
    hands: Mapping[str, str] = field(default_factory=dict)

    def made_by(self, person: Person) -> bool:
        """Whether a person had a hand in what was evaluated."""
        return any(map(person.wrote, self.authors)) or any(map(person.is_, self.accounts))

    def hand_of(self, person: Person) -> str:
        """`: author of commit …` of somebody who made it; empty where that is not known."""
        marks = [account.id for account in self.accounts if person.is_(account)]
        marks += [email for email in self.authors if person.wrote(email)]
        return next((f": {self.hands[mark]}" for mark in marks if mark in self.hands), "")


@dataclass(frozen=True)
class IgnoredVote:
    """A vote that does not count, and why. `code` is stable, for machines."""

    vote: Vote
    code: str
    reason: str


@dataclass(frozen=True)
class SignoffDecision:
    """Whether the evidence may be promoted. counted: SHA-256 of the approvals it rests on. missing: group → votes.

    unclear: words that hold it until whoever wrote them makes them clear. rejection: that closes it. standing: why it is
    approved once that is lifted; None where it is not.
    """

    state: Literal["approved", "pending", "rejected", "expired", "refused", "superseded"]
    code: str
    reason: str
    remedy: str | None = None
    counted: tuple[str, ...] = ()
    missing: Mapping[str, int] = field(default_factory=dict)
    ignored: tuple[IgnoredVote, ...] = ()
    unclear: tuple[UnclearWords, ...] = ()
    rejection: Vote | None = None
    standing: str | None = None


def decide(policy: SignoffPolicy, evidence: Evidence, ballot: Ballot, now: datetime) -> SignoffDecision:
    """Whether these votes approve this evidence under this policy at this moment."""
    closed = refuse_evidence(policy, evidence, now)
    if closed is not None:
        return closed
    hold = ballot.hold
    if hold is not None and hold.state != "pending":
        return hold
    people = policy.people()
    newest, ignored = newest_votes(people, evidence, ballot)
    if (rejected := find_rejection(people, evidence, ballot, ignored)) is not None:
        return _with_standing(rejected, policy, evidence, ballot, now)
    if policy.nobody_signs:
        if unclear := still_unclear(people, ballot.unclear, newest, {}):
            return _hold_unclear(people, unclear, tuple(ignored), ())
        return hold or SignoffDecision("approved", "nobody_signs", "the policy requires no approval")
    unknown = unknown_authors(policy, ballot)
    if unknown is not None:
        early = None if ballot.authors or ballot.accounts else hold  # the merge brings the commit, and so its authors
        return early or SignoffDecision(
            "refused", "authors_unknown", unknown[0], ignored=tuple(ignored), remedy=unknown[1]
        )
    check = partial(_check_approval, policy, evidence, ballot, now)
    counted, signed, missing = count_votes(policy.require, newest, ignored, verb="approve", check=check)
    unclear = still_unclear(people, ballot.unclear, newest, counted)
    if not missing and unclear:
        return _hold_unclear(people, unclear, tuple(ignored), hashes_of(counted.values()))
    if not missing:
        names = ", ".join(person.name for person in signed)
        hashes = hashes_of(counted[person] for person in signed)
        accepting = f", accepting {evidence.undecided}" if evidence.opens == "by_owner" else ""
        approved = SignoffDecision(
            "approved", "approved", f"approved by {names}{accepting}", counted=hashes, ignored=tuple(ignored)
        )
        if hold is None:
            return approved
        return replace(
            approved, state=hold.state, code=hold.code, reason=f"{approved.reason}; {hold.reason}", remedy=hold.remedy
        )
    if hold is not None:  # it is only too early
        return hold
    late = [person for person, vote in newest.items() if vote.verb == "approve" and vote.at + policy.expires <= now]
    expired = bool(late) and not unfilled(policy.require, [*counted, *late])
    return SignoffDecision(
        "expired" if expired else "pending",
        "votes_expired" if expired else "votes_missing",
        missing_text(missing, ignored, unread=ballot.unread),
        counted=hashes_of(counted.values()),
        missing=missing,
        ignored=tuple(ignored),
        remedy=f"ask an owner for gate approve {evidence.digest}{accepting_option(evidence)}",
        unclear=unclear,
    )


def _with_standing(
    rejected: SignoffDecision, policy: SignoffPolicy, evidence: Evidence, ballot: Ballot, now: datetime
) -> SignoffDecision:
    """The rejection, and whether the votes of all others approve."""
    by = None if rejected.rejection is None else rejected.rejection.by
    others = replace(ballot, votes=tuple(vote for vote in ballot.votes if vote.by.id != (by and by.id)))
    lifted = decide(policy, evidence, others, now)
    return replace(rejected, standing=lifted.reason if lifted.state == "approved" else None)


def _hold_unclear(
    people: Sequence[Person],
    unclear: tuple[UnclearWords, ...],
    ignored: tuple[IgnoredVote, ...],
    counted: tuple[str, ...],
) -> SignoffDecision:
    name, reason = unclear_reason(people, unclear[-1])
    return SignoffDecision(
        "pending",
        "unclear",
        reason,
        f"ask {name} to say it anew in a form that is known: to approve, to reject or to revoke",
        counted=counted,
        ignored=ignored,
        unclear=unclear,
    )


def hashes_of(votes: Iterable[Vote]) -> tuple[str, ...]:
    return tuple(sorted(vote.sha256 for vote in votes))


def count_votes(
    quorum: Mapping[str, int],
    newest: Mapping[Person, Vote],
    ignored: list[IgnoredVote],
    *,
    verb: Verb,
    check: Callable[[Person, Vote], Objection | None],
) -> tuple[dict[Person, Vote], list[Person], dict[str, int]]:
    """Count the newest votes of a verb towards a quorum; those that do not count are added to `ignored`.

    Returns the votes that count, by person; who fills a seat of the quorum, by name; and what it lacks, group → votes.
    """
    counted: dict[Person, Vote] = {}
    for person, vote in newest.items():
        if vote.verb != verb:
            continue
        objection = check(person, vote)
        if objection is None:
            counted[person] = vote
        else:
            ignored.append(IgnoredVote(vote, objection.code, objection.reason))
    filled = seats(quorum, list(counted))
    signed = sorted((person for people in filled.values() for person in people), key=lambda person: person.name)
    missing = {group: count - len(filled[group]) for group, count in quorum.items() if count > len(filled[group])}
    return counted, signed, missing


def unreachable_reason(policy: SignoffPolicy, ballot: Ballot) -> str | None:
    """Why nobody could ever approve what these people made, None where somebody can. Votes are not looked at."""
    if not policy.require or policy.nobody_signs:
        return None
    unknown = unknown_authors(policy, ballot)
    if unknown is not None:
        return unknown[0]
    lacking = unfilled(policy.require, able_people(policy, ballot))
    return f"who had a hand in it cannot approve it, and without them there is nobody: {lacking}" if lacking else None


def able_people(policy: SignoffPolicy, ballot: Ballot) -> list[Person]:
    """Who may approve what these people made."""
    return [
        person
        for person in policy.people()
        if person.may_vote and not (policy.separation_of_duties and ballot.made_by(person))
    ]


def refuse_future(evidence: Evidence, now: datetime) -> SignoffDecision | None:
    """The decision on evidence that was finished later than now by more than clocks may differ; None on any other."""
    finished = evidence.finished_at
    if finished is None or finished <= now + CLOCK_SKEW:
        return None
    ahead, allowed = (math.ceil(span / timedelta(minutes=1)) for span in (finished - now, CLOCK_SKEW))
    return SignoffDecision(
        "refused",
        "clock_ahead",
        f"the machine that evaluated has a clock that is {ahead:,} minutes ahead, of {allowed} that are allowed: the evidence was "
        f"finished at {utc_text(finished)} by it, and it is {utc_text(now)} by the registry, or here where that says no time",
        remedy="set the clock of that machine, and evaluate again with gate run",
    )


def refuse_evidence(policy: SignoffPolicy, evidence: Evidence, now: datetime) -> SignoffDecision | None:
    """The decision on evidence that no approval could promote, None where approvals can."""
    if (early := refuse_future(evidence, now)) is not None:
        return early
    opens = evidence.opens
    if not evidence.can_be_approved:
        return SignoffDecision(
            "refused",
            "not_open",
            f"the verdict is {evidence.verdict} and the evidence blocks promotion (opens: {opens}); no approval can change that",
            remedy="see gate report for what stopped it, then evaluate a better candidate with gate run",
        )
    if not policy.require:
        return SignoffDecision("refused", "no_signoff", NO_SIGNOFF[0], remedy=NO_SIGNOFF[1])
    if policy.nobody_signs and opens == "by_owner":
        return SignoffDecision(
            "refused",
            "nobody_to_ask",
            f"{len(evidence.asks)} findings are undecided, and the policy requires no approval",
            remedy="give the gate more data, or name owners who can accept them",
        )
    finished = evidence.finished_at
    if finished is None:
        return SignoffDecision(
            "refused",
            "no_time",
            "the evidence does not say when it was finished",
            remedy="evaluate again with gate run",
        )
    if finished + policy.expires <= now:
        return SignoffDecision(
            "expired",
            "evidence_expired",
            f"the evidence is from {utc_text(finished)} and was good for {duration_text(policy.expires)}",
            remedy="evaluate again with gate run",
        )
    return None


def newest_votes(
    people: Sequence[Person],
    evidence: Evidence,
    ballot: Ballot,
    *,
    verbs: Sequence[Verb] = ("approve", "revoke", "reject"),
) -> tuple[dict[Person, Vote], list[IgnoredVote]]:
    """The newest vote of each person on this evidence, and the votes that are nobody's or of something else.

    verbs: those that are looked at; of two votes of one moment the later in this order counts.
    """
    newest: dict[Person, Vote] = {}
    ignored: list[IgnoredVote] = []
    relevant = [vote for vote in ballot.votes if vote.verb in verbs]
    for vote in sorted(relevant, key=lambda vote: (vote.at, verbs.index(vote.verb), vote.sha256)):
        person = person_of(people, vote.by)
        if vote.sha256 in ballot.objections:
            objection = ballot.objections[vote.sha256]
            ignored.append(IgnoredVote(vote, objection.code, objection.reason))
        elif person is None:
            ignored.append(IgnoredVote(vote, "not_owner", f"{vote.by} is in no group of the policy"))
        elif (vote.digest, vote.model) != (evidence.digest, evidence.model):
            ignored.append(IgnoredVote(vote, "other_evidence", "it is about other evidence"))
        else:
            newest[person] = vote
    return newest, ignored


def find_rejection(
    people: Sequence[Person], evidence: Evidence, ballot: Ballot, ignored: Sequence[IgnoredVote]
) -> SignoffDecision | None:
    """That somebody's last word is a rejection, None where nobody's is; what they signed later lifts it."""
    newest, _ = newest_votes(people, evidence, ballot, verbs=("approve", "override", "revoke", "reject"))
    for person, vote in newest.items():
        if vote.verb == "reject":
            reason = f": {one_line(vote.reason)}" if vote.reason else ""
            return SignoffDecision(
                "rejected",
                "rejected",
                f"{person.name} rejected it on {utc_text(vote.at)}{reason}",
                ignored=tuple(ignored),
                remedy=f"only {person.name} can lift that, by signing again",
                rejection=vote,
            )
    return None


def unknown_authors(policy: SignoffPolicy, ballot: Ballot) -> tuple[str, str] | None:
    """Why nobody can be told apart from the authors, and the remedy; None where the policy does not ask or they are known."""
    if not policy.separation_of_duties:
        return None
    if not ballot.authors and not ballot.accounts:
        unknown = "who wrote the evaluated commit is not known, so no approver can be told apart from its author"
        return unknown, ballot.authors_remedy or LAST_RESORT
    strangers = sorted({email for email in ballot.authors if not policy.names(email)})
    if strangers:
        hands = {email: ballot.hands.get(email, "") for email in strangers}
        names = ", ".join(f"{email} ({hand})" if hand else email for email, hand in hands.items())
        trailer = any(hand.startswith("Co-authored-by") for hand in hands.values())
        amend = "correct that line and push again (git commit --amend, or git rebase), or " if trailer else ""
        return (
            f"{names} wrote the evaluated commit and cannot be matched to anybody in signoff.groups",
            f"{amend}name them by email in the group `authors` there, which is not to be required, or {LAST_RESORT}",
        )
    return None


def check_vote(
    policy: SignoffPolicy, ballot: Ballot, now: datetime, person: Person, vote: Vote, *, good_for: timedelta
) -> Objection | None:
    """Why a person's vote does not count towards a quorum, None where it does."""
    if policy.separation_of_duties and ballot.made_by(person):
        return Objection("own_work", f"{person.name} had a hand in what was evaluated{ballot.hand_of(person)}")
    if vote.at > now + CLOCK_SKEW:
        return Objection("not_yet", f"it is dated {utc_text(vote.at)}, which is still to come")
    if vote.at + good_for <= now:
        return Objection("expired", f"it is from {utc_text(vote.at)} and was good for {duration_text(good_for)}")
    return None


def _check_approval(
    policy: SignoffPolicy, evidence: Evidence, ballot: Ballot, now: datetime, person: Person, vote: Vote
) -> Objection | None:
    undecided = len(evidence.asks) if evidence.opens == "by_owner" else 0
    objection = check_vote(policy, ballot, now, person, vote, good_for=policy.expires)
    if objection is None and (vote.accepting or 0) != undecided:
        return Objection(
            "accepting", f"it accepts {counted(vote.accepting or 0, 'undecided finding')}; the evidence has {undecided}"
        )
    return objection


def missing_text(
    missing: Mapping[str, int], ignored: Sequence[IgnoredVote], *, noun: str = "approval", unread: Sequence[str] = ()
) -> str:
    """`2 approvals of owners missing`, then the votes that do not count, a line each. unread: of a ballot."""
    counts = " and ".join(
        f"{count} {noun}{'s' if count > 1 else ''} of {group}" for group, count in sorted(missing.items())
    )
    lines = "".join(
        f"\n  {vote.vote.by}'s {_NOUNS.get(vote.vote.verb, vote.vote.verb)} does not count: {one_line(vote.reason)}"
        for vote in ignored
    )
    lines += "".join(f"\n  {one_line(sentence)}" for sentence in unread)
    return f"{counts} missing{lines}"


def accepting_option(evidence: Evidence) -> str:
    """What `gate approve` takes behind the digest of the evidence: ` --accepting 2`, or nothing."""
    return f" --accepting {len(evidence.asks)}" if evidence.opens == "by_owner" else ""

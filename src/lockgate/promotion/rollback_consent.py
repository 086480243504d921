"""Owner's approval of a rollback, required where the policy says `rollback: owner`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from lockgate.errors import Waiting
from lockgate.evidence.record import Record
from lockgate.promotion.ledger.entry import Entry
from lockgate.signoff.decision import Ballot
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import Owner, SignoffPolicy
from lockgate.signoff.vote import CLOCK_SKEW, Vote
from lockgate.units import duration_text, utc_text

GOOD_FOR = timedelta(hours=1)
_MOST_SIGNS = 1200  # of the owners in an entry of the ledger, which has to hold all else, too


@dataclass(frozen=True)
class RollbackPlan(Record):
    """What a rollback would do; an owner signs its hash.

    after: SHA-256 of the ledger's last entry, so that an approval of it allows no other one.
    """

    schema = "lockgate/rollback/v1"
    renamed: ClassVar = {"source": "from", "target": "to"}

    model: str
    source: str
    target: str
    after: str

    def __str__(self) -> str:
        return f"the rollback of {self.model} from version {self.source} to {self.target}"


class RollbackConsent(Protocol):
    """Where a rollback gets an owner's approval."""

    def check_unfinished(self, entry: Entry) -> None:
        """Raises Waiting or Refused where whoever calls may not leave an entry behind that others had not finished.

        Called before anything is touched: what an owner signs cannot be known before that entry is ended.
        """

    def __call__(self, plan: RollbackPlan) -> Sequence[tuple[bytes, bytes]]:
        """The votes that let it, as (bytes, signature). Raises Waiting where nobody agrees."""


def needs_consent(policy: SignoffPolicy, actor: Identity) -> bool:
    """Whether an owner's approval is required: the policy says so, and whoever calls is no owner."""
    return policy.rollback == "owner" and policy.owner_of(actor) is None


def consenting_votes(
    policy: SignoffPolicy, plan: RollbackPlan, ballot: Ballot, *, actor: Identity, now: datetime
) -> Sequence[Vote]:
    """The votes by which an owner agrees, none where nobody is asked or the owner acts in person.

    actor: who calls; an owner whom a channel vouches for (not a name that anybody can write into git) needs no vote.
    Raises Waiting where nobody agrees, with why each vote does not count.
    """
    if not needs_consent(policy, actor):
        return ()
    objections = []
    for vote in ballot.votes:
        objection = _objection(policy, plan, ballot, vote, now)
        if objection is None:
            return (vote,)
        objections.append(f"\n  {vote.by}'s approval does not count: {objection}")
    raise Waiting(
        f"an owner must approve {plan}{''.join(objections)}",
        code="owner_needed",
        remedy=f'an owner calls gate rollback {plan.model} --to {plan.target} --reason "…" --key FILE, or signs it for '
        "you with --sign-only VOTE besides, and you call it with --vote VOTE",
    )


def _objection(policy: SignoffPolicy, plan: RollbackPlan, ballot: Ballot, vote: Vote, now: datetime) -> str | None:
    if vote.sha256 in ballot.objections:
        return ballot.objections[vote.sha256].reason
    if policy.owner_of(vote.by) is None:
        return f"{vote.by} is in no group of the policy"
    if vote.verb != "rollback" or (vote.digest, vote.model) != (plan.sha256, plan.model):
        return "it is about something else, or somebody moved a version since it was signed"
    if vote.at > now + CLOCK_SKEW:
        return f"it is dated {utc_text(vote.at)}, which is still to come"
    if vote.at + GOOD_FOR <= now:
        return f"it is from {utc_text(vote.at)} and was good for {duration_text(GOOD_FOR)}"
    return None


def rollback_owners(policy: SignoffPolicy) -> tuple[str, ...] | None:
    """Those who may agree to a rollback, as an entry of the ledger names them: `github:ID`, and public keys.

    None where the policy requires nobody's approval; empty where they do not fit.
    """
    if policy.rollback != "owner":
        return None
    owners = [owner for person in policy.people() for owner in person.owners]
    accounts = [f"github:{owner.id}" for owner in owners if owner.id is not None]
    keys = [owner.key.split() for owner in owners if owner.key is not None]
    for words in (None, 2):  # with the names behind the keys, else without
        named = tuple(dict.fromkeys([*accounts, *(" ".join(key[:words]) for key in keys)]))
        if sum(map(len, named)) <= _MOST_SIGNS:
            return named
    return ()


def ledger_policy(entry: Entry) -> SignoffPolicy:
    """The policy of rollbacks that the last entry of a ledger holds. Raises Waiting where it holds only that there is one."""
    if entry.rollback_owners is None:
        return SignoffPolicy()
    try:
        owners = [
            Owner(id=int(text.removeprefix("github:"))) if text.startswith("github:") else Owner(key=text)
            for text in entry.rollback_owners
        ]
        return SignoffPolicy(groups={"owners": tuple(owners)}, require={"owners": 0}, rollback="owner")
    except ValueError as error:
        raise Waiting(
            f"by {entry.label} an owner must approve a rollback, and who that is stands in the pipeline alone",
            code="owner_needed",
            remedy="call it where the pipeline is, or name that with --pipeline FILE",
        ) from error

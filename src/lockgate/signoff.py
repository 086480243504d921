"""May this evidence open the gate: votes, who may cast them, and one pure decision."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, cast, get_args

from pydantic import Field, field_validator, model_validator

from lockgate import digest
from lockgate.config import Config, Duration
from lockgate.evidence import Evidence, Verdict
from lockgate.registry import Identity, utc, utc_text
from lockgate.units import duration_text

SCHEMA = "lockgate/vote/v1"
CLOCK_SKEW = timedelta(minutes=10)

Verb = Literal["approve", "reject", "revoke", "override", "rollback"]

_NOREPLY = re.compile(r"(?:(?P<id>\d+)\+)?(?P<login>[^@+]+)@users\.noreply\.github\.com")


@dataclass(frozen=True)
class Vote:
    """What an identity says about one piece of evidence. `bytes` are what a key signs.

    accepting: how many undecided findings an approval accepts, None where it accepts none.
    """

    verb: Verb
    digest: str
    model: str
    accepting: int | None
    reason: str
    at: datetime
    by: Identity
    stored: bytes | None = field(default=None, repr=False, compare=False)

    @classmethod
    def read(cls, data: bytes) -> Vote:
        """A vote from the bytes that were signed. Raises ValueError for anything that is not one."""
        try:
            value: Mapping[str, Any] = json.loads(data)
            if value["schema"] != SCHEMA:
                raise ValueError(f"its schema is {value['schema']!r}; this lockgate reads {SCHEMA}")
            if value["verb"] not in get_args(Verb):
                raise ValueError(f"its verb is {value['verb']!r}; known are {', '.join(get_args(Verb))}")
            accepting = value["accepting"]
            if not (accepting is None or (type(accepting) is int and accepting >= 0)):
                raise ValueError(f"accepting is {accepting!r}, not a count")
            if not digest.is_digest(value["digest"]):
                raise ValueError("it names no digest")
            return cls(
                verb=cast(Verb, value["verb"]),
                digest=value["digest"],
                model=str(value["model"]),
                accepting=accepting,
                reason=str(value["reason"]),
                at=utc(value["at"]),
                by=Identity.from_json(value["by"]),
                stored=data,
            )
        except (KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
            raise ValueError(f"these bytes are not a vote: {error!r}") from error

    @property
    def bytes(self) -> bytes:
        if self.stored is not None:
            return self.stored
        return digest.canonical(
            {
                "schema": SCHEMA,
                "verb": self.verb,
                "digest": self.digest,
                "model": self.model,
                "accepting": self.accepting,
                "reason": self.reason,
                "at": utc_text(self.at),
                "by": self.by.to_json(),
            }
        )

    @property
    def sha256(self) -> str:
        return digest.sha256(self.bytes)


def fingerprint(key: str) -> str:
    """`SHA256:…` of a public key line, as ssh-keygen shows it. Raises ValueError for what is no public key."""
    parts = key.split()
    try:
        blob = base64.b64decode(parts[1], validate=True)
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 5 or blob[4 : 4 + length].decode() != parts[0]:
            raise ValueError
    except (IndexError, ValueError, binascii.Error) as error:
        raise ValueError(
            f"{key[:40]!r} is not a public key; write the line of a .pub file, like 'ssh-ed25519 AAAA… me@example.org'"
        ) from error
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


class Owner(Config):
    """One person of a group, by the accounts and keys that are theirs. A login is for reading; the id is what counts.

    email: what their commits carry, where neither the key's comment nor a GitHub noreply address says it.
    """

    github: str | None = None
    id: int | None = Field(default=None, gt=0)
    key: str | None = None
    email: str | None = None

    @field_validator("key")
    @classmethod
    def _public(cls, value: str | None) -> str | None:
        if value is not None:
            if "\n" in value.strip():
                raise ValueError("a key is one line of a .pub file")
            fingerprint(value)
        return value

    @model_validator(mode="after")
    def _somebody(self) -> Owner:
        if self.github is not None and self.id is None:
            raise ValueError(
                f"github: {self.github} needs its number, because logins can change hands; add id: (it stands at "
                f"api.github.com/users/{self.github})"
            )
        if self.id is None and self.key is None and self.email is None:
            raise ValueError("names nobody; give github and id, or key, or email")
        return self

    @property
    def may_vote(self) -> bool:
        return self.id is not None or self.key is not None

    @property
    def name(self) -> str:
        comment = " ".join((self.key or "").split()[2:])
        return self.github or self.email or comment or self._marks()[0]

    @property
    def emails(self) -> frozenset[str]:
        comment = " ".join((self.key or "").split()[2:])
        return frozenset(text.lower() for text in (self.email, comment) if text and "@" in text)

    def wrote(self, email: str) -> bool:
        """Whether a commit's email is theirs."""
        noreply = _NOREPLY.fullmatch(email.lower())
        if noreply is not None and self.id is not None:
            if noreply["id"] is not None:
                return int(noreply["id"]) == self.id
            return noreply["login"] == (self.github or "").lower()
        return email.lower() in self.emails

    def is_(self, identity: Identity) -> bool:
        if identity.kind == "github":
            return self.id is not None and identity.id == str(self.id)
        return identity.kind == "ssh" and self.key is not None and identity.id == fingerprint(self.key)

    def _marks(self) -> list[str]:
        """What makes two entries the same person."""
        marks = [f"github {self.id}"] if self.id is not None else []
        marks += [fingerprint(self.key)] if self.key is not None else []
        return marks + sorted(self.emails)


class SignoffPolicy(Config):
    """Who must sign. `require: {owners: 0}` says out loud that nobody does; without `require` nothing is promoted.

    override: who must sign, with a key, so that a promotion goes over what stands in the way; None where nobody may.
    rollback: whether an owner must agree to a rollback.
    """

    groups: dict[str, tuple[Owner, ...]] = Field(default_factory=dict)
    require: dict[str, int] = Field(default_factory=dict)
    separation_of_duties: bool = True
    expires: Duration = timedelta(days=7)
    override: dict[str, int] | None = None
    rollback: Literal["none", "owner"] = "none"

    @model_validator(mode="after")
    def _can_be_met(self) -> SignoffPolicy:
        if self.groups and not self.require:
            raise ValueError("groups without require; say how many of each must approve, like require: {owners: 1}")
        self._quorum("require", self.require, lambda owner: owner.may_vote, "an id or a key to vote with")
        if self.override is not None:
            if not any(self.override.values()):
                raise ValueError(
                    "override asks nobody, so anybody could go over everything; ask one of a group or more"
                )
            self._quorum("override", self.override, lambda owner: owner.key is not None, "a key to sign that with")
        if self.rollback == "owner" and not any(owner.may_vote for owner, _ in self._owners()):
            raise ValueError("rollback: owner asks an owner, and groups names nobody who could be asked")
        if self.expires <= timedelta(0):
            raise ValueError("expires must be longer than nothing; write one like 7d")
        return self

    def _quorum(self, key: str, wanted: Mapping[str, int], able: Callable[[Owner], bool], how: str) -> None:
        """Raises ValueError for a quorum that no set of people could fill."""
        for group, count in wanted.items():
            if count < 0:
                raise ValueError(f"{key} asks {count} of {group}; write 0 or more")
            if count > 0 and group not in self.groups:
                known = ", ".join(sorted(self.groups)) or "none"
                raise ValueError(f"{key} names the group {group!r}, which is not in groups (known: {known})")
            could = sum(able(owner) for owner in self.groups.get(group, ()))
            if count > could:
                raise ValueError(f"{key} asks {count} of {group}, which has {could} with {how}")
        if short := _short(wanted, [person for person in self.people() if any(map(able, person.owners))]):
            raise ValueError(f"{key} can never be met, because one person fills one seat: {short}")

    @property
    def nobody_signs(self) -> bool:
        """Whether the policy says that no approval is needed."""
        return bool(self.require) and not any(self.require.values())

    @property
    def keys(self) -> tuple[str, ...]:
        """Every public key that may sign a vote, each once."""
        return tuple(dict.fromkeys(owner.key for owner, _ in self._owners() if owner.key is not None))

    def owner_of(self, identity: Identity) -> Owner | None:
        return next((owner for owner, _ in self._owners() if owner.is_(identity)), None)

    def people(self) -> tuple[Person, ...]:
        """The owners of all groups, entries with an account, key or email in common being one person."""
        people: list[Person] = []
        for owner, group in self._owners():
            marks = frozenset(owner._marks())
            same = [person for person in people if person.marks & marks]
            people = [person for person in people if person not in same]
            people.append(
                Person(
                    owners=(*(entry for person in same for entry in person.owners), owner),
                    groups=frozenset({group}).union(*(person.groups for person in same)),
                    marks=marks.union(*(person.marks for person in same)),
                )
            )
        return tuple(people)

    def _owners(self) -> list[tuple[Owner, str]]:
        return [(owner, group) for group, owners in self.groups.items() for owner in owners]


@dataclass(frozen=True)
class Person:
    """Somebody who stands in one or several groups."""

    owners: tuple[Owner, ...]
    groups: frozenset[str]
    marks: frozenset[str]

    @property
    def name(self) -> str:
        return self.owners[0].name

    @property
    def may_vote(self) -> bool:
        return any(owner.may_vote for owner in self.owners)

    def is_(self, identity: Identity) -> bool:
        return any(owner.is_(identity) for owner in self.owners)

    def wrote(self, email: str) -> bool:
        return any(owner.wrote(email) for owner in self.owners)


@dataclass(frozen=True)
class Objection:
    """Why a channel does not believe a vote. `code` is stable, for machines."""

    code: str
    reason: str


@dataclass(frozen=True)
class Obstacle:
    """Why no vote that a channel found opens anything at the moment: what was evaluated is not what lies there now."""

    state: Literal["pending", "refused", "superseded"]
    code: str
    reason: str
    remedy: str | None = None


@dataclass(frozen=True)
class Ballot:
    """What was cast, as the channels found it.

    objections: SHA-256 of a vote → why its channel does not believe it. authors: emails of who made what was evaluated;
    each must belong to somebody whom the policy names. accounts: who else had a hand in it, known beyond doubt, and so
    not asked to be in the policy. Without authors and accounts nobody knows who made it.
    """

    votes: tuple[Vote, ...] = ()
    objections: Mapping[str, Objection] = field(default_factory=dict)
    authors: tuple[str, ...] = ()
    accounts: tuple[Identity, ...] = ()
    obstacle: Obstacle | None = None

    def made_by(self, person: Person) -> bool:
        """Whether a person had a hand in what was evaluated."""
        return any(map(person.wrote, self.authors)) or any(map(person.is_, self.accounts))


@dataclass(frozen=True)
class Ignored:
    """A vote that does not count, and why. `code` is stable, for machines."""

    vote: Vote
    code: str
    reason: str


@dataclass(frozen=True)
class Decision:
    """Whether the evidence may be promoted. counted: SHA-256 of the approvals it rests on. missing: group → votes."""

    state: Literal["approved", "pending", "rejected", "expired", "refused", "superseded"]
    code: str
    reason: str
    counted: tuple[str, ...] = ()
    missing: Mapping[str, int] = field(default_factory=dict)
    ignored: tuple[Ignored, ...] = ()
    remedy: str | None = None


def decide(policy: SignoffPolicy, evidence: Evidence, ballot: Ballot, now: datetime) -> Decision:
    """Whether these votes approve this evidence under this policy at this moment."""
    closed = why_closed(policy, evidence, now)
    if closed is not None:
        return closed
    if ballot.obstacle is not None:
        found = ballot.obstacle
        return Decision(found.state, found.code, found.reason, remedy=found.remedy)
    if policy.nobody_signs:
        return Decision("approved", "nobody_signs", "the policy says that nobody signs")
    people = policy.people()
    newest, ignored = newest_votes(people, evidence, ballot)
    if (rejected := veto(people, evidence, ballot, ignored)) is not None:
        return rejected
    unknown = _unknown_authors(policy, people, ballot)
    if unknown is not None:
        return Decision("refused", "authors_unknown", unknown[0], ignored=tuple(ignored), remedy=unknown[1])
    counted: dict[Person, Vote] = {}
    late: dict[Person, Vote] = {}
    for person, vote in newest.items():
        if vote.verb != "approve":
            continue
        objection = _does_not_count(policy, evidence, ballot, person, vote, now)
        if objection is None:
            counted[person] = vote
        else:
            ignored.append(Ignored(vote, objection.code, objection.reason))
            if vote.at + policy.expires <= now:
                late[person] = vote
    taken = seats(policy.require, list(counted))
    missing = {group: count - len(taken[group]) for group, count in policy.require.items() if count > len(taken[group])}
    if not missing:
        chosen = tuple(sorted(counted[person].sha256 for people_of in taken.values() for person in people_of))
        names = ", ".join(sorted(person.name for people_of in taken.values() for person in people_of))
        return Decision("approved", "approved", f"approved by {names}", counted=chosen, ignored=tuple(ignored))
    with_late = seats(policy.require, [*counted, *late])
    state: Literal["expired", "pending"] = (
        "expired" if late and all(len(with_late[g]) >= n for g, n in policy.require.items()) else "pending"
    )
    return Decision(
        state,
        "votes_expired" if state == "expired" else "votes_missing",
        missing_text(missing, ignored),
        counted=tuple(sorted(vote.sha256 for vote in counted.values())),
        missing=missing,
        ignored=tuple(ignored),
        remedy=f"ask an owner for gate approve {evidence.digest}{_accepting(evidence)} --key FILE",
    )


def out_of_reach(policy: SignoffPolicy, ballot: Ballot) -> str | None:
    """Why nobody could ever approve what these people made, None where somebody can. Votes are not looked at."""
    if not policy.require or policy.nobody_signs:
        return None
    people = policy.people()
    unknown = _unknown_authors(policy, people, ballot)
    if unknown is not None:
        return unknown[0]
    left = [
        person for person in people if person.may_vote and not (policy.separation_of_duties and ballot.made_by(person))
    ]
    short = _short(policy.require, left)
    return f"who had a hand in it cannot approve it, and without them there is nobody: {short}" if short else None


def why_closed(policy: SignoffPolicy, evidence: Evidence, now: datetime) -> Decision | None:
    """Why no vote at all could open this evidence, None where votes can."""
    opens = evidence.opens
    fits = (opens == "yes" and evidence.verdict is Verdict.PASS) or (
        opens == "by_owner" and evidence.verdict is Verdict.INCONCLUSIVE and bool(evidence.asks)
    )
    if not fits:
        return Decision(
            "refused",
            "not_open",
            f"the verdict is {evidence.verdict} and it opens {opens}; no approval can change that",
            remedy="see gate report for what stopped it, then evaluate a better candidate with gate run",
        )
    if not policy.require:
        return Decision(
            "refused",
            "no_signoff",
            "the pipeline says nothing about who signs",
            remedy="add signoff: with groups and require, or require: {owners: 0} to say that nobody does",
        )
    if policy.nobody_signs and opens == "by_owner":
        return Decision(
            "refused",
            "nobody_to_ask",
            f"{len(evidence.asks)} findings are undecided, and the policy says that nobody signs",
            remedy="give the gate more data, or name owners who can accept them",
        )
    try:
        finished = utc(evidence.document["run"]["finished_at"])
    except (KeyError, TypeError, ValueError):
        return Decision(
            "refused",
            "no_time",
            "the evidence does not say when it was finished",
            remedy="evaluate again with gate run",
        )
    if finished + policy.expires <= now:
        return Decision(
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
) -> tuple[dict[Person, Vote], list[Ignored]]:
    """The newest vote of each person on this evidence, and the votes that are nobody's or of something else.

    verbs: those that are looked at; of two votes of one moment the later in this order counts.
    """
    newest: dict[Person, Vote] = {}
    ignored: list[Ignored] = []
    asked = [vote for vote in ballot.votes if vote.verb in verbs]
    for vote in sorted(asked, key=lambda vote: (vote.at, verbs.index(vote.verb), vote.sha256)):
        person = next((person for person in people if person.is_(vote.by)), None)
        if vote.sha256 in ballot.objections:
            objection = ballot.objections[vote.sha256]
            ignored.append(Ignored(vote, objection.code, objection.reason))
        elif person is None:
            ignored.append(Ignored(vote, "not_owner", f"{vote.by} is in no group of the policy"))
        elif (vote.digest, vote.model) != (evidence.digest, evidence.model):
            ignored.append(Ignored(vote, "other_evidence", "it is about other evidence"))
        else:
            newest[person] = vote
    return newest, ignored


def veto(people: Sequence[Person], evidence: Evidence, ballot: Ballot, ignored: Sequence[Ignored]) -> Decision | None:
    """That somebody's last word is a rejection, None where nobody's is; what they signed later lifts it."""
    newest, _ = newest_votes(people, evidence, ballot, verbs=("approve", "override", "revoke", "reject"))
    for person, vote in newest.items():
        if vote.verb == "reject":
            why = f": {vote.reason}" if vote.reason else ""
            return Decision(
                "rejected",
                "rejected",
                f"{person.name} rejected it on {utc_text(vote.at)}{why}",
                ignored=tuple(ignored),
                remedy=f"only {person.name} can lift that, with a newer vote",
            )
    return None


def _unknown_authors(policy: SignoffPolicy, people: Sequence[Person], ballot: Ballot) -> tuple[str, str] | None:
    if not policy.separation_of_duties:
        return None
    remedy = "set signoff.separation_of_duties: false to let anybody sign their own work"
    if not ballot.authors and not ballot.accounts:
        return "nobody knows who wrote the evaluated commit, so nobody can be told apart from its author", remedy
    strangers = sorted({email for email in ballot.authors if not any(person.wrote(email) for person in people)})
    if strangers:
        return (
            f"{', '.join(strangers)} wrote the evaluated commit and cannot be matched to anybody in signoff.groups",
            f"name them there with their email, in any group, or {remedy}",
        )
    return None


def _does_not_count(
    policy: SignoffPolicy, evidence: Evidence, ballot: Ballot, person: Person, vote: Vote, now: datetime
) -> Objection | None:
    if policy.separation_of_duties and ballot.made_by(person):
        return Objection("own_work", f"{person.name} had a hand in what was evaluated")
    if vote.at > now + CLOCK_SKEW:
        return Objection("not_yet", f"it is dated {utc_text(vote.at)}, which is still to come")
    if vote.at + policy.expires <= now:
        return Objection("expired", f"it is from {utc_text(vote.at)} and was good for {duration_text(policy.expires)}")
    asked = len(evidence.asks) if evidence.opens == "by_owner" else 0
    if (vote.accepting or 0) != asked:
        return Objection("accepting", f"it accepts {vote.accepting or 0} undecided findings; the evidence has {asked}")
    return None


def seats(require: Mapping[str, int], people: Sequence[Person]) -> dict[str, list[Person]]:
    """As many seats of the required groups as these people can fill, each person one seat."""
    taken: dict[tuple[str, int], Person] = {}

    def seat(person: Person, tried: set[tuple[str, int]]) -> bool:
        for group in sorted(person.groups & require.keys()):
            for place in ((group, number) for number in range(require[group])):
                if place in tried:
                    continue
                tried.add(place)
                if place not in taken or seat(taken[place], tried):
                    taken[place] = person
                    return True
        return False

    for person in people:
        seat(person, set())
    filled: dict[str, list[Person]] = {group: [] for group in require}
    for (group, _), person in taken.items():
        filled[group].append(person)
    return filled


def _short(require: Mapping[str, int], people: Sequence[Person]) -> str:
    """Which groups these people cannot fill, nothing where they can."""
    filled = seats(require, people)
    return ", ".join(
        f"{group} needs {count} and {len(filled[group])} can"
        for group, count in require.items()
        if count > len(filled[group])
    )


def missing_text(missing: Mapping[str, int], ignored: Sequence[Ignored], *, what: str = "approval") -> str:
    """`2 approvals of owners missing`, then the votes that do not count, a line each."""
    wanted = " and ".join(
        f"{count} {what}{'s' if count > 1 else ''} of {group}" for group, count in sorted(missing.items())
    )
    lines = "".join(f"\n  {one.vote.by}'s {one.vote.verb} does not count: {one.reason}" for one in ignored)
    return f"{wanted} missing{lines}"


def _accepting(evidence: Evidence) -> str:
    return f" --accepting {len(evidence.asks)}" if evidence.opens == "by_owner" else ""

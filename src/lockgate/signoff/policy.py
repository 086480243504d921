"""Sign-off policy: who may sign, how many must, and which entries are one person."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator, model_validator

from lockgate.config import Config, Duration
from lockgate.signoff.identity import NOREPLY, Identity


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
    """One person of a group, by the accounts and keys that are theirs."""

    github: str | None = Field(default=None, description="Login on GitHub, for reading; needs `id`.")
    id: int | None = Field(
        default=None,
        gt=0,
        description="Number of the GitHub account, which is what counts: `gh api users/LOGIN --jq .id`.",
    )
    key: str | None = Field(default=None, description="Public SSH key that signs, the line of a .pub file.")
    email: str | None = Field(
        default=None,
        description="Address in their commits, where neither the key's comment nor a GitHub noreply address says it.",
    )

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
                f"github: {self.github} needs its number, because logins can change hands; add id: N, which "
                f"`gh api users/{self.github} --jq .id` prints"
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
        noreply = NOREPLY.fullmatch(email.lower())
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
    """Who must sign; without `require` nothing is promoted."""

    groups: dict[str, tuple[Owner, ...]] = Field(
        default_factory=dict,
        description="Names of groups and the people in them, such as `{owners: [{github: octocat, id: 583231}]}`.",
    )
    require: dict[str, int] = Field(
        default_factory=dict,
        description="How many of each group must approve, such as `{owners: 1}`; `{owners: 0}` says that nobody does.",
    )
    separation_of_duties: bool = Field(
        default=True, description="Whether approvals of people who had a hand in the candidate do not count."
    )
    expires: Duration = Field(
        default=timedelta(days=7), description="How long an approval, and the evidence it is about, count."
    )
    override: dict[str, int] | None = Field(
        default=None,
        description="How many of each group must sign, with a key, to promote over what blocks; without it nobody may.",
    )
    rollback: Literal["none", "owner"] = Field(default="none", description="Whether an owner must approve a rollback.")

    @model_validator(mode="after")
    def _can_be_met(self) -> SignoffPolicy:
        if self.groups and not self.require:
            raise ValueError("groups without require; say how many of each must approve, like require: {owners: 1}")
        self._quorum("require", self.require, lambda owner: owner.may_vote, "an id or a key to vote with")
        if self.override is not None:
            if not any(self.override.values()):
                raise ValueError(
                    "override requires nobody, so anybody could override everything; require one of a group or more"
                )
            self._quorum("override", self.override, lambda owner: owner.key is not None, "a key to sign that with")
        if self.rollback == "owner" and not any(owner.may_vote for owner, _ in self._owners()):
            raise ValueError("rollback: owner requires an owner's approval, and groups names nobody who could give it")
        if self.expires <= timedelta(0):
            raise ValueError("expires must be longer than nothing; write one like 7d")
        return self

    def _quorum(self, key: str, quorum: Mapping[str, int], able: Callable[[Owner], bool], how: str) -> None:
        """Raises ValueError for a quorum that no set of people could fill."""
        for group, count in quorum.items():
            if count < 0:
                raise ValueError(f"{key} needs {count} of {group}; write 0 or more")
            if count > 0 and group not in self.groups:
                names = ", ".join(sorted(self.groups)) or "none"
                raise ValueError(f"{key} names the group {group!r}, which is not in groups (known: {names})")
            could = sum(able(owner) for owner in self.groups.get(group, ()))
            if count > could:
                raise ValueError(f"{key} needs {count} of {group}, which has {could} with {how}")
        if lacking := unfilled(quorum, [person for person in self.people() if any(map(able, person.owners))]):
            raise ValueError(f"{key} can never be met, because one person fills one seat: {lacking}")

    @property
    def comment_obstacle(self) -> str | None:
        """Why comments on GitHub cannot approve: owners without an account there. None where they can."""
        lacking = unfilled(self.require, [person for person in self.people() if person.has_account])
        if not lacking:
            return None
        return f"{lacking}; write owners who comment as {{github: LOGIN, id: N}}, where `gh api users/LOGIN --jq .id` prints N"

    @property
    def takes_comments_alone(self) -> bool:
        """Whether comments on GitHub can approve, and keys cannot: too few owners have one."""
        by_key = [person for person in self.people() if person.has_key]
        return self.comment_obstacle is None and bool(unfilled(self.require, by_key))

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

    def names(self, email: str) -> bool:
        """Whether a commit's email is somebody's of any group."""
        return any(owner.wrote(email) for owner, _ in self._owners())

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
    def has_account(self) -> bool:
        """Whether they have an account of GitHub, from which they can comment."""
        return any(owner.id is not None for owner in self.owners)

    @property
    def has_key(self) -> bool:
        return any(owner.key is not None for owner in self.owners)

    @property
    def may_vote(self) -> bool:
        return any(owner.may_vote for owner in self.owners)

    def is_(self, identity: Identity) -> bool:
        return any(owner.is_(identity) for owner in self.owners)

    def wrote(self, email: str) -> bool:
        return any(owner.wrote(email) for owner in self.owners)


def person_of(people: Iterable[Person], identity: Identity | None) -> Person | None:
    """Who of these people an identity is; None for nobody's."""
    return next((person for person in people if identity is not None and person.is_(identity)), None)


def seats(require: Mapping[str, int], people: Sequence[Person]) -> dict[str, list[Person]]:
    """As many seats of the required groups as these people can fill, each person one seat."""
    taken: dict[tuple[str, int], Person] = {}

    def seat(person: Person, tried: set[tuple[str, int]]) -> bool:
        for group in sorted(person.groups & require.keys()):
            for position in ((group, number) for number in range(require[group])):
                if position in tried:
                    continue
                tried.add(position)
                if position not in taken or seat(taken[position], tried):
                    taken[position] = person
                    return True
        return False

    for person in people:
        seat(person, set())
    filled: dict[str, list[Person]] = {group: [] for group in require}
    for (group, _), person in taken.items():
        filled[group].append(person)
    return filled


def unfilled(require: Mapping[str, int], people: Sequence[Person]) -> str:
    """Which groups these people cannot fill, nothing where they can."""
    filled = seats(require, people)
    return ", ".join(
        f"{group} needs {count} and {len(filled[group])} can"
        for group, count in require.items()
        if count > len(filled[group])
    )

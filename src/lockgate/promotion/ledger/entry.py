"""Entries of a model's ledger, and the marks that say how each ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal, cast, get_args

from lockgate.evidence import stored_json
from lockgate.evidence.record import Record
from lockgate.signoff.identity import Identity
from lockgate.units import duration, utc

Kind = Literal["adopted", "staged", "promoted", "rolled_back", "archived", "override", "repaired"]
Ending = Literal["done", "unswitched", "abandoned", "failed"]

LONGEST_LEASE = timedelta(days=366)
MOVES = frozenset({"adopted", "promoted", "override", "rolled_back"})


@dataclass(frozen=True)
class Source:
    """The evaluated version of another registered model that a version is a copy of. digest: of the files of both."""

    model: str
    version: str
    digest: str

    def __str__(self) -> str:
        """As the ledger of the other model names it while it is not copied; no name of a model holds a slash."""
        return f"{self.model}/{self.version}"

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Source:
        """Raises ValueError for anything else."""
        return cls(*(stored_json.text(value, key) for key in ("model", "version", "digest")))


def is_elsewhere(version: str) -> bool:
    """Whether a version that the ledger names lies in another registered model, since it is not copied yet."""
    return "/" in version


@dataclass(frozen=True)
class Entry(Record):
    """One line of the ledger. `source` and `target` are version numbers, `from` and `to` in its JSON.

    votes: SHA-256 of each counted vote. lease: how long others leave an unfinished entry to whoever claimed it.
    rollback_owners: one of whom must agree to a rollback, for whoever has no pipeline; None, and in no JSON, where the
    policy requires none, empty where they are too many to be written here. copied: what the target is a copy of, or, where it
    is staged, will be; None, and in no JSON, where the version was evaluated in this registered model.
    """

    schema = "lockgate/ledger/v1"
    renamed: ClassVar = {"source": "from", "target": "to", "copied": "copy_of"}

    epoch: int
    prev: str | None
    kind: Kind
    source: str | None
    target: str | None
    actor: Identity
    evidence: str | None
    votes: tuple[str, ...]
    reason: str
    at: datetime
    lease: timedelta
    rollback_owners: tuple[str, ...] | None = None
    copied: Source | None = None

    def to_json(self) -> dict[str, Any]:
        document = super().to_json()
        unsaid = {key for key in ("rollback_owners", "copy_of") if document[key] is None}
        return {key: value for key, value in document.items() if key not in unsaid}

    @property
    def label(self) -> str:
        """The entry's number for people: `revision 4 (epoch 4)`."""
        return f"revision {self.epoch} (epoch {self.epoch})"

    @property
    def lease_ends(self) -> datetime:
        return self.at + self.lease

    @classmethod
    def read(cls, text: str) -> Entry:
        """An entry from its stored text. Raises ValueError; fields that are not known are left alone."""
        value = cls.parse(text)
        if (kind := stored_json.text(value, "kind")) not in get_args(Kind):
            raise ValueError(f"its kind is {stored_json.excerpt(kind)}; known are {', '.join(get_args(Kind))}")
        lease = duration(stored_json.text(value, "lease"))
        if lease > LONGEST_LEASE:
            raise ValueError("its lease is longer than a year")
        return cls(
            epoch=stored_json.count(value, "epoch"),
            prev=stored_json.optional_text(value, "prev"),
            kind=cast(Kind, kind),
            source=stored_json.optional_text(value, "from"),
            target=stored_json.optional_text(value, "to"),
            actor=Identity.from_json(stored_json.mapping(value, "actor")),
            evidence=stored_json.optional_text(value, "evidence"),
            votes=stored_json.texts(value, "votes"),
            reason=stored_json.text(value, "reason"),
            at=utc(stored_json.text(value, "at")),
            lease=lease,
            rollback_owners=stored_json.texts(value, "rollback_owners") if "rollback_owners" in value else None,
            copied=Source.from_json(stored_json.mapping(value, "copy_of")) if "copy_of" in value else None,
            stored=text.encode(),
        )


@dataclass(frozen=True)
class Done(Record):
    """What became of an entry: by whom, when, and, as `entry`, the SHA-256 of which bytes.

    prev: SHA-256 of the bytes of the mark `done` before, so that an edited one is seen by the next; None in the first,
    and in what an older lockgate wrote. ending: `done`; `unswitched`: the registry followed, serving did not, and a
    rollback took over; `abandoned`: it could never be carried out and counts for nothing. `failed`, under `failed-N`,
    ends no entry: whoever claimed it gave up for now, so that nobody need wait for its lease. note: why, unless done.
    """

    schema = Entry.schema

    epoch: int
    entry: str
    actor: Identity
    at: datetime
    prev: str | None = None
    ending: Ending = "done"
    note: str = ""

    @property
    def reason(self) -> str:
        """The note for people."""
        return self.note or "the ledger does not say why"

    def to_json(self) -> dict[str, Any]:
        unsaid = ("ending", "note") if self.ending == "done" else ()
        return {key: value for key, value in super().to_json().items() if key not in unsaid}

    @classmethod
    def read(cls, text: str) -> Done:
        """A mark from its stored text. Raises ValueError."""
        value = cls.parse(text)
        ending = stored_json.text(value, "ending") if "ending" in value else "done"
        if ending not in get_args(Ending):
            raise ValueError(f"its ending is {stored_json.excerpt(ending)}; known are {', '.join(get_args(Ending))}")
        return cls(
            epoch=stored_json.count(value, "epoch"),
            entry=stored_json.text(value, "entry"),
            actor=Identity.from_json(stored_json.mapping(value, "actor")),
            at=utc(stored_json.text(value, "at")),
            prev=stored_json.optional_text(value, "prev"),
            ending=cast(Ending, ending),
            note=stored_json.text(value, "note") if "note" in value else "",
            stored=text.encode(),
        )


def version_text(version: str | None) -> str:
    """`version 7`, or `nothing`."""
    return "nothing" if version is None else f"version {version}"

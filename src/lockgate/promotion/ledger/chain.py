"""Who moved which version, when and why: the hash-chained entries of one model, and the next step of a promotion.

Everything here is a function of the stored keys and a moment. Entries are claimed (`epoch-N`), then done (`done-N`);
aliases and tags in the registry are projections of what is done.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, cast, get_args

from pydantic import field_validator, model_validator

from lockgate import hashing as digest
from lockgate import units
from lockgate.config import Config, Duration
from lockgate.errors import Refused
from lockgate.promotion.rollback_proof import Waived, waived
from lockgate.promotion.traffic_switch_spec import SwitchSpec
from lockgate.registries.ports import Identity, State, utc, utc_text

SCHEMA = "lockgate/ledger/v1"
RETAIN_FLOOR = timedelta(days=30)

Kind = Literal["adopted", "staged", "promoted", "rolled_back", "archived", "override", "repaired"]

Ending = Literal["done", "unswitched", "abandoned", "failed"]

_KEY = re.compile(r"(epoch|done|failed)-([1-9][0-9]*)")
MOVES = frozenset({"adopted", "promoted", "override", "rolled_back"})
_REPAIRED = {"staged": ("staging",), "archived": ("previous",)}  # these repair nothing else behind anybody's back
TURNS = frozenset({"promoted", "override", "rolled_back", "repaired"})  # what serving has to follow


@dataclass(frozen=True)
class Entry:
    """One line of the ledger. `source` and `target` are version numbers, `from` and `to` in its JSON.

    votes: SHA-256 of each counted vote. lease: how long others leave an unfinished entry to whoever claimed it.
    stored: the bytes that it was read from; the hash covers those, never a re-dump.
    """

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
    stored: bytes | None = field(default=None, repr=False, compare=False)

    @property
    def bytes(self) -> bytes:
        return self.stored if self.stored is not None else digest.canonical(self.to_json())

    @property
    def sha256(self) -> str:
        return digest.sha256(self.bytes)

    @property
    def lease_ends(self) -> datetime:
        return self.at + self.lease

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "epoch": self.epoch,
            "prev": self.prev,
            "kind": self.kind,
            "from": self.source,
            "to": self.target,
            "actor": self.actor.to_json(),
            "evidence": self.evidence,
            "votes": list(self.votes),
            "reason": self.reason,
            "at": utc_text(self.at),
            "lease": units.duration_text(self.lease),
        }

    @classmethod
    def read(cls, text: str) -> Entry:
        """An entry from its stored text. Raises ValueError; fields that are not known are left alone."""
        value = _document(text)
        if value["kind"] not in get_args(Kind):
            raise ValueError(f"its kind is {value['kind']!r}; known are {', '.join(get_args(Kind))}")
        return cls(
            epoch=int(value["epoch"]),
            prev=value["prev"],
            kind=cast(Kind, value["kind"]),
            source=value["from"],
            target=value["to"],
            actor=Identity.from_json(value["actor"]),
            evidence=value["evidence"],
            votes=tuple(value["votes"]),
            reason=value["reason"],
            at=utc(value["at"]),
            lease=units.duration(value["lease"]),
            stored=text.encode(),
        )


@dataclass(frozen=True)
class Done:
    """What became of an entry: by whom, when, and, as `entry`, the SHA-256 of which bytes.

    prev: SHA-256 of the bytes of the mark `done` before, so that an edited one is seen by the next; None in the first,
    and in what an older lockgate wrote. ending: `done`; `unswitched`: the registry followed, serving did not, and a
    rollback took over; `abandoned`: it could never be carried out and counts for nothing. `failed`, under `failed-N`,
    ends no entry: whoever claimed it gave up for now, so that nobody need wait for its lease. note: why, unless done.
    """

    epoch: int
    entry: str
    actor: Identity
    at: datetime
    prev: str | None = None
    ending: Ending = "done"
    note: str = ""
    stored: bytes | None = field(default=None, repr=False, compare=False)

    @property
    def bytes(self) -> bytes:
        if self.stored is not None:
            return self.stored
        more = {} if self.ending == "done" else {"ending": self.ending, "note": self.note}
        return digest.canonical(
            {
                "schema": SCHEMA,
                "epoch": self.epoch,
                "prev": self.prev,
                "entry": self.entry,
                "actor": self.actor.to_json(),
                "at": utc_text(self.at),
                **more,
            }
        )

    @property
    def sha256(self) -> str:
        return digest.sha256(self.bytes)

    @classmethod
    def read(cls, text: str) -> Done:
        value = _document(text)
        ending = value.get("ending", "done")
        if ending not in get_args(Ending):
            raise ValueError(f"its ending is {ending!r}; known are {', '.join(get_args(Ending))}")
        return cls(
            epoch=int(value["epoch"]),
            entry=value["entry"],
            actor=Identity.from_json(value["actor"]),
            at=utc(value["at"]),
            prev=value.get("prev"),
            ending=ending,
            note=str(value.get("note", "")),
            stored=text.encode(),
        )


@dataclass(frozen=True)
class Chain:
    """The ledger as far as it holds together. `bad` names the first entry that does not, None where all is well.

    done: epoch → what ended it. failed: epoch → the first time that somebody who carried it out gave up.
    """

    entries: tuple[Entry, ...] = ()
    done: Mapping[int, Done] = field(default_factory=dict)
    bad: str | None = None
    failed: Mapping[int, Done] = field(default_factory=dict)

    @property
    def last(self) -> Entry | None:
        return self.entries[-1] if self.entries else None

    @property
    def unfinished(self) -> Entry | None:
        """The entry that was claimed and not yet done; only the last one can be."""
        return self.last if self.last is not None and self.last.epoch not in self.done else None

    @property
    def finished(self) -> tuple[Entry, ...]:
        """The entries that count, in order: those that ended and were not abandoned."""
        return tuple(entry for entry in self.entries if self.ending(entry) not in (None, "abandoned"))

    def ending(self, entry: Entry) -> Ending | None:
        """How an entry ended, None while it is not."""
        mark = self.done.get(entry.epoch)
        return None if mark is None else mark.ending

    def held_until(self, entry: Entry) -> datetime:
        """Until when others leave an unfinished entry to whoever claimed it."""
        failed = self.failed.get(entry.epoch)
        return entry.lease_ends if failed is None else min(failed.at, entry.lease_ends)

    def late_writer(self, alias: str, version: str) -> Entry | None:
        """The last entry whose writer may have set the alias after that entry was over; None where there is none.

        A writer that is alive ends its entry within its lease, and nobody else touches it before. So only where somebody
        else ended the entry, after the lease or after it was given up, can a writer still wake that set out to do this.
        """
        place, found = Standing(), None
        for entry in self.entries:
            mark, after = self.done.get(entry.epoch), place.after(entry)
            if mark is not None and after.aliases.get(alias) == version:
                left = mark.at >= self.held_until(entry) or mark.ending == "abandoned"
                found = entry if left else found
            place = place if mark is None or mark.ending == "abandoned" else after
        return found

    def whole(self) -> Chain:
        """This chain. Raises Refused where it is broken: nothing moves on a record that does not hold together."""
        if self.bad is not None:
            raise Refused(
                f"the ledger does not hold together: {self.bad}",
                code="ledger_broken",
                remedy="find out who changed it; nothing is promoted until the entry is as it was",
            )
        return self

    def draft(
        self,
        kind: Kind,
        *,
        target: str | None,
        actor: Identity,
        at: datetime,
        lease: timedelta,
        source: str | None = None,
        evidence: str | None = None,
        votes: Sequence[str] = (),
        reason: str = "",
    ) -> Entry:
        """The entry that would come next."""
        epoch, prev = (self.last.epoch + 1, self.last.sha256) if self.last else (1, None)
        return Entry(epoch, prev, kind, source, target, actor, evidence, tuple(votes), reason, at, lease)

    def mark(self, entry: Entry, *, actor: Identity, at: datetime, ending: Ending = "done", note: str = "") -> Done:
        """What says how the entry, the last of this chain, ended."""
        before = self.done.get(entry.epoch - 1)
        return Done(entry.epoch, entry.sha256, actor, at, None if before is None else before.sha256, ending, note)


def read_chain(keys: Mapping[str, str]) -> Chain:
    """The chain that the stored keys make: numbering, hashes and the Production that each entry says it came from."""
    found = {match.groups(): text for key, text in keys.items() if (match := _KEY.fullmatch(key))}
    numbers = sorted({int(number) for _, number in found})
    entries: list[Entry] = []
    done: dict[int, Done] = {}
    failed: dict[int, Done] = {}
    place = Standing()
    for epoch in range(1, (numbers[-1] if numbers else 0) + 1):
        problem: str | None = None
        text, finish = found.get(("epoch", str(epoch))), found.get(("done", str(epoch)))
        if text is None:
            return Chain(tuple(entries), done, f"epoch-{epoch} is missing")
        try:
            entry = Entry.read(text)
            problem = _misfit(entry, epoch, entries[-1] if entries else None, place)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            problem = f"cannot be read ({error})"
        if problem is not None:
            return Chain(tuple(entries), done, f"epoch-{epoch} {problem}")
        entries.append(entry)
        for word, text, marks in (("failed", found.get(("failed", str(epoch))), failed), ("done", finish, done)):
            if text is None:
                continue
            try:
                mark = Done.read(text)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                return Chain(tuple(entries), done, f"{word}-{epoch} cannot be read ({error})", failed)
            if (mark.epoch, mark.entry) != (epoch, entry.sha256):
                problem = f"epoch-{epoch} is not the entry that {word}-{epoch} speaks of"
            elif (mark.ending == "failed") != (word == "failed"):
                problem = f"{word}-{epoch} says that it is {mark.ending}"
            elif mark.prev is not None and (epoch == 1 or mark.prev != done[epoch - 1].sha256):
                where = f"the bytes of done-{epoch - 1}: one of the two was edited" if epoch > 1 else "nothing"
                problem = f"{word}-{epoch} does not follow {where}"
            if problem is not None:
                return Chain(tuple(entries), done, problem, failed)
            marks[epoch] = mark
        if finish is None:
            if epoch < numbers[-1]:
                return Chain(tuple(entries), done, f"done-{epoch} is missing", failed)
            break
        place = place if done[epoch].ending == "abandoned" else place.after(entry)
    return Chain(tuple(entries), done, failed=failed)


def _misfit(entry: Entry, epoch: int, before: Entry | None, place: Standing) -> str | None:
    if entry.epoch != epoch:
        return f"says that it is epoch {entry.epoch}"
    expected = None if before is None else before.sha256
    if entry.prev != expected:
        return f"does not follow the bytes of {'nothing' if before is None else f'epoch-{before.epoch}'}"
    if entry.kind in MOVES and entry.source != place.production:
        return f"says that it came from {_version(entry.source)}, but {_version(place.production)} was Production"
    if entry.kind in MOVES | {"staged"} and entry.target is None:
        return f"is of kind {entry.kind} and names no version"
    return None


STAGES: Mapping[State, str] = {
    "production": "Production",
    "staging": "Staging",
    "standby": "Archived",  # MLflow has only four; the tag `lockgate.state` tells
    "archived": "Archived",
    "withdrawn": "Archived",
    "none": "None",
}


@dataclass(frozen=True)
class Standing:
    """Where every version of a model stands.

    standby: what a rollback goes to, None where nothing is left. staging: the version that waits for sign-off.
    states, since: of each version the ledger names, and the moment it got there.
    line: versions that held Production and may again, latest first. evidence: on what each version was let in.
    left: how and when each version was last let go from Production or standby. withdrawn_at: the last time each was
    withdrawn. dead: digests that open nothing any more.
    """

    production: str | None = None
    standby: str | None = None
    staging: str | None = None
    states: Mapping[str, State] = field(default_factory=dict)
    since: Mapping[str, datetime] = field(default_factory=dict)
    line: tuple[str, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)
    left: Mapping[str, tuple[State, datetime]] = field(default_factory=dict)
    withdrawn_at: Mapping[str, datetime] = field(default_factory=dict)
    dead: frozenset[str] = frozenset()

    @property
    def aliases(self) -> dict[str, str]:
        """alias → version as the registry must show it. None is ever deleted, so an empty place equals Production."""
        wanted = {
            "production": self.production,
            "previous": self.standby or self.production,
            "staging": self.staging or self.production,
        }
        return {alias: version for alias, version in wanted.items() if version is not None}

    def stages_due(self, shown: Mapping[str, str], versions: Collection[str] | None = None) -> dict[str, str]:
        """version → stage for what a mirror of this standing shows otherwise; the move to Production comes first.

        shown: version → stage of all versions there are. versions: those that are looked at, all where it is None. A
        version that the ledger does not know is left where it is, unless that is Production and the ledger has another.
        """
        due = {}
        for version in sorted(shown, key=lambda one: (one != self.production, int(one))):
            known = version in self.states
            stage = STAGES[self.state(version)] if known else "Archived"
            stranger = self.production is not None and shown[version] == "Production"
            strange = shown[version] != stage and (known or stranger)
            if strange and (versions is None or version in versions):
                due[version] = stage
        return due

    def changed(self, before: Standing) -> set[str]:
        """The versions that stand elsewhere than before."""
        return {version for version, state in self.states.items() if before.state(version) != state}

    def state(self, version: str) -> State:
        return self.states.get(version, "none")

    def is_withdrawn(self, version: str) -> bool:
        """Whether a rollback took it out of Production and nothing brought it back; evaluating it anew does not."""
        in_use = self.state(version) in ("production", "standby")
        return not in_use and version in self.left and self.left[version][0] == "withdrawn"

    def retain_until(self, version: str, retain: timedelta) -> datetime | None:
        """Until when a version that left Production is kept, None for one that is in use again or never held it."""
        in_use = self.state(version) in ("production", "standby")
        return None if in_use or version not in self.left else self.left[version][1] + retain

    def after(self, entry: Entry) -> Standing:
        """The standing once the entry is done."""
        if entry.kind == "staged" and entry.target is not None:
            return self._staged(entry, entry.target)
        if entry.kind in ("adopted", "promoted", "override") and entry.target is not None:
            return self._promoted(entry, entry.target)
        if entry.kind == "rolled_back" and entry.target is not None:
            return self._rolled_back(entry, entry.target)
        if entry.kind == "archived" and entry.source is not None:
            standby = None if entry.source == self.standby else self.standby
            return self._moved(entry.at, {entry.source: "archived"}, standby=standby)
        return self

    def _staged(self, entry: Entry, version: str) -> Standing:
        changes: dict[str, State] = {}
        if self.staging not in (None, version):
            changes |= self._unstaged()
        if self.state(version) not in ("production", "standby"):
            changes[version] = "staging"
        return self._moved(entry.at, changes, staging=version, evidence=self._knowing(version, entry.evidence))

    def _promoted(self, entry: Entry, version: str) -> Standing:
        outgoing = self.production if self.production != version else None
        changes = self._unstaged()
        if self.standby is not None and outgoing is not None:
            changes[self.standby] = "archived"
        if outgoing is not None:
            changes[outgoing] = "standby"
        changes[version] = "production"
        standby = outgoing or (self.standby if self.standby != version else None)
        return self._moved(
            entry.at,
            changes,
            production=version,
            standby=standby,
            staging=None,
            line=(version, *(other for other in self.line if other != version)),
            evidence=self._knowing(version, entry.evidence),
        )

    def _rolled_back(self, entry: Entry, version: str) -> Standing:
        withdrawn = self.production
        older = self.line[self.line.index(version) + 1 :] if version in self.line else self.line
        line = (version, *(other for other in older if other != withdrawn))
        standby = next((other for other in line[1:] if self._kept(other, entry.at)), None)
        changes: dict[str, State] = {}
        if self.standby is not None:
            changes[self.standby] = "archived"
        if standby is not None:
            changes[standby] = "standby"
        dead, withdrawn_at = self.dead, dict(self.withdrawn_at)
        if withdrawn is not None:
            changes[withdrawn] = "withdrawn"
            withdrawn_at[withdrawn] = entry.at
            dead = dead | ({self.evidence[withdrawn]} if withdrawn in self.evidence else set())
        changes[version] = "production"
        return self._moved(
            entry.at,
            changes,
            production=version,
            standby=standby,
            staging=None if self.staging in (withdrawn, version) else self.staging,
            line=line,
            dead=dead,
            withdrawn_at=withdrawn_at,
        )

    def _kept(self, version: str, at: datetime) -> bool:
        """Whether every policy still keeps this version: retention has a floor."""
        until = self.retain_until(version, RETAIN_FLOOR)
        return not self.is_withdrawn(version) and (until is None or at <= until)

    def _unstaged(self) -> dict[str, State]:
        """What becomes of the version that waits for sign-off once it does not: what it was before."""
        if self.staging is None or self.state(self.staging) != "staging":
            return {}
        return {self.staging: self.left[self.staging][0] if self.staging in self.left else "none"}

    def _knowing(self, version: str, evidence: str | None) -> Mapping[str, str]:
        return self.evidence if evidence is None else {**self.evidence, version: evidence}

    def _moved(self, at: datetime, changes: Mapping[str, State], **fields: Any) -> Standing:
        moved = {version: state for version, state in changes.items() if self.state(version) != state}
        let_go: dict[str, tuple[State, datetime]] = {
            version: (state, at)
            for version, state in moved.items()
            if state in ("archived", "withdrawn") and self.state(version) in ("production", "standby")
        }
        return replace(
            self,
            states={**self.states, **moved},
            since={**self.since, **dict.fromkeys(moved, at)},
            left={**self.left, **let_go} if let_go else self.left,
            **fields,
        )


def standing(entries: Iterable[Entry], at: datetime | None = None) -> Standing:
    """Where every version stood at a moment, now if none is given. entries: those that are done, in order.

    The order of the entries counts, not that of clocks which disagree: all up to the last one from before the moment.
    """
    known = list(entries)
    if at is not None:
        known = known[: max((place for place, entry in enumerate(known, start=1) if entry.at <= at), default=0)]
    place = Standing()
    for entry in known:
        place = place.after(entry)
    return place


@dataclass(frozen=True)
class Claim:
    """Write the entry as `epoch-N`, unless somebody else did."""

    entry: Entry


@dataclass(frozen=True)
class Apply:
    """Put the registry's aliases where the entry says; where it is to be abandoned, back to where they were.

    stages: version → stage for those that the mirror shows otherwise; none where stages do not mirror the aliases.
    """

    entry: Entry
    aliases: Mapping[str, str]
    stages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Switch:
    """The registry shows what the entry says: turn serving over. It may have been done before, by somebody who died."""

    entry: Entry


@dataclass(frozen=True)
class Finish:
    """Nothing is left to do for the entry: write `done-N`, with how it ended."""

    entry: Entry
    ending: Ending = "done"


@dataclass(frozen=True)
class InProgress:
    """Somebody else's entry is not done and its lease is young: leave it to them."""

    entry: Entry


@dataclass(frozen=True)
class Overtaken:
    """Somebody else's entry came first; what was verified before it no longer holds."""

    entry: Entry


@dataclass(frozen=True)
class Settled:
    """Nothing is left to do."""

    entry: Entry | None


Step = Claim | Apply | Switch | Finish | InProgress | Overtaken | Settled
Turn = Literal["nothing", "due", "turned", "left"]


def next_step(
    chain: Chain,
    seen: Mapping[str, str],
    wanted: Entry | None,
    now: datetime,
    *,
    turn: Turn = "nothing",
    gone: frozenset[str] = frozenset(),
    stages: Mapping[str, str] | None = None,
) -> Step:
    """What to do next, given the ledger, the aliases seen in the registry, and the entry that we want to stand.

    wanted: drafted on the chain that was verified; None only finishes what others left. An unfinished entry is ours, or
    it is rolled forward once nobody holds it any more. turn: whether serving is still to be turned over, was by us, or
    is left as it is for an entry that takes over. gone: versions that the registry has no longer; an entry that names
    one can never be carried out, and is abandoned. stages: version → stage as seen, where stages mirror the aliases.
    """
    unfinished = chain.unfinished
    if unfinished is not None:
        ours = wanted is not None and wanted.bytes == unfinished.bytes
        if not ours and now < chain.held_until(unfinished):
            return InProgress(unfinished)
        before = standing(chain.finished)
        lost = unfinished.target in gone
        after = before if lost else before.after(unfinished)
        aliases = after.aliases
        repaired = _REPAIRED.get(unfinished.kind, aliases)
        aliases = {alias: version for alias, version in aliases.items() if alias in repaired and version not in gone}
        looked_at = after.changed(before) if unfinished.kind in _REPAIRED else None
        due = {} if stages is None else after.stages_due(stages, looked_at)
        if due or any(seen.get(alias) != version for alias, version in aliases.items()):
            return Apply(unfinished, aliases, due)
        if lost:
            return Finish(unfinished, "abandoned")
        if unfinished.kind not in TURNS or turn in ("nothing", "turned"):
            return Finish(unfinished)
        return Finish(unfinished, "unswitched") if turn == "left" else Switch(unfinished)
    if wanted is None:
        return Settled(chain.last)
    if any(entry.bytes == wanted.bytes for entry in chain.entries):
        return Settled(wanted)
    if (wanted.epoch, wanted.prev) == ((chain.last.epoch + 1, chain.last.sha256) if chain.last else (1, None)):
        return Claim(wanted)
    return Overtaken(cast(Entry, chain.last))


def agrees(seen: Mapping[str, str], aliases: Mapping[str, str]) -> bool:
    """Whether the registry shows the aliases; any may equal Production where the version it belongs to is gone."""
    instead = aliases.get("production")
    return all(
        seen.get(alias) == version or (instead is not None and seen.get(alias) == instead)
        for alias, version in aliases.items()
    )


class PromotionPolicy(Config):
    """When a version moves, and how long the one before it stays within reach."""

    when: Literal["approved", "merged"] = "approved"
    soak: Duration = timedelta(hours=48)
    retain: Duration = RETAIN_FLOOR
    lease: Duration = timedelta(minutes=10)
    way_back: str = "prove"
    switch: SwitchSpec | None = None

    @field_validator("way_back")
    @classmethod
    def _proven_or_waived(cls, value: str) -> str:
        waived(value)
        return value

    @model_validator(mode="after")
    def _lease_outlasts_the_switch(self) -> PromotionPolicy:
        if self.switch is not None and self.lease <= self.switch.timeout:
            raise ValueError(
                f"others would take over after {units.duration_text(self.lease)} (lease) while the switch may still run "
                f"({units.duration_text(self.switch.timeout)}); make lease longer, at least a minute more"
            )
        return self

    @property
    def waived(self) -> Waived | None:
        """Why the way back need not be proven, and until when; None where it must be."""
        return waived(self.way_back)

    @field_validator("retain")
    @classmethod
    def _floor(cls, value: timedelta) -> timedelta:
        if value < RETAIN_FLOOR:
            raise ValueError(f"{units.duration_text(value)} is too short; archived versions are kept at least 30d")
        return value

    @field_validator("lease")
    @classmethod
    def _some(cls, value: timedelta) -> timedelta:
        if value < timedelta(seconds=1):
            raise ValueError("a lease under 1s would let every promotion be taken over; write one like 10m")
        return value


def _document(text: str) -> Mapping[str, Any]:
    value = json.loads(text)
    if value["schema"] != SCHEMA:
        raise ValueError(f"its schema is {value['schema']!r}; this lockgate reads {SCHEMA}")
    return cast(Mapping[str, Any], value)


def _version(version: str | None) -> str:
    return "nothing" if version is None else f"version {version}"

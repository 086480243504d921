"""The hash chain of a model's ledger, read from its stored keys.

Everything here is a function of those keys and a moment. Entries are claimed (`epoch-N`), then done (`done-N`);
aliases and tags in the registry are projections of what is done.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from lockgate.errors import Refused
from lockgate.promotion.ledger.entry import MOVES, Done, Ending, Entry, Kind, Source, version_text
from lockgate.promotion.ledger.holder import Holder
from lockgate.promotion.ledger.standing import Standing, standing
from lockgate.signoff.identity import Identity
from lockgate.signoff.vote import CLOCK_SKEW

_KEY = re.compile(r"(epoch|done|failed)-([1-9][0-9]{0,8})")


@dataclass(frozen=True)
class Chain:
    """The ledger as far as it holds together. `bad` names the first entry that does not, None where all is well.

    done: epoch → what ended it. failed: epoch → the first time that it was given up, by whoever carried it out or from them.
    holder: who carries out the last entry, as far as they say so.
    """

    entries: tuple[Entry, ...] = ()
    done: Mapping[int, Done] = field(default_factory=dict)
    bad: str | None = None
    failed: Mapping[int, Done] = field(default_factory=dict)
    holder: Holder | None = None

    @property
    def last(self) -> Entry | None:
        return self.entries[-1] if self.entries else None

    @property
    def next_link(self) -> tuple[int, str | None]:
        """Epoch and `prev` of the entry that would come next."""
        return (self.last.epoch + 1, self.last.sha256) if self.last else (1, None)

    @property
    def unfinished(self) -> Entry | None:
        """The entry that was claimed and not yet done; only the last one can be."""
        return self.last if self.last is not None and self.last.epoch not in self.done else None

    @cached_property
    def finished(self) -> tuple[Entry, ...]:
        """The entries that count, in order: those that ended and were not abandoned."""
        return tuple(entry for entry in self.entries if self.ending(entry) not in (None, "abandoned"))

    @cached_property
    def standing(self) -> Standing:
        """Where every version stands by them."""
        return standing(self.finished)

    @property
    def moves(self) -> tuple[Entry, ...]:
        """The finished entries that moved Production, latest first."""
        return tuple(entry for entry in reversed(self.finished) if entry.kind in MOVES)

    def as_written(self, draft: Entry) -> Entry | None:
        """The entry that is this draft, None where it was not claimed, or somebody else's has its number."""
        return next(
            (entry for entry in self.entries if entry.epoch == draft.epoch and entry.bytes == draft.bytes), None
        )

    @property
    def past_production(self) -> list[str]:
        """Versions that are or were Production, latest first, each once."""
        return list(dict.fromkeys(entry.target for entry in self.moves if entry.target is not None))

    def last_of(self, version: str | None, kinds: Collection[str]) -> Entry | None:
        """The last finished entry of these kinds whose target is the version, None where there is none."""
        mine = (entry for entry in reversed(self.finished) if entry.target == version and entry.kind in kinds)
        return next(mine, None)

    def copy_of(self, source: Source) -> str | None:
        """The version that is the copy of another model's and held Production, None where none did."""
        return next((entry.target for entry in self.moves if entry.copied == source), None)

    @property
    def override(self) -> Entry | None:
        """The override that let the version in which is Production; None where it came in by the rules, or passed since.

        A rollback to a version changes nothing of how it was let in, nor does it to wait in Staging, also undecided:
        what is staged while it is Production has passed.
        """
        production = next((entry.target for entry in self.moves), None)
        last, held = None, None
        for entry in self.finished:
            held = entry.target if entry.kind in MOVES else held
            if held == production == entry.target and entry.kind in MOVES - {"rolled_back"} | {"staged"}:
                last = entry
        return last if last is not None and last.kind == "override" else None

    def ending(self, entry: Entry) -> Ending | None:
        """How an entry ended, None while it is not."""
        mark = self.done.get(entry.epoch)
        return None if mark is None else mark.ending

    def holder_of(self, entry: Entry) -> Holder | None:
        """Who carries out an entry, None where nobody says so of this one."""
        return self.holder if self.holder is not None and self.holder.entry == entry.sha256 else None

    def held_until(self, entry: Entry, now: datetime) -> datetime:
        """Until when others leave an unfinished entry to whoever claimed it, and renews the lease meanwhile.

        now: a note that is dated after it, by more than clocks may differ, renews nothing.
        """
        if entry.epoch in self.failed:
            return min(self.failed[entry.epoch].at, entry.lease_ends)
        holder = self.holder_of(entry)
        renews = holder is not None and holder.at <= now + CLOCK_SKEW
        return max(holder.at + entry.lease, entry.lease_ends) if holder and renews else entry.lease_ends

    def is_held(self, entry: Entry, now: datetime) -> bool:
        """Whether others leave an unfinished entry alone now.

        One that was given up is free, whatever anybody's clock shows, and so is one that is dated ahead of all of them.
        """
        is_to_come = entry.at > now + CLOCK_SKEW
        return entry.epoch not in self.failed and not is_to_come and now < self.held_until(entry, now)

    def late_writer(self, alias: str, version: str) -> Entry | None:
        """The last entry whose writer may have set the alias after that entry was over; None where there is none.

        A writer that is alive ends its entry within its lease, and nobody else touches it before. So only where somebody
        else ended the entry, after the lease or after it was given up, can a writer still wake that set out to do this.
        """
        current, late = Standing(), None
        for entry in self.entries:
            mark, after = self.done.get(entry.epoch), current.after(entry)
            if mark is not None and after.aliases.get(alias) == version:
                taken_over = not self.is_held(entry, mark.at) or mark.ending == "abandoned"
                late = entry if taken_over else late
            current = current if mark is None or mark.ending == "abandoned" else after
        return late

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
        rollback_owners: tuple[str, ...] | None = None,
        copied: Source | None = None,
    ) -> Entry:
        """The entry that would come next."""
        epoch, prev = self.next_link
        return Entry(
            epoch, prev, kind, source, target, actor, evidence, tuple(votes), reason, at, lease, rollback_owners, copied
        )

    def mark(self, entry: Entry, *, actor: Identity, at: datetime, ending: Ending = "done", note: str = "") -> Done:
        """What says how the entry, the last of this chain, ended."""
        before = self.done.get(entry.epoch - 1)
        return Done(entry.epoch, entry.sha256, actor, at, None if before is None else before.sha256, ending, note)


def read_chain(keys: Mapping[str, str]) -> Chain:
    """The chain that the stored keys make: numbering, hashes and the Production that each entry says it came from."""
    texts = {match.groups(): text for key, text in keys.items() if (match := _KEY.fullmatch(key))}
    last = max((int(number) for _, number in texts), default=0)
    entries: list[Entry] = []
    done: dict[int, Done] = {}
    failed: dict[int, Done] = {}
    current = Standing()
    for epoch in range(1, last + 1):
        text = texts.get(("epoch", str(epoch)))
        if text is None:
            return Chain(tuple(entries), done, f"epoch-{epoch} is missing")
        try:
            entry = Entry.read(text)
            problem = _misfit(entry, epoch, entries[-1] if entries else None, current)
        except ValueError as error:
            problem = f"cannot be read ({error})"
        if problem is not None:
            return Chain(tuple(entries), done, f"epoch-{epoch} {problem}")
        entries.append(entry)
        for word, marks in (("failed", failed), ("done", done)):
            text = texts.get((word, str(epoch)))
            if text is None:
                continue
            try:
                mark = Done.read(text)
                problem = _misfit_mark(mark, word, entry, done.get(epoch - 1))
            except ValueError as error:
                problem = f"{word}-{epoch} cannot be read ({error})"
            if problem is not None:
                return Chain(tuple(entries), done, problem, failed)
            marks[epoch] = mark
        if epoch not in done:
            bad = f"done-{epoch} is missing" if epoch < last else None
            return Chain(tuple(entries), done, bad, failed)
        current = current if done[epoch].ending == "abandoned" else current.after(entry)
    return Chain(tuple(entries), done, failed=failed)


def _misfit_mark(mark: Done, word: str, entry: Entry, before: Done | None) -> str | None:
    epoch = entry.epoch
    if (mark.epoch, mark.entry) != (epoch, entry.sha256):
        return f"epoch-{epoch} is not the entry that {word}-{epoch} speaks of"
    if (mark.ending == "failed") != (word == "failed"):
        return f"{word}-{epoch} says that it is {mark.ending}"
    if mark.prev is not None and (before is None or mark.prev != before.sha256):
        expected = "nothing" if before is None else f"the bytes of done-{epoch - 1}: one of the two was edited"
        return f"{word}-{epoch} does not follow {expected}"
    return None


def _misfit(entry: Entry, epoch: int, before: Entry | None, standing: Standing) -> str | None:
    if entry.epoch != epoch:
        return f"says that it is epoch {entry.epoch}"
    expected = None if before is None else before.sha256
    if entry.prev != expected:
        return f"does not follow the bytes of {'nothing' if before is None else f'epoch-{before.epoch}'}"
    if entry.kind in MOVES and entry.source != standing.production:
        return f"says that it came from {version_text(entry.source)}, but {version_text(standing.production)} was Production"
    if entry.kind in MOVES | {"staged"} and entry.target is None:
        return f"is of kind {entry.kind} and names no version"
    return None

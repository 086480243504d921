"""The next step of a promotion, from the ledger and what the registry shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, cast

from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.entry import Ending, Entry
from lockgate.registries.ports import Stages

TURNS = frozenset({"promoted", "override", "rolled_back", "repaired"})  # what serving has to follow
_REPAIRED = {"staged": ("staging",), "archived": ("previous",)}  # these repair nothing else behind anybody's back


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
    """The registry shows what the entry says: switch traffic. It may have been done before, by somebody who died."""

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
class Lapsed:
    """Somebody else's entry is held by nobody any more: write `failed-N` and look again, before it is carried on.

    So whoever comes after knows that more than one may be at it, and that an alias may still be set late.
    """

    entry: Entry


@dataclass(frozen=True)
class Overtaken:
    """Somebody else's entry came first; what was verified before it no longer holds."""

    entry: Entry


@dataclass(frozen=True)
class Settled:
    """Nothing is left to do."""

    entry: Entry | None


LedgerStep = Claim | Apply | Switch | Finish | InProgress | Lapsed | Overtaken | Settled
Turn = Literal["nothing", "due", "turned", "left"]


def next_step(
    chain: Chain,
    shown_aliases: Mapping[str, str],
    draft: Entry | None,
    now: datetime,
    *,
    turn: Turn = "nothing",
    gone: frozenset[str] = frozenset(),
    stages: Stages = Stages(),  # noqa: B008  # a frozen value
) -> LedgerStep:
    """What to do next, from the ledger, the aliases that the registry shows, and the entry that we want to stand.

    draft: made on the chain that was verified; None only finishes what others left. An unfinished entry is ours, or
    it is rolled forward once it was given up. turn: whether traffic is still to be switched, was by us, or
    is left as it is for an entry that takes over. gone: versions that the registry has no longer; an entry that names
    one can never be carried out, and is abandoned. stages: where those mirror the aliases.
    """
    unfinished, ours = chain.unfinished, None if draft is None else chain.as_written(draft)
    if ours is not None and ours != unfinished:
        return Settled(draft)  # whatever others are at since
    if unfinished is not None:
        if ours is None and unfinished.epoch not in chain.failed:
            return InProgress(unfinished) if chain.is_held(unfinished, now) else Lapsed(unfinished)
        before = chain.standing
        lost = unfinished.target in gone
        after = before if lost else before.after(unfinished)
        aliases = after.aliases
        repaired = _REPAIRED.get(unfinished.kind, aliases)
        aliases = {alias: version for alias, version in aliases.items() if alias in repaired and version not in gone}
        looked_at = after.changed(before) if unfinished.kind in _REPAIRED else None
        due = after.stages_due(stages, looked_at)
        if due or any(shown_aliases.get(alias) != version for alias, version in aliases.items()):
            return Apply(unfinished, aliases, due)
        if lost:
            return Finish(unfinished, "abandoned")
        if unfinished.kind not in TURNS or turn in ("nothing", "turned"):
            return Finish(unfinished)
        return Finish(unfinished, "unswitched") if turn == "left" else Switch(unfinished)
    if draft is None:
        return Settled(chain.last)
    if (draft.epoch, draft.prev) == chain.next_link:
        return Claim(draft)
    return Overtaken(cast(Entry, chain.last))


def agrees(shown_aliases: Mapping[str, str], aliases: Mapping[str, str]) -> bool:
    """Whether the registry shows the aliases; any may equal Production where the version it belongs to is gone."""
    instead = aliases.get("production")
    return all(shown_aliases.get(alias) in (version, instead or version) for alias, version in aliases.items())

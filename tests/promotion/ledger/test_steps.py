"""Whatever is cut off wherever, and whatever comes next: one Production, and a ledger on which nothing is left open."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from helpers.promoting import CI, NOW
from lockgate.promotion.ledger.chain import Chain, read_chain
from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.ledger.steps import (
    TURNS,
    Apply,
    Claim,
    Finish,
    InProgress,
    Lapsed,
    LedgerStep,
    Settled,
    Switch,
    Turn,
    agrees,
    next_step,
)

LEASE = timedelta(minutes=10)


class World:
    """A ledger, aliases, versions that are still there, and what serves; steps are carried out as a registry would."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.aliases: dict[str, str] = {}
        self.there = {"1", "2", "3", "4"}
        self.serving: str | None = None
        self.now = NOW
        self.gone: frozenset[str] = frozenset()

    @property
    def chain(self) -> Chain:
        chain = read_chain(self.keys)
        assert chain.bad is None
        return chain

    def delete(self, version: str) -> None:
        self.there -= {version}
        self.aliases = {alias: at for alias, at in self.aliases.items() if at != version}

    def wanted(self, kind: Any, version: str | None) -> Entry:
        place = self.chain
        source = place.standing.staging if kind == "staged" else place.standing.production
        return place.draft(kind, source=source, target=version, actor=CI, at=self.now, lease=LEASE)

    def steps(self, wanted: Entry | None, *, turn: Turn = "due", breaks: bool = False) -> Iterator[LedgerStep]:
        """Carry out steps one after the other; each is yielded before it is done, where the caller may stop."""
        gone: frozenset[str] = frozenset()
        for _ in range(20):
            step = next_step(self.chain, self.aliases, wanted, self.now, turn=turn, gone=gone)
            yield step
            if isinstance(step, Claim):
                self.keys.setdefault(f"epoch-{step.entry.epoch}", step.entry.bytes.decode())
            elif isinstance(step, Apply):
                missing = {step.entry.target, *step.aliases.values()} - self.there - gone - {None}
                if missing:
                    gone |= {str(version) for version in missing}
                else:
                    self.aliases |= step.aliases
            elif isinstance(step, Switch):
                if breaks:
                    mark = self.chain.mark(step.entry, actor=CI, at=self.now, ending="failed", note="no")
                    self.keys.setdefault(f"failed-{step.entry.epoch}", mark.bytes.decode())
                    return
                self.serving, turn = step.entry.target, "turned"
            elif isinstance(step, Lapsed):
                mark = self.chain.mark(step.entry, actor=CI, at=self.now, ending="failed", note="its lease was over")
                self.keys[f"failed-{step.entry.epoch}"] = mark.bytes.decode()
            elif isinstance(step, Finish):
                mark = self.chain.mark(step.entry, actor=CI, at=self.now, ending=step.ending)
                self.keys.setdefault(f"done-{step.entry.epoch}", mark.bytes.decode())
            else:
                return
        raise AssertionError("it never ends")

    def run(self, wanted: Entry | None, *, stop: int | None = None, **how: Any) -> LedgerStep:
        """The last step that was reached; `stop` of them are carried out, all where it is None."""
        reached: list[LedgerStep] = []
        for step in self.steps(wanted, **how):
            reached.append(step)
            if len(reached) - 1 == stop:
                break
        return reached[-1]


commands = st.lists(
    st.tuples(
        st.sampled_from(["promoted", "rolled_back", "override", "staged", "repaired"]),
        st.sampled_from(["1", "2", "3", "4"]),
        st.none() | st.integers(0, 5),  # where it is cut off
        st.booleans(),  # whether the switch breaks
        st.none() | st.sampled_from(["2", "3", "4"]),  # what somebody deletes afterwards
        st.sampled_from([0, 11]),  # minutes until the next command
    ),
    min_size=1,
    max_size=6,
)


@given(commands)
def test_any_cut_and_any_next_command_end_with_one_production(commands: list[Any]) -> None:
    """Versions may be deleted and switches break in between; version 1 alone is never deleted."""
    world = World()
    world.run(world.wanted("adopted", "1"))
    for kind, version, stop, breaks, deleted, minutes in commands:
        settled = world.run(None, breaks=breaks)
        if isinstance(settled, Settled):
            place = world.chain.standing
            target = place.production if kind == "repaired" else version
            if target in world.there:
                world.run(world.wanted(kind, target), stop=stop, breaks=breaks)
        if deleted is not None and deleted != world.chain.standing.production:
            world.delete(deleted)
        world.now += timedelta(minutes=minutes)
    world.now += timedelta(minutes=11)

    assert isinstance(world.run(None), Settled)

    place, chain = world.chain.standing, world.chain
    assert chain.unfinished is None
    assert [version for version, state in place.states.items() if state == "production"] == [place.production]
    if place.production in world.there:
        shown = {alias: version for alias, version in place.aliases.items() if version in world.there}
        assert agrees(world.aliases, shown)


@given(st.integers(0, 5), st.booleans())
def test_serving_follows_the_ledger_wherever_a_promotion_is_cut_off(stop: int, breaks: bool) -> None:
    """Once somebody went on: the switch runs again where nobody knows whether it ran."""
    world = World()
    world.run(world.wanted("adopted", "1"))
    world.run(world.wanted("promoted", "2"), stop=stop, breaks=breaks)
    world.now += timedelta(minutes=11)

    world.run(None)

    production = world.chain.standing.production
    assert world.serving == (None if production == "1" else "2")
    assert world.aliases["production"] == production


def test_a_switch_that_cannot_work_gives_way_to_a_rollback() -> None:
    """At once, not after the lease: the entry is ended as unswitched, and the version is withdrawn."""
    world = World()
    world.run(world.wanted("adopted", "1"))
    stuck = world.wanted("promoted", "2")
    world.run(stuck, breaks=True)
    assert isinstance(next_step(world.chain, world.aliases, None, world.now, turn="due"), Switch)

    world.run(None, turn="left")
    world.run(world.wanted("rolled_back", "1"))

    assert [world.chain.ending(entry) for entry in world.chain.entries] == ["done", "unswitched", "done"]
    place = world.chain.standing
    assert (place.production, place.state("2"), world.serving) == ("1", "withdrawn", "1")


def test_a_version_deleted_after_the_claim_is_given_up() -> None:
    """The entry counts for nothing, the aliases are back where they were, and the next one follows on from there."""
    world = World()
    world.run(world.wanted("adopted", "1"))
    world.run(world.wanted("promoted", "2"), stop=3)
    world.delete("2")
    world.now += timedelta(minutes=11)

    world.run(None)
    world.run(world.wanted("promoted", "3"))

    assert [world.chain.ending(entry) for entry in world.chain.entries] == ["done", "abandoned", "done"]
    assert world.aliases == {"production": "3", "previous": "1"}


def test_only_what_follows_production_turns_serving_over() -> None:
    """Staging, adopting and archiving leave it alone."""
    assert sorted(TURNS) == ["override", "promoted", "repaired", "rolled_back"]
    world = World()
    world.run(world.wanted("adopted", "1"))
    world.run(world.wanted("staged", "2"))

    assert world.serving is None


def late(world: World, version: str, alias: str = "production") -> int | None:
    writer = world.chain.late_writer(alias, version)
    return None if writer is None else writer.epoch


def finished_late(world: World, version: str) -> None:
    """A promotion whose writer froze after claiming, ended by somebody else after its lease."""
    world.run(world.wanted("promoted", version), stop=1)
    world.now += timedelta(minutes=11)
    world.run(None)


def test_a_writer_that_froze_past_its_lease_explains_what_it_sets() -> None:
    """Its own entry's aliases, no others."""
    world = World()
    world.run(world.wanted("adopted", "1"))
    finished_late(world, "2")
    world.run(world.wanted("promoted", "3"))

    assert (late(world, "2"), late(world, "1", "previous"), late(world, "2", "staging")) == (2, 2, None)
    assert (late(world, "1"), late(world, "4"), late(world, "3")) == (None, None, None)


def test_a_writer_that_ended_its_own_entry_explains_nothing() -> None:
    """Whoever moves the alias back to an older version by hand is not undone."""
    world = World()
    for kind, version in (("adopted", "1"), ("promoted", "2"), ("promoted", "3")):
        world.run(world.wanted(kind, version))

    assert [late(world, version) for version in "1234"] == [None] * 4


def test_an_entry_that_was_given_up_is_held_by_nobody() -> None:
    """Nobody waits for its lease; before that, others do."""
    world = World()
    world.run(world.wanted("adopted", "1"))
    held = world.wanted("promoted", "2")
    world.run(held, stop=2)
    before = next_step(world.chain, world.aliases, None, world.now, turn="due")
    moment: datetime = world.now
    mark = world.chain.mark(held, actor=CI, at=moment, ending="failed", note="it hung")
    world.keys["failed-2"] = mark.bytes.decode()

    assert isinstance(before, InProgress)
    assert isinstance(next_step(world.chain, world.aliases, None, moment, turn="due"), Switch)

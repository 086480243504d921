"""What is explored: two promotions and a rollback, rollbacks to different versions, and what else meets in a registry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from explore.commands import AHEAD, Actor, Adopt, Archive, Command, Promote, Publish, Rollback, Stage
from explore.tape import SOURCE
from explore.world import Scenario

TWO: tuple[Command, ...] = (Adopt("1"), Promote("2"))
FOUR: tuple[Command, ...] = (*TWO, Promote("3"), Promote("4"))


def two(*scripts: tuple[Command, ...], switches: bool = False, mirrors: bool = False) -> tuple[Actor, ...]:
    scripted = zip("ABC", scripts, strict=False)
    return tuple(Actor(name, script, switches=switches, mirrors=mirrors) for name, script in scripted)


NIGHT = Scenario("rollbacks to two versions", FOUR, two((Rollback("3"),), (Rollback("1"),)), faults=1)
MOVES = Scenario(
    "two promotions and a rollback", TWO, two((Promote("3"),), (Promote("4"), Rollback())), faults=1,
    after=(Rollback("1"), Promote("5")),
)  # fmt: skip
STRICT = replace(
    MOVES, name="two promotions that were compared with Production",
    actors=two((Promote("3", champion="2", strict=True),), (Promote("4", champion="2", strict=True),)),
)  # fmt: skip
THREE = Scenario(
    "two promotions and a rollback by three", TWO, two((Promote("3"),), (Promote("4"),), (Rollback(),)), faults=1
)
SWITCH = Scenario(
    "a promotion and a rollback that switch traffic", TWO, two((Promote("3"),), (Rollback(),), switches=True), faults=1
)
SCHEDULE = Scenario(
    "a schedule that archives, and somebody who stages and promotes", TWO,
    two((Archive(),), (Stage("3"), Promote("3"))), faults=1,
)  # fmt: skip
CLOCKS = Scenario("clocks that differ", TWO, two((Promote("3"),), (Rollback("1"),)), faults=1, skews=(AHEAD, -1800))
TAGS = Scenario("tags that are refused", TWO, two((Promote("3"),), (Rollback("1"),)), faults=1, refusals=True)
NEWEST = Scenario(
    "evidence from a clock that is ahead", (Adopt("1"),),
    two((Publish("2", 1), Promote("2", number=1)), (Publish("2", 2), Promote("2", number=2))), faults=0,
)  # fmt: skip


MIRROR = Scenario("stages that mirror the aliases", TWO, two((Promote("3"),), (Rollback("1"),), mirrors=True), faults=1)
SHELVES = replace(
    MIRROR, name="stages of versions that wait and that are archived",
    actors=two((Archive(),), (Stage("3"), Promote("3")), mirrors=True),
)  # fmt: skip
COPIES = Scenario(
    "a version of another model that two copy", (Adopt("1"),),
    two((Promote("7", model=SOURCE),), (Promote("7", model=SOURCE),)), faults=1,
    after=(Rollback("1"), Promote("7", model=SOURCE)),
)  # fmt: skip
WAITING = replace(
    COPIES, name="a version of another model that waits, and a rollback", after=(Rollback("1"),),
    actors=two((Stage("7", model=SOURCE), Promote("7", model=SOURCE)), (Promote("8", model=SOURCE), Rollback("1"))),
)  # fmt: skip


def quick() -> Iterator[Scenario]:
    """For the suite: seconds."""
    yield NIGHT
    yield NEWEST
    for scenario in (MOVES, STRICT, SCHEDULE, SWITCH, CLOCKS, TAGS, MIRROR):
        yield replace(scenario, preemptions=1)
    yield replace(COPIES, preemptions=2)
    yield replace(THREE, faults=0, preemptions=1)


def deep() -> Iterator[Scenario]:
    """For `make explore`: minutes."""
    for scenario in (NIGHT, STRICT, TAGS, SWITCH):
        yield replace(scenario, faults=2)
    for scenario in (MIRROR, SHELVES, COPIES, WAITING):
        yield replace(scenario, faults=2, preemptions=2)
    for scenario in (SCHEDULE, CLOCKS, MOVES):
        yield replace(scenario, preemptions=3)
        yield replace(scenario, faults=2, preemptions=2)
    yield NEWEST
    yield replace(THREE, preemptions=2)

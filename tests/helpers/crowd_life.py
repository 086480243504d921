"""What a process of the crowd does all its life, which may be cut short."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from helpers.crowd import Worker, World, now
from lockgate.errors import LockgateError
from lockgate.promotion.operator import Clock
from lockgate.registries.ports import ModelVersion

PAUSE_S = 1.5
AHEAD = timedelta(minutes=20)


def ahead() -> datetime:
    return now() + AHEAD


def work(world: World, uri: str, number: int, workers: int, log: Path, life: int) -> None:
    """The life of one process, until somebody writes `stop`: it stages and promotes versions of its own, archives, or rolls
    back, to the version before or to any that was Production.

    The clock of the first one is ahead. Whoever was refused leaves the server to those who are moving something for a moment.
    """
    worker = Worker(world, uri, f"worker {number}, life {life}", log)
    own, draw = world.versions[1:][number::workers], random.Random(f"{number}-{life}")
    clock = now if number else ahead
    while not (log / "stop").exists():
        told = _act(worker, own, draw, clock)
        if told == "refused":
            time.sleep(draw.random() * PAUSE_S)


def _act(worker: Worker, own: Sequence[ModelVersion], draw: random.Random, clock: Clock) -> str:
    """One command, drawn: what was told."""
    chance = draw.random()
    if chance < 0.1:
        return worker.rollback(clock=clock)
    if chance < 0.25:
        try:
            moves = worker.world.chain.moves
        except LockgateError:  # the server is away
            return "no answer"
        at_once = "the soak says so" if chance < 0.13 else None
        return worker.rollback(clock=clock, to=draw.choice(moves).target, at_once=at_once)
    if chance < 0.3:
        return worker.archive(clock=clock)
    return (
        worker.stage(draw.choice(own), clock=clock) if chance < 0.4 else worker.promote(draw.choice(own), clock=clock)
    )


def worker_number(name: str) -> int:
    """Which of the workers has this name."""
    return int(name.removeprefix("worker ").partition(",")[0])

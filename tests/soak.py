"""Thousands of promotions and rollbacks by processes that are killed and whose answers get lost: is the ledger true?

`make soak` plays it on SQLite and on PostgreSQL; SOAK_PROMOTIONS says how many, ten minutes a backend are the most.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crowd import PROCESSES, Watch, World, counts, work
from lockgate.errors import LockgateError
from proxy import Asked, Fate, Proxy
from servers import MlflowServer, Postgres, installed

WORKERS = 8
LONGEST_S = 600
PROMOTIONS = 2000


@dataclass(frozen=True)
class Report:
    """What happened, and what should not have."""

    told: Counter[str]
    epochs: int
    kills: int
    lost: int
    samples: int
    seconds: float
    violations: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        what = ", ".join(f"{count} {word}" for word, count in sorted(self.told.items()))
        return [
            f"{self.epochs} epochs in {self.seconds:.0f} s; processes were told: {what}",
            f"{self.kills} processes killed, {self.lost} answers or requests lost, {self.samples} samples taken",
            f"{len(self.violations)} violations",
            *(f"  {violation}" for violation in self.violations),
        ]


class Weather:
    """Loses some requests, and some answers to those that write."""

    def __init__(self, seed: int) -> None:
        self.draw, self.lost = random.Random(seed), 0

    def __call__(self, asked: Asked) -> Fate:
        chance = self.draw.random()
        fate: Fate = "pass"
        if asked.writes and chance < 0.02:
            fate = "lose the answer"
        elif chance > 0.995:
            fate = "lose the request"
        self.lost += fate != "pass"
        return fate


def soak(
    uri: str, folder: Path, *, promotions: int, longest_s: float, kill_every_s: float = 30, each: int = 2
) -> Report:
    """Play it against a server until so many promotions and rollbacks were done, or the time is over.

    each: how many versions are a process's own.
    """
    world = World.make(uri, folder, versions=each * WORKERS + 1)
    log = folder / "log"
    log.mkdir()
    weather, draw = Weather(7), random.Random(7)
    began, kills, lives = time.monotonic(), 0, [0] * WORKERS
    with Proxy(uri, weather) as proxy, Watch(world) as watch:
        crowd = [_begin(world, proxy.uri, number, log, 0) for number in range(WORKERS)]
        try:
            while time.monotonic() - began < longest_s and counts(log)["done"] < promotions:
                time.sleep(0.5)
                if time.monotonic() - began < (kills + 1) * kill_every_s:
                    continue
                number = draw.randrange(WORKERS)
                crowd[number].kill()
                crowd[number].join()
                kills, lives[number] = kills + 1, lives[number] + 1
                crowd[number] = _begin(world, proxy.uri, number, log, lives[number])
            (log / "stop").touch()
            for one in crowd:
                one.join(60)
        finally:
            for one in crowd:
                one.kill()
                one.join()
        violations = list(watch.wrong)
        try:
            world.settle()
        except LockgateError as error:
            violations.append(f"the next command says {error.what}")
    violations += world.differences() + world.lies(log)
    seconds = time.monotonic() - began
    return Report(
        counts(log), len(world.chain.entries), kills, weather.lost, watch.samples, seconds, tuple(violations)
    )  # fmt: skip


def _begin(world: World, uri: str, number: int, log: Path, life: int) -> Any:
    process = PROCESSES.Process(target=work, args=(world, uri, number, WORKERS, log, life), daemon=True)
    process.start()
    return process


def main() -> int:
    promotions = int(os.environ.get("SOAK_PROMOTIONS", PROMOTIONS))
    backends = ["SQLite", "PostgreSQL"] if installed() else ["SQLite"]
    violations = 0
    for backend in backends:
        cluster = Postgres() if backend == "PostgreSQL" else None
        with tempfile.TemporaryDirectory(prefix="lockgate-soak-") as name:
            folder = Path(name)
            if cluster is not None:
                cluster.start()
            store = cluster.database("registry") if cluster is not None else f"sqlite:///{folder}/m.db"
            server = MlflowServer(folder, store)
            try:
                server.start()
                server.wait()
                report = soak(server.uri, folder, promotions=promotions, longest_s=LONGEST_S)
            finally:
                server.kill()
                if cluster is not None:
                    cluster.stop()
        print(f"mlflow server on {backend}")
        print("\n".join(f"  {line}" for line in report.lines), flush=True)
        violations += len(report.violations)
    if len(backends) == 1:
        print("mlflow server on PostgreSQL: not played, PostgreSQL is not installed here")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())

"""Thousands of promotions and rollbacks by processes that are killed and whose answers get lost: is the ledger true?

`make soak` plays it on SQLite and on PostgreSQL, half of the time with aliases and half with stages that mirror them.
SOAK_PROMOTIONS says how many on each, SOAK_MINUTES how long at most, SOAK_LIFECYCLE which of the two alone.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from helpers.crowd import PROCESSES, Watch, World, counts, interrupted
from helpers.crowd_life import work, worker_number
from helpers.proxy import Asked, Fate, Proxy
from helpers.servers import MlflowServer, Postgres, installed
from lockgate.errors import LockgateError
from lockgate.registries.mlflow.spec import MlflowSpec

WORKERS = 8
MINUTES = 10
PROMOTIONS = 2000
ENTRY_S = 0.5  # about as long as an entry takes from claim to done
LIFECYCLES = get_args(MlflowSpec.model_fields["lifecycle"].annotation)


@dataclass(frozen=True)
class Report:
    """What happened, and what should not have. hit: entries that a kill took from the process that had claimed them."""

    told: Counter[str]
    epochs: int
    kills: int
    hit: int
    lost: int
    samples: int
    seconds: float
    violations: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        what = ", ".join(f"{count} {word}" for word, count in sorted(self.told.items()))
        return [
            f"{self.epochs} epochs in {self.seconds:.0f} s ({self.pace:.0f} a minute); processes were told: {what}",
            f"{self.kills} processes killed, {self.hit} of them in the middle of an entry; "
            f"{self.lost} answers or requests lost, {self.samples} samples taken",
            f"{len(self.violations)} violations",
            *(f"  {violation}" for violation in self.violations),
        ]

    @property
    def pace(self) -> float:
        """Epochs a minute."""
        return self.epochs * 60 / self.seconds


class Weather:
    """Loses some requests, and some answers to those that write; sees who claims an entry."""

    def __init__(self, seed: int) -> None:
        self.draw, self.lost = random.Random(seed), 0
        self.claims: dict[str, str] = {}

    def __call__(self, asked: Asked) -> Fate:
        chance = self.draw.random()
        fate: Fate = "pass"
        if asked.writes and chance < 0.02:
            fate = "lose the answer"
        elif chance > 0.995:
            fate = "lose the request"
        self.lost += fate != "pass"
        if asked.path.endswith("/log-parameter") and fate != "lose the request":
            said = json.loads(asked.body)
            if str(said["key"]).startswith("epoch-"):  # whoever writes it first has it
                self.claims.setdefault(said["key"], json.loads(said["value"])["actor"]["name"])
        return fate


class Death:
    """Kills processes at random moments: in turn any of them, and whoever claims an entry next, soon after it did."""

    def __init__(self, seed: int, weather: Weather, every_s: float) -> None:
        self.draw, self.weather, self.every_s = random.Random(seed), weather, every_s
        self.kills, self.next = 0, time.monotonic()
        self._rest()

    def wait(self, seconds: float) -> int | None:
        """The number of the worker that is to die now, None where nobody died in all these seconds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.02)
            if time.monotonic() < self.next:
                self.seen = len(self.weather.claims)
            elif self.kills % 2 == 0:
                return self._strike(self.draw.randrange(WORKERS))
            elif len(self.weather.claims) > self.seen:
                time.sleep(self.draw.random() * ENTRY_S)
                return self._strike(worker_number(list(self.weather.claims.values())[self.seen]))
        return None

    def _strike(self, number: int) -> int:
        self.kills += 1
        self._rest()
        return number

    def _rest(self) -> None:
        self.next = time.monotonic() + self.every_s * (0.5 + self.draw.random())
        self.seen = len(self.weather.claims)


def soak(
    uri: str,
    folder: Path,
    *,
    promotions: int,
    longest_s: float,
    kill_every_s: float = 15,
    each: int = 2,
    lifecycle: str = "aliases",
) -> Report:
    """Play it against a server until so many promotions and rollbacks were done, or the time is over.

    each: how many versions are a process's own.
    """
    world = World.make(uri, folder, versions=each * WORKERS + 1, lifecycle=lifecycle)
    log = folder / "log"
    log.mkdir()
    weather = Weather(7)
    death = Death(7, weather, kill_every_s)
    began, lives = time.monotonic(), [0] * WORKERS
    with Proxy(uri, weather) as proxy, Watch(world) as watch:
        crowd = [_begin(world, proxy.uri, number, log, 0) for number in range(WORKERS)]
        try:
            while time.monotonic() - began < longest_s and counts(log)["done"] < promotions:
                number = death.wait(1)
                if number is None:
                    continue
                crowd[number].kill()
                crowd[number].join()
                lives[number] += 1
                crowd[number] = _begin(world, proxy.uri, number, log, lives[number])
            (log / "stop").touch()
            for one in crowd:
                one.join(60)
        finally:
            for one in crowd:
                one.kill()
                one.join()
        violations = list(watch.wrong)
        seconds = time.monotonic() - began
        try:
            world.settle()
        except LockgateError as error:
            violations.append(f"the next command says {error.message}")
    chain = world.chain
    violations += world.differences() + world.lies(log)
    return Report(
        counts(log), len(chain.entries), death.kills, interrupted(chain, log), weather.lost, watch.samples, seconds,
        tuple(violations),
    )  # fmt: skip


def _begin(world: World, uri: str, number: int, log: Path, life: int) -> Any:
    process = PROCESSES.Process(target=work, args=(world, uri, number, WORKERS, log, life), daemon=True)
    process.start()
    return process


def main() -> int:
    promotions = int(os.environ.get("SOAK_PROMOTIONS", PROMOTIONS))
    longest_s = float(os.environ.get("SOAK_MINUTES", MINUTES)) * 60
    alone = os.environ.get("SOAK_LIFECYCLE")
    lifecycles = LIFECYCLES if alone is None else (alone,)
    if not set(lifecycles) <= set(LIFECYCLES):
        print(f"SOAK_LIFECYCLE is {alone}; known are {', '.join(LIFECYCLES)}", file=sys.stderr)
        return 2
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
                for lifecycle in lifecycles:
                    place, share = folder / lifecycle, len(lifecycles)
                    place.mkdir()
                    report = soak(
                        server.uri,
                        place,
                        promotions=promotions // share,
                        longest_s=longest_s / share,
                        lifecycle=lifecycle,
                    )
                    print(f"mlflow server on {backend}, {lifecycle}")
                    print("\n".join(f"  {line}" for line in report.lines), flush=True)
                    violations += len(report.violations)
            finally:
                server.kill()
                if cluster is not None:
                    cluster.stop()
    if len(backends) == 1:
        print("mlflow server on PostgreSQL: not played, PostgreSQL is not installed here")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())

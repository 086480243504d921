"""L4: a server that stands still for 100 ms every second, in virtual time: what each kind of loop says of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.decisions.asking import drawing
from bench.decisions.bars import Bar
from lockgate.stats.latency import percentile

STALL_S = 0.1
EVERY_S = 1.0
SERVICE_S = 0.001
RATE = 200.0
SECONDS = 600

HEADER = f"""L4  {SERVICE_S * 1000:g} ms of service, a stall of {STALL_S * 1000:g} ms every {EVERY_S:g} s, one server, {RATE:g} requests a second for {SECONDS} s of virtual time.
    truth: of callers who arrive whenever they like. open: from the intended send time. closed: one caller who waits.
 arrivals   percentile     truth      open    closed"""


def served(arrivals: np.ndarray) -> np.ndarray:
    """(n,) seconds at which each arrival is answered, by one server that takes them in turn and stalls."""
    done = np.empty_like(arrivals)
    free = 0.0
    for place, arrival in enumerate(arrivals):
        begun = max(arrival, free)
        free = done[place] = _worked(begun)
    return done


def _worked(begun: float) -> float:
    """When work that begins now is finished; nothing is done in the first 100 ms of every second."""
    into = begun % EVERY_S
    if into < STALL_S:
        begun += STALL_S - into
    left = EVERY_S - begun % EVERY_S
    return begun + SERVICE_S + (STALL_S if left < SERVICE_S else 0.0)


def closed(requests: int) -> np.ndarray:
    """(n,) service times that a single waiting caller sees."""
    found, now = np.empty(requests), 0.05
    for place in range(requests):
        after = _worked(now)
        found[place], now = after - now, after
    return found


@dataclass(frozen=True)
class StallCell:
    arrivals: str

    @property
    def name(self) -> str:
        return f"{self.arrivals} arrivals"

    def run(self) -> StallRow:
        draw = drawing("stalls", self.arrivals)
        count = int(RATE * SECONDS)
        gaps = draw.exponential(1 / RATE, count) if self.arrivals == "poisson" else np.full(count, 1 / RATE)
        intended = np.cumsum(gaps)
        many = np.sort(draw.random(20 * count) * SECONDS)  # who would have come at any other time waits as long
        truth = _waiting(many, intended, served(intended))
        measured = served(intended) - intended
        waiting = closed(count)
        return StallRow(
            self,
            {p: tuple(1000 * percentile(p)(one) for one in (truth, measured, waiting)) for p in (0.5, 0.99, 0.999)},
        )


def _waiting(observers: np.ndarray, intended: np.ndarray, done: np.ndarray) -> np.ndarray:
    """How long somebody who comes at such a time waits: for those before, for the end of a stall, and for service."""
    before = np.searchsorted(intended, observers) - 1
    free = np.where(before >= 0, done[np.maximum(before, 0)], 0.0)
    return np.array([_worked(max(now, until)) - now for now, until in zip(observers, free, strict=True)])


@dataclass(frozen=True)
class StallRow:
    cell: StallCell
    times: dict[float, tuple[float, ...]]

    def __str__(self) -> str:
        return "\n".join(
            f" {self.cell.arrivals:<10}    p{100 * p:<6g}{truth:>10.2f}{opened:>10.2f}{waited:>10.2f}"
            for p, (truth, opened, waited) in self.times.items()
        )

    @property
    def bars(self) -> tuple[Bar, ...]:
        return tuple(
            Bar(
                f"L4: p{100 * p:g} of the open loop, off by a share of",
                abs(opened / truth - 1),
                "<=",
                limit,
                self.cell.name,
            )
            for p, limit in ((0.99, 0.05), (0.999, 0.10))
            for truth, opened, _ in [self.times[p]]
        )


def grid() -> list[StallCell]:
    return [StallCell("poisson"), StallCell("constant")]

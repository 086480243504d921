"""Laws of service times whose percentiles are known, in milliseconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import optimize, signal, special

Floats = np.ndarray
MEDIAN_MS = 10.0
SLOW_MS = 50.0
SLOW_SHARE = 0.02
BURST_REQUESTS = 20
BURST_SHARE = 0.1
BURST_FACTOR = 3.0
STALL_EVERY = 90
STALL_FACTOR = 20.0
STALL_SIGMA = 0.2


@dataclass(frozen=True)
class Law:
    """draw: (generator, n) → (n,) times in order. quantile: p → the true percentile."""

    name: str
    draw: Callable[[np.random.Generator, int], Floats]
    quantile: Callable[[float], float]


def lognormal(sigma: float) -> Law:
    def quantile(p: float) -> float:
        return MEDIAN_MS * math.exp(sigma * float(special.ndtri(p)))

    return Law(f"log-normal {sigma}", lambda draw, n: MEDIAN_MS * np.exp(draw.normal(0, sigma, n)), quantile)


def two_modes(sigma: float = 0.3) -> Law:
    """Ninety-eight of a hundred requests take about 10 ms, the others about 50 ms."""

    def draw(generator: np.random.Generator, n: int) -> Floats:
        slow = generator.random(n) < SLOW_SHARE
        return np.where(slow, SLOW_MS, MEDIAN_MS) * np.exp(generator.normal(0, sigma, n))

    return Law("2 % slow mode", draw, _mixture(sigma, {MEDIAN_MS: 1 - SLOW_SHARE, SLOW_MS: SLOW_SHARE}))


def bursts(sigma: float = 0.2) -> Law:
    """A tenth of the time, about twenty requests in a row take three times as long."""
    calm = BURST_REQUESTS * (1 - BURST_SHARE) / BURST_SHARE

    def draw(generator: np.random.Generator, n: int) -> Floats:
        slow = np.zeros(n, np.bool_)
        place, on = 0, bool(generator.random() < BURST_SHARE)
        while place < n:
            length = int(generator.geometric(1 / (BURST_REQUESTS if on else calm)))
            slow[place : place + length] = on
            place, on = place + length, not on
        return MEDIAN_MS * np.where(slow, BURST_FACTOR, 1.0) * np.exp(generator.normal(0, sigma, n))

    return Law("bursts", draw, _mixture(sigma, {MEDIAN_MS: 1 - BURST_SHARE, MEDIAN_MS * BURST_FACTOR: BURST_SHARE}))


@dataclass(frozen=True)
class RareStalls:
    """One request in ninety takes twenty times as long: `length` in a row, once in ninety times as many.

    drawn: whether the length of each is drawn from the geometric law of that mean.
    """

    length: int
    drawn: bool = False

    @property
    def name(self) -> str:
        lengths = f"about {self.length}" if self.drawn else f"{self.length}"
        return f"{lengths} in a row, 1 in {STALL_EVERY * self.length:,}"

    def draw(self, generator: np.random.Generator, n: int) -> Floats:
        slow = np.zeros(n, np.bool_)
        gap = (STALL_EVERY - 1) * self.length
        place = int(generator.geometric(1 / gap)) - 1
        if generator.random() < 1 / STALL_EVERY:  # the run begins amid one
            place = -int(generator.integers(0, self.length))
        while place < n:
            length = int(generator.geometric(1 / self.length)) if self.drawn else self.length
            slow[max(place, 0) : max(place + length, 0)] = True
            place += length + int(generator.geometric(1 / gap))
        return MEDIAN_MS * np.where(slow, STALL_FACTOR, 1.0) * np.exp(generator.normal(0, STALL_SIGMA, n))


def drifting(rho: float, sigma: float = 0.3) -> Law:
    """Log-normal times, each like the one before it: autoregression of the first order."""

    def draw(generator: np.random.Generator, n: int) -> Floats:
        steps = generator.normal(0, math.sqrt(1 - rho * rho), n)
        steps[0] = generator.normal()
        return MEDIAN_MS * np.exp(sigma * signal.lfilter([1.0], [1.0, -rho], steps))

    return Law(f"autoregression {rho:g}", draw, lognormal(sigma).quantile)


def _mixture(sigma: float, parts: Mapping[float, float]) -> Callable[[float], float]:
    """p → the percentile of log-normals of these medians and shares."""

    def share(time_ms: float) -> float:
        return sum(part * float(special.ndtr(math.log(time_ms / median) / sigma)) for median, part in parts.items())

    @cache
    def quantile(p: float) -> float:
        return float(optimize.brentq(lambda time_ms: share(time_ms) - p, 1e-3, 1e5))

    return quantile


LAWS = {
    law.name: law
    for law in (
        lognormal(0.1),
        lognormal(0.2),
        lognormal(0.3),
        two_modes(),
        bursts(),
        *(drifting(rho) for rho in (0.5, 0.9, 0.99)),
    )
}

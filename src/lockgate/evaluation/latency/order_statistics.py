"""Percentiles tested and bounded by order statistics, where requests count as fewer than they are."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lockgate.stats.latency import Percentile
from lockgate.stats.latency_samples import Times, pooled, resemblance, spanned
from lockgate.stats.proportions import binomial_at_least, binomial_at_most
from lockgate.stats.stationarity import Resemblance

RESEMBLING = 1.2  # an autocorrelation time above it makes requests count as fewer; below it may be chance

Ends = tuple[float | None, float | None]


def quantile_test(times: Times, p: float, *, effect: float) -> Callable[[float], tuple[float, float]]:
    """Return limit → (p_pass, p_fail) of `p-quantile <= limit`, exact for independent values, whose effect is 1.

    Requests that lie close together in time resemble each other; they then count as fewer, by `effect`. A binned value
    counts as over the limit for the one claim where it may be, for the other where it must be.
    Source: binomial test of a quantile (Conover 1999, Practical Nonparametric Statistics, §3.2).
    """
    return lambda limit: limit_test(times, p, limit)(effect)


def limit_test(times: Times, p: float, limit: float) -> Callable[[float], tuple[float, float]]:
    """Return effect → (p_pass, p_fail) as of `quantile_test`: what lies over the limit is counted once for all effects."""
    total, over = len(times), times.over(limit)

    def p_values(effect: float) -> tuple[float, float]:
        # Were the quantile exactly the limit, Binomial(n, 1 - p) values would lie over it: p_pass is the probability of as
        # few as these, p_fail of as many, and `effect` leaves fractions of them.
        surely, possibly = (count / effect for count in over)
        return binomial_at_most(possibly, total / effect, 1 - p), binomial_at_least(surely, total / effect, 1 - p)

    return p_values


def quantile_ends(times: Times, p: float, *, effect: float, alpha: float) -> Ends:
    """The measured values between which the tests leave the percentile; None where no value is an end.

    A limit at the upper end, or above, is met; one below the lower end is violated. Both tests are monotonic in the
    limit, so the ends are found by bisection.
    """
    p_values = quantile_test(times, p, effect=effect)
    lows, highs = (np.unique(ends[np.isfinite(ends)]) for ends in times.ranked()[:2])
    upper = bisect_left(highs, x=True, key=lambda value: p_values(float(value))[0] <= alpha)
    lower = bisect_left(lows, x=True, key=lambda value: p_values(float(value))[1] > alpha)
    return (float(lows[lower]) if 0 < lower < len(lows) else None), (
        float(highs[upper]) if upper < len(highs) else None
    )


def counted_as_one(followed: Resemblance) -> float:
    """How many requests count as one, by how those beyond a threshold follow each other."""
    return followed.time_at_most if followed.time > RESEMBLING else 1.0


@dataclass(frozen=True)
class RatioFloor:
    """What each model's own order statistics leave of the ratio of two percentiles, were the other model's value exact.

    How blocks differ tells nothing of slow requests that did not come; these do, as far as they count as single ones.
    """

    candidate: Sequence[Times]
    champion: Sequence[Times]
    percentile: Percentile

    def resemblance(self, limit: float) -> float:
        """How many requests count as one, of those that speak against either claim, by how neighbours resemble each other.

        Each block is taken about its own mean, since a level that moves from block to block moves for both models.
        """
        (_, high), (champion_low, _) = self._values
        thresholds = (self.candidate, limit * champion_low), (self.champion, high / limit)
        return max(
            counted_as_one(resemblance(blocks, share=self.percentile.p, threshold=threshold, level=False))
            for blocks, threshold in thresholds
        )

    def limit_test(self, limit: float) -> Callable[[float], tuple[float, float]]:
        """Return effect → the least p-values of the claims that the ratio lies below the limit, and that it lies above."""
        if limit <= 0:
            return lambda _: (1.0, 1.0)
        (ours, theirs), p = self._pooled, self.percentile.p
        (low, high), (champion_low, champion_high) = self._values
        below = limit_test(ours, p, limit * champion_low), limit_test(theirs, p, high / limit)
        above = limit_test(ours, p, limit * champion_high), limit_test(theirs, p, low / limit)
        return lambda effect: (
            max(below[0](effect)[0], below[1](effect)[1]),
            max(above[0](effect)[1], above[1](effect)[0]),
        )

    def ends(self, *, effect: float, alpha: float) -> Ends:
        """The ends that the interval of the ratio reaches at least; None where nothing bounds it."""
        ours, theirs = (quantile_ends(times, self.percentile.p, effect=effect, alpha=alpha) for times in self._pooled)
        (low, high), (champion_low, champion_high) = self._values
        lows = _quotient(ours[0], champion_high), _quotient(low, theirs[1])
        highs = _quotient(ours[1], champion_low), _quotient(high, theirs[0])
        return (
            None if lows[0] is None or lows[1] is None else min(lows[0], lows[1]),
            None if highs[0] is None or highs[1] is None else max(highs[0], highs[1]),
        )

    @cached_property
    def _pooled(self) -> tuple[Times, Times]:
        return pooled(self.candidate), pooled(self.champion)

    @cached_property
    def _values(self) -> tuple[tuple[float, float], tuple[float, float]]:
        ours, theirs = self._pooled
        return spanned(self.percentile, ours), spanned(self.percentile, theirs)


def _quotient(above: float | None, below: float | None) -> float | None:
    return None if above is None or not below else above / below

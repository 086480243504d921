"""Bounds of how far two independent samples are apart: the largest difference of shares, and the difference of one share.

`n` and `m` are effective rows: Kish's number where rows weigh unlike, or go together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy import special

from lockgate.stats.proportions import Interval, korn_graubard

_STEPS = 60  # of a bisection: to the last bit that matters


@dataclass(frozen=True)
class Apart:
    """A distance from 0 on. low, high: two-sided at 2·confidence − 1. p_above, p_below: one-sided, of the claims that the truth
    lies above, below the limit. se: such that (high − value) / quantile."""

    value: float
    low: float
    high: float
    p_above: float
    p_below: float
    se: float


def kolmogorov(value: float, n: float, m: float, *, limit: float, confidence: float) -> Apart:
    """The Kolmogorov–Smirnov distance of two distributions of numbers, from that of their samples.

    Below by `at_largest`; above by the inequality of Dvoretzky, Kiefer and Wolfowitz for each of the two samples, which holds at
    all numbers together. Source: Massart 1990.
    """
    reach = 1 / math.sqrt(n) + 1 / math.sqrt(m)
    beyond = (value - limit) / reach
    p_above = min(1.0, 4 * math.exp(-2 * beyond**2)) if beyond > 0 else 1.0
    low = max(value - math.sqrt(math.log(4 / (1 - confidence)) / 2) * reach, 0.0)
    return _with_upper(value, n, m, limit=limit, confidence=confidence, low=low, p_above=p_above)


def total_variation(value: float, n: float, m: float, *, chance: float, limit: float, confidence: float) -> Apart:
    """The total variation distance of two distributions of categories, from that of their samples.

    chance: by how much the samples are farther apart than the distributions on average, at most: see `chance_of_shares`.
    Below by `at_largest`; above by the inequality of bounded differences. Source: McDiarmid 1989.
    """
    reach = 1 / n + 1 / m
    beyond = value - chance - limit
    p_above = math.exp(-2 * beyond**2 / reach) if beyond > 0 else 1.0
    low = max(value - chance - math.sqrt(math.log(1 / (1 - confidence)) / 2 * reach), 0.0)
    return _with_upper(value, n, m, limit=limit, confidence=confidence, low=low, p_above=p_above)


def _with_upper(
    value: float, n: float, m: float, *, limit: float, confidence: float, low: float, p_above: float
) -> Apart:
    """With the upper end of a largest difference of shares.

    The distance is the difference of two shares somewhere: of the numbers up to t, or of a set of categories. There the
    samples differ by no more than by `value`, which is their largest difference, and the difference of two shares has a
    variance of at most (1/n + 1/m) / 4. So the bound at that one t holds for the distance, whichever t it is.
    """
    se = 0.5 * math.sqrt(1 / n + 1 / m)
    high = min(value + float(special.ndtri(confidence)) * se, 1.0)
    return Apart(value, low, high, p_above, float(special.ndtr((value - limit) / se)), se)


def share_apart(share: float, n: float, other: float, m: float, *, limit: float, confidence: float) -> Apart:
    """|p − q| of two independent shares, whichever is larger.

    By MOVER on the exact limits of each share. Source: Zou & Donner 2008; Korn & Graubard 1998; TOST, Schuirmann 1987.
    """

    def ends(alpha: float) -> tuple[float, float]:
        ours, theirs = (
            korn_graubard(value * size, size, confidence=1 - 2 * alpha) for value, size in ((share, n), (other, m))
        )
        below, above = signed_difference(ours, theirs)
        return max(below, -above, 0.0), max(above, -below)

    value = abs(share - other)
    low, high = ends(1 - confidence)
    return Apart(
        value,
        low,
        min(high, 1.0),
        _least_alpha(lambda alpha: ends(alpha)[0] > limit),
        _least_alpha(lambda alpha: ends(alpha)[1] <= limit),
        (high - value) / float(special.ndtri(confidence)),
    )


def signed_difference(ours: Interval, theirs: Interval) -> tuple[float, float]:
    """(low, high) of the difference of two independent estimates, from the interval of each. Source: Zou & Donner 2008."""
    difference = ours.value - theirs.value
    below = math.hypot(ours.value - ours.low, theirs.high - theirs.value)
    return difference - below, difference + math.hypot(ours.high - ours.value, theirs.value - theirs.low)


def _least_alpha(holds: Callable[[float], bool]) -> float:
    """The least one-sided risk at which an end of an interval meets a limit, which it does at every larger one; 1 for none."""
    low, high = 0.0, 0.5
    if not holds(high):
        return 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high

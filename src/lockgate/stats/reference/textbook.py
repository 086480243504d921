"""Intervals of shares, adjusted p-values and ranks of percentiles as textbooks name them; bad input is refused in a sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from lockgate.stats import multiple_testing
from lockgate.stats.proportions import Interval, check_share
from lockgate.stats.validation import check_count, check_open_share, p_values


@dataclass(frozen=True)
class Ranks:
    """Ranks of the values that bound a percentile, counted from 1; None where no value does.

    level: the exact probability that the interval holds the percentile, never below the confidence.
    """

    low: int | None
    high: int | None
    level: float


def wilson(k: int, n: int, *, confidence: float = 0.95) -> Interval:
    """The score interval of k successes in n: short, and right on average.

    Raises ValueError unless 0 <= k <= n, n >= 1 and 0 < confidence < 1. Source: Wilson 1927, by scipy.
    """
    from scipy.stats import binomtest

    check_share(k, n, confidence)
    low, high = binomtest(int(k), int(n)).proportion_ci(confidence, "wilson")
    return Interval(k / n, float(low), float(high))


def holm(p: ArrayLike) -> list[float]:
    """Adjusted p-values, in input order: P(any true null is rejected at alpha) <= alpha, whatever the dependence.

    p: (m,) between 0 and 1, m may be zero. Raises ValueError for anything else, NaN included. Source: Holm 1979.
    """
    return multiple_testing.holm(p_values(p))


def benjamini_hochberg(p: ArrayLike) -> list[float]:
    """Adjusted p-values, in input order: the expected share of false rejections is at most alpha.

    For independent p-values, or positively dependent ones. p: (m,) between 0 and 1, m may be zero.
    Raises ValueError for anything else, NaN included. Source: Benjamini & Hochberg 1995.
    """
    return multiple_testing.benjamini_hochberg(p_values(p))


def quantile_ranks(n: int, p: float, *, confidence: float = 0.95) -> Ranks:
    """The order statistics that hold the p-quantile of n independent values, whatever their distribution.

    low: the largest l with P(Bin(n, p) <= l - 1) <= a/2; high: the smallest u with P(Bin(n, p) <= u - 1) >= 1 - a/2.
    Ranks count from 1; an end is None where no value bounds it.
    Raises ValueError unless n >= 0 is whole and p and confidence lie between 0 and 1.
    Source: the exact binomial interval, e.g. Hahn & Meeker 1991, §5.2.
    """
    check_count("n", n)
    check_open_share("p", p)
    check_open_share("confidence", confidence)
    tail = (1 - confidence) / 2
    below = special.bdtr(np.arange(n, dtype=np.float64), n, p) if n else np.zeros(0)  # [k] = P(Bin <= k)
    # Ranks count from 1 and `below` from 0, so that the first index past the tail is the last rank within it.
    low = int(np.searchsorted(below, tail, side="right"))
    high = int(np.searchsorted(below, 1 - tail, side="left")) + 1
    upper = float(below[high - 1]) if high <= n else 1.0
    lower = float(below[low - 1]) if low >= 1 else 0.0
    return Ranks(low if low >= 1 else None, high if high <= n else None, upper - lower)


def min_n_for_quantile(p: float, *, confidence: float = 0.95, two_sided: bool = False) -> int:
    """The fewest values whose largest is an upper bound of the p-quantile: 59 for p = 0.95 at 95 %.

    confidence: of the one-sided bound; with two_sided, of the interval that it is the upper end of. Raises ValueError
    unless p and confidence lie between 0 and 1. Source: Wilks 1941.
    """
    check_open_share("p", p)
    check_open_share("confidence", confidence)
    tail = (1 - confidence) / (2 if two_sided else 1)
    # All n values lie below the quantile with probability p^n, which is to be at most the tail.
    return max(1, math.ceil(math.log(tail) / math.log(p) - 1e-9))

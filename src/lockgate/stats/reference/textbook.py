"""Intervals of shares, adjusted p-values and ranks of percentiles as textbooks name them; bad input is refused in a sentence.

The gates call `proportions`, `multiple_testing` and `latency` directly, with inputs that they have checked themselves.
"""

from __future__ import annotations

import math

from numpy.typing import ArrayLike
from scipy import special

from lockgate.stats import latency, multiple_testing, proportions
from lockgate.stats.latency import Ranks
from lockgate.stats.proportions import Interval
from lockgate.stats.validation import check_count, check_open_share, p_values


def wilson(k: int, n: int, *, confidence: float = 0.95) -> Interval:
    """The score interval of k successes in n: short, and right on average.

    Raises ValueError unless 0 <= k <= n, n >= 1 and 0 < confidence < 1. Source: Wilson 1927.
    """
    _check_share(k, n, confidence)
    z = float(special.ndtri((1 + confidence) / 2))
    share, z2 = k / n, z * z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return Interval(share, 0.0 if k == 0 else middle - half, 1.0 if k == n else middle + half)


def clopper_pearson(k: int, n: int, *, confidence: float = 0.95) -> Interval:
    """The exact interval of k successes in n: its coverage is never below `confidence`.

    Raises ValueError unless 0 <= k <= n, n >= 1 and 0 < confidence < 1. Source: Clopper & Pearson 1934.
    """
    _check_share(k, n, confidence)
    return proportions.clopper_pearson(k, n, confidence=confidence)


def tango(a: int, b: int, c: int, d: int, *, confidence: float = 0.95) -> Interval:
    """The score interval of (b − c)/n for paired yes/no answers, n = a + b + c + d.

    a: both yes; b: only the first; c: only the second; d: neither.
    Raises ValueError for counts that are negative or broken, or all zero. Source: Tango 1998, Stat Med 17:891–908.
    """
    for name, count in zip("abcd", (a, b, c, d), strict=True):
        check_count(name, count)
    check_open_share("confidence", confidence)
    return proportions.tango(a, b, c, d, confidence=confidence)


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

    Ranks count from 1; an end is None where no value bounds it. Each tail has at most half of 1 − confidence.
    Raises ValueError unless n >= 0 is whole and p and confidence lie between 0 and 1.
    Source: the exact binomial interval, e.g. Hahn & Meeker 1991, §5.2.
    """
    check_count("n", n)
    check_open_share("p", p)
    check_open_share("confidence", confidence)
    return latency.quantile_ranks(n, p, confidence=confidence)


def min_n_for_quantile(p: float, *, confidence: float = 0.95, two_sided: bool = False) -> int:
    """The fewest values whose largest is an upper bound of the p-quantile: 59 for p = 0.95 at 95 %.

    two_sided: whether the bound is the upper end of a two-sided interval. Raises ValueError unless p and confidence lie
    between 0 and 1. Source: Wilks 1941.
    """
    check_open_share("p", p)
    check_open_share("confidence", confidence)
    return max(1, latency.min_n_for_quantile(p, confidence=confidence, two_sided=two_sided))


def _check_share(k: int, n: int, confidence: float) -> None:
    check_count("n", n, at_least=1)
    check_count("k", k)
    if k > n:
        raise ValueError(f"{k} of {n} is no share")
    check_open_share("confidence", confidence)

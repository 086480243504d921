"""Rank tests and the shift that goes with them, for comparison with tools that judge by them.

They ask whether two distributions differ at all; they know no margin, so no gate decides by them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from lockgate.stats.validation import Floats, check_open_share, sample

EXACT_BELOW = 50


@dataclass(frozen=True)
class RankTest:
    """A rank statistic with its two-sided p-value; exact where there are no ties and few rows."""

    statistic: float
    p_value: float
    exact: bool


@dataclass(frozen=True)
class Shift:
    """By how much the first sample lies above the second: the median of all differences, with its interval."""

    value: float
    low: float
    high: float


def wilcoxon_signed_rank(differences: ArrayLike) -> RankTest:
    """Are paired differences symmetric about zero? statistic: the smaller of the two rank sums.

    differences: (n,) float; zeros are left out. Exact up to 50 values without ties or zeros, else by the normal
    distribution with the variance corrected for ties. Raises ValueError where no difference is left, NaN, infinities.
    Source: Wilcoxon 1945, by scipy.
    """
    from scipy.stats import wilcoxon

    data = sample("differences", differences)
    nonzero = data[data != 0]
    if nonzero.size == 0:
        raise ValueError("all differences are zero; there is nothing to rank")
    exact = nonzero.size == data.size <= EXACT_BELOW and not _tied(np.abs(data))
    test = wilcoxon(nonzero, method="exact" if exact else "asymptotic")
    return RankTest(float(test.statistic), float(test.pvalue), exact)


def mann_whitney(x: ArrayLike, y: ArrayLike) -> RankTest:
    """Is a value of x as often above one of y as below? statistic: U of x, the pairs in which x is above, ties half.

    x: (n,), y: (m,) float. Exact without ties below 50 values each, else by the normal distribution, corrected for ties
    and continuity. Raises ValueError for empty samples, NaN, infinities. Source: Mann & Whitney 1947, by scipy.
    """
    from scipy.stats import mannwhitneyu

    first, second = sample("x", x), sample("y", y)
    exact = max(first.size, second.size) < EXACT_BELOW and not _tied(np.concatenate([first, second]))
    with np.errstate(divide="ignore"):  # where all values are equal there is no variance, and p is 1
        test = mannwhitneyu(first, second, method="exact" if exact else "asymptotic")
    return RankTest(float(test.statistic), float(test.pvalue), exact)


def hodges_lehmann(x: ArrayLike, y: ArrayLike, *, confidence: float = 0.95) -> Shift:
    """The median of all x − y, with the interval that inverts the Mann–Whitney test.

    x: (n,), y: (m,) float. The ranks of the ends are exact below 50 values each, as with R's wilcox.test, else by the
    normal distribution; ties only make the interval wider than needed. Where samples are too small for the confidence,
    the ends are the extreme differences. Raises ValueError for empty samples, NaN, infinities.
    Source: Hodges & Lehmann 1963; Bauer 1972.
    """
    check_open_share("confidence", confidence)
    first, second = sample("x", x), sample("y", y)
    n, m = first.size, second.size
    differences = np.sort(np.subtract.outer(first, second), axis=None)
    tail = (1 - confidence) / 2
    if max(n, m) < EXACT_BELOW:
        shares = np.cumsum(_ways(n, m))
        rank = int(np.searchsorted(shares / shares[-1], tail * (1 - 1e-12)))
    else:
        rank = math.floor(n * m / 2 + float(special.ndtri(tail)) * math.sqrt(n * m * (n + m + 1) / 12))
    rank = min(max(rank, 1), n * m)
    return Shift(float(np.median(differences)), float(differences[rank - 1]), float(differences[n * m - rank]))


def _tied(values: Floats) -> bool:
    return np.unique(values).size < values.size


def _ways(n: int, m: int) -> Floats:
    """[u] in how many orders of n and m values U is u: the coefficients of the Gaussian binomial, in whole numbers."""
    ways = np.array([1] + [0] * (n * m), dtype=object)
    for rank in range(1, n + 1):
        # Times 1 − q^(m + rank), over 1 − q^rank.
        ways[m + rank :] -= ways[: -(m + rank)].copy()
        for start in range(rank):
            ways[start::rank] = np.cumsum(ways[start::rank])
    return ways.astype(np.float64)

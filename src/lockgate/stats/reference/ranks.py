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
    Source: Wilcoxon 1945, as in scipy.
    """
    data = sample("differences", differences)
    nonzero = data[data != 0]
    n = nonzero.size
    if n == 0:
        raise ValueError("all differences are zero; there is nothing to rank")
    ranks, ties = _midranks(np.abs(nonzero))
    plus = float(ranks[nonzero > 0].sum())
    smaller = min(plus, n * (n + 1) / 2 - plus)
    if n <= EXACT_BELOW and not ties and n == data.size:
        ways = np.ones(1)
        for rank in range(1, n + 1):
            ways = _add(ways, rank)
        return RankTest(smaller, _two_sided(ways, smaller), exact=True)
    variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48
    z = (smaller - n * (n + 1) / 4) / math.sqrt(variance) if variance > 0 else 0.0
    return RankTest(smaller, min(1.0, 2 * float(special.ndtr(z))), exact=False)


def mann_whitney(x: ArrayLike, y: ArrayLike) -> RankTest:
    """Is a value of x as often above one of y as below? statistic: U of x, the pairs in which x is above, ties half.

    x: (n,), y: (m,) float. Exact without ties below 50 values each, else by the normal distribution, corrected for ties
    and continuity. Raises ValueError for empty samples, NaN, infinities. Source: Mann & Whitney 1947, as in scipy.
    """
    first, second = sample("x", x), sample("y", y)
    n, m = first.size, second.size
    ranks, ties = _midranks(np.concatenate([first, second]))
    u = float(ranks[:n].sum()) - n * (n + 1) / 2
    smaller = min(u, n * m - u)
    if max(n, m) < EXACT_BELOW and not ties:
        return RankTest(u, _two_sided(_ways(n, m), smaller), exact=True)
    total = n + m
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    z = min(0.0, (smaller - n * m / 2 + 0.5) / math.sqrt(variance)) if variance > 0 else 0.0
    return RankTest(u, min(1.0, 2 * float(special.ndtr(z))), exact=False)


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


def _midranks(values: Floats) -> tuple[Floats, float]:
    """Ranks from 1, ties sharing their mean, and Σ(t³ − t) over the groups of ties."""
    _, group_of, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle = last - (counts - 1) / 2
    sizes = counts.astype(np.float64)
    return middle[group_of].astype(np.float64), float(np.sum(sizes**3 - sizes))


def _add(ways: Floats, rank: int) -> Floats:
    """In how many ways each sum is reached when one more rank may be in it or not."""
    longer = np.zeros(ways.size + rank)
    longer[: ways.size] += ways
    longer[rank:] += ways
    return longer


def _ways(n: int, m: int) -> Floats:
    """[u] in how many orders of n and m values U is u: the coefficients of the Gaussian binomial, smallest sample first."""
    small, large = sorted((n, m))
    table = [np.zeros(small * large + 1) for _ in range(small + 1)]  # by how many of the small sample were placed
    table[0][0] = 1.0
    for rank in range(large + small):
        for placed in range(min(rank + 1, small), 0, -1):
            below = rank - (placed - 1)  # of the large sample, before the one placed now
            if 0 <= below <= large:
                table[placed][below:] += table[placed - 1][: table[placed].size - below]
    return table[small]


def _two_sided(ways: Floats, smaller: float) -> float:
    share = float(ways[: int(smaller) + 1].sum() / ways.sum())
    return min(1.0, 2 * share)

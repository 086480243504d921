"""The Wasserstein distance between two distributions."""

from __future__ import annotations

from numpy.typing import ArrayLike

from lockgate.stats.distance import shares
from lockgate.stats.validation import sample


def wasserstein(
    a: ArrayLike, b: ArrayLike, *, a_weights: ArrayLike | None = None, b_weights: ArrayLike | None = None
) -> float:
    """The 1-D Wasserstein-1 distance: how far values must be moved on average to make one sample the other.

    a: (n,) float; b: (m,) float, in the same units, which are the result's. Weights: non-negative, one a value.
    Raises ValueError for empty samples, NaN, infinities, and weights that are negative or all zero.
    Source: the area between the two distribution functions, Vallender 1974, by scipy.
    """
    from scipy.stats import wasserstein_distance

    first, second = sample("a", a), sample("b", b)
    weights = (
        None if column is None else shares(name, column, size=values.size)
        for name, values, column in (("a_weights", first, a_weights), ("b_weights", second, b_weights))
    )
    return float(wasserstein_distance(first, second, *weights))

"""Trend and autocorrelation of values in order of time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special


def mann_kendall(values: ArrayLike) -> float:
    """Two-sided p-value of the claim that the values, in order of time, neither rise nor fall.

    values: (n,) finite floats; fewer than four can show nothing and give 1. Normal approximation with its correction
    for continuity and for ties.
    Source: Mann 1945; Kendall 1975, Rank Correlation Methods, §4.
    """
    data = np.asarray(values, dtype=np.float64)
    if np.isnan(data).any():
        raise ValueError("a trend is sought in numbers, and one of them is NaN")
    n = len(data)
    if n < 4:
        return 1.0
    above = np.sign(np.subtract.outer(data, data))
    score = float(np.tril(above).sum())
    _, ties = np.unique(data, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    if variance <= 0:
        return 1.0
    z = max(0.0, abs(score) - 1) / math.sqrt(variance)
    return float(2 * special.ndtr(-z))


@dataclass(frozen=True, eq=False)
class Resemblance:
    """Autocovariance sums of values in order. [lag] of products: the sum of products of values that lie so far apart, of pairs:
    how many such pairs there were."""

    products: NDArray[np.float64]
    pairs: NDArray[np.float64]

    @classmethod
    def from_blocks(cls, centred: Sequence[NDArray[np.float64]], *, lags: int | None = None) -> Resemblance:
        """centred: blocks of values about their mean, in order of time. Up to half the longest block, at most `lags`."""
        longest = max((len(block) for block in centred), default=0)
        products, pairs = np.zeros(longest), np.zeros(longest)
        for block in centred:
            if len(block):
                products[: len(block)] += _products(block)
                pairs[: len(block)] += np.arange(len(block), 0, -1)
        kept = max(1, longest // 2) if lags is None else min(lags, max(1, longest // 2))
        return cls(products[:kept].copy(), pairs[:kept].copy())

    @classmethod
    def pooled(cls, parts: Iterable[Resemblance]) -> Resemblance:
        """Of all parts; nothing is assumed of how one follows another."""
        some = list(parts)
        longest = max((len(part.pairs) for part in some), default=0)
        products, pairs = np.zeros(longest), np.zeros(longest)
        for part in some:
            products[: len(part.pairs)] += part.products
            pairs[: len(part.pairs)] += part.pairs
        return cls(products, pairs)

    @property
    def time(self) -> float:
        """How many values in a row say what one independent value would: 1 + 2 Σ ρ(lag), never below 1.

        The sum ends where two neighbouring correlations are no longer positive together. 1 where nothing varies.
        Source: Geyer 1992, Practical Markov chain Monte Carlo (initial positive sequence).
        """
        return self._time_and_lags[0]

    @property
    def time_at_most(self) -> float:
        """The time and two standard errors of it: where it is long, a run holds few such times to estimate it from.

        Source: Madras & Sokal 1988, J. Stat. Phys. 50:109–186, the variance of a windowed sum, 2 (2 W + 1)/n of its square.
        """
        time, lags = self._time_and_lags
        return time * (1 + 2 * math.sqrt(2 * (2 * lags + 1) / self.pairs[0])) if lags else time

    @property
    def _time_and_lags(self) -> tuple[float, int]:
        """(the time, over how many lags it was summed)."""
        if not len(self.products) or self.products[0] <= 0:
            return 1.0, 0
        # A lag has fewer pairs than rows; without the correction short blocks would look less correlated than they are.
        correlations = self.products / self.pairs * (self.pairs[0] / self.products[0])
        time, lags = -1.0, 0
        for lag in range(0, len(correlations) - 1, 2):
            both = float(correlations[lag] + correlations[lag + 1])
            if both <= 0:
                break
            time, lags = time + 2 * both, lag + 2
        return max(1.0, time), lags


def _products(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[lag] sum of the products of values that lie so far apart, by a Fourier transform."""
    size = 1 << (2 * len(values) - 1).bit_length()
    spectrum = np.fft.rfft(values, size)
    products: NDArray[np.float64] = np.fft.irfft(spectrum * np.conj(spectrum), size)[: len(values)]
    return products

"""Did what was measured stay the same while it was measured, and does one value tell of the next?"""

from __future__ import annotations

import math
from collections.abc import Sequence

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


def autocorrelation_time(blocks: Sequence[ArrayLike]) -> float:
    """How many values in a row say what one independent value would: 1 + 2 Σ ρ(lag), never below 1.

    blocks: (n,) values each, in order of time; nothing is assumed of how one block follows another. The sum ends where
    two neighbouring correlations are no longer positive together. 1 where nothing varies.
    Source: Geyer 1992, Practical Markov chain Monte Carlo (initial positive sequence).
    """
    data = [np.asarray(block, dtype=np.float64) for block in blocks]
    rows = sum(len(block) for block in data)
    if not rows:
        return 1.0
    mean = sum(float(block.sum()) for block in data) / rows
    centred = [block - mean for block in data]
    longest = max(len(block) for block in data)
    products = np.zeros(longest)
    for block in centred:
        products[: len(block)] += _products(block)
    if products[0] <= 0:
        return 1.0
    # A lag has fewer pairs than rows; without the correction short blocks would look less correlated than they are.
    pairs = np.zeros(longest)
    for block in centred:
        pairs[: len(block)] += np.arange(len(block), 0, -1)
    correlations = products / pairs * (rows / products[0])
    correlations = correlations[: max(1, longest // 2)]
    time = -1.0
    for lag in range(0, len(correlations) - 1, 2):
        both = float(correlations[lag] + correlations[lag + 1])
        if both <= 0:
            break
        time += 2 * both
    return max(1.0, time)


def _products(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[lag] sum of the products of values that lie so far apart, by a Fourier transform."""
    size = 1 << (2 * len(values) - 1).bit_length()
    spectrum = np.fft.rfft(values, size)
    found: NDArray[np.float64] = np.fft.irfft(spectrum * np.conj(spectrum), size)[: len(values)]
    return found

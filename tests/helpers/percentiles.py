"""Percentiles of one sample, and how its values follow each other: what is computed by block or by bin is held to these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from lockgate.stats.latency import percentile
from lockgate.stats.latency_samples import Exact, times
from lockgate.stats.reference.textbook import quantile_ranks
from lockgate.stats.stationarity import Resemblance


@dataclass(frozen=True)
class Bounds:
    """A percentile of n values with its two-sided interval; an end is None where nothing bounds it."""

    value: float
    low: float | None
    high: float | None


def quantile_bounds(values: ArrayLike, p: float, *, confidence: float = 0.95) -> Bounds:
    """The p-quantile of the values with the interval of `quantile_ranks`; an infinite upper end is no bound."""
    data = np.sort(_latencies(values))
    if not len(data):
        raise ValueError("no latencies were measured")
    ranks = quantile_ranks(len(data), p, confidence=confidence)
    ends = [None if rank is None else float(data[rank - 1]) for rank in (ranks.low, ranks.high)]
    return Bounds(percentile(p)(data), ends[0], None if ends[1] == math.inf else ends[1])


def quantile_p_values(values: ArrayLike, p: float, limit: float) -> tuple[float, float]:
    """(p_pass, p_fail) of `p-quantile <= limit`, exact for independent values and a number of them fixed beforehand.

    With t values over the limit, p_pass = P(Bin(n, 1-p) <= t) and p_fail = P(Bin(n, 1-p) >= t). No values: 1 and 1.
    Source: the same test as LoadGen's early stopping (mlcommons/inference, early_stopping.cc).
    """
    data = _latencies(values)
    n, over = len(data), int(np.count_nonzero(data > limit))
    p_pass = float(special.bdtr(over, n, 1 - p)) if n else 1.0
    p_fail = float(special.bdtrc(over - 1, n, 1 - p)) if over else 1.0
    return p_pass, p_fail


def autocorrelation_time(blocks: Sequence[ArrayLike]) -> float:
    """How many values in a row say what one independent value would; nothing is assumed of how one block follows another."""
    data = [np.asarray(block, dtype=np.float64) for block in blocks]
    mean = sum(float(block.sum()) for block in data) / max(1, sum(len(block) for block in data))
    return Resemblance.from_blocks([block - mean for block in data]).time


def _latencies(values: ArrayLike) -> np.ndarray:
    block = times(values)
    assert isinstance(block, Exact)
    return block.values

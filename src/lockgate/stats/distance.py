"""Distances between two distributions: Jensen–Shannon, and the stability index under no drift."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from lockgate.stats.validation import Floats, check_count, check_open_share, sample


@dataclass(frozen=True)
class StabilityIndexNull:
    """The population stability index where nothing has drifted. mean: expected; high: exceeded by chance only."""

    mean: float
    high: float


def jensen_shannon(p: ArrayLike, q: ArrayLike) -> float:
    """The Jensen–Shannon distance: root of the divergence in nats, from 0 to sqrt(ln 2) = 0.8326.

    p, q: (bins,) non-negative counts or shares of the same bins; each is divided by its sum.
    Raises ValueError for lengths that differ, negative values, NaN, and where everything is zero.
    Source: Endres & Schindelin 2003.
    """
    first, second = shares("p", p), shares("q", q)
    if first.size != second.size:
        raise ValueError(f"p has {first.size} bins and q has {second.size}; the bins must be the same")
    middle = (first + second) / 2
    divergence = float(np.sum(special.rel_entr(first, middle) + special.rel_entr(second, middle))) / 2
    return math.sqrt(max(divergence, 0.0))


def psi_under_no_drift(n: int, m: int, *, bins: int, confidence: float = 0.95) -> StabilityIndexNull:
    """The population stability index of n and m rows of one distribution, in bins of some size.

    Its mean is (bins − 1)(1/n + 1/m), far above the customary 0.1 in small samples; `high` is its quantile.
    Raises ValueError unless n, m >= 1, bins >= 2 and 0 < confidence < 1.
    Source: PSI/(1/n + 1/m) is chi-square with bins − 1 degrees of freedom, Yurdakul 2018.
    """
    check_count("n", n, at_least=1)
    check_count("m", m, at_least=1)
    check_count("bins", bins, at_least=2)
    check_open_share("confidence", confidence)
    scale = 1 / n + 1 / m
    return StabilityIndexNull((bins - 1) * scale, scale * float(special.chdtri(bins - 1, 1 - confidence)))


def shares(name: str, weights: ArrayLike, *, size: int | None = None) -> Floats:
    """(n,) non-negative weights over their sum. Raises ValueError."""
    data = sample(name, weights)
    if size is not None and data.size != size:
        raise ValueError(f"{name} has {data.size} entries for {size} values")
    total = float(data.sum())
    if (data < 0).any() or not 0 < total < math.inf:
        raise ValueError(f"{name} must be non-negative, with a sum above zero")
    return data / total

"""Standard errors, effective rows and t bounds from influence values.

The influence value of a row is how much the estimate would move with it; the estimate's error is their mean. One
scheme then serves every metric, one model or the difference of two, with weights or clusters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

Scale = Literal["plain", "logit", "fisher", "skew", "root"]
Floats = NDArray[np.float64]

_PIECE = 1 << 13  # below the size from which BLAS splits a product among threads, in an order of its own


@dataclass(frozen=True)
class Spread:
    """The standard error of an estimate. n_eff: (Σψ²)²/Σψ⁴, the rows (or clusters) that carry the variance.

    skew: Σψ³/(Σψ²)^1.5. clusters: how many, None where rows are independent. design_effect: variance with clusters over
    variance without. effective: Kish's number of rows or clusters, None where all weigh the same.
    """

    se: float
    n_eff: float
    skew: float
    units: int
    clusters: int | None = None
    design_effect: float | None = None
    effective: float | None = None


def dot(first: Floats, second: Floats) -> float:
    """Σ first · second in the same order on every machine: in pieces for which no BLAS starts threads."""
    if first.size < _PIECE:
        return float(np.dot(first, second))
    blocked = first.size // _PIECE * _PIECE
    pieces = np.vecdot(first[:blocked].reshape(-1, _PIECE), second[:blocked].reshape(-1, _PIECE))
    return float(pieces.sum()) + float(np.dot(first[blocked:], second[blocked:]))


@dataclass(frozen=True)
class Sums:
    """Σψ², Σψ³ and Σψ⁴ of independent rows, which suffice for a spread."""

    second: float
    third: float
    fourth: float

    @classmethod
    def from_influence(cls, psi: Floats, counts: Floats | None = None) -> Sums:
        """Of influence values, each counted once or `counts` times."""
        square = psi * psi
        counted = square if counts is None else square * counts
        return cls(float(counted.sum()), dot(counted, psi), dot(counted, square))

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.second + other.second, self.third + other.third, self.fourth + other.fourth)

    def scaled(self, factor: float) -> Sums:
        """Of influence values that are all `factor` times as large."""
        return Sums(self.second * factor**2, self.third * factor**3, self.fourth * factor**4)

    def spread(self, rows: int) -> Spread:
        """As `spread` of the influence values of so many rows."""
        if not self.second > 0 or not self.fourth > 0 or not math.isfinite(self.second):
            return Spread(0.0, 0.0, 0.0, rows)
        return Spread(math.sqrt(self.second) / rows, self.second**2 / self.fourth, self.third / self.second**1.5, rows)


def spread(psi: Floats, *, clusters: NDArray[Any] | None = None) -> Spread:
    """The spread of an estimate from its influence values.

    psi: (n,) float, mean zero, scaled so that the estimate's error is mean(psi), small-sample factors included.
    clusters: (n,) numbers from 0; rows of one cluster are not independent.
    Source: influence functions, as in LeDell, Petersen & van der Laan 2015; clustered as in Obuchowski 1997.
    """
    n = psi.size
    parts: Floats
    count: int | None
    plain = dot(psi, psi) / (n * n) if n else 0.0
    if clusters is None:
        parts, variance, count, units = psi, plain, None, n
    else:
        parts = np.bincount(clusters, weights=psi)[np.bincount(clusters) > 0].astype(np.float64)
        count = units = int(parts.size)
        variance = dot(parts, parts) / (n * n) * (count / (count - 1) if count > 1 else math.inf) if n else 0.0
    squares = dot(parts, parts)
    if squares <= 0 or not math.isfinite(squares):
        return Spread(0.0, 0.0, 0.0, units, count)
    # Scaled first: fourth powers of small losses would underflow.
    scaled = parts / math.sqrt(squares)
    second = scaled * scaled
    fourth, third = dot(second, second), dot(second, scaled)
    effect = variance / plain if count is not None and plain > 0 else None
    return Spread(math.sqrt(variance), 1.0 / fourth, third, units, count, effect)


def spread_of_blocks(sums: Floats, sizes: Floats) -> Spread:
    """Of the mean of all values, as `spread` of them by cluster, of which only these sums and numbers are known.

    sums, sizes: (blocks,) the sum of each block's values and how many there are.
    """
    # The influence of a block on a mean of all values, with the factor for few blocks that `spread` has for clusters.
    blocks, rows = sums.size, float(sizes.sum())
    if blocks < 2 or not np.isfinite(sums).all():
        return Spread(0.0, 0.0, 0.0, blocks, blocks)
    parts = (sums - sizes * (float(sums.sum()) / rows)) * (blocks / rows) * math.sqrt(blocks / (blocks - 1))
    return replace(spread(parts), clusters=blocks)


def design_effect(sums: Floats, sizes: Floats, squares: Floats) -> float:
    """How many values count as one, by how much blocks differ: never below 1, and 1 where nothing varies.

    squares: (blocks,) the sum of each block's squared values, for indicators the sums themselves.
    """
    rows = float(sizes.sum())
    mean = float(sums.sum()) / rows
    plain = (float(squares.sum()) / rows - mean * mean) / rows
    return max(1.0, spread_of_blocks(sums, sizes).se ** 2 / plain) if plain > 0 else 1.0


def bound(
    value: float, error: Spread, *, null: float, confidence: float, scale: Scale = "plain"
) -> tuple[float, float, float, float]:
    """(low, high, p_above, p_below) of one estimate and one number, by t with n_eff − 1 degrees of freedom.

    confidence: one-sided; low and high are two-sided at 2·confidence − 1. p_above: the one-sided p-value of the claim that the
    truth lies above `null`; p_below likewise below.
    scale: `logit` for one metric within (0, 1), `fisher` for one within (−1, 1) (Fisher 1921), `skew` for means of losses (Hall 1992), `root` for the root of such a mean,
    `plain` for differences. Needs error.se > 0 and error.n_eff > 1.
    """
    if scale == "root" and value > 0:
        # What is a mean is the square: d(v²) = 2v dv. A root is not below 0, so that a negative number has no square of its own.
        square = replace(error, se=2 * value * error.se)
        low, high, above, below = bound(value**2, square, null=max(null, 0.0) ** 2, confidence=confidence, scale="skew")
        return math.sqrt(max(low, 0.0)), math.sqrt(max(high, 0.0)), *((above, below) if null >= 0 else (0.0, 1.0))
    if scale == "fisher":
        # Fisher's z, atanh v, is half the logit of (1 + v)/2.
        halved = replace(error, se=error.se / 2)
        low, high, above, below = bound(
            (1 + value) / 2, halved, null=(1 + null) / 2, confidence=confidence, scale="logit"
        )
        return 2 * low - 1, 2 * high - 1, above, below
    # The variance is estimated from n_eff rows as much as from all of them: few that carry it make the tails heavier.
    freedom = error.n_eff - 1
    quantile = float(special.stdtrit(freedom, confidence))
    if scale == "logit" and 0 < value < 1:
        # The delta method: d logit(v) = dv / (v (1 − v)). Bounds on this scale stay within 0 and 1.
        middle, se = math.log(value / (1 - value)), error.se / (value * (1 - value))
        low, high = (float(special.expit(middle + sign * quantile * se)) for sign in (-1, 1))
        if null <= 0 or null >= 1:
            statistic = math.inf if null <= 0 else -math.inf
        else:
            statistic = (middle - math.log(null / (1 - null))) / se
    elif scale == "skew":
        statistic = _hall((value - null) / error.se, error.skew)
        low = value - error.se * _hall_inverse(quantile, error.skew)
        high = value - error.se * _hall_inverse(-quantile, error.skew)
    else:
        statistic = (value - null) / error.se
        low, high = value - quantile * error.se, value + quantile * error.se
    return low, high, float(special.stdtr(freedom, -statistic)), float(special.stdtr(freedom, statistic))


def _hall(t: float, k: float) -> float:
    """Hall's removal of skewness from a studentised mean, t + kt²/3 + k²t³/27 + k/6. Source: Hall 1992, JRSS B 54:221–228.

    It rises up to t = −3/k, where it is level; what lies beyond is no correction of anything, and shows no more than that point.
    """
    if k * t < -3:
        t = -3 / k
    return t + k * t * t / 3 + k * k * t**3 / 27 + k / 6


def _hall_inverse(g: float, k: float) -> float:
    """The t of which `_hall` makes g, infinite where it makes none so large; without skewness g itself."""
    if abs(k) < 1e-9:
        return g
    cube = 1 + k * (g - k / 6)
    return 3 / k * (float(np.cbrt(cube)) - 1) if cube > 0 else math.copysign(math.inf, -k)

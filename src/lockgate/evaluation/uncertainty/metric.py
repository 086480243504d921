"""A metric's value on some rows together with the influence of each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lockgate.stats.influence import Spread, dot

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Undefined(ValueError):
    """The metric has no value on these rows; `code` is stable, the text says why."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True)
class Measured:
    """value: of the metric. psi: (n,) influence of each row, mean zero, small-sample factors included.

    base: (n,) bool, the rows that a share is taken over; None where it is all of them. hits: (n,) bool, only of a plain
    share of unweighted rows, for exact counts and for a paired comparison. detail: what a finding says besides.
    """

    value: float
    psi: Floats
    hits: Bools | None = None
    base: Bools | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> tuple[int, int] | None:
        """(k, n) of a plain share of unweighted rows."""
        if self.hits is None or self.base is None:
            return None
        return int(np.count_nonzero(self.hits & self.base)), int(np.count_nonzero(self.base))


@dataclass(frozen=True)
class Summary:
    """What tests need to know of one model's metric on some rows, or of its difference from another model's there.

    size: about the largest of |value| and |ψ|, beside which a spread may be nothing but rounding. units: the rows or
    clusters that carry the value, those of the smaller class where it needs both. counts: (k, n) of a plain share of
    independent rows. disagree: (only the candidate's, only the champion's, n) hits of a difference of two such shares;
    `error` is not looked at where either is there. detail: what a finding says besides.
    """

    value: float
    error: Spread
    size: float
    units: int
    counts: tuple[int, int] | None = None
    disagree: tuple[int, int, int] | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric:
    """How a metric is computed and on which scale one model's value is bounded.

    measure(labels, scores, weights, threshold) -> Measured; raises Undefined.
    minority: whether the smaller class must be large enough before anything is decided. mean: whether the value is a mean
    of one number a row on any scale, so that a difference is corrected for skewness. counted_in: of what its rows are.
    """

    name: str
    measure: Callable[[NDArray[np.generic], Floats, Floats | None, float | None], Measured]
    scale: Literal["logit", "skew", "plain"]
    minority: bool = False
    paired_share: bool = False
    mean: bool = False
    counted_in: str = "rows"


def mean_of(values: Floats, weights: Floats | None) -> Measured:
    """The (weighted) mean of one value a row, and its influence."""
    n = values.size
    if n == 0:
        raise Undefined("no_rows", "there are no rows")
    if weights is None:
        mean = float(np.mean(values))
        return Measured(mean, (values - mean) * _small(n))
    total = float(weights.sum())
    if total <= 0:
        raise Undefined("no_weight", "all weights are zero")
    mean = dot(weights, values) / total
    return Measured(mean, (values - mean) * weights * (n / total) * _small(n))


def ratio_of(above: Floats, below: Floats, weights: Floats | None, *, what: str) -> Measured:
    """Σ above / Σ below with the influence of each row."""
    n = above.size
    if n == 0:
        raise Undefined("no_rows", "there are no rows")
    if weights is not None:
        above, below = above * weights, below * weights
    total = float(below.sum())
    if total <= 0:
        raise Undefined("undefined", f"there are no {what}")
    ratio = float(above.sum()) / total
    return Measured(ratio, (above - ratio * below) * (n / total) * _small(n))


def _small(n: int) -> float:
    return float(np.sqrt(n / (n - 1))) if n > 1 else 1.0

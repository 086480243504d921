"""What unequal weights can show: Kish's effective number, and the error of rows that vary alike whatever they weigh.

Influence values see only the variation that came. Where few rows, or clusters, carry most of the weight and happen to be
alike, they see next to none; what such rows could have done is told by their weights and by the other rows. Where none
of them shows anything, only what could at most have been missed is known.
Source: Kish 1965, Survey Sampling, sections 5.4 and 11.7; Gabler, Häder & Lahiri 1999 for clusters; Korn & Graubard 1998
for shares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.stats.influence import Floats, Spread, dot

_EQUAL = 1 + 1e-9  # rounding apart


def carriers(weights: Floats, clusters: NDArray[Any] | None) -> Floats:
    """What each unit weighs, rows or clusters, of those that weigh anything. weights: (n,). clusters: (n,) numbers from 0."""
    units: Floats = weights if clusters is None else np.bincount(clusters, weights).astype(np.float64, copy=False)
    return units if units.size and units.min() > 0 else units[units > 0]


def effective_number(units: Floats) -> float:
    """(Σw)²/Σw²: so many units of one weight average out as much. units: (n,) above 0; 0 without any."""
    if not units.size:
        return 0.0
    largest = float(units.max())
    if not 1e-100 < largest < 1e100:  # squares of huge or tiny weights would leave the range of a float
        units = units / largest
    return float(units.sum()) ** 2 / dot(units, units)


def unseen_number(units: Floats, *, alpha: float = 0.05) -> float:
    """So many units of one weight, none of which errs, exclude as large a share of errors: at most Kish's number.

    units: (n,) above 0. Whoever errs with chances p shows nothing with Π(1 − p). Where that is alpha, the share of the weight
    that errs, Σwp/Σw, is largest if only the heaviest do, with p = 1 − 1/(λw); Kish's number takes all to err alike.
    """
    if not units.size or units.min() == units.max():
        return float(units.size)
    heaviest = np.sort(units)[::-1] / units.max()
    logs, count = np.log(heaviest), np.arange(1, units.size + 1)
    # If the first k err, Σ log(λw) over them is −log alpha; k is the last that λw > 1 holds for.
    scale = (-math.log(alpha) - np.cumsum(logs)) / count
    k = int(np.flatnonzero(scale + logs > 0)[-1])
    share = float((heaviest[: k + 1].sum() - (k + 1) * math.exp(-scale[k])) / heaviest.sum())
    return min(math.log(alpha) / math.log1p(-share), effective_number(units))


def effective_rows(psi: Floats, most: float, *, variance: float) -> float:
    """The independent rows of one weight on which a share is known as well as on these.

    psi: (n,) influence values. most: Kish's number of the rows that the share is of. variance: of one row.
    """
    n = psi.size
    known = dot(psi, psi) / (n * n) * max(n - 1, 1) / n  # without the factor for small samples: counts have none
    return min(most, variance / known) if known > 0 else most


@dataclass(frozen=True, eq=False)
class Weighing:
    """What rows weigh in a value, and the error that influence values are not believed below.

    weights: (n,), 0 of rows that do not carry the value. clusters: (n,) numbers from 0, or None. classes: (n,) numbers from 0
    within which rows are taken to vary alike, or None: errors differ by class, and weights often do.
    """

    weights: Floats
    clusters: NDArray[Any] | None = None
    classes: NDArray[Any] | None = None

    def limit(self, error: Spread, psi: Floats) -> Spread:
        """The spread of influence values, no smaller than that of rows which vary alike, with no more than Kish's units.

        psi: (n,). Equal weights, and clusters of equal weight, change nothing.
        """
        error = replace(error, n_eff=min(error.n_eff, self.effective), effective=self.effective)
        variance = self._variance_if_alike(psi, clusters=error.clusters or 0)
        if not error.se > 0 or not variance > _EQUAL * error.se**2:
            return error
        growth = math.sqrt(variance) / error.se
        return replace(
            error,
            se=error.se * growth,
            skew=error.skew / growth**3,
            design_effect=None if error.design_effect is None else error.design_effect * growth**2,
        )

    @cached_property
    def units(self) -> Floats:
        """What each row or cluster weighs that weighs anything."""
        return carriers(self.weights, self.clusters)

    @cached_property
    def effective(self) -> float:
        """Kish's number of them."""
        return effective_number(self.units)

    @property
    def uneven(self) -> bool:
        """Whether some weigh more than others."""
        return self.effective < self.units.size * (1 - 1e-9)

    @property
    def count(self) -> tuple[float, bool]:
        """(how many can show that nothing was missed, as many as there are unless some weigh more; whether some do)."""
        return (unseen_number(self.units), True) if self.uneven else (self.units.size, False)

    def _variance_if_alike(self, psi: Floats, *, clusters: int) -> float:
        """(Σ_h Σw² mean(ψ²/w²) + pairs · covariance)/n²: squares of weights and of deviations taken to be unrelated."""
        squares = psi * psi
        total = dot(squares, self._scale)
        if self.clusters is None:
            return total / psi.size**2
        # What rows of a cluster share: the products of two of its rows, per product of their weights, each cluster by its weight.
        weight, pairs = self._pairs
        weighed = float((pairs / weight).sum())
        if weighed > 0:
            sums = np.bincount(self.clusters, psi)
            shared = (sums * sums - np.bincount(self.clusters, squares)) / weight
            total += float(shared.sum()) / weighed * float(pairs.sum())
        return total / psi.size**2 * (clusters / (clusters - 1) if clusters > 1 else math.inf)

    @cached_property
    def _scale(self) -> Floats:
        """(n,) the mean square of weights of a row's class, beside its own."""
        inside, squares = self.weights > 0, self.weights * self.weights
        codes = np.zeros(inside.size, np.intp) if self.classes is None else self.classes.astype(np.intp)
        mean = np.bincount(codes, squares) / np.maximum(np.bincount(codes, inside), 1)
        return np.divide(mean[codes], squares, out=np.zeros(inside.size), where=inside)

    @cached_property
    def _pairs(self) -> tuple[Floats, Floats]:
        """(weight of each cluster, 1 where it has none; products of the weights of two of its rows)."""
        assert self.clusters is not None  # noqa: S101  # asked for with clusters only
        weight: Floats = np.bincount(self.clusters, self.weights).astype(np.float64, copy=False)
        pairs = weight**2 - np.bincount(self.clusters, self.weights**2)
        return np.where(weight > 0, weight, 1.0), pairs

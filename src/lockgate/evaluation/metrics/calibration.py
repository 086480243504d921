"""Calibration error of a binary model: how far probabilities are from the shares they promise, in ten bins of equal mass.

The number that people know, the root of the bins' mean squared gap, is biased upwards by noise, of a perfect model too.
It is shown; decided is a bound on the squared gap with the noise taken off, compared with the square of the limit.
Source: Kumar, Liang & Ma 2019 (debiased); Sun, Chaudhari, Barnett & Dobriban 2024 (interval in two regimes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lockgate.evaluation.uncertainty.comparison import MIN_CLUSTERS, Comparison
from lockgate.evaluation.uncertainty.metric_value import Floats, MetricValue, Rare, Undefined
from lockgate.evaluation.uncertainty.rare_units import floored
from lockgate.stats.effective_size import carriers, unseen_number

BINS = 10
MIN_ROWS_A_BIN = 5
_UNSEEN = 4.0  # rows of a constant bin that could go the other way: see `debiased`
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Bins:
    """The gap between labels and probabilities in each bin that has rows.

    share: of all weight. gap: mean label − mean probability. rows: how many. effective: as many of equal weight, by Kish.
    constant: whether all labels are the same.
    """

    share: Floats
    gap: Floats
    rows: NDArray[np.int64]
    effective: Floats
    constant: NDArray[np.bool_]

    @property
    def root_mean_square_gap(self) -> float:
        return math.sqrt(float(np.dot(self.share, self.gap**2)))


@dataclass(frozen=True)
class BinSums:
    """All that the bound needs of independent rows: the bins, and of each the sum of the squares of `Binned.part`."""

    bins: Bins
    noise: Floats

    @property
    def size(self) -> int:
        return int(self.bins.rows.sum())

    def units(self, clusters: NDArray[Any] | None) -> float:
        """The independent rows of it; sums are of such."""
        return float(self.size)


@dataclass(frozen=True, kw_only=True)
class Binned(MetricValue):
    """The plug-in error as `value`, and what its bound is made of; `psi` is zero.

    mass: (n,) each row's share of its bin's weight; part: that times what remains of its gap beside its bin's. bin_of: (n,) bin
    of each row.
    """

    bins: Bins
    mass: Floats
    part: Floats
    bin_of: Ints

    @property
    def size(self) -> int:
        return self.psi.size

    def units(self, clusters: NDArray[Any] | None) -> float:
        """As many rows or clusters of one weight as show that so little was missed."""
        return unseen_number(carriers(self.mass * self.bins.share[self.bin_of], clusters))

    @property
    def noise(self) -> Floats:
        return np.bincount(self.bin_of, self.part**2).astype(np.float64, copy=False)


def equal_mass(scores: Floats, weights: Floats | None, *, bins: int = BINS) -> Ints:
    """(n,) bin of each row, numbered from 0 without holes; equal scores share a bin, that of their middle."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    weight = np.ones(scores.size) if weights is None else weights[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    run = np.add.reduceat(weight, starts)
    middle = np.cumsum(run) - run / 2
    coarse = np.minimum((middle * (bins / run.sum())).astype(np.intp), bins - 1)
    _, dense = np.unique(coarse, return_inverse=True)
    bin_of = np.empty(scores.size, np.intp)
    bin_of[order] = np.repeat(dense, np.diff(np.append(starts, scores.size)))
    return bin_of


def binned(labels: NDArray[Any], scores: Floats, weights: Floats | None, bin_of: Ints) -> Bins:
    """The gaps of the bins in `bin_of`, each of which has rows."""
    weight = np.ones(scores.size) if weights is None else weights
    mass = np.bincount(bin_of, weight)
    if (mass <= 0).any():
        raise Undefined("no_weight", "all weights of a bin are zero")
    rows, positives = np.bincount(bin_of), np.bincount(bin_of, labels)
    gap = np.bincount(bin_of, weight * (labels - scores)) / mass
    effective = mass**2 / np.bincount(bin_of, weight**2)
    return Bins(mass / mass.sum(), gap, rows, effective, (positives == 0) | (positives == rows))


def calibration_error(labels: NDArray[Any], scores: Floats, weights: Floats | None, threshold: float | None) -> Binned:
    """The root of the mean squared gap between label and probability, in ten bins of equal mass."""
    if scores.size == 0:
        raise Undefined("no_rows", "there are no rows")
    if scores.min() < 0 or scores.max() > 1:
        raise Undefined(
            "not_probabilities", "calibration_error needs probabilities, and some scores lie outside 0 to 1"
        )
    if weights is not None:
        if not weights.sum() > 0:
            raise Undefined("no_weight", "all weights are zero")
        if not weights.all():
            # Rows of no weight are none: bins are made of the others, and these add nothing to theirs.
            weighty = weights > 0
            inner = calibration_error(labels[weighty], scores[weighty], weights[weighty], threshold)
            bin_of, mass, part = np.zeros(scores.size, np.intp), np.zeros(scores.size), np.zeros(scores.size)
            bin_of[weighty], mass[weighty], part[weighty] = inner.bin_of, inner.mass, inner.part
            return Binned(inner.value, np.zeros(scores.size), bins=inner.bins, mass=mass, part=part, bin_of=bin_of)
    bin_of = equal_mass(scores, weights)
    bins = binned(labels, scores, weights, bin_of)
    remaining = labels - scores - bins.gap[bin_of]
    weight = np.ones(scores.size) if weights is None else weights
    mass = weight / np.bincount(bin_of, weight)[bin_of]
    return Binned(
        bins.root_mean_square_gap, np.zeros(scores.size), bins=bins, mass=mass, part=mass * remaining, bin_of=bin_of
    )


def debiased(measured: Binned | BinSums, clusters: NDArray[Any] | None) -> tuple[float, float]:
    """(the squared error without its bias, its standard error).

    E² = Σ w (g² − v) and SE² = Σ w² max(4 g² v − 2 v², 2 v²) over bins, v the variance of a bin's gap.

    Clusters make v that of sums by cluster, and add what bins have in common. A bin in which all labels are the same hides
    its variance: there SE² takes v as if four rows, or clusters, could go the other way, which bounds a single bin of n
    by 3/n, as no such row among n does.
    """
    bins = measured.bins
    together = np.zeros((bins.gap.size, bins.gap.size))
    if clusters is None:
        variance, units = measured.noise * (bins.rows / np.maximum(bins.rows - 1, 1)), bins.effective
    else:
        assert isinstance(measured, Binned)  # noqa: S101  # sums are of independent rows
        bin_of, part = measured.bin_of, measured.part
        names, code = np.unique(clusters, return_inverse=True)
        cell, index = np.unique(code * bins.gap.size + bin_of, return_inverse=True)
        total, owner, column = np.bincount(index, part), cell // bins.gap.size, cell % bins.gap.size
        sums = np.zeros((names.size, bins.gap.size))
        sums[owner, column] = total
        together = sums.T @ sums * (names.size / max(names.size - 1, 1))
        # Kish's number of clusters in a bin, whose shares of its weight add up to 1.
        variance, units = together.diagonal().copy(), 1 / np.bincount(column, np.bincount(index, measured.mass) ** 2)
        np.fill_diagonal(together, 0.0)
    squared = float(np.dot(bins.share, bins.gap**2 - variance))
    units = np.maximum(units, 2.0)
    hidden = bins.constant | (variance <= 0)
    spread = np.where(hidden, np.maximum(variance, _UNSEEN / units**2), variance)
    own = bins.share**2 * np.maximum(4 * bins.gap**2 * spread - 2 * spread**2, 2 * spread**2)
    slope = bins.share * bins.gap
    shared = max(0.0, 4 * float(slope @ together @ slope))
    shared += 2 * float(bins.share @ together**2 @ bins.share)
    return squared, math.sqrt(float(own.sum()) + shared)


def decide(
    candidate: MetricValue | BinSums,
    champion: MetricValue | None,
    factor: float,
    clusters: NDArray[Any] | None,
    null: float,
    confidence: float,
) -> Comparison:
    """The debiased squared error against the square of a limit; bounds are shown as roots."""
    assert isinstance(candidate, Binned | BinSums)  # noqa: S101  # measured above
    assert champion is None  # noqa: S101  # `gate check` refuses such lines
    (squared, se), quantile = debiased(candidate, clusters), float(special.ndtri(confidence))
    value, low, high = (math.sqrt(max(squared + sign * quantile * se, 0.0)) for sign in (0, -1, 1))
    statistic = (squared - max(null, 0.0) ** 2) / se
    bins = candidate.bins
    debiased_error = Comparison(
        value,
        low,
        high,
        float(special.ndtr(-statistic)),
        float(special.ndtr(statistic)),
        (high - value) / quantile,
        float(candidate.size),
        "debiased squared error, 10 equal-mass bins, approximate" + ("" if clusters is None else ", by cluster"),
        _too_few(bins, clusters),
        {"squared_error": repr(squared), "squared_error_se": repr(se), "bins": bins.gap.size},
    )
    # A share s of all rows that lies in one bin moves its gap by s over the bin's share, and the root of the mean square so far.
    rare = Rare(candidate.units(clusters), 1 / math.sqrt(float(bins.share.min())))
    moved = floored(debiased_error, (rare, rare), null=null, confidence=confidence)
    return replace(moved, low=max(moved.low, 0.0))


def _too_few(bins: Bins, clusters: NDArray[Any] | None) -> str | None:
    if bins.rows.sum() < BINS * MIN_ROWS_A_BIN:
        return f"{int(bins.rows.sum())} rows; the test needs {BINS * MIN_ROWS_A_BIN}"
    if clusters is not None and (count := int(np.unique(clusters).size)) < MIN_CLUSTERS:
        return f"{count} clusters; the test needs {MIN_CLUSTERS}"
    return None

"""How far predictions can be taken at their word: what was predicted, and what came, in bins of equal mass."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lockgate.evaluation.pictures import FEWEST, LEVEL, rounded
from lockgate.evaluation.pictures.group_means import Floats, GroupMeans, group_means
from lockgate.evaluation.scoring.scored_table import ROLES, Scored
from lockgate.evidence.exhibit import Exhibit
from lockgate.models.class_scores import predicted_class
from lockgate.stats.proportions import korn_graubard

_BINS, _ROWS_A_BIN = 20, 50


def reliability(gate: str, scored: Scored) -> Iterator[Exhibit]:
    """The reliability curve of both models, and of numbers what came by what was predicted.

    Bins hold equal weight, so that none is empty where scores crowd, and equal predictions share one. Of two classes the
    probability of the positive one is held against how often it came, of several that of the predicted class against how
    often it was right; none of that where answers are no probabilities. Intervals are those of shares, by Korn & Graubard,
    and of means, by t, for one bin each; noise alone leaves one in ten bins off its diagonal.
    Source: Bröcker & Smith 2007, Increasing the Reliability of Reliability Diagrams; Nixon et al. 2019, Measuring Calibration
    in Deep Learning (bins of equal mass, top label); Korn & Graubard 1998.
    """
    series = {role: pair for role in ROLES if (pair := _predicted_and_observed(scored, role)) is not None}
    if not series:
        return
    shares = scored.labels is not None and (bool(scored.classes) or scored.labels.dtype == bool)
    points = [(role, *point) for role, pair in series.items() for point in _points(scored, *pair, shares=shares)]
    if points:
        predicted = "confidence" if scored.classes else "probability" if shares else "prediction"
        columns = ("model", predicted, "observed", "low", "high", "rows")
        yield Exhibit(f"{gate}/{'reliability' if shares else 'predicted_actual'}", "curve", columns, tuple(points))


def _predicted_and_observed(scored: Scored, role: str) -> tuple[Floats, Floats] | None:
    labels, scores = scored.labels, getattr(scored, role)
    if labels is None or scores is None or not scored.rows or scored.answers.get(role) == "labels":
        return None
    if not scored.classes and labels.dtype != bool:
        return scores, labels
    if (scored.classes and scores.ndim != 2) or scores.min() < 0 or scores.max() > 1:
        return None
    if scored.classes:
        return scores.max(axis=1), (predicted_class(scores) == labels).astype(np.float64)
    return scores, labels.astype(np.float64)


def _points(scored: Scored, predicted: Floats, observed: Floats, *, shares: bool) -> Iterator[tuple[float, ...]]:
    """(mean prediction, mean outcome, its interval, rows) of each bin."""
    weights, clusters = scored.weights, scored.clusters
    if weights is not None:
        kept = weights > 0
        predicted, observed, weights = predicted[kept], observed[kept], weights[kept]
        clusters = None if clusters is None else clusters[kept]
    if predicted.size < FEWEST:
        return
    bin_of, size = _equal_mass(predicted, weights, bins=min(_BINS, max(1, predicted.size // _ROWS_A_BIN)))
    middle = group_means(predicted, bin_of, size, weights, None).mean
    means = group_means(observed, bin_of, size, weights, clusters)
    squares = None if shares else group_means(observed**2, bin_of, size, weights, None).mean
    for index in np.flatnonzero(means.rows >= FEWEST).tolist():
        ends = _share(means, index) if squares is None else _mean(means, index, float(squares[index]))
        yield (*map(rounded, (middle[index], means.mean[index], *ends)), int(means.rows[index]))


def _share(means: GroupMeans, index: int) -> tuple[float, float]:
    units = max(float(means.effective[index]), 1.0)
    hits = min(max(float(means.mean[index]), 0.0), 1.0) * units
    interval = korn_graubard(hits, units, confidence=LEVEL)
    return interval.low, interval.high


def _mean(means: GroupMeans, index: int, square: float) -> tuple[float, float]:
    mean, units = float(means.mean[index]), max(float(means.effective[index]), 2.0)
    variance = max(square - mean**2, 0.0) / (units - 1)
    half = float(special.stdtrit(units - 1, (1 + LEVEL) / 2)) * variance**0.5
    return mean - half, mean + half


def _equal_mass(predicted: Floats, weights: Floats | None, *, bins: int) -> tuple[NDArray[np.intp], int]:
    """((n,) bin of each row, how many bins there can be); equal predictions share one."""
    if weights is None:
        ranks = np.arange(1, bins) * predicted.size // bins
        edges = np.partition(predicted, ranks)[ranks] if bins > 1 else predicted[:0]
    else:
        order = np.argsort(predicted)
        mass = np.cumsum(weights[order])
        first = np.searchsorted(mass, np.arange(1, bins) * mass[-1] / bins) + 1
        edges = predicted[order][np.minimum(first, predicted.size - 1)]
    return np.searchsorted(np.unique(edges), predicted, side="right"), bins

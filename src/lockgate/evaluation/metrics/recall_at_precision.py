"""The largest recall at a precision of at least p: how many positives are caught where alarms must mostly be right.

The threshold is chosen on the rows that are judged, so the value is biased upwards where positives are few, and it has no
smooth influence function. Its interval is the percentiles of the value on rows drawn anew (clusters whole, the same rows
for both models), which is approximate. Recall and precision at a threshold that was chosen elsewhere are plain shares.

labels: (n,) bool. scores: (n,) float. weights: (n,) float or None. Values agree with scikit-learn's
`precision_recall_curve`.
Source: Efron & Tibshirani 1993, chapter 13, percentile intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.uncertainty.bootstrap import RESAMPLES, resampled
from lockgate.evaluation.uncertainty.comparison import MIN_CLUSTERS, Comparison
from lockgate.evaluation.uncertainty.metric_value import Bools, Floats, MetricValue, Rare, Undefined
from lockgate.evaluation.uncertainty.rare_units import floored
from lockgate.stats.effective_size import carriers, effective_number, unseen_number

MIN_POSITIVES = 40  # below, simulated values lie above the truth by more than their error
SEED = 0  # the same rows are drawn for both models and on every run


@dataclass(frozen=True)
class SortedRows:
    """Rows in the order of their scores, the highest first.

    order: (n,) row numbers. ends: (m,) last place of each run of equal scores. labels: (n,) bool, weights: (n,) or None, in
    the order of the rows.
    """

    order: NDArray[np.intp]
    ends: NDArray[np.intp]
    labels: Bools
    weights: Floats | None

    @classmethod
    def by_score(cls, labels: NDArray[Any], scores: Floats, weights: Floats | None) -> SortedRows:
        order = np.argsort(scores, kind="stable")[::-1]
        ordered = scores[order]
        return cls(order, np.append(np.flatnonzero(np.diff(ordered)), scores.size - 1), labels.astype(bool), weights)

    def recall(self, least: float, times: NDArray[Any] | None = None) -> float:
        """The largest recall at a precision of at least `least`, NaN without positives; times: (n,) how often a row counts."""
        weight = np.ones(self.order.size) if self.weights is None else self.weights
        weight = (weight if times is None else weight * times)[self.order]
        positive = self.labels[self.order]
        true = np.cumsum(np.where(positive, weight, 0.0))[self.ends]
        false = np.cumsum(np.where(positive, 0.0, weight))[self.ends]
        if not true[-1] > 0:
            return math.nan
        called = true + false
        precision = np.divide(true, called, out=np.zeros_like(true), where=called > 0)
        enough = np.flatnonzero(precision >= least)
        return float(true[enough[-1]] / true[-1]) if enough.size else 0.0


@dataclass(frozen=True, kw_only=True)
class ChosenThreshold(MetricValue):
    """A value whose threshold was chosen on its own rows (`psi` is zero), and what is needed to choose it again."""

    rows: SortedRows
    least: float
    cache: dict[str, Floats] = field(default_factory=dict)

    def resampled(self, clusters: NDArray[Any] | None) -> Floats:
        """(RESAMPLES,) values on rows drawn with replacement; equal for every model of the same rows."""
        if "values" not in self.cache:
            rows = self.rows.order.size
            self.cache["values"] = np.array(
                [
                    self.rows.recall(self.least, np.bincount(drawn, minlength=rows))
                    for drawn in resampled(rows, clusters, RESAMPLES, SEED)
                ]
            )
        return self.cache["values"]


def recall_at_precision(
    labels: NDArray[Any], scores: Floats, weights: Floats | None, precision: float | None
) -> MetricValue:
    """The largest recall over all thresholds at which precision is at least the given one; 0 where there is none."""
    if precision is None or not 0 < precision <= 1:
        correction = "" if precision is None else f", not {precision:g}"
        raise Undefined(
            "no_precision", f"recall_at_precision needs a precision up to 1{correction}; write recall_at_precision(0.9)"
        )
    if not labels.size:
        raise Undefined("no_rows", "there are no rows")
    rows = SortedRows.by_score(labels, scores, weights)
    value = rows.recall(precision)
    if math.isnan(value):
        raise Undefined("one_class", "there are no positive rows")
    return ChosenThreshold(value, np.zeros(labels.size), rows=rows, least=precision)


def decide(
    candidate: MetricValue,
    champion: MetricValue | None,
    factor: float,
    clusters: NDArray[Any] | None,
    null: float,
    confidence: float,
) -> Comparison:
    """One model's value, or its distance from the champion's on the same resamples, by their percentiles."""
    assert isinstance(candidate, ChosenThreshold)  # noqa: S101  # measured above
    value, values = candidate.value, candidate.resampled(clusters)
    if champion is not None:
        assert isinstance(champion, ChosenThreshold)  # noqa: S101
        value, values = value - factor * champion.value, values - factor * champion.resampled(clusters)
    labels, weights = candidate.rows.labels, candidate.rows.weights
    positives = int(np.count_nonzero(labels))
    carried = carriers(np.where(labels, 1.0 if weights is None else weights, 0.0), clusters)
    units = effective_number(carried)
    method = f"bootstrap of {values.size}, percentiles, approximate" + ("" if clusters is None else ", by cluster")
    few = _too_few(positives, None if clusters is None else carried.size)
    ordered = np.sort(values[np.isfinite(values)])
    # The k-th of B ordered values stands at k/(B + 1); a bound needs at least one value beyond it.
    tail = math.floor((1 - confidence) * (ordered.size + 1) + 1e-9)
    if tail < 1 or units < 2:
        lacking = f"{ordered.size} resamples; they show nothing at confidence {confidence:g}"
        return Comparison(value, -math.inf, math.inf, 1.0, 1.0, None, float(units), method, few or lacking)
    se = float(ordered.std(ddof=1))
    if se <= 1e-12:
        method += ", the same on every resample"
    percentiles = Comparison(
        value,
        float(ordered[tail - 1]),
        float(ordered[-tail]),
        (1 + int(np.count_nonzero(ordered <= null))) / (ordered.size + 1),
        (1 + int(np.count_nonzero(ordered >= null))) / (ordered.size + 1),
        se,
        float(units),
        method,
        few,
        {"resamples": int(ordered.size)},
    )
    rare = Rare(unseen_number(carried))
    return floored(percentiles, (rare, rare), null=null, confidence=confidence)


def _too_few(positives: int, clusters: int | None) -> str | None:
    if positives < MIN_POSITIVES:
        return f"{positives} positive rows; a threshold chosen on fewer than {MIN_POSITIVES} flatters the model"
    if clusters is not None and clusters < MIN_CLUSTERS:
        return f"{clusters} clusters with positive rows; resampling needs {MIN_CLUSTERS}"
    return None

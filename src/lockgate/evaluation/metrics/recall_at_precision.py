"""How many positives are found where alarms must mostly be right: the largest recall at a precision of at least p.

The threshold is chosen on the rows that are judged, so the value is biased upwards where positives are few, and it has no
smooth influence function. Its interval is the percentiles of the value on rows drawn anew (clusters whole, the same rows
for both models), which is approximate. Recall and precision at a threshold that was chosen elsewhere are plain shares.

labels: (n,) bool. scores: (n,) float. weights: (n,) float or None. Values agree with scikit-learn's
`precision_recall_curve`.
Source: Efron & Tibshirani 1993, chapter 13, percentile intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.uncertainty.bootstrap import RESAMPLES, resampled
from lockgate.evaluation.uncertainty.comparison import MIN_CLUSTERS, Decision
from lockgate.evaluation.uncertainty.custom_rule import OwnMetric, unvaried
from lockgate.evaluation.uncertainty.metric import Bools, Floats, Measured, Undefined

MIN_POSITIVES = 40
SEED = 0


@dataclass(frozen=True)
class Curve:
    """Rows in the order of their scores, the highest first.

    order: (n,) row numbers. ends: (m,) last place of each run of equal scores. labels: (n,) bool, weights: (n,) or None, in
    the order of the rows.
    """

    order: NDArray[np.intp]
    ends: NDArray[np.intp]
    labels: Bools
    weights: Floats | None

    @classmethod
    def of(cls, labels: NDArray[Any], scores: Floats, weights: Floats | None) -> Curve:
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
class Chosen(Measured):
    """A value whose threshold was chosen on its own rows (`psi` is zero), and what is needed to choose it again."""

    curve: Curve
    least: float
    known: dict[str, Floats] = field(default_factory=dict)

    def answers(self, clusters: NDArray[Any] | None) -> Floats:
        """(RESAMPLES,) values on rows drawn with replacement; equal for every model of the same rows."""
        if "answers" not in self.known:
            rows = self.curve.order.size
            self.known["answers"] = np.array(
                [
                    self.curve.recall(self.least, np.bincount(drawn, minlength=rows))
                    for drawn in resampled(rows, clusters, RESAMPLES, SEED)
                ]
            )
        return self.known["answers"]


def recall_at_precision(
    labels: NDArray[Any], scores: Floats, weights: Floats | None, precision: float | None
) -> Measured:
    """The largest recall over all thresholds at which precision is at least the given one; 0 where there is none."""
    if precision is None or not 0 < precision <= 1:
        given = "" if precision is None else f", not {precision:g}"
        raise Undefined(
            "no_precision", f"recall_at_precision needs a precision up to 1{given}; write recall_at_precision(0.9)"
        )
    if not labels.size:
        raise Undefined("no_rows", "there are no rows")
    curve = Curve.of(labels, scores, weights)
    value = curve.recall(precision)
    if math.isnan(value):
        raise Undefined("one_class", "there are no positive rows")
    return Chosen(value, np.zeros(labels.size), curve=curve, least=precision)


def decide(
    candidate: Measured,
    champion: Measured | None,
    factor: float,
    clusters: NDArray[Any] | None,
    null: float,
    confidence: float,
) -> Decision:
    """One model's value, or its distance from the champion's on the same resamples, by their percentiles."""
    assert isinstance(candidate, Chosen)  # noqa: S101  # measured above
    value, answers = candidate.value, candidate.answers(clusters)
    if champion is not None:
        assert isinstance(champion, Chosen)  # noqa: S101
        value, answers = value - factor * champion.value, answers - factor * champion.answers(clusters)
    labels = candidate.curve.labels
    positives = int(np.count_nonzero(labels))
    units = positives if clusters is None else int(np.unique(clusters[labels]).size)
    method = f"bootstrap of {answers.size}, percentiles, approximate" + ("" if clusters is None else ", by cluster")
    few = _too_few(positives, None if clusters is None else units)
    known = np.sort(answers[np.isfinite(answers)])
    tail = math.floor((1 - confidence) * (known.size + 1) + 1e-9)
    if tail < 1 or units < 2:
        lacking = f"{known.size} resamples; they show nothing at confidence {confidence:g}"
        return Decision(value, -math.inf, math.inf, 1.0, 1.0, None, float(units), method, few or lacking)
    se = float(known.std(ddof=1))
    if se <= 1e-12:
        still = unvaried(value, units, null=null, confidence=confidence, method=f"{method}, the same on every resample")
        return replace(still, too_few=few)
    return Decision(
        value,
        float(known[tail - 1]),
        float(known[-tail]),
        (1 + int(np.count_nonzero(known <= null))) / (known.size + 1),
        (1 + int(np.count_nonzero(known >= null))) / (known.size + 1),
        se,
        float(units),
        method,
        few,
        {"resamples": int(known.size)},
    )


def _too_few(positives: int, clusters: int | None) -> str | None:
    if positives < MIN_POSITIVES:
        return f"{positives} positive rows; a threshold chosen on fewer than {MIN_POSITIVES} flatters the model"
    if clusters is not None and clusters < MIN_CLUSTERS:
        return f"{clusters} clusters with positive rows; resampling needs {MIN_CLUSTERS}"
    return None


METRICS = {
    "recall_at_precision": OwnMetric(
        "recall_at_precision", recall_at_precision, "plain", argument="precision", decide=decide
    )
}

"""The metrics of a model that predicts a number: RMSE, MAE, R² and the quantile (pinball) loss.

labels, scores: (n,) float. weights: (n,) float or None. Light at import, as `gate check` reads the declarations.
"""

from __future__ import annotations

import math
from typing import Literal

from lockgate.evaluation.metrics.declaration import Metric, Plan
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.uncertainty.metric_value import Array, Floats, MetricValue, Undefined, mean_of


def mae(labels: Array, scores: Floats, weights: Floats | None, threshold: float | None) -> MetricValue:
    """Mean of |error|."""
    return mean_of(abs(scores - labels), weights)


def rmse(labels: Array, scores: Floats, weights: Floats | None, threshold: float | None) -> MetricValue:
    """Root of the mean squared error; influence by the chain rule."""
    squared = mean_of((scores - labels) ** 2, weights)
    root = math.sqrt(squared.value)
    return MetricValue(root, squared.psi / (2 * root) if root > 0 else squared.psi)


def r2(labels: Array, scores: Floats, weights: Floats | None, threshold: float | None) -> MetricValue:
    """1 − squared error over the variance of the labels on these rows."""
    import numpy as np

    if labels.size < 2:
        raise Undefined("too_small", "R² needs two rows")
    errors = mean_of((scores - labels) ** 2, weights)
    middle = mean_of(labels.astype(np.float64), weights).value
    variance = mean_of((labels - middle) ** 2, weights)
    # Equal labels need not equal their mean, to the last digit.
    if variance.value <= 0 or np.ptp(labels if weights is None else labels[weights > 0]) == 0:
        raise Undefined("constant_label", "the label does not vary on these rows")
    share = errors.value / variance.value
    return MetricValue(1 - share, -(errors.psi - share * variance.psi) / variance.value)


def quantile_loss(labels: Array, scores: Floats, weights: Floats | None, q: float | None) -> MetricValue:
    """Mean of q · (label − score) where the label lies above, (1 − q) · (score − label) where it lies below."""
    import numpy as np

    if q is None or not 0 < q < 1:
        correction = "" if q is None else f", not {q:g}"
        raise Undefined("no_quantile", f"quantile_loss needs q between 0 and 1{correction}; write quantile_loss(q=0.9)")
    above = labels - scores
    return mean_of(np.maximum(q * above, (q - 1) * above), weights)


def _subject(
    name: str,
    better: Literal["higher", "lower"],
    bounds: tuple[float | None, float | None] = (0, None),
    args: tuple[str, ...] = (),
) -> Subject:
    needs = ("label", "score", *args)
    return Subject(name, better, bounds=bounds, args=args, tasks=("regression",), needs=needs, proportion=False)


# Of normal errors: Var(e²)/(4σ⁴) of rmse by the delta method, Var|e|/E|e|² of mae; the kurtosis of the difference of two
# squared, or absolute, ones.
ON_PREDICTIONS = (
    Metric("rmse", "root", rmse, subject=_subject("rmse", "lower"), plan=Plan(relative_variance=0.5, kurtosis=9.0)),
    Metric(
        "mae", "skew", mae, subject=_subject("mae", "lower"), plan=Plan(relative_variance=math.pi / 2 - 1, kurtosis=6.0)
    ),
    Metric("r2", "plain", r2, subject=_subject("r2", "higher", (None, 1))),
)
ON_QUANTILES = (
    Metric(
        "quantile_loss", "skew", quantile_loss, subject=_subject("quantile_loss", "lower", args=("q",)), argument="q"
    ),
)

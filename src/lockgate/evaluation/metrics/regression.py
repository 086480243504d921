"""Root mean squared error, mean absolute error, R² and the quantile (pinball) loss of a model that predicts a number.

labels, scores: (n,) float. weights: (n,) float or None.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.uncertainty.custom_rule import OwnMetric
from lockgate.evaluation.uncertainty.metric import Floats, Measured, Metric, Undefined, mean_of


def mae(labels: NDArray[Any], scores: Floats, weights: Floats | None, threshold: float | None) -> Measured:
    """Mean of |error|."""
    return mean_of(np.abs(scores - labels), weights)


def rmse(labels: NDArray[Any], scores: Floats, weights: Floats | None, threshold: float | None) -> Measured:
    """Root of the mean squared error; influence by the chain rule."""
    squared = mean_of((scores - labels) ** 2, weights)
    root = math.sqrt(squared.value)
    return Measured(root, squared.psi / (2 * root) if root > 0 else squared.psi)


def r2(labels: NDArray[Any], scores: Floats, weights: Floats | None, threshold: float | None) -> Measured:
    """1 − squared error over the variance of the labels on these rows."""
    if labels.size < 2:
        raise Undefined("too_small", "R² needs two rows")
    errors = mean_of((scores - labels) ** 2, weights)
    middle = mean_of(labels.astype(np.float64), weights).value
    variance = mean_of((labels - middle) ** 2, weights)
    # Equal labels need not equal their mean, to the last digit.
    if variance.value <= 0 or np.ptp(labels if weights is None else labels[weights > 0]) == 0:
        raise Undefined("constant_label", "the label does not vary on these rows")
    share = errors.value / variance.value
    return Measured(1 - share, -(errors.psi - share * variance.psi) / variance.value)


def quantile_loss(labels: NDArray[Any], scores: Floats, weights: Floats | None, q: float | None) -> Measured:
    """Mean of q · (label − score) where the label lies above, (1 − q) · (score − label) where it lies below."""
    if q is None or not 0 < q < 1:
        given = "" if q is None else f", not {q:g}"
        raise Undefined("no_quantile", f"quantile_loss needs q between 0 and 1{given}; write quantile_loss(q=0.9)")
    above = labels - scores
    return mean_of(np.maximum(q * above, (q - 1) * above), weights)


METRICS = {
    metric.name: metric
    for metric in (
        Metric("mae", mae, "skew"),
        Metric("rmse", rmse, "plain"),
        Metric("r2", r2, "plain"),
        OwnMetric("quantile_loss", quantile_loss, "skew", argument="q"),
    )
}

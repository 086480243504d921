"""How good a predicted quantile is: the pinball loss of a model that says where a share q of the labels lies below.

labels, scores: (n,) float. weights: (n,) float or None. Values agree with scikit-learn's `mean_pinball_loss`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.metrics.decision import OwnMetric
from lockgate.metrics.influence import Floats, Measured, Undefined, mean_of


def quantile_loss(labels: NDArray[Any], scores: Floats, weights: Floats | None, q: float | None) -> Measured:
    """Mean of q · (label − score) where the label lies above, (1 − q) · (score − label) where it lies below."""
    if q is None or not 0 < q < 1:
        given = "" if q is None else f", not {q:g}"
        raise Undefined("no_quantile", f"quantile_loss needs q between 0 and 1{given}; write quantile_loss(q=0.9)")
    above = labels - scores
    return mean_of(np.maximum(q * above, (q - 1) * above), weights)


METRICS = {"quantile_loss": OwnMetric("quantile_loss", quantile_loss, "skew", argument="q")}

"""Losses of probabilities: log loss with its clip, and the Brier score. Light at import, as `gate check` reads declarations.

labels: (n,) bool, true is positive. scores: (n,) probability of the positive class. weights: (n,) float or None.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lockgate.evaluation.metrics.declaration import Clip
from lockgate.evaluation.uncertainty.metric_value import Array, Floats, MetricValue, Undefined, mean_of

CLIP = 1e-6
"""The least probability that a log loss is taken of, where a line says none.

Without one, a single row can bring 36, and 5,400 rows are needed to show a loss of less than 0.02; with this one 14, and
2,100. What it changes are only rows of whose own class a model says that it comes once in a million: fewer rows than a
million cannot show that to be right. A larger one would change the ordinary scores of rare classes, whose log loss is 0.01 all in all.
"""


def log_loss(clip: Clip, labels: Array, scores: Floats, weights: Floats | None, _: float | None) -> MetricValue:
    """Mean of −log p(label), with p(label) no less than the clip."""
    check_probabilities(scores, "log_loss")
    mean = mean_of(log_losses(clip.least, labels, scores), weights)
    return replace(mean, detail=clip.detail(int(clip.binary(labels, scores).sum())))


def log_losses(clip: float, labels: Any, scores: Floats) -> Floats:
    """−log p(label) of each row; labels: of each row, or one for all."""
    import numpy as np

    own = np.maximum(_of_label(labels, scores), clip)
    np.log(own, out=own)
    return np.subtract(0.0, own, out=own)


def below_clip(clip: float, labels: Any, scores: Floats) -> Array:
    """(n,) bool, whether p(label) is so small that it counts as the clip."""
    below: Array = _of_label(labels, scores) < clip
    return below


def _of_label(labels: Any, scores: Floats) -> Floats:
    """(n,) p(label); labels: of each row, or one for all."""
    import numpy as np

    if not labels.ndim:
        return scores if labels else 1 - scores
    return np.where(labels, scores, 1 - scores)


def class_log_losses(clip: float, codes: Array, probabilities: Floats) -> Floats:
    """(n,) −log p of each row's class. probabilities: (n, classes)."""
    import numpy as np

    return log_losses(clip, np.True_, probabilities[np.arange(codes.size), codes])


def class_below_clip(clip: float, codes: Array, probabilities: Floats) -> Array:
    """(n,) bool, as `below_clip`."""
    import numpy as np

    return below_clip(clip, np.True_, probabilities[np.arange(codes.size), codes])


def brier(labels: Array, scores: Floats, weights: Floats | None, threshold: float | None) -> MetricValue:
    """Mean of (p − label)²."""
    check_probabilities(scores, "brier")
    return mean_of(squared_errors(labels, scores), weights)


def squared_errors(labels: Any, scores: Floats) -> Floats:
    """(p − label)² of each row; labels: of each row, or one for all."""
    errors: Floats = scores - labels.astype(float)
    errors *= errors
    return errors


def class_squared_errors(codes: Array, probabilities: Floats) -> Floats:
    """(n,) the sum over classes of squared errors. probabilities: (n, classes)."""
    import numpy as np

    own = probabilities[np.arange(codes.size), codes]
    errors: Floats = (probabilities**2).sum(axis=1) - own**2 + (1 - own) ** 2
    return errors


def check_probabilities(scores: Floats, metric: str) -> None:
    if scores.size and (scores.min() < 0 or scores.max() > 1):
        raise Undefined("not_probabilities", f"{metric} needs probabilities, and some scores lie outside 0 to 1")

"""The points of a gate's pictures, thinned to what an eye can see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lockgate.evidence import Exhibit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lockgate.scored import Scored

MOST_POINTS = 400


def curves(gate: str, scored: Scored, subjects: set[str]) -> Iterator[Exhibit]:
    """ROC and precision–recall curves of both models, for the metrics that they belong to."""
    labels = scored.labels
    if labels is None or labels.dtype != bool or labels.all() or not labels.any():
        return
    wanted = [
        (name, columns)
        for name, metric, columns in (
            ("roc", "auc", ("model", "false_positive_rate", "true_positive_rate")),
            ("precision_recall", "average_precision", ("model", "recall", "precision")),
        )
        if metric in subjects
    ]
    for name, columns in wanted:
        points: list[tuple[Any, ...]] = []
        for role, scores in (("candidate", scored.candidate), ("champion", scored.champion)):
            if scores is not None:
                points += [(role, x, y) for x, y in _curve(labels, scores, scored.weights, roc=name == "roc")]
        yield Exhibit(f"{gate}/{name}", "curve", columns, tuple(points))


def _curve(
    labels: NDArray[Any], scores: NDArray[Any], weights: NDArray[Any] | None, *, roc: bool
) -> list[tuple[float, float]]:
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    weight = np.ones(labels.size) if weights is None else weights[order]
    last = np.append(np.flatnonzero(np.diff(scores[order])), labels.size - 1)
    true = np.cumsum(np.where(labels[order], weight, 0.0))[last]
    false = np.cumsum(np.where(labels[order], 0.0, weight))[last]
    if true[-1] <= 0 or false[-1] <= 0:
        return []
    recall = true / true[-1]
    x, y = (false / false[-1], recall) if roc else (recall, true / np.maximum(true + false, 1e-300))
    keep = np.unique(np.linspace(0, last.size - 1, min(MOST_POINTS, last.size)).round().astype(int))
    start = [(0.0, 0.0)] if roc else []
    return start + [(float(x[place]), float(y[place])) for place in keep]

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
    if not wanted:
        return
    counted = {
        role: _counted(labels, scores, scored.weights)
        for role, scores in (("candidate", scored.candidate), ("champion", scored.champion))
        if scores is not None
    }
    for name, columns in wanted:
        points = [(role, x, y) for role, found in counted.items() for x, y in _curve(*found, roc=name == "roc")]
        yield Exhibit(f"{gate}/{name}", "curve", columns, tuple(points))


def _counted(
    labels: NDArray[Any], scores: NDArray[Any], weights: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """(positives, negatives) with a score at or above each distinct score, from the highest down, by weight."""
    import numpy as np

    order = np.argsort(scores)[::-1]
    ordered, label = scores[order], labels[order]
    last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), labels.size - 1)
    if weights is None:
        true = np.cumsum(label, dtype=np.int64)[last].astype(np.float64)
        return true, last + 1.0 - true
    weight = weights[order]
    true = np.cumsum(np.where(label, weight, 0.0))[last]
    return true, np.cumsum(np.where(label, 0.0, weight))[last]


def _curve(true: NDArray[Any], false: NDArray[Any], *, roc: bool) -> list[tuple[float, float]]:
    import numpy as np

    if true[-1] <= 0 or false[-1] <= 0:
        return []
    keep = np.unique(np.linspace(0, true.size - 1, min(MOST_POINTS, true.size)).round().astype(int))
    true, false, recall = true[keep], false[keep], true[keep] / true[-1]
    x, y = (false / false[-1], recall) if roc else (recall, true / np.maximum(true + false, 1e-300))
    start = [(0.0, 0.0)] if roc else []
    return start + list(zip(x.tolist(), y.tolist(), strict=True))

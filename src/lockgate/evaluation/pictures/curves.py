"""ROC and precision–recall curves, thinned to what an eye can see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.estimation.rank_sums import order_keys
from lockgate.evaluation.metrics.catalog import declared
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.exhibit import Exhibit

MOST_POINTS = 400


def curves(gate: str, scored: Scored, subjects: set[str]) -> Iterator[Exhibit]:
    """ROC and precision–recall curves of both models, for the metrics that they belong to."""
    labels = scored.labels
    if labels is None or labels.dtype != bool or labels.all() or not labels.any():
        return
    needed = {declared(subject).curve for subject in subjects}
    charts = [
        (name, columns)
        for name, columns in (
            ("roc", ("model", "false_positive_rate", "true_positive_rate")),
            ("precision_recall", ("model", "recall", "precision")),
        )
        if name in needed
    ]
    if not charts:
        return
    counts = {
        role: _counted(labels, scores, scored.weights)
        for role, scores in (("candidate", scored.candidate), ("champion", scored.champion))
        if scores is not None
    }
    for name, columns in charts:
        points = [
            (role, x, y) for role, role_counts in counts.items() for x, y in _curve(*role_counts, roc=name == "roc")
        ]
        yield Exhibit(f"{gate}/{name}", "curve", columns, tuple(points))


def _counted(
    labels: NDArray[Any], scores: NDArray[Any], weights: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """(positives, negatives) with a score at or above each distinct score, from the highest down, by weight."""
    if weights is None:
        return _counted_rows(labels, scores)
    order = np.argsort(scores)[::-1]
    ordered, weight = scores[order], weights[order]
    last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), labels.size - 1)
    true = np.cumsum(np.where(labels[order], weight, 0.0))[last]
    return true, np.cumsum(np.where(labels[order], 0.0, weight))[last]


def _counted_rows(labels: NDArray[Any], scores: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The same where each row counts once, at scores evenly spread over all rows and over those of the rarer class."""
    # The label rides in the lowest bit of each score's sortable key, so that one sort orders both.
    keys = order_keys(scores)
    bits: NDArray[Any] = keys.astype(np.uint64) if keys.max() >> np.uint32(31) else keys
    lowest_bit = bits.dtype.type(1)
    bits = bits << lowest_bit
    bits |= labels
    bits.sort()
    rare = np.flatnonzero((bits & lowest_bit).astype(np.bool_))
    positives_rare = 2 * rare.size <= bits.size
    if not positives_rare:
        rare = np.flatnonzero(~(bits & lowest_bit).astype(np.bool_))
    indices = np.arange(bits.size)
    if bits.size > MOST_POINTS:
        indices = np.concatenate([_spread(bits.size), rare[_spread(rare.size)]])
    starts = np.unique(np.searchsorted(bits, bits[indices] & ~lowest_bit))[::-1]
    rare_above = rare.size - np.searchsorted(rare, starts) * 1.0
    common_above = bits.size - starts - rare_above
    return (rare_above, common_above) if positives_rare else (common_above, rare_above)


def _spread(size: int) -> NDArray[Any]:
    """Places from the first to the last of `size`, half as many as a curve may have."""
    return np.linspace(0, size - 1, min(MOST_POINTS // 2, size)).round().astype(np.int64)


def _curve(true: NDArray[Any], false: NDArray[Any], *, roc: bool) -> list[tuple[float, float]]:
    if true[-1] <= 0 or false[-1] <= 0:
        return []
    keep = np.unique(np.linspace(0, true.size - 1, min(MOST_POINTS, true.size)).round().astype(int))
    true, false, recall = true[keep], false[keep], true[keep] / true[-1]
    x, y = (false / false[-1], recall) if roc else (recall, true / np.maximum(true + false, 1e-300))
    start = [(0.0, 0.0)] if roc else []
    return start + list(zip(x.tolist(), y.tolist(), strict=True))

"""What each threshold would make of a model of two classes, the one in use among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from lockgate.evaluation.pictures import FEWEST, rounded
from lockgate.evaluation.pictures.value_grid import quantile_grid
from lockgate.evaluation.scoring.scored_table import ROLES, Scored
from lockgate.evidence.exhibit import Exhibit

_GRID = 120  # thresholds of a model, by rank and evenly
_COLUMNS = ("model", "threshold", "precision", "recall", "f1", "positive_rate", "false_positive_rate", "in_use")


def thresholds(gate: str, scored: Scored, in_use: Mapping[str, float | None]) -> Iterator[Exhibit]:
    """Precision, recall, F1, the positive rate and the false positive rate of both models against the threshold.

    in_use: each role's threshold, whose points have 1 in the last column. Elsewhere at least ten rows lie on either side.
    """
    labels = scored.labels
    if labels is None or labels.dtype != bool or labels.all() or not labels.any():
        return
    points = [(role, *point) for role in ROLES for point in _points(scored, role, in_use.get(role))]
    if points:
        yield Exhibit(f"{gate}/thresholds", "curve", _COLUMNS, tuple(points))


def _points(scored: Scored, role: str, in_use: float | None) -> Iterator[tuple[float | int | None, ...]]:
    """(threshold, precision, recall, F1, positive rate, false positive rate, whether it is in use) from the lowest up."""
    scores, cut = getattr(scored, role), scored.cut(role, in_use)
    if scores is None:
        return
    values = [] if scored.answers.get(role) == "labels" else quantile_grid([scores], _GRID).tolist()
    # what is shown is the number of the pipeline, what cuts is that number in the precision of the scores
    pairs = sorted([*((value, value, 0) for value in values), *([] if cut is None else [(cut, in_use, 1)])])
    labels, weights = scored.labels, scored.weights
    assert labels is not None  # noqa: S101  # looked at above
    above = np.searchsorted(np.array([at for at, _, _ in pairs]), scores, side="right")

    def counted(rows: np.ndarray | None, among: np.ndarray | None) -> np.ndarray:
        """How much lies at or above each threshold, and all, first."""
        taken = above if rows is None else above[rows]
        weigh = None if among is None else (among if rows is None else among[rows])
        tally = np.bincount(taken, weigh, minlength=len(pairs) + 1)
        return np.cumsum(tally[::-1])[::-1].astype(np.float64)

    rows, true = counted(None, None), counted(np.flatnonzero(labels), weights)
    positive = rows if weights is None else counted(None, weights)
    if not 0 < true[0] < positive[0]:
        return
    for number, (_, threshold, used) in enumerate(pairs, start=1):
        if not used and min(rows[number], rows[0] - rows[number]) < FEWEST:
            continue
        hits, called = float(true[number]), float(positive[number])
        rates = (
            hits / called if called > 0 else None,
            hits / true[0],
            2 * hits / (called + true[0]),
            called / positive[0],
            (called - hits) / (positive[0] - true[0]),
        )
        yield (threshold, *(None if rate is None else rounded(rate) for rate in rates), used)

"""A dozen positives, and scores of a few levels: every line lies exactly where the candidate's levels put it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import stats

from .law import Columns, Law

SHARE = 0.1
"""Of positives."""
CHAMPION, CANDIDATE = 2.6, 1.9
"""How far the normal scores of positives lie above those of negatives, before they are cut into levels."""
CUT = {3: (0.5, 1.5), 5: (0.0, 0.75, 1.5, 2.25)}


def laws() -> Iterator[Law]:
    for positives in (12, 16, 20):
        for levels in CUT:
            for like in (0.5, 0.9):
                yield _law(positives, levels, like)


def _law(positives: int, levels: int, like: float) -> Law:
    """like: the correlation of the two models' scores within a class."""
    rows = round(positives / SHARE)
    label = (np.arange(rows) < positives).astype(int)
    was, now = _values(CHAMPION, levels), _values(CANDIDATE, levels)

    def drawn(draw: np.random.Generator, runs: int, *, shift: float) -> Columns:
        shared, own = draw.standard_normal((runs, rows)), math.sqrt(1 - like)
        candidate, champion = (
            _level(math.sqrt(like) * shared + own * draw.standard_normal((runs, rows)) + each * label, levels)
            for each in (shift, CHAMPION)
        )
        return {"label": np.tile(label, (runs, 1)), "candidate": candidate, "champion": champion}

    return Law(
        f"{positives} positives of {rows}, {levels} levels, alike {like:g}",
        rows,
        tuple(f"{name} >= champion - {was[name] - now[name]:.5f}" for name in was),
        lambda draw, runs: drawn(draw, runs, shift=CANDIDATE),
        lambda draw, runs: drawn(draw, runs, shift=CHAMPION),
    )


def _level(scores: np.ndarray, levels: int) -> np.ndarray:
    """Scores of so many values; those above the middle cut are decided positive."""
    return (np.searchsorted(CUT[levels], scores) + 0.5) / levels


def _values(shift: float, levels: int) -> dict[str, float]:
    """F1, precision, AUC and average precision of all rows, from the shares of each level."""
    edges = np.array([-np.inf, *CUT[levels], np.inf])
    positive, negative = (np.diff(stats.norm.cdf(edges - each)) for each in (shift, 0.0))
    decided = (np.arange(levels) + 0.5) / levels >= 0.5
    true, false = SHARE * positive[decided].sum(), (1 - SHARE) * negative[decided].sum()
    found, raised = np.cumsum(positive[::-1]) * SHARE, np.cumsum(negative[::-1]) * (1 - SHARE)
    return {
        "f1": 2 * true / (true + false + SHARE),
        "precision": true / (true + false),
        "auc": float(np.dot(positive, np.cumsum(negative) - negative / 2)),
        "average_precision": float(np.dot(positive[::-1], found / (found + raised))),
    }

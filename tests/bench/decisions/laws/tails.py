"""Errors of a regression whose squares have heavy tails."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from .law import Columns, Law

Errors = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
# name → (errors, their root mean square, their mean absolute value)
ERRORS: dict[str, tuple[Errors, float, float]] = {
    "normal": (lambda draw, shape: draw.standard_normal(shape), 1.0, math.sqrt(2 / math.pi)),
    "Laplace": (lambda draw, shape: draw.laplace(size=shape), math.sqrt(2), 1.0),
    "t4": (lambda draw, shape: draw.standard_t(4, shape), math.sqrt(2), 1.0),
    "t3": (lambda draw, shape: draw.standard_t(3, shape), math.sqrt(3), 2 * math.sqrt(3) / math.pi),
    "lognormal 1": (lambda draw, shape: draw.lognormal(size=shape), math.e, math.exp(0.5)),
    "lognormal 1.5": (lambda draw, shape: draw.lognormal(sigma=1.5, size=shape), math.exp(2.25), math.exp(1.125)),
}


def laws() -> Iterator[Law]:
    for name in ("normal", "Laplace", "t4", "t3", "lognormal 1"):
        for rows in (200, 1_000, 5_000):
            yield _alone(name, rows)
    for name in ("normal", "t4", "lognormal 1"):
        for rows in (200, 1_000):
            yield _beside(name, rows)
    for name in ("t3", "lognormal 1", "lognormal 1.5"):
        for rows in (60, 200, 1_000):
            yield _far_below(name, rows)


def _alone(name: str, rows: int) -> Law:
    errors, root, mean = ERRORS[name]

    def drawn(draw: np.random.Generator, runs: int, *, times: float) -> Columns:
        return {"label": np.zeros((runs, rows)), "candidate": times * errors(draw, (runs, rows))}

    return Law(
        f"{name} errors, {rows:,} rows",
        rows,
        (f"rmse <= {root:.6f}", f"mae <= {mean:.6f}"),
        lambda draw, runs: drawn(draw, runs, times=1.0),
        lambda draw, runs: drawn(draw, runs, times=0.8),
        task="regression",
    )


def _beside(name: str, rows: int) -> Law:
    """The candidate's own error beside the champion's, half of each in common; a tenth more of it is allowed."""
    errors, root, mean = ERRORS[name]

    def drawn(draw: np.random.Generator, runs: int, *, times: float) -> Columns:
        # Which of two errors a row has is the same for both models in three rows of four.
        one, other = errors(draw, (runs, rows)), errors(draw, (runs, rows))
        apart = draw.random((runs, rows)) < 0.25
        return {
            "label": np.zeros((runs, rows)),
            "candidate": times * np.where(apart, other, one),
            "champion": one,
        }

    return Law(
        f"{name} errors, {rows:,} rows, beside",
        rows,
        (
            f"rmse <= champion + {0.1 * root:.6f}",
            "rmse <= champion * 1.1",
            f"mae <= champion + {0.1 * mean:.6f}",
            "mae <= champion * 1.1",
        ),
        lambda draw, runs: drawn(draw, runs, times=1.1),
        lambda draw, runs: drawn(draw, runs, times=1.0),
        task="regression",
    )


def _far_below(name: str, rows: int) -> Law:
    """The larger a model's largest errors are beside its others, the fewer rows carry the variance: far below a limit it passes."""
    errors, root, mean = ERRORS[name]
    return Law(
        f"{name} errors, {rows:,} rows, far below",
        rows,
        (f"rmse <= {root:.6f}", f"mae <= {mean:.6f}"),
        lambda draw, runs: {"label": np.zeros((runs, rows)), "candidate": errors(draw, (runs, rows))},
        lambda draw, runs: {"label": np.zeros((runs, rows)), "candidate": errors(draw, (runs, rows)) / 5},
        task="regression",
    )

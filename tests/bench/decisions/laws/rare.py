"""Few rows are lost entirely: the loss of each is large, and samples without any look as if there were none."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import special

from ..scores import shift_of_area
from .law import Columns, Law

RIGHT, NOISE = 0.9, 1e-3


def laws() -> Iterator[Law]:
    for rows in (150, 300, 500, 1_000, 2_000):
        yield _beside("log_loss", rows, 0.02, lost=1e-4)
    yield _beside("log_loss", 2_000, 0.02, lost=1e-6)
    yield _beside("log_loss", 5_000, 0.02, lost=1e-6)
    yield _beside("log_loss", 1_000, 0.02, lost=0.03)
    for rows, margin in ((150, 0.01), (300, 0.01), (300, 0.005), (300, 0.0031), (1_000, 0.005), (3_000, 0.001)):
        yield _beside("brier", rows, margin, lost=1e-4)
    yield _beside("brier", 300, 0.01, lost=0.3)
    for metric, rows in (("log_loss", 500), ("brier", 300)):
        yield _beside(metric, rows, 0.02 if metric == "log_loss" else 0.01, lost=1e-4, per_unit=10)
        yield _beside(metric, rows, 0.02 if metric == "log_loss" else 0.01, lost=1e-4, uneven=True)
    for rows in (300, 1_000):
        yield _alone("log_loss", rows, 0.02, lost=1e-4)
        yield _alone("brier", rows, 0.01, lost=1e-4)
    for rows in (300, 1_000):
        yield _outliers("mae", rows)
        yield _outliers("rmse", rows)


def _losses(metric: str, lost: float) -> tuple[float, float]:
    """The loss of a right row, and how much more a lost one has; of the middle of the noise."""
    if metric == "log_loss":
        return -math.log(RIGHT), math.log(RIGHT / lost)
    return (1 - RIGHT) ** 2, (1 - lost) ** 2 - (1 - RIGHT) ** 2


def _probabilities(draw: np.random.Generator, label: np.ndarray) -> np.ndarray:
    """Of the label, with a breath of noise."""
    right = RIGHT + NOISE * draw.uniform(-1, 1, label.shape)
    return np.where(label == 1, right, 1 - right)


def _beside(
    metric: str, rows: int, margin: float, *, lost: float, per_unit: int | None = None, uneven: bool = False
) -> Law:
    """Two models that are alike but for lost rows (or clusters of them) of the candidate."""
    share = margin / _losses(metric, lost)[1]

    def drawn(draw: np.random.Generator, runs: int, *, share: float) -> Columns:
        label = draw.integers(0, 2, (runs, rows))
        candidate, champion = _probabilities(draw, label), _probabilities(draw, label)
        if per_unit:
            away = np.repeat(draw.random((runs, rows // per_unit)) < share, per_unit, axis=1)
        else:
            away = draw.random((runs, rows)) < share
        candidate = np.where(away, np.where(label == 1, lost, 1 - lost), candidate)
        table: dict[str, np.ndarray] = {"label": label, "candidate": candidate, "champion": champion}
        if per_unit:
            table["unit"] = np.arange(rows) // per_unit
        if uneven:
            table["weight"] = draw.uniform(1, 3, (runs, rows))
        return table

    how = f", in clusters of {per_unit}" if per_unit else ", weights 1 to 3" if uneven else ""
    return Law(
        f"rare {lost:g} for 0.9, {rows:,} rows{how}",
        rows,
        (f"{metric} <= champion + {margin:g}",),
        lambda draw, runs: drawn(draw, runs, share=share),
        lambda draw, runs: drawn(draw, runs, share=0.0) if per_unit or uneven else _equal(draw, runs, rows),
    )


def _alone(metric: str, rows: int, margin: float, *, lost: float) -> Law:
    own, more = _losses(metric, lost)

    def drawn(draw: np.random.Generator, runs: int, *, share: float) -> Columns:
        label = draw.integers(0, 2, (runs, rows))
        away = draw.random((runs, rows)) < share
        return {
            "label": label,
            "candidate": np.where(away, np.where(label == 1, lost, 1 - lost), _probabilities(draw, label)),
        }

    return Law(
        f"rare {lost:g} for 0.9, {rows:,} rows, alone",
        rows,
        (f"{metric} <= {own + margin:.6f}",),
        lambda draw, runs: drawn(draw, runs, share=margin / more),
        lambda draw, runs: drawn(draw, runs, share=0.0),
    )


def _outliers(metric: str, rows: int) -> Law:
    """Normal errors, and one in two hundred a hundred times as large: a mean that one row carries."""
    share, times = 0.005, 100.0
    truth = (
        math.sqrt(1 - share + share * times**2)
        if metric == "rmse"
        else math.sqrt(2 / math.pi) * (1 - share + share * times)
    )

    def drawn(draw: np.random.Generator, runs: int, *, share: float) -> Columns:
        far = np.where(draw.random((runs, rows)) < share, times, 1.0)
        return {"label": np.zeros((runs, rows)), "candidate": far * draw.standard_normal((runs, rows))}

    return Law(
        f"rare errors 100 times as large, {rows:,} rows",
        rows,
        (f"{metric} <= {truth:.6f}",),
        lambda draw, runs: drawn(draw, runs, share=share),
        lambda draw, runs: drawn(draw, runs, share=0.0),
        task="regression",
    )


def _equal(draw: np.random.Generator, runs: int, rows: int) -> Columns:
    """Equal models whose probabilities belong to binormal scores: AUC 0.95, half of the rows positive, correlation 0.95."""
    shift = shift_of_area(0.95)
    label = np.tile((np.arange(rows) < rows // 2).astype(int), (runs, 1))
    shared = draw.standard_normal((runs, rows))
    candidate, champion = (
        special.expit(
            shift * (math.sqrt(0.95) * shared + math.sqrt(0.05) * draw.standard_normal((runs, rows)) + shift * label)
            - shift**2 / 2
        )
        for _ in range(2)
    )
    return {"label": label, "candidate": candidate, "champion": champion}

"""Functions of the confusion matrix: the candidate decides as the champion does, but for a share of rows that it decides worse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lockgate.evaluation.metrics import agreement

from .law import Columns, Law

METRICS = {
    "balanced_accuracy": agreement.balanced_accuracy,
    "mcc": agreement.mcc,
    "kappa": agreement.kappa,
}
PER_UNIT = 10
# By t, as of the AUC: where some 25 rows make the whole difference of a correlation, 0.072 of 1,200 runs passed.
DECLARED = 0.07
Carried = Literal["alike", "weights", "clusters"]


@dataclass(frozen=True)
class Classes:
    """shares: of each class. recall: of the champion, by class; the rest is spread over the others. away: rows that the candidate
    decides as if it had half that recall."""

    shares: tuple[float, ...]
    recall: tuple[float, ...]
    away: float

    def joint(self, *, worse: bool) -> np.ndarray:
        """(classes, classes, classes) [label, decided by the candidate, by the champion]."""
        champion = np.array([self._decided(code, recall) for code, recall in enumerate(self.recall)])
        instead = np.array(
            [self._decided(code, recall / 2 if worse else recall) for code, recall in enumerate(self.recall)]
        )
        same = np.eye(len(self.shares))[None] * champion[:, None, :]
        apart = instead[:, :, None] * champion[:, None, :]
        return np.array(self.shares)[:, None, None] * ((1 - self.away) * same + self.away * apart)

    def _decided(self, code: int, recall: float) -> np.ndarray:
        others = (1 - recall) / (len(self.shares) - 1)
        return np.where(np.arange(len(self.shares)) == code, recall, others)


LAWS: dict[str, tuple[Classes, int]] = {
    "two even classes, 200 rows": (Classes((0.5, 0.5), (0.9, 0.8), 0.1), 200),
    "30 positives of 300": (Classes((0.9, 0.1), (0.95, 0.7), 0.1), 300),
    "20 positives of 1,000": (Classes((0.98, 0.02), (0.99, 0.8), 0.1), 1_000),
    "50 positives of 1,000, nearly perfect": (Classes((0.95, 0.05), (0.999, 0.97), 0.05), 1_000),
    "40 positives of 4,000, few found": (Classes((0.99, 0.01), (0.98, 0.5), 0.2), 4_000),
    "three classes, 300 rows, one rare": (Classes((0.6, 0.33, 0.07), (0.9, 0.8, 0.9), 0.1), 300),
    "ten classes, 1,000 rows": (Classes((0.1,) * 10, (0.9,) * 10, 0.1), 1_000),
}


def laws() -> Iterator[Law]:
    for name, (classes, rows) in LAWS.items():
        yield _law(name, classes, rows, "alike")
        if rows in (300, 1_000):
            yield _law(name, classes, 2 * rows, "weights")
            yield _law(name, classes, 2 * rows, "clusters")


def _law(name: str, classes: Classes, rows: int, carried: Carried) -> Law:
    count = len(classes.shares)

    def drawn(draw: np.random.Generator, runs: int, *, worse: bool) -> Columns:
        bounds = np.cumsum(classes.joint(worse=worse).ravel())
        cell = np.searchsorted(bounds[:-1], draw.random((runs, rows)), side="right")
        columns: dict[str, np.ndarray] = {}
        if carried == "weights":
            columns["weight"] = draw.lognormal(0, 0.8, (runs, rows))
        elif carried == "clusters":
            columns["unit"] = np.arange(rows) // PER_UNIT
            of_unit = np.repeat(
                np.searchsorted(bounds[:-1], draw.random((runs, rows // PER_UNIT)), side="right"), PER_UNIT, axis=1
            )
            cell = np.where(draw.random((runs, rows)) < 0.3, of_unit, cell)
        label, candidate, champion = np.unravel_index(cell, (count,) * 3)
        return {"label": label, "candidate": candidate, "champion": champion, **columns}

    candidate, champion = classes.joint(worse=True).sum(axis=2), classes.joint(worse=True).sum(axis=1)
    values = {metric: [of_shares(table)[0] for table in (candidate, champion)] for metric, of_shares in METRICS.items()}
    lines = [f"{metric} >= {value!r}" for metric, (value, _) in values.items()]
    lines += [f"{metric} >= champion - {best - value!r}" for metric, (value, best) in values.items()]
    return Law(
        name if carried == "alike" else f"{name}, {carried}",
        rows,
        tuple(lines),
        lambda draw, runs: drawn(draw, runs, worse=True),
        lambda draw, runs: drawn(draw, runs, worse=False),
        task="binary" if count == 2 else "multiclass",
        declared=DECLARED,
    )

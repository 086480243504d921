"""G2: AUC beside the champion, both models' scores binormal and correlated."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from lockgate.evidence.finding import Finding

from . import margins
from .asking import ask, drawing
from .bars import Bar, standard_error
from .cited import Measured
from .margins import AtMargin, at_margin

MARGIN = 0.02
AREAS = (0.70, 0.85, 0.95)
CORRELATIONS = (0.8, 0.9)
PREVALENCES = (0.02, 0.1, 0.5)
POSITIVES = (10, 20, 50, 100, 300, 1_000)

HEADER = f"""G2  auc >= champion - {MARGIN}, binormal scores with correlation rho within a class
{margins.HEADER.format(naive="")}
                                                                               | contrast     |
  auc  rho prevalence positives    rows  sims  false failed power undecided small  |     z point  | oracle"""


@dataclass(frozen=True)
class ScoreCell:
    """One point of the grid: `sims` runs at the margin, `equal_sims` of equal models."""

    area: float
    correlation: float
    prevalence: float
    positives: int
    sims: int
    equal_sims: int

    @property
    def rows(self) -> int:
        return round(self.positives / self.prevalence)

    @property
    def name(self) -> str:
        return f"AUC {self.area}, rho {self.correlation}, {self.positives} positives of {self.rows:,} rows"

    def finding(self, draw: np.random.Generator, *, worse: bool) -> Finding:
        candidate, champion, label = binormal(
            draw,
            rows=self.rows,
            positives=self.positives,
            correlation=self.correlation,
            shifts=(shift_of_area(self.area - MARGIN if worse else self.area), shift_of_area(self.area)),
        )
        table = {"label": label, "candidate": candidate, "champion": champion}
        return ask(table, [f"auc >= champion - {MARGIN}"], task="binary")[0]

    def run(self) -> ScoreRow:
        draws = {worse: drawing("scores", self.name, worse) for worse in (True, False)}
        found = [self.finding(draws[True], worse=True) for _ in range(self.sims)]
        equal = [self.finding(draws[False], worse=False) for _ in range(self.equal_sims)]
        return ScoreRow(self, at_margin(found, equal, margin=MARGIN))


@dataclass(frozen=True)
class ScoreRow:
    cell: ScoreCell
    found: AtMargin

    def __str__(self) -> str:
        cell = self.cell
        head = f" {cell.area:<5g}{cell.correlation:<5g}{cell.prevalence:>8g}{cell.positives:>11,}{cell.rows:>9,}"
        return f"{head}{self.found}"

    @property
    def measured(self) -> Measured:
        return {"delong paired": self.found.false}

    @property
    def bars(self) -> tuple[Bar, ...]:
        limit = 0.07 + 2 * standard_error(0.07, self.found.sims)
        return (Bar("G2 false promotion at the margin", self.found.false, "<=", limit, self.cell.name),)


def shift_of_area(area: float) -> float:
    """How far normal scores of the two classes are apart when this is the area under the ROC curve."""
    return math.sqrt(2) * float(special.ndtri(area))


def binormal(
    draw: np.random.Generator, *, rows: int, positives: int, correlation: float, shifts: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(candidate, champion, label) of (rows,): scores normal within a class, those of positive rows shifted."""
    shared = draw.standard_normal(rows)
    own, weight = math.sqrt(1 - correlation), math.sqrt(correlation)
    label = (np.arange(rows) < positives).astype(np.int64)
    candidate, champion = (weight * shared + own * draw.standard_normal(rows) + shift * label for shift in shifts)
    return candidate, champion, label


def grid(sims: int) -> list[ScoreCell]:
    """All cells; the more rows, the fewer runs."""
    cells = []
    for area in AREAS:
        for correlation in CORRELATIONS:
            for prevalence in PREVALENCES:
                for positives in POSITIVES:
                    rows = positives / prevalence
                    runs = max(2, round(sims * (0.5 if rows <= 5_000 else 0.25 if rows <= 15_000 else 0.1)))
                    cells.append(ScoreCell(area, correlation, prevalence, positives, runs, max(2, runs // 4)))
    return cells

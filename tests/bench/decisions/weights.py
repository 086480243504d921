"""W: rows and clusters that weigh unlike, so that few of them carry a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lockgate.evidence.finding import Verdict
from lockgate.stats.effective_size import carriers, effective_number

from .asking import ask_replayed, ask_scored, drawing, scored
from .bars import ALPHA, Bar, standard_error
from .cited import Measured, of_lines

# A squared error of a right row is uniform in 0.05 to 0.15 before it is squared, of a wrong one in 0.7 to 0.9.
RIGHT, WRONG = (0.05, 0.15), (0.7, 0.9)
BRIER_RIGHT, BRIER_WRONG = ((low**2 + low * high + high**2) / 3 for low, high in (RIGHT, WRONG))
ROWS = ("accuracy >= 0.9", "recall >= 0.9", f"brier <= {BRIER_RIGHT + 0.1 * (BRIER_WRONG - BRIER_RIGHT)!r}",
        "accuracy >= champion - 0.05", f"brier <= champion + {0.05 * (BRIER_WRONG - BRIER_RIGHT)!r}")  # fmt: skip
FLIPS = ("flip_rate <= 0.1",)
# By which method each line is decided, of rows with weights and of clusters.
METHODS = {
    True: ("clopper-pearson", "clopper-pearson", "influence", "clopper-pearson", "tango score", "influence paired"),
    False: ("influence",) * 4 + ("influence paired",) * 2,
}
AT_LIMIT = (0.025, 0.075, 0.025)  # shares of rows: only the candidate right, only the champion, neither
BETTER = (0.025, 0.025, 0.025)

Weights = Callable[[np.random.Generator], np.ndarray]
LAWS: dict[str, tuple[int, Weights]] = {
    "uniform 1 to 3": (500, lambda draw: draw.uniform(1, 3, 500)),
    "lognormal 1": (2_000, lambda draw: draw.lognormal(0, 1.0, 2_000)),
    "lognormal 1.5": (2_000, lambda draw: draw.lognormal(0, 1.5, 2_000)),
    "lognormal 2": (2_000, lambda draw: draw.lognormal(0, 2.0, 2_000)),
    "lognormal 2, many": (20_000, lambda draw: draw.lognormal(0, 2.0, 20_000)),
    "5 % weigh 100": (500, lambda draw: np.where(draw.random(500) < 0.05, 100.0, 1.0)),
    "5 % weigh 100, more": (2_000, lambda draw: np.where(draw.random(2_000) < 0.05, 100.0, 1.0)),
    "ten heavy rows": (2_000, lambda draw: np.where(np.arange(2_000) < 10, 1e5, 1.0)),
}
# Clusters whose sizes are log-normal with this sigma, around e³ rows: (how many, sigma, share of rows that are as their cluster).
CLUSTERED = {
    f"{count} clusters, lognormal {sigma:g}, {alike} alike": (count, sigma, share)
    for count, sigma in ((60, 1.0), (30, 1.5), (300, 1.5))
    for alike, share in (("none", 0.0), ("half", 0.5), ("all", 1.0))
}

HEADER = """W   weights and clusters of unlike size. units: Kish's effective number of them, the median of the runs.
    false: P(pass) where the candidate lies exactly at every limit: right in 0.90 of rows, the champion in 0.95, 0.10 of rows decided
    otherwise; brier's limits are those of such rows. power: P(pass) where both are right in 0.95 of rows, 0.05 decided otherwise.
    accuracy, recall and brier against a number, flips of both, accuracy and brier beside the champion
                                                      false, and beside the champion         power, and beside the champion
 law                                     units  sims  accur recal brier flips | accur brier  accur recal brier flips | accur brier"""


@dataclass(frozen=True)
class WeightCell:
    """`sims` runs at the limits, and as many of a better candidate."""

    law: str
    sims: int

    @property
    def name(self) -> str:
        return self.law

    def table(self, draw: np.random.Generator, *, better: bool) -> dict[str, Any]:
        """label, candidate, champion, and weight or unit."""
        cells = BETTER if better else AT_LIMIT
        if self.law in LAWS:
            rows, weights = LAWS[self.law]
            unit, more = np.arange(rows), {"weight": weights(draw)}
            kind = _kinds(draw, rows, cells)
        else:
            count, sigma, share = CLUSTERED[self.law]
            sizes = np.maximum(1, draw.lognormal(3, sigma, count).astype(int))
            unit = np.repeat(np.arange(count), sizes)
            rows, more = unit.size, {"unit": unit}
            kind = np.where(draw.random(rows) < share, _kinds(draw, count, cells)[unit], _kinds(draw, rows, cells))
        label = draw.random(rows) < 0.5
        scores = {
            role: np.where(label, 1 - error, error)
            for role, wrong in (("candidate", (1, 2)), ("champion", (0, 2)))
            for error in (np.where(np.isin(kind, wrong), draw.uniform(*WRONG, rows), draw.uniform(*RIGHT, rows)),)
        }
        return {"label": label.astype(np.int64), **scores, **more}

    def passes(self, draw: np.random.Generator, *, better: bool) -> list[float]:
        """(Kish's number, then whether each line passes)."""
        table = self.table(draw, better=better)
        columns = {"weight": "weight"} if self.law in LAWS else {"cluster": "unit"}
        rows = scored(table, task="binary", **columns)
        findings = [*ask_scored(rows, ROWS[:3]), *ask_replayed(rows, FLIPS)]
        findings += ask_scored(rows, ROWS[3:])
        weights = table.get("weight", np.ones(len(table["label"])))
        units = effective_number(carriers(weights, table.get("unit")))
        return [units, *(float(finding.verdict is Verdict.PASS) for finding in findings)]

    def run(self) -> WeightRow:
        at_limit, better = (
            np.array([self.passes(draw, better=better) for _ in range(self.sims)])
            for better in (False, True)
            for draw in (drawing("weights", self.law, better),)
        )
        return WeightRow(
            self, float(np.median(at_limit[:, 0])), at_limit[:, 1:].mean(axis=0), better[:, 1:].mean(axis=0)
        )


def _kinds(draw: np.random.Generator, count: int, cells: tuple[float, float, float]) -> np.ndarray:
    """(count,) 0 where only the candidate is right, 1 the champion, 2 neither, 3 both."""
    return np.searchsorted(np.cumsum(cells), draw.random(count), side="right")


@dataclass(frozen=True)
class WeightRow:
    cell: WeightCell
    units: float
    false: np.ndarray
    power: np.ndarray

    def __str__(self) -> str:
        rates = [f"{rate:5.3f}" for rate in (*self.false, *self.power)]
        rates[4], rates[10] = f"| {rates[4]}", f"| {rates[10]}"
        return (
            f" {self.cell.law:<39}{self.units:>6.0f}{self.cell.sims:>6}  {' '.join(rates[:6])}  {' '.join(rates[6:])}"
        )

    @property
    def measured(self) -> Measured:
        return of_lines(zip(METHODS[self.cell.law in LAWS], self.false.tolist(), strict=True))

    @property
    def bars(self) -> tuple[Bar, ...]:
        limit = ALPHA + 2 * standard_error(ALPHA, self.cell.sims)
        return (Bar("W false pass at the limit", float(self.false.max()), "<=", limit, self.cell.law),)


def grid(sims: int) -> list[WeightCell]:
    """All cells."""
    runs = max(2, sims // 2)
    return [WeightCell(law, runs if law != "lognormal 2, many" else max(2, runs // 4)) for law in (*LAWS, *CLUSTERED)]

"""S: lines of the shadow gate on both models' answers, where the candidate lies exactly at their limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import optimize, special

from .asking import ask_replayed, drawing
from .bars import Bar
from .cited import Measured, of_lines
from .sliced_runs import bars, on_each_run, passed_and_failed, rates, scored_runs

Kind = Literal["plain", "weights", "clusters"]
KINDS: tuple[Kind, ...] = ("plain", "weights", "clusters")
SHIFT, NOISE, SPREAD = 0.5, 1.0, 10.0
LOST = 0.1
_POSITIVE = 0.05
_ROWS_A_CLUSTER = 5


def _p99() -> float:
    """What 99 % of |shift + noise| do not exceed."""
    return float(optimize.brentq(lambda at: special.ndtr(at - SHIFT) - special.ndtr(-at - SHIFT) - 0.99, 0, 10))


def _wasserstein() -> float:
    """The mean size of shift + (√(spread² + noise²) − spread) · z, which is that of two normal laws, over the spread."""
    wider = math.hypot(SPREAD, NOISE) - SPREAD
    at = SHIFT / wider
    mean = wider * math.sqrt(2 / math.pi) * math.exp(-at * at / 2) + SHIFT * (1 - 2 * float(special.ndtr(-at)))
    return mean / SPREAD


NUMBERS = (
    f"score_shift <= {SHIFT!r}",
    f"p99_abs_difference <= {_p99()!r}",
    f"within(tolerance={_p99()!r}) >= 99%",
    f"wasserstein <= {_wasserstein()!r}",
)
METHODS = ("influence", "order statistics of differences", "clopper-pearson", "influence")
DECISIONS = (f"lost_rate <= {LOST!r}", "gained_rate <= 0.01", "positive_rate <= champion + 0.0045")

HEADER = """S   Lines of the shadow gate with the candidate at every limit. weights are log-normal (sigma 1), five requests of a user are alike.
    numbers: P(pass), P(p_fail <= 0.05) of score_shift, p99_abs_difference, within, wasserstein; decisions: of lost_rate, gained_rate,
    positive_rate beside a champion that decides 5 % positive.
 what      kind        rows  sims  pass                           fail"""


@dataclass(frozen=True)
class ReplayedCell:
    """`sims` runs at the limits, some hundred of them in one table, in which each is a slice."""

    what: Literal["numbers", "decisions"]
    kind: Kind
    rows: int
    sims: int

    @property
    def name(self) -> str:
        return f"{self.what}, {self.kind}, {self.rows:,} requests"

    def answers(self, draw: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        if self.what == "numbers":
            champion = draw.normal(0, SPREAD, count)
            return champion + SHIFT + draw.normal(0, NOISE, count), champion
        # Of 5 % positives a tenth is lost; a hundredth of the others is gained: the positive rate rises by 0.0045.
        positive, chance = draw.random(count) < _POSITIVE, draw.random(count)
        return np.where(positive, chance >= LOST, chance < 0.01) * 0.8 + 0.1, positive * 0.8 + 0.1

    def run(self) -> ReplayedRow:
        draw = drawing("replayed", self.what, self.kind, self.rows)
        return ReplayedRow(self, *rates(self.sims, lambda runs: self._counted(draw, runs)))

    def _counted(self, draw: np.random.Generator, runs: int) -> np.ndarray:
        columns, of_kind = dict[str, Any](), dict[str, str]()
        number = np.arange(self.rows * runs)
        times = _ROWS_A_CLUSTER if self.kind == "clusters" else 1
        answers = self.answers(draw, number.size // times)
        if self.kind == "clusters":
            columns["unit"], of_kind = number // _ROWS_A_CLUSTER, {"cluster": "unit"}
        if self.kind == "weights":
            columns["weight"], of_kind = draw.lognormal(0, 1, number.size), {"weight": "weight"}
        columns["candidate"], columns["champion"] = (np.repeat(each, times) for each in answers)
        task: Any = "regression" if self.what == "numbers" else "binary"
        rows = scored_runs(columns, number // self.rows, task=task, of_kind=of_kind)
        lines = NUMBERS if self.what == "numbers" else DECISIONS
        return passed_and_failed(ask_replayed(rows, on_each_run(lines), task=task), lines)


@dataclass(frozen=True)
class ReplayedRow:
    cell: ReplayedCell
    false: np.ndarray
    fails: np.ndarray

    def __str__(self) -> str:
        cell = self.cell
        rates = ("  ".join(f"{rate:5.3f}" for rate in each) for each in (self.false, self.fails))
        return f" {cell.what:<10}{cell.kind:<9}{cell.rows:>7,}{cell.sims:>6}  {next(rates):<31}{next(rates)}"

    @property
    def measured(self) -> Measured:
        if self.cell.kind != "plain" or self.cell.what != "numbers":
            return of_lines(())
        return of_lines(zip(METHODS, self.false.tolist(), strict=True))

    @property
    def bars(self) -> tuple[Bar, ...]:
        return bars("S", self.cell, self.false, self.fails, more_fails=0.02)


def grid(sims: int) -> list[ReplayedCell]:
    """All cells."""
    return [
        ReplayedCell(what, kind, rows, max(2, sims // 2))
        for what in ("numbers", "decisions")
        for kind in KINDS
        for rows in (300, 1_000, 5_000)
    ]

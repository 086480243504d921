"""Q: lines of the shadow gate that are looked at after each request, with the candidate exactly at their limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lockgate.evaluation.shadow.early import Traffic

from .asking import ask_early, drawing
from .bars import Bar
from .cited import Measured, of_lines
from .sliced_runs import bars, on_each_run, passed_and_failed, rates, scored_runs

Kind = Literal["plain", "weights", "users"]
KINDS: tuple[Kind, ...] = ("plain", "weights", "users")
SHIFT, NOISE = 0.3, 1.0
_POSITIVE, _LOST, _GAINED = 0.1, 0.1, 0.01
_FLIPS = _POSITIVE * _LOST + (1 - _POSITIVE) * _GAINED
_RISE = (1 - _POSITIVE) * _GAINED - _POSITIVE * _LOST
DECISIONS = (
    f"flip_rate <= {_FLIPS!r}",
    f"lost_rate <= {_LOST!r}",
    f"gained_rate <= {_GAINED!r}",
    f"positive_rate >= champion - {-_RISE!r}",
)
NUMBERS = (f"score_shift <= {SHIFT!r}",)

HEADER = """Q   Lines of the shadow gate with stop: early and the candidate at every limit, looked at all the time. weights are log-normal (sigma 0.5),
    a user has one to nine requests, all alike. decisions: P(ever pass), P(ever p_fail <= 0.05) of flip_rate, lost_rate, gained_rate,
    positive_rate; numbers: of score_shift.
 what      kind        rows  sims  pass                        fail"""


@dataclass(frozen=True)
class StoppedCell:
    """`sims` runs at the limits, all in one table, in which each is a slice."""

    what: Literal["numbers", "decisions"]
    kind: Kind
    rows: int
    sims: int

    @property
    def name(self) -> str:
        return f"stopped early, {self.what}, {self.kind}, {self.rows:,} requests"

    def run(self) -> StoppedRow:
        draw = drawing("stopped", self.what, self.kind, self.rows)
        return StoppedRow(self, *rates(self.sims, lambda count: self._counted(draw, count)))

    def _counted(self, draw: np.random.Generator, count: int) -> np.ndarray:
        columns, of_kind = dict[str, Any](), dict[str, str]()
        numbers = np.arange(self.rows * count)
        runs, units, largest = numbers // self.rows, numbers, 1.0
        if self.kind == "users":
            sizes = draw.integers(1, 10, numbers.size)
            units = np.repeat(np.arange(sizes.size), sizes)[: numbers.size]
            # A user belongs to one run: whoever is cut by its end is two.
            units, largest = units * count + runs, 9.0
        first, codes = np.unique(units, return_inverse=True)
        columns["candidate"], columns["champion"] = (each[codes] for each in self.answers(draw, first.size))
        if self.kind == "users":
            columns["unit"], of_kind = codes, {"cluster": "unit"}
        if self.kind == "weights":
            columns["weight"], of_kind = draw.lognormal(0, 0.5, numbers.size), {"weight": "weight"}
            largest = float(columns["weight"].max())
        task: Any = "regression" if self.what == "numbers" else "binary"
        rows = scored_runs(columns, runs, task=task, of_kind=of_kind)
        rows.traffic = Traffic(self.rows, self.rows, largest, {}).to_json()
        lines = NUMBERS if self.what == "numbers" else DECISIONS
        return passed_and_failed(ask_early(rows, on_each_run(lines), task=task), lines)

    def answers(self, draw: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        if self.what == "numbers":
            champion = draw.normal(0, 10, count)
            return champion + SHIFT + draw.normal(0, NOISE, count), champion
        positive, chance = draw.random(count) < _POSITIVE, draw.random(count)
        return np.where(positive, chance >= _LOST, chance < _GAINED) * 0.8 + 0.1, positive * 0.8 + 0.1


@dataclass(frozen=True)
class StoppedRow:
    cell: StoppedCell
    false: np.ndarray
    fails: np.ndarray

    def __str__(self) -> str:
        cell = self.cell
        rates = ("  ".join(f"{rate:5.3f}" for rate in each) for each in (self.false, self.fails))
        return f" {cell.what:<10}{cell.kind:<9}{cell.rows:>7,}{cell.sims:>6}  {next(rates):<28}{next(rates)}"

    @property
    def measured(self) -> Measured:
        return of_lines(())

    @property
    def bars(self) -> tuple[Bar, ...]:
        return bars("Q", self.cell, self.false, self.fails)


def grid(sims: int) -> list[StoppedCell]:
    """All cells."""
    return [
        StoppedCell(what, kind, rows, max(2, sims // 2))
        for what in ("numbers", "decisions")
        for kind in KINDS
        for rows in (1_000, 10_000)
    ]

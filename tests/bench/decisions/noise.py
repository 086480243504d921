"""A: lines beside the champion's own noise, where the candidate changes exactly as much beyond it as each allows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import optimize, special

from lockgate.data.arrow_arrays import from_numpy
from lockgate.evaluation.scoring.scored_table import ROW, Scored

from .asking import ask_beside_noise, drawing
from .bars import Bar
from .cited import Measured, of_lines
from .sliced_runs import bars, on_each_run, passed_and_failed, rates, scored_runs

Kind = Literal["plain", "weights", "clusters"]
KINDS: tuple[Kind, ...] = ("plain", "weights", "clusters")
# A tenth of requests is decided by lot; of the others 30 % are positive, a twentieth of which is lost, a hundredth of the rest gained.
LOT, POSITIVE, LOST, GAINED = 0.1, 0.3, 0.05, 0.01
SHIFT, NOISE, TOLERANCE = 1.0, 1.0, 3.0
_ROWS_A_CLUSTER = 5


def _inside(size: float, shift: float) -> float:
    """The share of |shift + √2 noise| up to a size."""
    scale = math.sqrt(2) * NOISE
    return float(special.ndtr((size - shift) / scale) - special.ndtr((-size - shift) / scale))


def _p99(shift: float) -> float:
    return float(optimize.brentq(lambda size: _inside(size, shift) - 0.99, 0, 20))


def _limits() -> tuple[float, float, float]:
    """What of flips, losses and gains is beyond noise: requests decided by lot flip as often with either model."""
    lost, gained = (1 - LOT) * POSITIVE * LOST, (1 - LOT) * (1 - POSITIVE) * GAINED
    positives = (1 - LOT) * POSITIVE + LOT / 2
    return lost + gained, lost / positives, gained / (1 - positives)


_FLIPS, _LOST, _GAINED = _limits()
DECISIONS = (f"flip_rate <= {_FLIPS!r}", f"lost_rate <= {_LOST!r}", f"gained_rate <= {_GAINED!r}")
_WITHIN = 1 + _inside(TOLERANCE, SHIFT) - _inside(TOLERANCE, 0.0)
NUMBERS = (f"within(tolerance={TOLERANCE!r}) >= {_WITHIN!r}", f"p99_abs_difference <= {_p99(SHIFT) - _p99(0.0)!r}")

HEADER = """A   Lines of the shadow gate with a_a, with the candidate at every limit beyond the champion's noise. weights are log-normal (sigma 1),
    five requests of a user are alike. decisions: P(pass), P(p_fail <= 0.05) of flip_rate, lost_rate, gained_rate, a tenth of requests being
    decided by lot; numbers: of within, p99_abs_difference. same: P(pass) of the same noisy model twice.
 what      kind        rows  sims  pass                  fail                  same"""


@dataclass(frozen=True)
class NoiseCell:
    """`sims` runs at the limits, all in one table, in which each is a slice."""

    what: Literal["numbers", "decisions"]
    kind: Kind
    rows: int
    sims: int

    @property
    def name(self) -> str:
        return f"beside noise, {self.what}, {self.kind}, {self.rows:,} requests"

    def answers(self, draw: np.random.Generator, count: int, *, same: bool) -> list[np.ndarray]:
        """Of the candidate, and three of the champion."""
        if self.what == "numbers":
            logit = draw.normal(0, 10, count)
            return [
                logit + (SHIFT if turn == 0 and not same else 0) + draw.normal(0, NOISE, count) for turn in range(4)
            ]
        lot, positive, changed = draw.random(count) < LOT, draw.random(count) < POSITIVE, draw.random(count)
        moved = positive ^ (np.where(positive, changed < LOST, changed < GAINED) & (not same))
        steady = [moved, positive, positive, positive]
        return [np.where(lot, draw.random(count) < 0.5, each) * 0.8 + 0.1 for each in steady]

    def run(self) -> NoiseRow:
        at_limit, same = (self._rates(same=same) for same in (False, True))
        return NoiseRow(self, *at_limit, same[0])

    def _rates(self, *, same: bool) -> np.ndarray:
        draw = drawing("noise", self.what, self.kind, self.rows, same)
        return rates(self.sims, lambda runs: self._counted(draw, runs, same=same))

    def _counted(self, draw: np.random.Generator, runs: int, *, same: bool) -> np.ndarray:
        columns, of_kind = dict[str, Any](), dict[str, str]()
        numbers = np.arange(self.rows * runs)
        times = _ROWS_A_CLUSTER if self.kind == "clusters" else 1
        answers = [np.repeat(each, times) for each in self.answers(draw, numbers.size // times, same=same)]
        if self.kind == "clusters":
            columns["unit"], of_kind = numbers // _ROWS_A_CLUSTER, {"cluster": "unit"}
        if self.kind == "weights":
            columns["weight"], of_kind = draw.lognormal(0, 1, numbers.size), {"weight": "weight"}
        columns |= {"candidate": answers[0], "champion": answers[1]}
        task: Any = "regression" if self.what == "numbers" else "binary"
        rows = scored_runs(columns, numbers // self.rows, task=task, of_kind=of_kind)
        further = {"champion": answers[2], "candidate": answers[3], f"candidate:{ROW}": numbers.astype(float)}
        arrays = {name: from_numpy(column) for name, column in further.items()}
        twice = Scored(arrays.get, rows=numbers.size, sha256=lambda: "", slices=())
        lines = NUMBERS if self.what == "numbers" else DECISIONS
        return passed_and_failed(ask_beside_noise(rows, twice, on_each_run(lines), task=task), lines)


@dataclass(frozen=True)
class NoiseRow:
    cell: NoiseCell
    false: np.ndarray
    fails: np.ndarray
    same: np.ndarray

    def __str__(self) -> str:
        cell = self.cell
        rates = ("  ".join(f"{rate:5.3f}" for rate in each) for each in (self.false, self.fails, self.same))
        columns = f"{next(rates):<22}{next(rates):<22}{next(rates)}"
        return f" {cell.what:<10}{cell.kind:<9}{cell.rows:>7,}{cell.sims:>6}  {columns}"

    @property
    def measured(self) -> Measured:
        return of_lines(())

    @property
    def bars(self) -> tuple[Bar, ...]:
        return bars("A", self.cell, self.false, self.fails, more_fails=0.02)


def grid(sims: int) -> list[NoiseCell]:
    """All cells."""
    return [
        NoiseCell(what, kind, rows, max(2, sims // 2))
        for what in ("numbers", "decisions")
        for kind in KINDS
        for rows in (500, 2_000)
    ]

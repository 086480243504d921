"""Q: lines of the shadow gate that are looked at after each request, with the candidate exactly at their limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.shadow.early import Traffic
from lockgate.evidence.finding import Verdict

from .asking import ask_early, drawing
from .bars import ALPHA, Bar, standard_error
from .cited import Measured, of_lines

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
        draw, of_kind = drawing("stopped", self.what, self.kind, self.rows), dict[str, str]()
        numbers = np.arange(self.rows * self.sims)
        runs, units, largest = numbers // self.rows, numbers, 1.0
        if self.kind == "users":
            sizes = draw.integers(1, 10, numbers.size)
            units = np.repeat(np.arange(sizes.size), sizes)[: numbers.size]
            # A user belongs to one run: whoever is cut by its end is two.
            units, largest = units * self.sims + runs, 9.0
        first, codes = np.unique(units, return_inverse=True)
        candidate, champion = (each[codes] for each in self.answers(draw, first.size))
        table: dict[str, Any] = {"run": np.char.mod("%05d", runs), "candidate": candidate, "champion": champion}
        if self.kind == "users":
            table["unit"], of_kind = codes, {"cluster": "unit"}
        if self.kind == "weights":
            table["weight"], of_kind = draw.lognormal(0, 0.5, numbers.size), {"weight": "weight"}
            largest = float(table["weight"].max())
        spec = {"path": "t", "slices": ["run"], "scores": {"candidate": "candidate", "champion": "champion"}, **of_kind}
        task: Any = "regression" if self.what == "numbers" else "binary"
        rows = Scored.from_table(pa.table(table), DatasetSpec.model_validate(spec), task=task, positive=1)
        rows.traffic = Traffic(self.rows, self.rows, largest, {}).to_json()
        lines = NUMBERS if self.what == "numbers" else DECISIONS
        passes, fails = np.zeros(len(lines)), np.zeros(len(lines))
        for finding in ask_early(rows, [f"{line} on each run" for line in lines], task=task):
            index, p_fail = int(finding.requirement[1:]) - 1, finding.detail.get("p_fail")
            passes[index] += finding.verdict is Verdict.PASS
            fails[index] += p_fail is not None and "too_few" not in finding.detail and float(p_fail) <= ALPHA
        return StoppedRow(self, passes / self.sims, fails / self.sims)

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
        limit = ALPHA + 2 * standard_error(ALPHA, self.cell.sims)
        return tuple(
            Bar(f"Q {what} at the limit", float(rates.max()), "<=", limit, self.cell.name)
            for what, rates in (("false pass", self.false), ("false fail", self.fails))
        )


def grid(sims: int) -> list[StoppedCell]:
    """All cells."""
    return [
        StoppedCell(what, kind, rows, max(2, sims // 2))
        for what in ("numbers", "decisions")
        for kind in KINDS
        for rows in (1_000, 10_000)
    ]

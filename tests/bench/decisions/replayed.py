"""S: lines of the shadow gate on both models' answers, where the candidate lies exactly at their limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from scipy import optimize, special

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.finding import Verdict

from .asking import ask_replayed, drawing
from .bars import ALPHA, Bar, standard_error
from .cited import Measured, of_lines

Kind = Literal["plain", "weights", "clusters"]
KINDS: tuple[Kind, ...] = ("plain", "weights", "clusters")
SHIFT, NOISE, SPREAD = 0.5, 1.0, 10.0
LOST = 0.1
_POSITIVE = 0.05
_ROWS_A_CLUSTER = 5
_RUNS = 500  # in one table: no more than 1,000 values of a slice are judged


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
        counts = [min(_RUNS, self.sims - before) for before in range(0, self.sims, _RUNS)]
        found = np.sum([self._verdicts(draw, count) for count in counts], axis=0)
        return ReplayedRow(self, *(found / self.sims))

    def _verdicts(self, draw: np.random.Generator, runs: int) -> np.ndarray:
        """(2, lines): how many of so many runs pass, and in how many p_fail is small."""
        of_kind = dict[str, str]()
        number = np.arange(self.rows * runs)
        count = number.size // (_ROWS_A_CLUSTER if self.kind == "clusters" else 1)
        candidate, champion = self.answers(draw, count)
        table: dict[str, Any] = {"run": np.char.mod("%05d", number // self.rows)}
        if self.kind == "clusters":
            candidate, champion = (np.repeat(each, _ROWS_A_CLUSTER) for each in (candidate, champion))
            table["unit"], of_kind = number // _ROWS_A_CLUSTER, {"cluster": "unit"}
        if self.kind == "weights":
            table["weight"], of_kind = draw.lognormal(0, 1, number.size), {"weight": "weight"}
        table |= {"candidate": candidate, "champion": champion}
        spec = {"path": "t", "slices": ["run"], "scores": {"candidate": "candidate", "champion": "champion"}, **of_kind}
        task: Any = "regression" if self.what == "numbers" else "binary"
        rows = Scored.from_table(pa.table(table), DatasetSpec.model_validate(spec), task=task, positive=1)
        lines = NUMBERS if self.what == "numbers" else DECISIONS
        passes, fails = np.zeros(len(lines)), np.zeros(len(lines))
        for finding in ask_replayed(rows, [f"{line} on each run" for line in lines], task=task):
            index, p_fail = int(finding.requirement[1:]) - 1, finding.detail.get("p_fail")
            passes[index] += finding.verdict is Verdict.PASS
            fails[index] += p_fail is not None and "too_few" not in finding.detail and float(p_fail) <= ALPHA
        return np.array([passes, fails])


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
        limit = ALPHA + 2 * standard_error(ALPHA, self.cell.sims)
        # A false fail is of one line alone, before Holm's method.
        return tuple(
            Bar(f"S {what} at the limit", float(rates.max()), "<=", most, self.cell.name)
            for what, rates, most in (("false pass", self.false, limit), ("false fail", self.fails, limit + 0.02))
        )


def grid(sims: int) -> list[ReplayedCell]:
    """All cells."""
    return [
        ReplayedCell(what, kind, rows, max(2, sims // 2))
        for what in ("numbers", "decisions")
        for kind in KINDS
        for rows in (300, 1_000, 5_000)
    ]

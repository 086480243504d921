"""F: rates of rows that a candidate breaks and fixes, where rows weigh unlike or belong together; of plain rows they are exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lockgate.evidence.finding import Verdict

from .asking import ask_scored, drawing, scored
from .bars import ALPHA, Bar, standard_error
from .cited import Measured, of_lines

Kind = Literal["weights", "clusters", "weighted clusters"]
SIZES = (500, 2_000, 10_000)
LIMITS = (0.01, 0.05)
_ROWS_A_CLUSTER = 5

HEADER = """F   broken_rate <= limit and fixed_rate >= limit. weights are log-normal (sigma 1), clusters have five rows, half of which are alike.
    false: P(pass) where as much is broken, and as little fixed, as the limit says. fails: P(fail) there. power: P(pass) of broken_rate
    where half of the limit is broken, and of fixed_rate where twice the limit is fixed
                                             false         fails         power
 kind                limit     rows  sims  broken fixed  broken fixed  broken fixed"""


@dataclass(frozen=True)
class BreakCell:
    """`sims` runs at the limit, and as many of a better candidate."""

    kind: Kind
    limit: float
    rows: int
    sims: int

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.rows:,} rows, limit {self.limit:g}"

    def table(self, draw: np.random.Generator, *, broken: float, fixed: float) -> dict[str, Any]:
        """label, candidate and champion; weight and unit where the kind has them."""
        chance = draw.random(self.rows)
        more: dict[str, Any] = {}
        if "clusters" in self.kind:
            unit = np.arange(self.rows) // _ROWS_A_CLUSTER
            chance = np.where(draw.random(self.rows) < 0.5, draw.random(unit[-1] + 1)[unit], chance)
            more["unit"] = unit
        if "weight" in self.kind:
            more["weight"] = draw.lognormal(0, 1, self.rows)
        label = draw.random(self.rows) < 0.3
        candidate_wrong, champion_wrong = chance < broken, (chance >= broken) & (chance < broken + fixed)
        scores = {
            role: np.where(label ^ wrong, 0.9, 0.1)
            for role, wrong in (("candidate", candidate_wrong), ("champion", champion_wrong))
        }
        return {"label": label.astype(np.int64), **scores, **more}

    def verdicts(self, draw: np.random.Generator, *, broken: float, fixed: float) -> list[Verdict]:
        table = self.table(draw, broken=broken, fixed=fixed)
        columns = {key: name for key, name in (("weight", "weight"), ("cluster", "unit")) if name in table}
        lines = (f"broken_rate <= {self.limit!r}", f"fixed_rate >= {self.limit!r}")
        return [finding.verdict for finding in ask_scored(scored(table, task="binary", **columns), lines)]

    def run(self) -> BreakRow:
        def rate(verdict: Verdict, *, broken: float, fixed: float) -> np.ndarray:
            draw = drawing("breaks", self.kind, self.limit, self.rows, broken)
            runs = [self.verdicts(draw, broken=broken, fixed=fixed) for _ in range(self.sims)]
            return (np.array(runs, object) == verdict).mean(axis=0)

        at, better = ({"broken": self.limit * less, "fixed": self.limit / less} for less in (1.0, 0.5))
        return BreakRow(self, rate(Verdict.PASS, **at), rate(Verdict.FAIL, **at), rate(Verdict.PASS, **better))


@dataclass(frozen=True)
class BreakRow:
    cell: BreakCell
    false: np.ndarray
    fails: np.ndarray
    power: np.ndarray

    def __str__(self) -> str:
        cell = self.cell
        pairs = "  ".join(f"{pair[0]:6.3f} {pair[1]:5.3f}" for pair in (self.false, self.fails, self.power))
        return f" {cell.kind:<19}{cell.limit:<6g}{cell.rows:>8,}{cell.sims:>6}  {pairs}"

    @property
    def measured(self) -> Measured:
        method = "influence" if "clusters" in self.cell.kind else "clopper-pearson"
        return of_lines((method, rate) for rate in self.false.tolist())

    @property
    def bars(self) -> tuple[Bar, ...]:
        limit = ALPHA + 2 * standard_error(ALPHA, self.cell.sims)
        return tuple(
            Bar(f"F {what} at the limit", float(rates.max()), "<=", limit, self.cell.name)
            for what, rates in (("false pass", self.false), ("false fail", self.fails))
        )


def grid(sims: int) -> list[BreakCell]:
    """All cells."""
    kinds: tuple[Kind, ...] = ("weights", "clusters", "weighted clusters")
    return [BreakCell(kind, limit, rows, max(2, sims // 2)) for kind in kinds for limit in LIMITS for rows in SIZES]

"""B: the rates of gate behaviour, of rows that weigh alike and unlike, and of clusters that change together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.behaviour.rates import CHANGED, SUBJECTS, Outcomes, rate
from lockgate.evaluation.estimation.estimate import estimate
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.finding import Verdict

from .asking import drawing
from .bars import ALPHA, Bar, standard_error
from .weights import LAWS

LINES = ("changed_rate(swap=sex) <= 10%", "changed_rate(swap=sex) <= champion + 0.05")
# Shares of rows: only the candidate's answer changes, only the champion's, both; of each line in turn.
AT_LIMIT = (0.1, 0.0, 0.0), (0.075, 0.025, 0.025)
WITHIN = (0.03, 0.0, 0.0), (0.025, 0.025, 0.025)
ALIKE = {"alike": 2_000, "alike, few": 300}
EVEN = {"1,000 clusters of 4, half alike": (1_000, 4, 0.5), "300 clusters of 4, all alike": (300, 4, 1.0)}
LEFT_OUT = 0.1

HEADER = """B   altered rows of which a tenth is left out. false: P(pass) where changes lie exactly at the limit: 10 % of rows; the candidate's
    10 % beside the champion's 5 %, which may be 5 % more. power: P(pass) with 3 %, and with 5 % of each.
 law                                      sims  false, beside   power, beside"""


@dataclass(frozen=True)
class AlteredCell:
    """`sims` runs at both limits, and as many within them."""

    law: str
    sims: int

    def run(self) -> AlteredRow:
        rates = [
            [
                np.mean([self.passes(draw, line, cells) for _ in range(self.sims)])
                for line, cells in zip(LINES, kinds, strict=True)
            ]
            for kinds in (AT_LIMIT, WITHIN)
            for draw in (drawing("altered", self.law, kinds),)
        ]
        return AlteredRow(self, *map(np.array, rates))

    def passes(self, draw: np.random.Generator, line: str, cells: tuple[float, float, float]) -> bool:
        """Whether the line passes on rows drawn anew."""
        table, kinds, named = self.rows(draw, cells)
        zeros = np.zeros(kinds.size)
        spec = DatasetSpec.model_validate({"path": "table", **named})
        scored = Scored.from_table(
            pa.table({"candidate": zeros, "champion": zeros, **table}), spec, task="binary", positive=1
        )
        altered = draw.random(kinds.size) >= LEFT_OUT
        none = np.zeros(kinds.size, bool)
        outcomes = {
            role: Outcomes(np.isin(kinds, changed), altered, none)
            for role, changed in (("candidate", (0, 2)), ("champion", (1, 2)))
        }
        requirement = parse(line)
        metrics = {requirement.subject_text: rate(CHANGED, outcomes)}
        estimates = estimate(scored, [("r1", requirement)], metrics, threshold={}, threads=1)
        (finding,) = judge("behaviour", [("r1", requirement)], estimates, SUBJECTS)
        return finding.verdict is Verdict.PASS

    def rows(
        self, draw: np.random.Generator, cells: tuple[float, float, float]
    ) -> tuple[dict[str, Any], np.ndarray, dict[str, str]]:
        """(columns besides the scores, the kind of each row by its place in `cells`, what the columns are)."""
        if self.law in EVEN:
            count, size, share = EVEN[self.law]
            unit = np.repeat(np.arange(count), size)
            alike = draw.random(unit.size) < share
            return (
                {"unit": unit},
                np.where(alike, _kinds(draw, count, cells)[unit], _kinds(draw, unit.size, cells)),
                {"cluster": "unit"},
            )
        if self.law in LAWS:
            rows, weights = LAWS[self.law]
            return {"weight": weights(draw)}, _kinds(draw, rows, cells), {"weight": "weight"}
        return {}, _kinds(draw, ALIKE[self.law], cells), {}


def _kinds(draw: np.random.Generator, count: int, cells: tuple[float, float, float]) -> np.ndarray:
    """(count,) 0 where only the candidate's answer changes, 1 the champion's, 2 both, 3 none."""
    return np.searchsorted(np.cumsum(cells), draw.random(count), side="right")


@dataclass(frozen=True)
class AlteredRow:
    cell: AlteredCell
    false: np.ndarray
    power: np.ndarray

    def __str__(self) -> str:
        rates = [f"{rate:5.3f}" for rate in (*self.false, *self.power)]
        return f" {self.cell.law:<39}{self.cell.sims:>6}  {rates[0]}   {rates[1]}   {rates[2]}   {rates[3]}"

    @property
    def bars(self) -> tuple[Bar, ...]:
        limit = ALPHA + 2 * standard_error(ALPHA, self.cell.sims)
        return (Bar("B false pass of altered rows at the limit", float(self.false.max()), "<=", limit, self.cell.law),)


def grid(sims: int) -> list[AlteredCell]:
    """All cells."""
    laws = (*ALIKE, "uniform 1 to 3", "lognormal 1", "5 % weigh 100, more", *EVEN)
    return [AlteredCell(law, sims) for law in laws]

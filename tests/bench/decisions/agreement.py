"""Do the counts path and the table path of the gate say the same? On sampled runs, to the last digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lockgate.evidence.finding import Verdict
from lockgate.testing import run_gate

from . import rules
from .asking import drawing
from .bars import Bar
from .rules import Counts
from .shares import PAIRS, SCENARIOS, ShareCell

HEADER = """    both paths: sampled runs of G1 once more as tables through run_gate (scored, estimate, judge)
 disc margin slices   rows  runs  verdicts apart  p-values apart by at most"""


def as_table(counts: Counts, run: int, *, draw: np.random.Generator) -> dict[str, Any]:
    """A table whose rows give the counts of one run."""
    part, label = [], draw.random(counts.rows * counts.both.shape[1]) < 0.5
    for place in range(counts.both.shape[1]):
        cells = [int(column[run, place]) for column in (counts.both, counts.only_candidate, counts.only_champion)]
        part.append(draw.permutation(np.repeat(np.arange(4), [*cells, counts.rows - sum(cells)])))
    kind = np.concatenate(part)
    return {
        "label": label.astype(int),
        "candidate": np.where(label == (kind <= 1), 0.9, 0.1),
        "champion": np.where(label == ((kind == 0) | (kind == 2)), 0.9, 0.1),
        "part": np.repeat([f"s{place:03d}" for place in range(counts.both.shape[1])], counts.rows),
    }


@dataclass(frozen=True)
class AgreementCell:
    cell: ShareCell

    def run(self) -> AgreementRow:
        apart, differ, runs = 0, 0.0, 0
        for scenario in SCENARIOS:
            counts = self.cell.draw(scenario, sims=self.cell.sims)
            said = rules.gate(counts, margin=self.cell.margin)
            for run in range(self.cell.sims):
                table = as_table(counts, run, draw=drawing("rows", self.cell.name, scenario, run))
                line = f"accuracy >= champion - {self.cell.margin} on each slice"
                result = run_gate("metrics", table=table, require=[line], slices=["part"])
                expected = (
                    Verdict.FAIL if said.failed[run] else Verdict.PASS if said.passed[run] else Verdict.INCONCLUSIVE
                )
                apart += result.verdict is not expected or len(result.findings) != self.cell.slices
                runs += 1
                for place, finding in enumerate(result.findings):
                    b, c = int(counts.only_candidate[run, place]), int(counts.only_champion[run, place])
                    known = rules.p_values(b, c, counts.rows, margin=self.cell.margin)
                    given = [float(finding.detail[key]) for key in ("p_pass", "p_fail")]
                    differ = max(differ, *(abs(one - other) for one, other in zip(known, given, strict=True)))
        return AgreementRow(self.cell, runs, apart, differ)


@dataclass(frozen=True)
class AgreementRow:
    cell: ShareCell
    runs: int
    apart: int
    differ: float

    def __str__(self) -> str:
        cell = self.cell
        return f" {cell.disc:<5g}{cell.margin:<7g}{cell.slices:>5}{cell.rows:>8,}{self.runs:>6}  {self.apart:>14}  {self.differ:.1e}"

    @property
    def bars(self) -> tuple[Bar, ...]:
        return (
            Bar("both paths: verdicts apart", float(self.apart), "<=", 0.0, self.cell.name),
            Bar("both paths: p-values apart", self.differ, "<=", 1e-9, self.cell.name),
        )


def grid() -> list[AgreementCell]:
    """A run of each scenario at every pair, for one slice, twenty and five hundred."""
    return [
        AgreementCell(ShareCell(disc, margin, slices, rows, runs))
        for disc, margin in PAIRS
        for slices, rows, runs in ((1, 200, 5), (1, 5_000, 2), (20, 500, 2), (20, 2_000, 1), (500, 200, 1))
    ]

"""No-harm checks: is a loss that a check says it would have seen, seen? On one small slice, alone or among many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.estimation.estimate import estimate
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.metrics.catalog import METRICS, SUBJECTS
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.finding import Finding, Verdict

from ..asking import drawing
from ..bars import Bar, standard_error
from .law import BEFORE, Law, remembered, scored_runs, shown

UNSEEN = 0.10
"""A check states the loss that it sees with a power of 90 %."""
TIMES = (0.7, 1.0, 1.1, 1.5)
"""The losses that are tried, beside the one that is stated of equal models."""
DISAGREE = 0.05
WATCHED = SmallSlices(min_rows=1_000, below="watch")
# metric → how much it changes with one wrong row of all, where scores are 0.9 and 0.1
LINES = {"accuracy": ("accuracy >= champion - 0.02", 1.0), "brier": ("brier <= champion + 0.02", 0.8)}

HEADER = """N   no-harm checks of small slices, one of which is truly worse. unseen: at the worst of some losses, the share of runs in which it
    is not failed although it is no smaller than what the check says would have been seen. stated: that, median of equal models.
                                                                                  unseen        stated
 metric     slices    rows  sims                                                before   now  before   now"""


@dataclass(frozen=True)
class NoHarmCell:
    """So many watched slices of so many rows; the first of them loses."""

    metric: str
    slices: int
    rows: int
    sims: int

    @property
    def name(self) -> str:
        return f"no-harm {self.metric}, {self.slices} slices of {self.rows}"

    def first_slices(self, loss: float) -> list[Finding]:
        """The finding of the losing slice, of each run."""
        draw, shape = drawing(self.name, loss), (self.sims * self.slices, self.rows)
        worse = np.zeros((shape[0], 1))
        worse[:: self.slices] = loss
        differ = np.maximum(DISAGREE, worse)
        luck = draw.random(shape)
        only_champion, only_candidate = luck < (differ + worse) / 2, luck > 1 - (differ - worse) / 2
        both = draw.random(shape) < 0.9
        scores = {
            role: np.where((both & ~lost) | won, 0.9, 0.1)
            for role, lost, won in (
                ("candidate", only_champion, only_candidate),
                ("champion", only_candidate, only_champion),
            )
        }
        line = f"{LINES[self.metric][0]} on each slice"
        table = {"label": np.ones(shape, int), **scores}
        rows = scored_runs(Law(self.name, self.rows, (line,), None, lambda *_: {}), table, shape[0])
        asked = [("r1", parse(line))]
        estimates = estimate(rows, asked, METRICS, threshold={"candidate": 0.5, "champion": 0.5})
        return [
            judge("metrics", asked, estimates[start : start + self.slices], SUBJECTS, small=WATCHED)[0]
            for start in range(0, shape[0], self.slices)
        ]

    def run(self) -> NoHarmRow:
        unseen, size = 0.0, LINES[self.metric][1]
        stated = float(np.median([_stated(one) for one in self.first_slices(0.0)]))
        for times in TIMES:
            loss = min(stated / size * times, 0.95)
            of_loss = self.first_slices(loss)
            silent = [
                one for one in of_loss if one.verdict is not Verdict.FAIL and _stated(one) <= loss * size * (1 + 1e-9)
            ]
            unseen = max(unseen, len(silent) / len(of_loss))
        return NoHarmRow(self, unseen, stated)


def _stated(finding: Finding) -> float:
    """The smallest loss that the check says it would have seen; none where it says nothing."""
    loss = finding.detail.get("smallest_loss_seen")
    return np.inf if loss is None else float(loss)


@dataclass(frozen=True)
class NoHarmRow:
    cell: NoHarmCell
    unseen: float
    stated: float

    @property
    def rates(self) -> dict[str, list[float | None]]:
        return {self.cell.name: [round(self.unseen, 4), round(self.stated, 4)]}

    def __str__(self) -> str:
        cell = self.cell
        head = f" {cell.metric:<11}{cell.slices:>6}{cell.rows:>8,}{cell.sims:>6}"
        return f"{head:<80}{shown(remembered(BEFORE).get(cell.name), self.unseen, self.stated)}"

    @property
    def bars(self) -> tuple[Bar, ...]:
        limit = UNSEEN + 2 * standard_error(UNSEEN, self.cell.sims)
        return (Bar("N a loss that would have been seen, unseen", self.unseen, "<=", limit, self.cell.name),)


def grid(sims: int) -> list[NoHarmCell]:
    """The more slices, the fewer runs."""
    return [
        NoHarmCell(metric, slices, rows, max(2, sims // {1: 3, 20: 10, 100: 25}[slices]))
        for metric in LINES
        for slices, rows in ((1, 60), (1, 200), (20, 60), (20, 200), (100, 60))
    ]

"""P: does a plan keep its word? Equal models should pass as often as `gate plan` foretells, 9 times in 10 where it says *has power*.

At the smallest tolerance that it names, where *underpowered* turns into *has power*, and at parts of it. The plan sees counts alone (of log loss, Brier score and agreement the champion's own estimate too); then models are drawn that are as
unlike as it assumes, and the gate is asked about each draw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from lockgate.evaluation.estimation.estimate import Estimate, estimate
from lockgate.evaluation.metrics.catalog import METRICS, SUBJECTS, declared
from lockgate.evaluation.planning.expected_error import CORRELATION, DISAGREEMENT
from lockgate.evaluation.planning.outlook import Outlook, as_absolute, outlooks
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.finding import Verdict

from . import honest
from .asking import ask, drawing, scored
from .bars import Bar, standard_error
from .scores import binormal, shift_of_area

SHORT, OVER = 0.04, 0.08  # by how much fewer, or more, may pass than was foretold
AGREED = ("balanced_accuracy", "mcc")
DECIDED = ("accuracy", "recall", "precision", "false_positive_rate", *AGREED)
WITH_CHAMPION = ("log_loss", "brier", *AGREED)  # of which counts do not say how far models may be apart
HEADER = """P   what gate plan foretells of a line, and how often equal models pass: at the smallest tolerance that it names, and at a part of it
 metric               rows positives  sims  part  tolerance foretold  passed undecided"""


@dataclass(frozen=True)
class ForetoldCell:
    """`sims` draws of equal models, on a line whose tolerance is that which the plan chose, or a part of it."""

    metric: str
    rows: int
    positives: int
    sims: int
    part: float = 1.0

    @property
    def name(self) -> str:
        part = "" if self.part == 1 else f", {self.part:g} of the tolerance"
        return f"{self.metric}, {self.positives:,} positives of {self.rows:,} rows{part}"

    def line(self, tolerance: float) -> str:
        up = SUBJECTS[self.metric].better == "higher"
        return f"{self.metric} {'>=' if up else '<='} champion {'-' if up else '+'} {tolerance:.6f}"

    def table(self, draw: np.random.Generator) -> dict[str, Any]:
        """Equal models as unlike as the plan takes them to be, by decisions or by scores."""
        if self.metric in DECIDED:
            return self._decisions(draw)
        shift = (
            honest.shift_of_precision(0.80, self.positives / self.rows) if self.metric == "average_precision" else None
        )
        shift = shift_of_area(declared("auc").plan.champion or 0.5) if shift is None else shift
        one, other, label = binormal(
            draw, rows=self.rows, positives=self.positives, correlation=CORRELATION, shifts=(shift, shift)
        )
        if self.metric in ("log_loss", "brier"):  # the probabilities that belong to such scores
            odds = np.log(self.positives / (self.rows - self.positives))
            one, other = (special.expit(shift * score - shift**2 / 2 + odds) for score in (one, other))
        return {"label": label, "candidate": one, "champion": other}

    def _decisions(self, draw: np.random.Generator) -> dict[str, Any]:
        label = np.arange(self.rows) < self.positives
        right = draw.random(self.rows) < 0.8
        differ = draw.random(self.rows) < DISAGREEMENT
        swap = draw.random(self.rows) < 0.5
        candidate, champion = np.where(differ, swap, right), np.where(differ, ~swap, right)
        return {
            "label": label.astype(int),
            "candidate": np.where(candidate == label, 0.9, 0.1),
            "champion": np.where(champion == label, 0.9, 0.1),
        }

    def plan(self, table: Mapping[str, Any], tolerance: float) -> Outlook:
        """As `gate plan` has it from the rows; with the champion's scores where counts do not say."""
        line = parse(self.line(tolerance))
        blank = Estimate("r1", (), self.rows, self.positives, (">=", 0.0), "value", "point")
        own = {}
        if self.metric in WITH_CHAMPION:
            alone = scored({"label": table["label"], "candidate": table["champion"]}, task="binary")
            [known] = estimate(alone, [("r1", as_absolute(line))], METRICS, threshold={"candidate": 0.5})
            own = {(): known}
        return outlooks("r1", line, SUBJECTS[self.metric], [blank], own=own)[0]

    def run(self) -> ForetoldRow:
        draw = drawing("foretold", self.name)
        verdicts, plans = [], []
        for _ in range(self.sims):
            table = self.table(draw)
            smallest = self.plan(table, 0.5).smallest
            assert smallest is not None
            tolerance = round(self.part * smallest, 6)  # as the line has it
            plans.append(self.plan(table, tolerance))
            verdicts.append(ask(table, [self.line(tolerance)], task="binary")[0].verdict)
        return ForetoldRow(
            self,
            float(np.median([plan.tolerance or 0.0 for plan in plans])),
            float(np.mean([plan.chance or 0.0 for plan in plans])),
            verdicts.count(Verdict.PASS) / self.sims,
            verdicts.count(Verdict.INCONCLUSIVE) / self.sims,
        )


@dataclass(frozen=True)
class ForetoldRow:
    cell: ForetoldCell
    tolerance: float
    foretold: float
    passed: float
    undecided: float

    def __str__(self) -> str:
        cell = self.cell
        return (
            f" {cell.metric:<20}{cell.rows:>6,}{cell.positives:>9,}{cell.sims:>6}  {cell.part:4.2f}     {self.tolerance:6.4f}"
            f"    {self.foretold:5.3f}   {self.passed:5.3f}     {self.undecided:5.3f}"
        )

    @property
    def bars(self) -> tuple[Bar, ...]:
        luck, apart = 2 * standard_error(self.foretold, self.cell.sims), self.foretold - self.passed
        return (
            Bar("P fewer pass than was foretold", apart, "<=", SHORT + luck, self.cell.name),
            Bar("P more pass than was foretold", -apart, "<=", OVER + luck, self.cell.name),
        )


def grid(sims: int) -> Iterator[ForetoldCell]:
    """Small samples, where a plan is easily wrong, and some larger ones."""
    runs = max(2, sims // 8)
    for rows, positives in ((300, 60), (1_000, 200), (3_000, 600)):
        yield ForetoldCell("accuracy", rows, positives, runs)
    for metric in ("recall", "precision", "false_positive_rate"):
        yield ForetoldCell(metric, 1_000, 400, runs)
    for rows, positives in ((200, 60), (600, 60), (1_000, 50), (3_000, 600)):
        yield ForetoldCell("auc", rows, positives, runs)
        yield ForetoldCell("average_precision", rows, positives, runs)
    for metric in ("log_loss", "brier"):
        yield ForetoldCell(metric, 500, 100, runs)
        yield ForetoldCell(metric, 3_000, 600, runs)
    for metric in AGREED:
        for rows, positives in ((1_000, 400), (3_000, 300)):
            yield ForetoldCell(metric, rows, positives, runs)
    for part in (0.5, 0.7, 0.85):  # where it says *underpowered*
        for metric, rows, positives in (
            ("accuracy", 1_000, 200),
            ("recall", 1_000, 400),
            ("auc", 1_000, 50),
            ("auc", 3_000, 600),
        ):
            yield ForetoldCell(metric, rows, positives, runs, part)

"""G4: the calibration error of one model, scores from a beta law and labels that are off by a constant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lockgate.evidence.finding import Finding, Verdict

from .asking import ask, drawing
from .bars import Bar, standard_error

LIMITS = (0.02, 0.05, 0.1)
ROWS = (200, 500, 1_000, 2_000, 5_000, 10_000)

HEADER = """G4  calibration_error <= limit, scores beta(2, 5), labels true with probability score + shift
    false: P(pass) where the shift is the limit. failed: P(fail) there. power, undecided: of a perfectly calibrated model. plug-in: the
    same rates where the error that is shown, root of the mean squared gap in bins, is held against the limit itself.
                                                  | plug-in
 limit    rows  sims  false failed power undecided | false power"""


@dataclass(frozen=True)
class CalibrationCell:
    """`sims` runs of a model that is off by the limit, and of one that is off by nothing."""

    limit: float
    rows: int
    sims: int

    @property
    def name(self) -> str:
        return f"limit {self.limit}, {self.rows:,} rows"

    def finding(self, draw: np.random.Generator, *, shift: float) -> Finding:
        scores = draw.beta(2, 5, self.rows)
        label = (draw.random(self.rows) < scores + shift).astype(np.int64)
        return ask({"label": label, "candidate": scores}, [f"calibration_error <= {self.limit}"], task="binary")[0]

    def run(self) -> CalibrationRow:
        off, perfect = (
            [self.finding(draw, shift=shift) for _ in range(self.sims)]
            for shift, draw in ((shift, drawing("calibration", self.name, shift)) for shift in (self.limit, 0.0))
        )

        def plugged(one: Finding) -> bool:
            return one.observed is not None and one.observed <= self.limit

        return CalibrationRow(
            self,
            false=_share(off, lambda one: one.verdict is Verdict.PASS),
            failed=_share(off, lambda one: one.verdict is Verdict.FAIL),
            power=_share(perfect, lambda one: one.verdict is Verdict.PASS),
            undecided=_share(perfect, lambda one: one.verdict is Verdict.INCONCLUSIVE),
            plugged_false=_share(off, plugged),
            plugged_power=_share(perfect, plugged),
        )


def _share(found: Sequence[Finding], says: Callable[[Finding], bool]) -> float:
    return sum(map(says, found)) / len(found)


@dataclass(frozen=True)
class CalibrationRow:
    cell: CalibrationCell
    false: float
    failed: float
    power: float
    undecided: float
    plugged_false: float
    plugged_power: float

    def __str__(self) -> str:
        cell = self.cell
        return (
            f" {cell.limit:<5g}{cell.rows:>8,}{cell.sims:>6}  {self.false:5.3f} {self.failed:6.3f} {self.power:5.3f}"
            f"     {self.undecided:5.3f} | {self.plugged_false:5.3f} {self.plugged_power:5.3f}"
        )

    @property
    def bars(self) -> tuple[Bar, ...]:
        limit = 0.10 + 2 * standard_error(0.10, self.cell.sims)
        return (Bar("G4 false pass at the limit", self.false, "<=", limit, self.cell.name),)


def grid(sims: int) -> list[CalibrationCell]:
    """All cells."""
    return [CalibrationCell(limit, rows, max(2, sims // 2)) for limit in LIMITS for rows in ROWS]

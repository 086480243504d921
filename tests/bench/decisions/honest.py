"""What can data of a given size decide? The table for people who choose a tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from scipy import integrate, optimize, stats

from lockgate.evidence.finding import Verdict

from . import exact
from .asking import ask, drawing
from .scores import binormal, shift_of_area

ROWS = (300, 1_000, 3_000, 10_000)
ACCURACY = ((0.03, (0.01, 0.02)), (0.05, (0.01, 0.02, 0.03)), (0.10, (0.02, 0.03, 0.05)))
RANKED: tuple[tuple[Literal["auc", "average_precision"], float], ...] = (("auc", 0.85), ("average_precision", 0.80))
TOLERANCES = (0.02, 0.05)
POSITIVE = 0.05
CORRELATION = 0.9
SLICES = (1, 20, 130)


@cache
def shift_of_precision(value: float, positive: float = POSITIVE) -> float:
    """How far normal scores of the two classes are apart when this is the average precision, at a share of positives."""

    def precision(at: float, shift: float) -> float:
        found, raised = positive * stats.norm.sf(at - shift), (1 - positive) * stats.norm.sf(at)
        return float(stats.norm.pdf(at - shift) * found / (found + raised))

    def off(shift: float) -> float:
        return integrate.quad(precision, shift - 8, shift + 8, args=(shift,), limit=200)[0] - value

    return float(optimize.brentq(off, 0.1, 6.0))


@dataclass(frozen=True)
class RankedCell:
    """`sims` draws of equal models; all tolerances are asked of the same draws."""

    metric: Literal["auc", "average_precision"]
    value: float
    rows: int
    sims: int

    def run(self) -> RankedRow:
        draw = drawing("honest", self.metric, self.rows)
        shift = shift_of_area(self.value) if self.metric == "auc" else shift_of_precision(self.value)
        lines = [f"{self.metric} >= champion - {tolerance}" for tolerance in TOLERANCES]
        undecided = np.zeros(len(lines))
        for _ in range(self.sims):
            candidate, champion, label = binormal(
                draw,
                rows=self.rows,
                positives=round(self.rows * POSITIVE),
                correlation=CORRELATION,
                shifts=(shift, shift),
            )
            found = ask({"label": label, "candidate": candidate, "champion": champion}, lines, task="binary")
            undecided += [one.verdict is Verdict.INCONCLUSIVE for one in found]
        return RankedRow(self, tuple((undecided / self.sims).tolist()))


@dataclass(frozen=True)
class RankedRow:
    """undecided: share of runs that are inconclusive, for each tolerance."""

    cell: RankedCell
    undecided: tuple[float, ...]
    bars: tuple[()] = ()


def grid(sims: int) -> list[RankedCell]:
    """Both metrics at all sizes, the larger ones first; at most 1,000 draws."""
    runs = max(1, min(1_000, sims // 4))
    return [RankedCell(metric, value, rows, runs) for rows in reversed(ROWS) for metric, value in RANKED]


def undecided(rows: int, disc: float, *, margin: float) -> float:
    """The share of inconclusive verdicts on equal models, by enumeration."""
    passed, failed = exact.slice_rates(rows, disc, 0.0, margin=margin)
    return 1 - passed - failed


def text(ranked: Sequence[RankedRow]) -> str:
    """The whole table."""
    lines = [
        "Share of slices inconclusive, equal models (%), by rows per slice",
        f"{'requirement':<64}" + "".join(f"{rows:>8,}" for rows in ROWS),
    ]
    for disc, margins in ACCURACY:
        for margin in margins:
            shares = [undecided(rows, disc, margin=margin) for rows in ROWS]
            lines.append(_line(f"accuracy, disagreement {disc:.0%}, tolerance {margin:.2f}", shares))
    found = {(row.cell.metric, row.cell.rows): row for row in ranked}
    for metric, value in RANKED:
        for place, tolerance in enumerate(TOLERANCES):
            what = f"{metric} {value:.2f}, {POSITIVE:.0%} positives, score correlation {CORRELATION}, tolerance {tolerance:.2f}"
            lines.append(
                _line(what.replace("average_precision", "AP"), [found[metric, rows].undecided[place] for rows in ROWS])
            )
    lines += [
        "",
        "Smallest tolerance of accuracy with a 90 % chance that all slices pass, equal models",
        f"{'rows per slice':<40}" + "".join(f"{slices:>4} slice{'s' if slices > 1 else ' '}" for slices in SLICES),
    ]
    for disc in (0.05, 0.03, 0.10):
        for rows in ROWS:
            smallest = [exact.smallest_tolerance(rows, disc, slices=slices) for slices in SLICES]
            lines.append(f"{f'disagreement {disc:.0%}, {rows:,}':<40}" + "".join(f"{one:>11.4f}" for one in smallest))
    lines += ["", "Observed accuracy that shows `accuracy >= 0.90`"]
    lines += [f"    {rows:>7,} rows  {exact.observed_needed(rows, 0.90):.4f}" for rows in (100, *ROWS)]
    return "\n".join(lines)


def _line(what: str, shares: Sequence[float]) -> str:
    return f"{what:<64}" + "".join(f"{100 * share:8.1f}" for share in shares)

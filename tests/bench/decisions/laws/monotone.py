"""A better model never loses: candidates in order, each right on one row less, and where the verdicts turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lockgate.evidence.finding import Verdict

from ..bars import Bar
from .law import Law, judged

STEPS = 12
# rows of one table → the margin of a line beside the champion, and the share of wrong rows that an absolute line allows
MARGINS = {308: 0.05, 2_000: 0.01}
LINES = {
    "accuracy": "accuracy >= {up}",
    "recall": "recall >= {up}",
    "precision": "precision >= {up}",
    "f1": "f1 >= {up}",
    "auc": "auc >= {up}",
    "average_precision": "average_precision >= {up}",
    "brier": "brier <= {down}",
    "log_loss": "log_loss <= {down}",
    "flip_rate": "flip_rate <= {margin}",
}
RIGHT = {"brier": 0.01, "log_loss": -float(np.log(0.9))}  # of a row with probability 0.9 of its label
LETTERS = {Verdict.PASS: "P", Verdict.INCONCLUSIVE: "·", Verdict.FAIL: "F"}

HEADER = f"""M   candidates from the best to the worst, each wrong on one row more. beside: from {STEPS} of the champion's wrong rows mended to
    {STEPS} rows lost, identical in the middle. alone: from no wrong row to {2 * STEPS}. P pass, · inconclusive, F fail.
    turned: how often a worse candidate passes after a better one did not."""


@dataclass(frozen=True)
class MonotoneCell:
    """The lines of one size; `alone` against a number, else beside the champion. noisy: scores differ by a breath."""

    rows: int
    alone: bool
    noisy: bool

    @property
    def name(self) -> str:
        noise = ", a breath of noise" if self.noisy else ""
        return f"{self.rows:,} rows, {'alone' if self.alone else 'beside'}{noise}"

    def lines(self) -> dict[str, str]:
        margin, found = MARGINS[self.rows], {}
        for metric, line in LINES.items():
            right = RIGHT.get(metric, 0.0)
            up, down = f"champion - {margin}", f"champion + {margin}"
            if self.alone:
                up, down = f"{1 - margin}", f"{right + margin:.6f}"
            if metric != "flip_rate" or not self.alone:
                found[metric] = line.format(up=up, down=down, margin=margin)
        return found

    def run(self) -> MonotoneRow:
        lines, size = self.lines(), self.rows
        label, steps = np.arange(size) % 2, np.arange(2 * STEPS + 1)
        wrong = np.arange(size)[None, :] < steps[:, None]
        spoiled = np.arange(size) < (0 if self.alone else STEPS)
        scores = {"candidate": wrong, "champion": np.tile(spoiled, (steps.size, 1))}
        table = {
            role: np.where(is_wrong == (label == 1), 0.1, 0.9) + self._noise(role, size)
            for role, is_wrong in scores.items()
        }
        law = Law(self.name, size, tuple(lines.values()), None, lambda *_: {})
        found = judged(law, {"label": label, **table}, law.lines, steps.size)
        verdicts = {
            metric: "".join(LETTERS[one.verdict] for one in of_line)
            for metric, of_line in zip(lines, found, strict=True)
        }
        if "flip_rate" in verdicts:  # nothing is better than no flip
            verdicts["flip_rate"] = verdicts["flip_rate"][STEPS:]
        return MonotoneRow(self, verdicts)

    def _noise(self, role: str, size: int) -> np.ndarray:
        """The same for every candidate, so that only what is wrong tells them apart."""
        return np.random.default_rng(len(role)).uniform(-1e-3, 1e-3, size) * self.noisy


@dataclass(frozen=True)
class MonotoneRow:
    cell: MonotoneCell
    verdicts: dict[str, str]

    @property
    def turned(self) -> dict[str, int]:
        return {
            metric: max(0, text.rstrip("·F").count("·") + text.rstrip("·F").count("F"))
            for metric, text in self.verdicts.items()
        }

    @property
    def rates(self) -> dict[str, list[float | None]]:
        return {f"{metric}, {self.cell.name}": [float(count), None] for metric, count in self.turned.items()}

    def __str__(self) -> str:
        head = f" {self.cell.name}"
        return "\n".join(
            [
                head,
                *(f"   {metric:<19}{text:<28}turned {self.turned[metric]}" for metric, text in self.verdicts.items()),
            ]
        )

    @property
    def bars(self) -> tuple[Bar, ...]:
        return tuple(
            Bar(
                "M a worse candidate passes, a better one does not",
                float(count),
                "<=",
                0.0,
                f"{metric}, {self.cell.name}",
            )
            for metric, count in self.turned.items()
        )


def grid(sims: int) -> list[MonotoneCell]:
    """Nothing is drawn here: `sims` is of the other laws."""
    return [MonotoneCell(rows, alone, noisy) for rows in MARGINS for alone in (False, True) for noisy in (False, True)]

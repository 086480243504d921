"""R: recordings that are the version's own, and recordings of which somebody else wrote a share of the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lockgate.evaluation.parity.spot_check import compare, drawn_rows

from .asking import drawing
from .bars import ALPHA, Bar, standard_error

TOTAL, REFUTED_AT = 30_000, 0.01
HEADER = """R   recorded answers. own: P(refuted) of the version's own recording. one, five: P(confirmed), P(refuted) where somebody else wrote 1 %
    and 5 % of the rows; rare: P(confirmed) where three in ten rows of a class of 0.2 % are made up.
 model                    sample  sims    own    one   five   rare"""

Answers = Callable[[np.ndarray, np.random.Generator], np.ndarray]
MODELS: Mapping[str, Answers] = {
    "steady": lambda logit, _: 1 / (1 + np.exp(-logit)),
    "noisy": lambda logit, draw: 1 / (1 + np.exp(-logit - draw.normal(scale=0.3, size=logit.size))),
    "noisy in one row of ten": lambda logit, draw: (
        1 / (1 + np.exp(-logit - (draw.random(logit.size) < 0.1) * draw.normal(size=logit.size)))
    ),
    "labels by lot": lambda logit, draw: (draw.random(logit.size) < 1 / (1 + np.exp(-logit))).astype(float),
}


@dataclass(frozen=True)
class RecordedCell:
    model: str
    sample: int
    sims: int

    @property
    def name(self) -> str:
        return f"{self.model}, {self.sample:,} rows"

    def run(self) -> RecordedRow:
        answers, draw = MODELS[self.model], drawing("recorded", self.name)
        states: dict[str, list[str]] = {"own": [], "one": [], "five": [], "rare": []}
        for _ in range(self.sims):
            logit = draw.normal(size=TOTAL)
            rare = draw.random(TOTAL) < 0.002
            changed = draw.random(TOTAL)
            for law, written in (
                ("own", np.zeros(TOTAL, bool)), ("one", changed < 0.01), ("five", changed < 0.05),
                ("rare", rare & (changed < 0.3)),
            ):  # fmt: skip
                recorded = np.where(written, draw.random(TOTAL), answers(logit, draw))
                states[law].append(self.state(recorded, logit, rare, answers, draw))
        rates = {
            law: np.mean([state == ("refuted" if law in ("own", "five") else "confirmed") for state in found])
            for law, found in states.items()
        }
        return RecordedRow(self, {law: float(rate) for law, rate in rates.items()})

    def state(self, recorded: Any, logit: Any, rare: Any, answers: Answers, draw: np.random.Generator) -> str:
        rows, by_chance = drawn_rows(TOTAL, self.sample, [rare, ~rare], draw)
        return compare(
            recorded[rows], answers(logit[rows], draw), lambda places: answers(logit[rows][places], draw),
            by_chance=by_chance, total=TOTAL, tolerance=1e-6,
        ).state  # fmt: skip


@dataclass(frozen=True)
class RecordedRow:
    cell: RecordedCell
    found: Mapping[str, float]

    def __str__(self) -> str:
        rates = "".join(f"  {self.found[law]:>5.3f}" for law in ("own", "one", "five", "rare"))
        return f" {self.cell.model:<24}{self.cell.sample:>7,}{self.cell.sims:>6}{rates}"

    @property
    def bars(self) -> tuple[Bar, ...]:
        sims, name = self.cell.sims, self.cell.name
        own = REFUTED_AT + 3 * standard_error(REFUTED_AT, sims)
        limit = ALPHA + 3 * standard_error(ALPHA, sims)
        return (
            Bar("recorded answers: own, and refuted", self.found["own"], "<=", own, name),
            Bar("recorded answers: one in a hundred is another's, and confirmed", self.found["one"], "<=", limit, name),
            Bar(
                "recorded answers: rows of a rare class are made up, and confirmed",
                self.found["rare"],
                "<=",
                limit,
                name,
            ),
        )


def grid(sims: int) -> list[RecordedCell]:
    """Models that repeat themselves and models that do not, with the least rows and with as many as there may be."""
    return [RecordedCell(model, sample, max(1, sims // 2)) for model in MODELS for sample in (300, 1_000)]

"""G1: accuracy beside the champion on slices, by counts of paired answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lockgate.evaluation.uncertainty.comparison import TANGO

from . import exact, rules
from .asking import drawing
from .bars import ALPHA, Bar, standard_error
from .cited import Measured
from .rules import Counts, Floats, Verdicts

ACCURACY = 0.80
PAIRS = ((0.02, 0.01), (0.1, 0.03), (0.3, 0.05))
SLICES = (1, 20, 100, 500)
ROWS = (200, 500, 1_000, 2_000, 5_000, 10_000)
RULES = ("gate", "point", "tfma", "kayenta", "oracle")

# What is true: (difference of the first slice, of every other), in margins.
SCENARIOS: Mapping[str, tuple[float, float]] = {
    "A": (0.0, 0.0),
    "B": (0.5, 0.5),
    "C": (-1.0, 0.0),
    "D": (-1.0, 1.0),
    "E": (-2.0, 0.0),
    "G": (-1.0, -1.0),
}

HEADER = """G1  accuracy >= champion - margin on each slice, champion's accuracy 0.80, models that disagree on a share disc of rows
    false: P(promote) when one slice is at -margin, the others at +margin (unconditional). power: P(promote) when all are equal,
    undecided and failed: of the gate then. fails: P(gate fails) when one slice is at -2 margin, and (G) all are at -margin.
                                  gate                                       | point       | TFMA-like   | Kayenta-like| oracle
 disc margin slices   rows  sims  false power undecided failed fails   G     | false power | false power | false power | false power"""


@dataclass(frozen=True)
class ShareCell:
    """One point of the grid, `sims` runs of each scenario."""

    disc: float
    margin: float
    slices: int
    rows: int
    sims: int

    @property
    def name(self) -> str:
        slices = f"{self.slices} slices" if self.slices > 1 else "1 slice"
        return f"disc {self.disc:g}, margin {self.margin:g}, {slices} of {self.rows:,} rows"

    @property
    def in_detail(self) -> bool:
        """Whether the rates of every rule under every scenario are printed too."""
        return (self.disc, self.slices) == (0.1, 20) and self.rows in (500, 2_000, 5_000)

    def differences(self, scenario: str) -> Floats:
        one, rest = SCENARIOS[scenario]
        return np.array([one] + [rest] * (self.slices - 1)) * self.margin

    def draw(self, scenario: str, *, sims: int | None = None) -> Counts:
        """Runs in which this scenario is true, always the same ones."""
        draw = drawing("shares", self.disc, self.margin, self.slices, self.rows, scenario)
        differences = self.differences(scenario)
        runs = self.sims if sims is None else sims
        parts = [
            draw.multinomial(self.rows, self._shares(float(difference)), size=(runs, many))
            for difference, many in ((differences[0], 1), (differences[-1], self.slices - 1))
        ]
        drawn = np.concatenate(parts, axis=1)
        return Counts(drawn[..., 0], drawn[..., 1], drawn[..., 2], self.rows, differences, self.disc)

    def _shares(self, difference: float) -> list[float]:
        """(both right, only the candidate, only the champion, none)."""
        candidate, champion = (self.disc + difference) / 2, (self.disc - difference) / 2
        candidate, champion = max(candidate, 0.0), max(champion, 0.0)
        return [ACCURACY - champion, candidate, champion, 1 - ACCURACY - candidate]

    def promoted(self, scenario: str) -> tuple[Verdicts, dict[str, float]]:
        """(the gate's verdicts, every rule's rate of promotion)."""
        counts = self.draw(scenario)
        said = rules.gate(counts, margin=self.margin)
        noise = drawing("bootstrap", self.name, scenario)
        promotes: Mapping[str, Callable[[], rules.Bools]] = {
            "gate": lambda: said.passed,
            "point": lambda: rules.point(counts, margin=self.margin),
            "tfma": lambda: rules.tfma_like(counts, draw=noise),
            "kayenta": lambda: rules.kayenta_like(counts),
            "oracle": lambda: rules.oracle(counts, margin=self.margin),
        }
        return said, {name: float(np.mean(rule())) for name, rule in promotes.items()}

    def run(self) -> ShareRow:
        found = {scenario: self.promoted(scenario) for scenario in SCENARIOS}
        return ShareRow(
            self,
            {scenario: rates for scenario, (_, rates) in found.items()},
            {scenario: float(np.mean(said.failed)) for scenario, (said, _) in found.items()},
        )


@dataclass(frozen=True)
class ShareRow:
    """promoted: scenario -> rule -> rate. failed: scenario -> the gate's rate."""

    cell: ShareCell
    promoted: Mapping[str, Mapping[str, float]]
    failed: Mapping[str, float]

    def __str__(self) -> str:
        cell, gate = self.cell, self.promoted["A"]["gate"]
        pairs = " | ".join(f"{self.promoted['D'][rule]:5.3f} {self.promoted['A'][rule]:5.3f}" for rule in RULES[1:])
        return (
            f" {cell.disc:<5g}{cell.margin:<7g}{cell.slices:>5}{cell.rows:>8,}{cell.sims:>6}  {self.promoted['D']['gate']:5.3f} {gate:5.3f}"
            f"    {1 - gate - self.failed['A']:5.3f}  {self.failed['A']:5.3f} {self.failed['E']:5.3f} {self.failed['G']:5.3f}  | {pairs}"
        )

    @cached_property
    def expected(self) -> Mapping[str, tuple[float, float]]:
        """scenario -> (P(pass), P(fail)) by enumeration."""
        cell = self.cell
        return {
            name: exact.run_rates(
                cell.rows,
                cell.disc,
                margin=cell.margin,
                slices=cell.slices,
                one=one * cell.margin,
                rest=rest * cell.margin,
            )
            for name, (one, rest) in SCENARIOS.items()
        }

    @property
    def measured(self) -> Measured:
        return {TANGO: self.expected["D"][0]}

    @property
    def bars(self) -> tuple[Bar, ...]:
        """Rates by enumeration where they exist, so that no bar is met or missed by the luck of a seed; the simulation must agree."""
        cell, name, sims = self.cell, self.cell.name, self.cell.sims
        found = [
            Bar(
                "G1 false promotion at the least favourable point",
                self.expected["D"][0],
                "<=",
                ALPHA + 2 * standard_error(ALPHA, sims),
                name,
            )
        ]
        apart = [
            (abs(simulated - rate) - 1 / sims) / max(standard_error(rate, sims), 1e-9)
            for scenario, (passed, failed) in self.expected.items()
            for simulated, rate in ((self.promoted[scenario]["gate"], passed), (self.failed[scenario], failed))
            if abs(simulated - rate) > 1 / sims
        ]
        found.append(
            Bar("G1 simulation and enumeration apart, in standard errors", max(apart, default=0.0), "<=", 5.0, name)
        )
        if cell.slices == 1 and cell.rows * cell.disc >= 40 - 1e-9:
            short = rules.oracle_power(cell.rows, cell.disc, margin=cell.margin) - self.expected["A"][0]
            found.append(Bar("G1 power of a slice below the oracle's", short, "<=", 0.03, name))
        if cell.slices == 20 and cell.rows == 2_000:
            best = exact.best_possible_fail(cell.rows, cell.disc, margin=cell.margin, slices=cell.slices)
            reach = "" if best >= 0.9 else f" (0.90 is out of reach: no test of its level finds more than {best:.3f})"
            limit = 0.9 if best >= 0.9 else best - 0.03
            found.append(Bar(f"G1 fails a slice at -2 margin{reach}", self.expected["E"][1], ">=", limit, name))
        false_fail = ALPHA + 2 * standard_error(ALPHA, sims)
        found.append(Bar("G1 false fail, all at -margin", self.expected["G"][1], "<=", false_fail, name))
        return tuple(found)


def grid(sims: int) -> list[ShareCell]:
    """All cells; the more slices, the fewer runs."""
    share = {1: 1.0, 20: 1.0, 100: 0.5, 500: 0.25}
    return [
        ShareCell(disc, margin, slices, rows, max(1, round(sims * share[slices])))
        for disc, margin in PAIRS
        for slices in SLICES
        for rows in ROWS
    ]


def by_scenario(row: ShareRow) -> str:
    """P(promote) of every rule under every scenario."""
    lines = [
        f"G1  P(promote) by what is true: {row.cell.name}",
        f"{'':16}" + "".join(f"{name:>7}" for name in SCENARIOS),
    ]
    lines += [f"    {rule:<12}" + "".join(f"{row.promoted[name][rule]:7.3f}" for name in SCENARIOS) for rule in RULES]
    lines.append(f"    {'gate fails':<12}" + "".join(f"{row.failed[name]:7.3f}" for name in SCENARIOS))
    return "\n".join(lines)

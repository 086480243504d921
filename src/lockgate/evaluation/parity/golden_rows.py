"""Golden rows: recorded answers beside those that a model gives where it serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.judging.number_format import short
from lockgate.evaluation.requirements.requirement import Requirement

if TYPE_CHECKING:
    from lockgate.data.arrow_arrays import Array

_LISTED, _CELLS = 20, 10


@dataclass(frozen=True, eq=False)
class GoldenRows:
    """recorded, answered: (n,), or (n, classes); NaN in `answered` is a row that was refused. refusals: row from 1 on → why."""

    recorded: Array
    answered: Array
    refusals: Mapping[int, str] = field(default_factory=dict)

    @cached_property
    def distances(self) -> Array:
        """(n,) how far each answer is from the recorded one, of values above 1 as a share of them; NaN of a refused row.

        Of several classes, the largest of a row.
        """
        apart: Array = np.abs(self.answered - self.recorded) / np.maximum(1.0, np.abs(self.recorded))
        return apart if apart.ndim == 1 else np.asarray(apart.max(axis=1, initial=0.0))

    def differing(self, tolerance: float) -> list[int]:
        """The rows, from 0 on, whose answers are further apart than that, the furthest first."""
        rows = np.flatnonzero(self.distances > tolerance)
        return [int(row) for row in rows[np.argsort(-self.distances[rows], kind="stable")]]


def differing(name: str, line: Requirement, golden: Mapping[str, GoldenRows], tolerance: float) -> Estimate:
    """The rows whose answer is another than the recorded one, of those that were answered."""
    rows = {role: each.differing(tolerance) for role, each in golden.items()}
    own = golden.get("candidate")
    worst = [] if own is None else [_difference(own, row) for row in rows["candidate"][:_LISTED]]
    units = 0 if own is None else len(own.recorded) - len(own.refusals)
    return _counted(name, line, {role: len(each) for role, each in rows.items()}, units, worst)


def refused(name: str, line: Requirement, golden: Mapping[str, GoldenRows], tolerance: float) -> Estimate:
    """The rows that the model refuses, or answers without a number."""
    own = golden.get("candidate")
    reasons = [] if own is None else [f"row {row}: {reason}" for row, reason in sorted(own.refusals.items())[:_LISTED]]
    counts = {role: len(each.refusals) for role, each in golden.items()}
    return _counted(name, line, counts, 0 if own is None else len(own.recorded), reasons)


def _counted(name: str, line: Requirement, counts: Mapping[str, int], units: int, entries: Sequence[str]) -> Estimate:
    champion = counts.get("champion")
    more = counts.get("candidate", 0) - len(entries)
    detail = {"found": [*entries, *([f"and {more} more"] if more > 0 else [])]}
    return counted(
        name, line, value=counts.get("candidate", 0), units=units, detail=detail if units else {"why": "no golden row was answered"},
        champion=None if champion is None else float(champion),
    )  # fmt: skip


def _difference(golden: GoldenRows, row: int) -> str:
    """`row 3 answers 0.68, recorded 0.71 (0.03 apart)`."""
    recorded, answered = (texts(values, row) for values in (golden.recorded, golden.answered))
    return f"row {row + 1} answers {answered}, recorded {recorded} ({short(float(golden.distances[row]))} apart)"


def texts(values: Array, row: int) -> str:
    """The answer of a row for the eye: as many figures as a difference of single precision needs."""
    return ", ".join(f"{value:.9g}" for value in np.atleast_1d(values[row])[:_CELLS])

"""What a picture is drawn from: an exhibit, the gate that it belongs to, and the gate's other exhibits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lockgate.evidence.evidence import GateResult
from lockgate.evidence.exhibit import Exhibit

MODELS = ("candidate", "champion")
Points = dict[str, list[tuple[float, ...]]]


@dataclass(frozen=True)
class Source:
    """sibling: the gate's exhibit of that name, None where it has none that can be read."""

    exhibit: Exhibit
    gate: GateResult
    sibling: Callable[[str], Exhibit | None] = lambda _: None

    def by_model(self, *, partly: bool = False) -> Points:
        """The rows of each model, numbers alone. partly: what is missing is NaN; else a row of which a number is missing or
        infinite is left out. Raises ValueError where there is none."""
        models: Points = {}
        for role, *values in self.exhibit.points:
            numbers = [math.nan if value is None else float(value) for value in values]
            if role in MODELS and (partly or all(map(math.isfinite, numbers))):
                models.setdefault(role, []).append(tuple(numbers))
        if not models:
            raise ValueError(f"{self.exhibit.name} has no point")
        return models


@dataclass(frozen=True)
class OperatingPoint:
    """What a model's own threshold makes of it."""

    threshold: float
    precision: float
    recall: float
    f1: float
    positive_rate: float
    false_positive_rate: float


def operating_points(source: Source) -> dict[str, OperatingPoint]:
    """role → the point of the threshold in use, as the exhibit `thresholds` of the gate has it; NaN where nothing is positive."""
    exhibit = source.sibling("thresholds")
    if exhibit is None:
        return {}
    rows = Source(exhibit, source.gate).by_model(partly=True)
    return {role: OperatingPoint(*row[:-1]) for role, points in rows.items() for row in points if row[-1] == 1}

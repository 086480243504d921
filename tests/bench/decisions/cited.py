"""The rates that the risk sentence cites, by method, held against every one that is measured here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .bars import Bar

Measured = Mapping[str, float]
"""method of a finding -> share of runs at a limit that pass"""


def bars(rows: Iterable[Any]) -> list[Bar]:
    """Of each method its worst rate, on the cell where it was found; a method without a number to cite meets nothing."""
    from lockgate.evaluation.judging.measured_rates import MEASURED, family  # which earlier versions lack

    worst: dict[str, tuple[float, str]] = {}
    for row in rows:
        measured: Measured = getattr(row, "measured", {})
        for method, rate in measured.items():
            worst[family(method)] = max(worst.get(family(method), (0.0, "")), (rate, row.cell.name))
    return [
        Bar(f"cited of {method}", rate, "<=", MEASURED.get(method, -1.0), at)
        for method, (rate, at) in sorted(worst.items())
    ]


def of_lines(lines: Iterable[tuple[str, float]]) -> Measured:
    """The worst rate of each method."""
    worst: dict[str, float] = {}
    for method, rate in lines:
        worst[method] = max(worst.get(method, 0.0), rate)
    return worst

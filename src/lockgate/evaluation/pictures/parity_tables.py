"""Tables of the environment gate: declared and serving versions, and golden rows with both answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lockgate.evidence.exhibit import Exhibit
from lockgate.text import cut

if TYPE_CHECKING:
    from lockgate.evaluation.parity.golden_rows import GoldenRows
    from lockgate.evaluation.parity.package_parity import PackageParity

_MOST, _LONGEST = 400, 200
_ORDER = ("differs", "undecided", "missing", "not shown", "allowed", "same")


def package_table(gate: str, parities: Mapping[str, PackageParity]) -> Iterator[Exhibit]:
    """One row a package of each version, what differs first."""
    compared = [(role, each) for role, parity in parities.items() for each in parity.compared]
    compared.sort(key=lambda entry: _ORDER.index(entry[1].outcome))
    points = tuple(
        (
            *(cut(text, _LONGEST) for text in (each.package or "?", role, each.declared, each.serving or "not said")),
            each.closeness.replace("_", " "),
            each.outcome,
        )
        for role, each in compared[:_MOST]
    )
    if points:
        columns = ("package", "model", "declared", "serving", "must be", "compared")
        yield Exhibit(f"{gate}/packages", "table", columns, points)


def golden_table(gate: str, golden: Mapping[str, GoldenRows], tolerance: float) -> Iterator[Exhibit]:
    """One row a golden row of each version: those that are refused and the furthest apart first."""
    points = [point for role, rows in golden.items() for point in _golden_points(role, rows, tolerance)[: _MOST // 2]]
    if points:
        columns = ("row", "model", "recorded", "answered", "apart", "compared")
        yield Exhibit(f"{gate}/golden_rows", "table", columns, tuple(points))


def _golden_points(role: str, rows: GoldenRows, tolerance: float) -> list[tuple[int, str, str, str, float | str, str]]:
    from lockgate.evaluation.parity.golden_rows import texts

    differing = rows.differing(tolerance)
    outcomes = dict.fromkeys([row - 1 for row in sorted(rows.refusals)], "refused") | dict.fromkeys(
        differing, "differs"
    )
    outcomes |= {row: "same" for row in range(len(rows.recorded)) if row not in outcomes}
    return [
        (row + 1, role, texts(rows.recorded, row), "", "", outcome)
        if outcome == "refused"
        else (row + 1, role, texts(rows.recorded, row), texts(rows.answered, row), float(rows.distances[row]), outcome)
        for row, outcome in outcomes.items()
    ]

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
    rows = [
        (_ORDER.index(each.outcome), role, each.package or "?", each.declared, each.serving or "not said", each)
        for role, parity in parities.items()
        for each in parity.compared
    ]
    points = tuple(
        (role, *(cut(text, _LONGEST) for text in (package, declared, serving)), each.closeness.replace("_", " "), each.outcome)
        for _, role, package, declared, serving, each in sorted(rows, key=lambda row: row[0])[:_MOST]
    )  # fmt: skip
    if points:
        columns = ("model", "package", "declared", "serving", "must be", "compared")
        yield Exhibit(f"{gate}/packages", "table", columns, points)


def golden_table(gate: str, golden: Mapping[str, GoldenRows], tolerance: float) -> Iterator[Exhibit]:
    """One row a golden row of each version: those that are refused and the furthest apart first."""
    points = []
    for role, rows in golden.items():
        from lockgate.evaluation.parity.golden_rows import texts

        distances, differing = rows.distances(), rows.differing(tolerance)
        refused = [row - 1 for row in sorted(rows.refusals)]
        rest = [row for row in range(len(rows.recorded)) if row not in {*refused, *differing}]
        for row in [*refused, *differing, *rest][: _MOST // len(golden)]:
            answered = "refused" if row in refused else texts(rows.answered, row)
            apart = "" if row in refused else float(distances[row])
            points.append((role, row + 1, texts(rows.recorded, row), answered, apart))
    if points:
        yield Exhibit(f"{gate}/golden_rows", "table", ("model", "row", "recorded", "answered", "apart"), tuple(points))

"""Which features break their contract, by data and rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lockgate.evidence.exhibit import Exhibit
from lockgate.text import cut

_MOST, _LONGEST = 400, 200


def broken_features(gate: str, offenders: Sequence[Mapping[str, Any]]) -> Iterator[Exhibit]:
    """One row a breach, most cells first; nothing where the contract holds. offenders: as a finding's detail has them."""
    points = tuple(
        (
            *(cut(str(breach[name]), _LONGEST) for name in ("data", "feature", "rule", "allowed")),
            breach["cells"],
            breach["rows"],
            (breach["first_rows"] or [1])[0],
        )
        for breach in sorted(offenders, key=lambda breach: -breach["cells"])[:_MOST]
    )
    if points:
        head = ("data", "feature", "rule", "allowed", "cells that break it", "rows", "first row")
        yield Exhibit(f"{gate}/contract", "table", head, points)

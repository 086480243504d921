"""Pictures of a shift: which features moved, the surest first, and the mix of slices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lockgate.evaluation.estimation.estimate import CONFIDENCE
from lockgate.evaluation.judging.number_format import slice_words
from lockgate.evaluation.pictures import FEWEST, LEVEL, MOST_SLICES, rounded
from lockgate.evaluation.shift.comparison import Compared
from lockgate.evaluation.shift.counts import Counts
from lockgate.evaluation.shift.estimates import distance_apart
from lockgate.evidence.exhibit import Exhibit
from lockgate.stats.proportions import korn_graubard
from lockgate.stats.two_samples import signed_difference
from lockgate.text import cut

_MOST = 400
_MOVED = ("feature", "rows of the traffic", "distance", "at least", "at most", "farthest apart", "share", "share of the traffic",
            "missing", "missing in the traffic", "new values")  # fmt: skip
_MIX = ("slice", "rows", "rows of the traffic", "share", "share of the traffic", "difference", "low", "high")


def moved_features(gate: str, compared: Compared) -> Iterator[Exhibit]:
    """One row a feature that could be compared, that which surely moved farthest first; the distances as lines have them."""
    points = [
        point for name, counts in compared.counts.items() if (point := _point(name, counts, compared)) is not None
    ]
    points.sort(key=lambda point: (-point[3], -point[2], point[0]))
    if points:
        yield Exhibit(f"{gate}/moved_features", "table", _MOVED, tuple(points[:_MOST]))


def _point(name: str, counts: Counts, compared: Compared) -> tuple[Any, ...] | None:
    sizes = compared.sizes(counts)
    if counts.problem is not None or not all(sizes):
        return None
    moved = counts.moved(sizes)
    apart = distance_apart(moved, sizes, limit=0.0, confidence=CONFIDENCE)
    missing = (each.share for each in counts.missing)
    shares = map(rounded, (*moved.shares, *missing, moved.new))
    rows = counts.missing[1].rows - counts.missing[1].missing_rows
    return cut(name, 200), rows, *map(rounded, (apart.value, apart.low, apart.high)), cut(moved.words, 200), *shares


def slice_mix(gate: str, compared: Compared) -> Iterator[Exhibit]:
    """Shares by weight, and their difference with its interval, of slices that ten rows of either have."""
    m, n = compared.reference.all, compared.traffic.all
    if not m or not n:
        return
    points = list[tuple[Any, ...]]()
    for share in compared.mix.shares:
        if share.key and max(share.reference_rows, share.traffic_rows) >= FEWEST:
            low, high = signed_difference(
                korn_graubard(min(share.traffic_share, 1.0) * n, n, confidence=LEVEL),
                korn_graubard(min(share.reference_share, 1.0) * m, m, confidence=LEVEL),
            )
            numbers = share.reference_share, share.traffic_share, share.traffic_share - share.reference_share, low, high
            rows = share.reference_rows, share.traffic_rows
            points.append((slice_words(share.key), *rows, *map(rounded, numbers)))
    points.sort(key=lambda point: (-max(point[6], -point[7]), -abs(point[5]), point[0]))
    if points:
        yield Exhibit(f"{gate}/slice_mix", "table", _MIX, tuple(points[:MOST_SLICES]))

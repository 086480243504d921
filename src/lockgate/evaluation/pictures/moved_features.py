"""Which features moved between two data sets, the surest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lockgate.evaluation.estimation.estimate import CONFIDENCE
from lockgate.evaluation.pictures import rounded
from lockgate.evaluation.shift.comparison import Compared
from lockgate.evaluation.shift.counts import Counts
from lockgate.evidence.exhibit import Exhibit
from lockgate.stats.two_samples import kolmogorov, total_variation
from lockgate.text import cut

_MOST = 400
_COLUMNS = ("feature", "distance", "at least", "at most", "farthest apart", "share", "share of the traffic",
            "missing", "missing in the traffic", "new values")  # fmt: skip


def moved_features(gate: str, compared: Compared) -> Iterator[Exhibit]:
    """One row a feature that could be compared, that which surely moved farthest first; the distances as lines have them."""
    points = [
        point for name, counts in compared.counts.items() if (point := _point(name, counts, compared)) is not None
    ]
    points.sort(key=lambda point: (-point[2], -point[1], point[0]))
    if points:
        yield Exhibit(f"{gate}/moved_features", "table", _COLUMNS, tuple(points[:_MOST]))


def _point(name: str, counts: Counts, compared: Compared) -> tuple[Any, ...] | None:
    sizes = compared.sizes(counts)
    if counts.problem is not None or not all(sizes):
        return None
    moved, (m, n) = counts.moved(sizes), sizes
    common: dict[str, Any] = {"limit": 0.0, "confidence": CONFIDENCE}
    if moved.chance is None:
        apart = kolmogorov(moved.distance, n, m, **common)
    else:
        apart = total_variation(moved.distance, n, m, chance=moved.chance, **common)
    missing = (each.share for each in counts.missing)
    shares = map(rounded, (*moved.shares, *missing, moved.new))
    return cut(name, 200), *map(rounded, (apart.value, apart.low, apart.high)), cut(moved.words, 200), *shares

"""Where does an interval lie, seen against its limit: one line of signs a finding, all of them on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lockgate.evidence.finding import Decided, Finding

WIDTH = 23
_FAR = 5
LEGEND = "`│` is the limit, `●` what was measured, `─` its interval"
# Signs that every monospaced font has, or a font that stands in would put them out of line.
_EMPTY, _INTERVAL, _LIMIT, _MEASURED, _LIMIT_MEASURED = "·", "─", "│", "●", "○"


def bars(findings: Sequence[Finding]) -> list[str]:
    """A bar a finding, empty text where nothing was compared; the same place means the same number in all of them.

    An end that is open, or far off, reaches the edge.
    """
    compared = [one.decided for one in findings if one.decided is not None and _finite(one.decided.estimate)]
    if not compared:
        return [""] * len(findings)
    low, high = _range(compared)
    if not 0 < high - low < math.inf:
        return [""] * len(findings)
    return [
        "" if one.decided is None or not _finite(one.decided.estimate) else _bar(one.decided, low, high)
        for one in findings
    ]


def _range(compared: Sequence[Decided]) -> tuple[float, float]:
    """From the lowest to the highest number to be shown; one wide interval does not squeeze all others to a point."""
    points = [one.required[1] for one in compared] + [one.estimate for one in compared if one.estimate is not None]
    ends = [end for one in compared for end in (one.low, one.high) if end is not None and math.isfinite(end)]
    reach = _FAR * (max(points) - min(points)) or math.inf
    near = [end for end in ends if min(points) - reach <= end <= max(points) + reach]
    low, high = min([*points, *near]), max([*points, *near])
    edge = (high - low) / (WIDTH - 2) or max(abs(high), 1.0) / WIDTH
    return low - edge, high + edge


def _bar(decided: Decided, low: float, high: float) -> str:
    def place(value: float | None, otherwise: int) -> int:
        if value is None or not math.isfinite(value):
            return otherwise
        return round(min(1.0, max(0.0, (value - low) / (high - low))) * (WIDTH - 1))

    signs = [_EMPTY] * WIDTH
    if decided.low is not None or decided.high is not None:
        start, end = place(decided.low, 0), place(decided.high, WIDTH - 1)
        signs[start : end + 1] = _INTERVAL * (end - start + 1)
    limit, measured = place(decided.required[1], 0), place(decided.estimate, 0)
    signs[limit] = _LIMIT
    signs[measured] = _LIMIT_MEASURED if measured == limit else _MEASURED
    return "".join(signs)


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)

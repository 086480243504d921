"""Draw intervals and their limits as one line of text a finding, all of them on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lockgate.evidence.finding import Decided, Finding

WIDTH = 23
_FAR = 5  # ends farther off than so many times the spread of the values and limits are cut at the edge
LEGEND = "`│` is the limit (`>=` fails left of it, `<=` right of it), `●` the value, `─` its interval"
# Signs that every monospaced font has, or a font that stands in would put them out of line.
_EMPTY, _INTERVAL, _LIMIT, _MEASURED, _LIMIT_MEASURED = "·", "─", "│", "●", "○"


def bars(findings: Sequence[Finding], *, width: int = WIDTH) -> list[str]:
    """One bar a finding, empty text where nothing was compared; the same column means the same number in all of them.

    An end that is unbounded, or far off, reaches the edge.
    """
    comparisons = [comparison(finding) for finding in findings]
    compared = [decided for decided in comparisons if decided is not None]
    if not compared:
        return [""] * len(findings)
    low, high = value_range(compared, width)
    if not 0 < high - low < math.inf:
        return [""] * len(findings)
    return ["" if decided is None else _bar(decided, low, high, width) for decided in comparisons]


def comparison(finding: Finding) -> Decided | None:
    """What can be drawn of a finding, None where nothing was compared; counts are exact, and of things that share no scale."""
    decided = finding.decided
    if decided is None or decided.on == "count" or decided.estimate is None:
        return None
    return decided if math.isfinite(decided.estimate) else None


def value_range(compared: Sequence[Decided], width: int) -> tuple[float, float]:
    """(lowest, highest) number of the scale; one wide interval does not squeeze all others to a point."""
    points = [decided.required[1] for decided in compared]
    points += [decided.estimate for decided in compared if decided.estimate is not None]
    ends = [
        end for decided in compared for end in (decided.low, decided.high) if end is not None and math.isfinite(end)
    ]
    return number_range(points, ends, width)


def number_range(points: Sequence[float], ends: Sequence[float], width: int) -> tuple[float, float]:
    """The same of numbers that are always on the scale, and of ends that are where they are not far off."""
    reach = _FAR * (max(points) - min(points)) or math.inf
    near = [end for end in ends if min(points) - reach <= end <= max(points) + reach]
    low, high = min([*points, *near]), max([*points, *near])
    # one column of room on both sides, so that an end on the scale differs from one beyond it
    edge = (high - low) / (width - 2) or max(abs(high), 1.0) / width
    return low - edge, high + edge


def _bar(decided: Decided, low: float, high: float, width: int) -> str:
    def column(value: float | None, otherwise: int) -> int:
        if value is None or not math.isfinite(value):
            return otherwise
        return round(min(1.0, max(0.0, (value - low) / (high - low))) * (width - 1))

    signs = [_EMPTY] * width
    if decided.low is not None or decided.high is not None:
        start, end = column(decided.low, 0), column(decided.high, width - 1)
        signs[start : end + 1] = _INTERVAL * (end - start + 1)
    limit, measured = column(decided.required[1], 0), column(decided.estimate, 0)
    signs[limit] = _LIMIT
    signs[measured] = _LIMIT_MEASURED if measured == limit else _MEASURED
    return "".join(signs)

"""Numbers as they were recorded, where another processor computes the last digits otherwise.

What numpy sums with wider or narrower registers differs in the sixteenth digit, and so do the scores of a model.
"""

from __future__ import annotations

import math
import re
from typing import Any

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_NEAR, _NOTHING = 1e-9, 1e-15  # of a number's size, and where that is 0


def as_recorded(recorded: Any, now: Any) -> Any:
    """`now`, with the recorded number wherever its own is the same to nine digits."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        return {key: as_recorded(recorded.get(key), value) for key, value in now.items()}
    if isinstance(recorded, list) and isinstance(now, list):
        return [*map(as_recorded, recorded, now), *now[len(recorded) :]]
    before, after = _number(recorded), _number(now)
    if before is None or after is None or type(recorded) is not type(now):
        return now
    return recorded if math.isclose(before, after, rel_tol=_NEAR, abs_tol=_NOTHING) else now


def _number(value: Any) -> float | None:
    """That of a float, or of a text that can only be one: counts and versions such as `12` are what they are."""
    if isinstance(value, str) and _NUMBER.fullmatch(value) and not value.lstrip("-").isdigit():
        return float(value)
    return value if isinstance(value, float) else None

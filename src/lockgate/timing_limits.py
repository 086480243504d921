"""How many requests a line on latency needs before it can be decided at all; light, for static checks."""

from __future__ import annotations

import math

from lockgate.estimate import CONFIDENCE
from lockgate.requirement import Requirement

PERCENTILES = {"p50_ms": 0.5, "p90_ms": 0.9, "p95_ms": 0.95, "p99_ms": 0.99, "p999_ms": 0.999}


def least_requests(line: Requirement) -> int | None:
    """The fewest requests whose slowest bounds the percentile at the line's confidence; None for other subjects.

    Source: Wilks 1941, n = ceil(ln alpha / ln p).
    """
    p = PERCENTILES.get(line.subject)
    if p is None or line.claim == "point":
        return None
    return math.ceil(math.log(1 - (line.confidence or CONFIDENCE)) / math.log(p) - 1e-9)

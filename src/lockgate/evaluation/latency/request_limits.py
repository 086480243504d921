"""Requests that a requirement on latency needs before it can be decided at all. Imports no numpy, for static checks."""

from __future__ import annotations

import math

from lockgate.evaluation.estimation.estimate import CONFIDENCE
from lockgate.evaluation.requirements.requirement import Requirement

PERCENTILES = {"p50_ms": 0.5, "p90_ms": 0.9, "p95_ms": 0.95, "p99_ms": 0.99, "p999_ms": 0.999}


def least_requests(line: Requirement, *, stall: int | None = None) -> int | None:
    """Return the fewest requests with which a percentile is bounded by the slowest, and a share of errors if none fails.

    stall: requests in a row that count as one. None for other subjects. Source: Wilks 1941, n = ceil(ln alpha / ln p).
    """
    p = PERCENTILES.get(line.subject)
    if line.subject == "error_rate" and not line.limit.relative and 0 < line.limit.value < 1:
        p = 1 - line.limit.value
    if p is None or line.claim == "point":
        return None
    # All n requests lie under the p-quantile with probability p**n, which must not exceed alpha; the 1e-9 keeps a whole
    # number that rounding lifted by a hair from becoming the next one.
    return (stall or 1) * math.ceil(math.log(1 - (line.confidence or CONFIDENCE)) / math.log(p) - 1e-9)

"""What a run could not have seen: stalls, so rare that none of them came, or so few that they passed for chance.

A stall is a row of slow requests. They come together, so that a run of n requests has n / length looks at whether one comes:
a percentile or a share is shown by as many requests more as a stall is long.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable

from lockgate.evaluation.estimation.estimate import CONFIDENCE
from lockgate.evaluation.requirements.requirement import Requirement


def stall_detail(
    line: Requirement, requests: int, *, stall: int | None, p_pass: Callable[[float], float] | None = None
) -> dict[str, int]:
    """What a finding says of stalls, for people and for programs.

    stall: the longest that the pipeline allows for, in requests. p_pass: length of stalls → p-value of the claim that the line
    is met, which rises with it; None where nothing bounds what a stall may do. `rarest_stall`: stalls that come once in so many
    requests or more often show in this run with the line's confidence (the rule of three, over time). `longest_stall`:
    the line is shown to be met where no stall is longer.
    """
    alpha = 1 - (line.confidence or CONFIDENCE)
    detail = {} if stall is None else {"stall": stall}
    detail["rarest_stall"] = max(1, math.floor(requests / -math.log(alpha)))
    if p_pass is not None and p_pass(1.0) <= alpha:
        detail["longest_stall"] = _longest(p_pass, requests, alpha=alpha)
    return detail


def _longest(p_pass: Callable[[float], float], requests: int, *, alpha: float) -> int:
    longer = range(2, max(requests, 2))
    return 1 + bisect_left(longer, x=True, key=lambda length: p_pass(float(length)) > alpha)

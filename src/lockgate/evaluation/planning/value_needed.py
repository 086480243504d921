"""What must be observed so that a line with a number of its own passes?"""

from __future__ import annotations

import math

from scipy import special

from lockgate.stats.auc_variance import placements
from lockgate.stats.proportions import binomial_at_least, binomial_at_most


def share_to_pass(limit: float, rows: int, *, alpha: float, up: bool) -> float:
    """The observed share next to the limit with which the exact bound meets it."""

    def meets(hits: int) -> bool:
        return (binomial_at_least(hits, rows, limit) if up else binomial_at_most(hits, rows, limit)) <= alpha

    if rows < 1 or not meets(rows if up else 0):
        return math.nan
    good, bad = (rows, -1) if up else (0, rows + 1)
    while abs(good - bad) > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if meets(middle) else (good, middle)
    return good / rows


def auc_to_pass(limit: float, positives: int, negatives: int, *, alpha: float) -> float:
    """The observed AUC from which on the logit bound meets the limit, by t with the rows that carry such an AUC."""

    def bound(auc: float) -> float:
        law = placements(auc)
        n_eff = law.n_eff(positives, negatives)
        error = law.se(positives, negatives) / (auc * (1 - auc))
        return math.log(auc / (1 - auc)) - float(special.stdtrit(n_eff - 1, 1 - alpha)) * error - logit

    logit = math.log(limit / (1 - limit))
    steps = (limit + (1 - limit) * place / 400 for place in range(1, 400))  # near 1 the approximation turns around
    return next((auc for auc in steps if bound(auc) >= 0), math.nan) if positives and negatives else math.nan

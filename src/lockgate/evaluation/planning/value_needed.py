"""The value from which an absolute requirement passes."""

from __future__ import annotations

import math

from scipy import special

from lockgate.stats.auc_variance import placements
from lockgate.stats.proportions import binomial_at_least, binomial_at_most


def share_to_pass(limit: float, rows: int, *, alpha: float, up: bool) -> float:
    """The share next to the limit whose exact bound meets it; NaN where none does."""

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
    """The AUC from which on the logit bound meets the limit, by t with the effective rows of such an AUC."""

    def bound(auc: float) -> float:
        law = placements(auc)
        n_eff = law.n_eff(positives, negatives)
        error = law.se(positives, negatives) / (auc * (1 - auc))
        return math.log(auc / (1 - auc)) - float(special.stdtrit(n_eff - 1, 1 - alpha)) * error - logit

    logit = math.log(limit / (1 - limit))
    steps = (limit + (1 - limit) * step / 400 for step in range(1, 400))  # near 1 the approximation turns around
    return next((auc for auc in steps if bound(auc) >= 0), math.nan) if positives and negatives else math.nan

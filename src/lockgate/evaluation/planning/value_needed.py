"""The value from which an absolute requirement passes."""

from __future__ import annotations

import math

from lockgate.evaluation.estimation.estimate import CONFIDENCE
from lockgate.evaluation.metrics.catalog import declared
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.metric_value import Summary
from lockgate.evaluation.uncertainty.significance import own
from lockgate.stats.auc_variance import placements
from lockgate.stats.influence import Spread
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


def auc_to_pass(line: Requirement, positives: int, negatives: int) -> float:
    """The AUC from which on the test's own lower end meets the limit, with the spread that such an AUC has; NaN where none does."""
    metric, limit, confidence = declared(line.subject), line.limit.value, line.confidence or CONFIDENCE

    def bound(auc: float) -> float:
        law, units = placements(auc), min(positives, negatives)
        error = Spread(law.se(positives, negatives), law.n_eff(positives, negatives), 0.0, units)
        fewest = units, "rows"
        value = Summary(auc, error, 1.0, units)
        return own(metric, value, rows=positives + negatives, fewest=fewest, null=limit, confidence=confidence).low

    steps = (limit + (1 - limit) * step / 400 for step in range(1, 400))  # near 1 the approximation turns around
    return next((auc for auc in steps if bound(auc) >= limit), math.nan) if positives and negatives else math.nan

"""From what metrics are on some rows to an interval and the two p-values: of one model's value, or of a difference."""

from __future__ import annotations

import math
from typing import Any

from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.comparison import MIN_CLUSTERS, MIN_EFFECTIVE_ROWS, MIN_MINORITY, TANGO, Decision
from lockgate.evaluation.uncertainty.custom_rule import unvaried
from lockgate.evaluation.uncertainty.metric import Metric, Summary
from lockgate.hashing import number
from lockgate.stats.influence import Scale, Spread, bound
from lockgate.stats.proportions import binomial_at_least, binomial_at_most, clopper_pearson, tango, tango_p

Minority = tuple[int, str] | None
"""(rows, what they are) of the smallest group of rows that a metric needs enough of."""


def own(metric: Metric, measured: Summary, *, rows: int, fewest: Minority, null: float, confidence: float) -> Decision:
    """One model's value on so many rows against a number; confidence: one-sided."""
    if measured.counts is not None:
        k, n = measured.counts
        exact = clopper_pearson(k, n, confidence=2 * confidence - 1)
        above, below = binomial_at_least(k, n, null), binomial_at_most(k, n, null)
        se = math.sqrt(exact.value * (1 - exact.value) / n)
        return Decision(exact.value, exact.low, exact.high, above, below, se, float(n), "clopper-pearson")
    if _still(measured, rows):
        return _constant(metric, measured, null=null, confidence=confidence)
    name = {"auc": "delong"}.get(metric.name, "influence")
    few = _too_few(metric, measured.error, fewest)
    return _by_t(measured, name, metric.scale, null=null, confidence=confidence, few=few)


def _by_t(found: Summary, name: str, scale: Scale, *, null: float, confidence: float, few: str | None) -> Decision:
    """A value with its spread against a number, by t; unbounded where no more than one row carries the variance."""
    value, error = found.value, found.error
    if error.n_eff <= 1:
        return Decision(value, -math.inf, math.inf, 1.0, 1.0, error.se, error.n_eff, "none", few)
    bounds = bound(value, error, null=null, confidence=confidence, scale=scale)
    spoken = {"logit": ", logit", "skew": ", skew-corrected", "plain": ""}[scale]
    return Decision(
        value,
        bounds.low,
        bounds.high,
        bounds.p_above,
        bounds.p_below,
        error.se,
        error.n_eff,
        f"{name}, t{spoken}{_by_cluster(error)}",
        few,
        _cluster_detail(error),
    )


def paired(
    metric: Metric,
    found: Summary,
    requirement: Requirement,
    *,
    rows: int,
    fewest: Minority,
    null: float,
    confidence: float,
) -> Decision:
    """Candidate minus champion (or minus a factor of it) on the same rows."""
    if found.disagree is not None:
        up = requirement.op == ">="
        return _tango(*found.disagree, null=null, confidence=confidence, up=up, counted_in=metric.counted_in)
    if _still(found, rows):
        return _constant(metric, found, null=null, confidence=confidence, identical=True)
    scale: Scale = "skew" if metric.scale == "skew" or metric.mean else "plain"
    name = {"auc": "delong paired"}.get(metric.name, "influence paired")
    few = _too_few(metric, found.error, fewest)
    return _by_t(found, name, scale, null=null, confidence=confidence, few=few)


def _tango(b: int, c: int, n: int, *, null: float, confidence: float, up: bool, counted_in: str) -> Decision:
    """b, c: rows that only the candidate, only the champion got right, of n. up: whether more is what the line asks for."""
    interval = tango(n - b - c, b, c, 0, confidence=2 * confidence - 1)
    met, violated = tango_p(b, c, n, null) if up else tango_p(c, b, n, -null)
    se = math.sqrt(max((b + c) / n - interval.value**2, 0.0) / n)
    few = f"{n} {counted_in}; the test needs 5" if n < MIN_EFFECTIVE_ROWS else None
    return Decision(
        interval.value,
        interval.low,
        interval.high,
        met if up else violated,
        violated if up else met,
        se,
        float(n),
        TANGO,
        few,
        {"only_candidate": b, "only_champion": c},
    )


def _still(found: Summary, rows: int) -> bool:
    """Whether nothing varies from row to row, but for the last digits of a float."""
    return found.error.se * math.sqrt(rows) <= 1e-12 * found.size


def _constant(metric: Metric, found: Summary, *, null: float, confidence: float, identical: bool = False) -> Decision:
    """Nothing varies on these rows: a share of at most 1 − alpha^(1/m) of all rows could behave otherwise.

    m: the units that carry the metric. For metrics within 0 and 1 that share bounds the value too; for others the claim is
    that 95 % of all rows behave as seen, and below the number of rows that shows it nothing bounds the value.
    """
    value, units = found.value, found.units
    one = "query" if metric.counted_in == "queries" else "row"
    method = f"{'identical' if identical else 'the same'} on every {one}, exact"
    bounded = metric.scale == "logit" or metric.name == "brier"
    if not (bounded and (identical or min(abs(value), abs(1 - value)) < 1e-12)):
        return unvaried(value, units, null=null, confidence=confidence, method=method)
    share = 1 - (1 - confidence) ** (1 / max(units, 1))
    low = value - share if identical else max(0.0, value - share)
    high = value + share if identical else min(1.0, value + share)
    above = (1 - min(value - null, 1.0)) ** units if value > null else 1.0
    below = (1 - min(null - value, 1.0)) ** units if value < null else 1.0
    return Decision(value, low, high, above, below, 0.0, float(units), method)


def _too_few(metric: Metric, error: Spread, fewest: Minority) -> str | None:
    if fewest is not None and fewest[0] < MIN_MINORITY:
        return f"{fewest[0]} {fewest[1]}; the test needs {MIN_MINORITY}"
    if error.clusters is not None and error.clusters < MIN_CLUSTERS:
        return f"{error.clusters} clusters; the test needs {MIN_CLUSTERS}"
    if error.n_eff < MIN_EFFECTIVE_ROWS:
        return f"{error.n_eff:.1f} {metric.counted_in} carry the variance; the test needs {MIN_EFFECTIVE_ROWS:g}"
    return None


def _by_cluster(error: Spread) -> str:
    return "" if error.clusters is None else ", by cluster"


def _cluster_detail(error: Spread) -> dict[str, Any]:
    if error.clusters is None:
        return {}
    return {"clusters": error.clusters, "design_effect": number(error.design_effect)}

"""From a metric's summary to an interval and two p-values: of one model's value, or of a difference."""

from __future__ import annotations

import math

from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.comparison import (
    MIN_CLUSTERS,
    MIN_EFFECTIVE_ROWS,
    MIN_MINORITY,
    TANGO,
    Comparison,
    unvaried,
)
from lockgate.evaluation.uncertainty.metric_value import Summary
from lockgate.hashing import number
from lockgate.stats.influence import Scale, Spread, bound
from lockgate.stats.proportions import binomial_at_least, binomial_at_most, clopper_pearson, tango, tango_p

Minority = tuple[int, str] | None
"""(rows, their kind) of the smallest group of rows that a metric needs enough of."""


def own(metric: Metric, value: Summary, *, rows: int, fewest: Minority, null: float, confidence: float) -> Comparison:
    """One model's value on so many rows against a number; confidence: one-sided."""
    if value.counts is not None:
        k, n = value.counts
        exact = clopper_pearson(k, n, confidence=2 * confidence - 1)
        above, below = binomial_at_least(k, n, null), binomial_at_most(k, n, null)
        se = math.sqrt(exact.value * (1 - exact.value) / n)
        return Comparison(exact.value, exact.low, exact.high, above, below, se, float(n), "clopper-pearson")
    if _is_still(value, rows):
        return _constant(metric, value, null=null, confidence=confidence)
    few = _too_few(metric, value.error, fewest)
    return _by_t(value, metric.method, metric.scale, null=null, confidence=confidence, few=few)


def _by_t(value: Summary, method: str, scale: Scale, *, null: float, confidence: float, few: str | None) -> Comparison:
    """A value with its spread against a number, by t; unbounded where no more than one row carries the variance."""
    error = value.error
    if error.n_eff <= 1:
        return Comparison(value.value, -math.inf, math.inf, 1.0, 1.0, error.se, error.n_eff, "none", few)
    transform = {"logit": ", logit", "skew": ", skew-corrected", "plain": ""}[scale]
    clustered = "" if error.clusters is None else ", by cluster"
    return Comparison(
        value.value,
        *bound(value.value, error, null=null, confidence=confidence, scale=scale),
        error.se,
        error.n_eff,
        f"{method}, t{transform}{clustered}",
        few,
        {} if not clustered else {"clusters": error.clusters, "design_effect": number(error.design_effect)},
    )


def paired(
    metric: Metric,
    difference: Summary,
    requirement: Requirement,
    *,
    rows: int,
    fewest: Minority,
    null: float,
    confidence: float,
) -> Comparison:
    """Candidate minus champion (or minus a factor of it) on the same rows."""
    if difference.disagree is not None:
        up = requirement.op == ">="
        return _tango(*difference.disagree, null=null, confidence=confidence, up=up, counted_in=metric.counted_in)
    if _is_still(difference, rows):
        return _constant(metric, difference, null=null, confidence=confidence, identical=True)
    # A difference of two values within 0 and 1 lies within −1 and 1: there is no logit of it.
    scale: Scale = "skew" if metric.scale == "skew" or metric.mean else "plain"
    few = _too_few(metric, difference.error, fewest)
    return _by_t(difference, f"{metric.method} paired", scale, null=null, confidence=confidence, few=few)


def _tango(b: int, c: int, n: int, *, null: float, confidence: float, up: bool, counted_in: str) -> Comparison:
    """b, c: rows that only the candidate, only the champion got right, of n. up: whether the line requires more."""
    interval = tango(n - b - c, b, c, 0, confidence=2 * confidence - 1)
    # Turned so that the first p-value is the one that the line is passed by: `tango_p` treats its two claims unlike.
    met, violated = tango_p(b, c, n, null) if up else tango_p(c, b, n, -null)
    se = math.sqrt(max((b + c) / n - interval.value**2, 0.0) / n)
    few = f"{n} {counted_in}; the test needs 5" if n < MIN_EFFECTIVE_ROWS else None
    return Comparison(
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


def _is_still(value: Summary, rows: int) -> bool:
    """Whether nothing varies from row to row, but for the last digits of a float."""
    return value.error.se * math.sqrt(rows) <= 1e-12 * value.size


def _constant(
    metric: Metric, summary: Summary, *, null: float, confidence: float, identical: bool = False
) -> Comparison:
    """Nothing varies on these rows: a share of at most 1 − alpha^(1/m) of all rows could behave otherwise.

    m: the units that carry the metric. For metrics within 0 and 1 that share bounds the value too; for others the claim is
    that 95 % of all rows behave like these, and below the number of rows that shows it nothing bounds the value.
    """
    value, units = summary.value, summary.units
    unit = "query" if metric.counted_in == "queries" else "row"
    method = f"{'identical' if identical else 'the same'} on every {unit}, exact"
    bounded = metric.scale == "logit" or metric.bounded
    if not (bounded and (identical or min(abs(value), abs(1 - value)) < 1e-12)):
        return unvaried(value, units, null=null, confidence=confidence, method=method)
    share = 1 - (1 - confidence) ** (1 / max(units, 1))
    low = value - share if identical else max(0.0, value - share)
    high = value + share if identical else min(1.0, value + share)
    above = (1 - min(value - null, 1.0)) ** units if value > null else 1.0
    below = (1 - min(null - value, 1.0)) ** units if value < null else 1.0
    return Comparison(value, low, high, above, below, 0.0, float(units), method)


def _too_few(metric: Metric, error: Spread, fewest: Minority) -> str | None:
    if fewest is not None and fewest[0] < MIN_MINORITY:
        return f"{fewest[0]} {fewest[1]}; the test needs {MIN_MINORITY}"
    if error.clusters is not None and error.clusters < MIN_CLUSTERS:
        return f"{error.clusters} clusters; the test needs {MIN_CLUSTERS}"
    if error.n_eff < MIN_EFFECTIVE_ROWS:
        return f"{error.n_eff:.1f} {metric.counted_in} carry the variance; the test needs {MIN_EFFECTIVE_ROWS:g}"
    return None

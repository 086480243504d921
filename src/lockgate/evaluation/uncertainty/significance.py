"""From a metric's summary to an interval and two p-values: of one model's value, or of a difference."""

from __future__ import annotations

import math
from dataclasses import replace

from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.comparison import (
    CLOPPER_PEARSON,
    EFFECTIVE,
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
from lockgate.stats.proportions import binomial_at_least, binomial_at_most, korn_graubard, tango_interval, tango_p

Minority = tuple[int, str] | None
"""(rows, their kind) of the smallest group of rows that a metric needs enough of."""

Bounds = tuple[float, float]
"""The least and the largest that one row can bring to a value."""


def own(metric: Metric, value: Summary, *, rows: int, fewest: Minority, null: float, confidence: float) -> Comparison:
    """One model's value on so many rows against a number; confidence: one-sided."""
    if value.counts is not None:
        k, n = value.counts
        share = korn_graubard(k, n, confidence=2 * confidence - 1)
        above, below = binomial_at_least(k, n, null), binomial_at_most(k, n, null)
        se = math.sqrt(share.value * (1 - share.value) / n)
        method = CLOPPER_PEARSON + (EFFECTIVE if value.uneven else "")
        of_counts = Comparison(share.value, share.low, share.high, above, below, se, float(n), method)
        return _of_uneven(of_counts, value, metric.bounds, null=null, confidence=confidence)
    if _is_still(value, rows):
        return _constant(metric, value, metric.bounds, null=null, confidence=confidence)
    few = _too_few(metric, value.error, fewest)
    by_t = _by_t(value, metric.method, metric.scale, null=null, confidence=confidence, few=few)
    return _of_uneven(by_t, value, metric.bounds, null=null, confidence=confidence)


def _by_t(value: Summary, method: str, scale: Scale, *, null: float, confidence: float, few: str | None) -> Comparison:
    """A value with its spread against a number, by t; unbounded where fewer than two rows carry the variance."""
    error = value.error
    # Below one degree of freedom t has quantiles of any size, which are no bound. Two rows are two however they are summed.
    if error.n_eff < 2 - 1e-6:
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
    bounds = _of_difference(metric.bounds, requirement.limit.factor)
    if difference.disagree is not None:
        of_counts = _tango(metric, difference, null=null, confidence=confidence, up=requirement.op == ">=")
        return _of_uneven(of_counts, difference, bounds, null=null, confidence=confidence)
    if _is_still(difference, rows):
        return _constant(metric, difference, bounds, null=null, confidence=confidence, identical=True)
    # A difference of two values within 0 and 1 lies within −1 and 1: there is no logit of it.
    scale: Scale = "skew" if metric.scale == "skew" or metric.mean else "plain"
    few = _too_few(metric, difference.error, fewest)
    by_t = _by_t(difference, f"{metric.method} paired", scale, null=null, confidence=confidence, few=few)
    return _of_uneven(by_t, difference, bounds, null=null, confidence=confidence)


def _tango(metric: Metric, difference: Summary, *, null: float, confidence: float, up: bool) -> Comparison:
    """up: whether the line requires more."""
    assert difference.disagree is not None  # noqa: S101  # looked at by who calls
    b, c, n = difference.disagree
    interval = tango_interval(b, c, n, confidence=2 * confidence - 1)
    # Turned so that the first p-value is the one that the line is passed by: `tango_p` treats its two claims unlike.
    met, violated = tango_p(b, c, n, null) if up else tango_p(c, b, n, -null)
    se = math.sqrt(max((b + c) / n - interval.value**2, 0.0) / n)
    few = f"{n:.3g} {metric.counted_in}; the test needs 5" if n < MIN_EFFECTIVE_ROWS else None
    uneven = difference.uneven
    return Comparison(
        interval.value,
        interval.low,
        interval.high,
        met if up else violated,
        violated if up else met,
        se,
        float(n),
        TANGO + (EFFECTIVE if uneven else ""),
        few,
        {"only_candidate": number(b) if uneven else b, "only_champion": number(c) if uneven else c},
    )


def _is_still(value: Summary, rows: int) -> bool:
    """Whether nothing varies from row to row, but for the last digits of a float."""
    return value.error.se * math.sqrt(rows) <= 1e-12 * value.size


def _constant(
    metric: Metric, summary: Summary, bounds: Bounds, *, null: float, confidence: float, identical: bool = False
) -> Comparison:
    """Nothing varies on these rows: a share of at most 1 − alpha^(1/m) of all rows could behave otherwise.

    m: the units that carry the metric. Where a row can bring only so much that share bounds the value too; elsewhere the claim
    is that 95 % of all rows behave like these, and below the number of rows that shows it nothing bounds the value.
    """
    unit = "query" if metric.counted_in == "queries" else "row"
    # Of uneven rows such a number is an approximation: only where all carry the same is the bound exact.
    method = f"{'identical' if identical else 'the same'} on every {unit}{EFFECTIVE if summary.uneven else ', exact'}"
    if not all(map(math.isfinite, bounds)):
        return unvaried(summary.value, summary.units, null=null, confidence=confidence, method=method)
    return replace(_unseen(summary, bounds, null=null, confidence=confidence), method=method)


def _of_difference(bounds: Bounds, factor: float) -> Bounds:
    """What a row can bring to the difference of one value and `factor` times another."""
    low, high = bounds
    return low - factor * high, high - factor * low


def _of_uneven(
    comparison: Comparison, summary: Summary, bounds: Bounds, *, null: float, confidence: float
) -> Comparison:
    """What few heavy units could have done unseen, beside what varied; units of one weight change nothing."""
    return (
        _wider(comparison, _unseen(summary, bounds, null=null, confidence=confidence)) if summary.uneven else comparison
    )


def _unseen(summary: Summary, bounds: Bounds, *, null: float, confidence: float) -> Comparison:
    """By the share of rows that could behave otherwise and of which none was drawn, the worst that they could bring.

    On a side without a bound anything is claimed.
    """
    value, units = summary.value, summary.units
    share = 1 - (1 - confidence) ** (1 / max(units, 1))
    below, above = value - bounds[0], bounds[1] - value
    return Comparison(
        value,
        value - share * below if math.isfinite(below) else math.inf,
        value + share * above if math.isfinite(above) else -math.inf,
        _chance_unseen(value - null, below, units),
        _chance_unseen(null - value, above, units),
        0.0,
        float(units),
        "",
    )


def _chance_unseen(distance: float, room: float, units: float) -> float:
    """That none of so many units shows those which, at the end of the room, would put the truth that far away."""
    if math.isinf(room):
        return 0.0
    return 1.0 if distance <= 0 else float((1 - min(distance / room, 1.0)) ** units) if room > 0 else 0.0


def _wider(first: Comparison, second: Comparison) -> Comparison:
    """The first, with each end and p-value that claims less: what both show."""
    return replace(
        first,
        low=min(first.low, second.low),
        high=max(first.high, second.high),
        p_above=max(first.p_above, second.p_above),
        p_below=max(first.p_below, second.p_below),
    )


def _too_few(metric: Metric, error: Spread, fewest: Minority) -> str | None:
    if fewest is not None and fewest[0] < MIN_MINORITY:
        return f"{fewest[0]} {fewest[1]}; the test needs {MIN_MINORITY}"
    if error.clusters is not None and error.clusters < MIN_CLUSTERS:
        return f"{error.clusters} clusters; the test needs {MIN_CLUSTERS}"
    if error.clusters is not None and error.effective is not None and error.effective < MIN_CLUSTERS:
        return f"{error.clusters} clusters carry as much as {error.effective:.1f} equal ones; the test needs {MIN_CLUSTERS}"
    if error.n_eff < MIN_EFFECTIVE_ROWS:
        return f"{error.n_eff:.1f} {metric.counted_in} carry the variance; the test needs {MIN_EFFECTIVE_ROWS:g}"
    return None

"""From a metric's summary to an interval and two p-values: of one model's value, or of a difference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from lockgate.evaluation.metrics.declaration import Metric, limits
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.comparison import (
    CLOPPER_PEARSON,
    EFFECTIVE,
    MIN_CLUSTERS,
    MIN_EFFECTIVE_ROWS,
    MIN_MINORITY,
    NONE,
    TANGO,
    Comparison,
    unvaried,
)
from lockgate.evaluation.uncertainty.metric_value import Rare, Summary
from lockgate.evaluation.uncertainty.rare_units import floored, floored_p, widened
from lockgate.hashing import number
from lockgate.stats.influence import Scale, Spread, bound
from lockgate.stats.proportions import binomial_at_least, binomial_at_most, korn_graubard, tango_interval, tango_p

Minority = tuple[int, str] | None
"""(rows, their kind) of the smallest group of rows that a metric needs enough of."""
_WORSE = 10.0
"""How many times as far as any row that came one that did not is taken to move a value that nothing bounds. With 10, means of losses
at their limit pass about as often as by t alone where that shows anything, and far below it nearly always (docs/internals/decisions.md)."""
_MIN_ROWS = 30
"""Below, what came says nothing of what did not, where nothing bounds it: of ten rows one in three times none is of a tenth."""


_TRANSFORMS: Mapping[Scale, str] = {
    "plain": "",
    "logit": ", logit",
    "fisher": ", Fisher's z",
    "skew": ", skew-corrected",
    "root": ", skew-corrected square",
}


def own(metric: Metric, value: Summary, *, rows: int, fewest: Minority, null: float, confidence: float) -> Comparison:
    """One model's value on so many rows against a number; confidence: one-sided."""
    if value.counts is not None:
        k, n = value.counts
        share = korn_graubard(k, n, confidence=2 * confidence - 1)
        above, below = binomial_at_least(k, n, null), binomial_at_most(k, n, null)
        se = math.sqrt(share.value * (1 - share.value) / n)
        method = CLOPPER_PEARSON + (EFFECTIVE if value.uneven else "")
        counted = Comparison(share.value, share.low, share.high, above, below, se, float(n), method)
        if not value.uneven:
            return counted
        return _within(metric, floored(counted, _rare(value, metric.bounds), null=null, confidence=confidence))
    rare = value.rare or _rare(value, metric.bounds)
    both = _by_influence(metric, value, metric.scale, rare, rows=rows, fewest=fewest, null=null, confidence=confidence)
    return _within(metric, both)


def _within(metric: Metric, comparison: Comparison) -> Comparison:
    # What a line may name bounds the number that is shown, also where a test takes rows to be unbounded.
    lowest, highest = metric.bounds if metric.subject is None else limits(metric.subject.bounds)
    if lowest <= comparison.low and comparison.high <= highest:
        return comparison
    return replace(comparison, low=max(lowest, comparison.low), high=min(highest, comparison.high))


def _by_influence(
    metric: Metric,
    value: Summary,
    scale: Scale,
    rare: tuple[Rare, Rare],
    *,
    rows: int,
    fewest: Minority,
    null: float,
    confidence: float,
    paired: bool = False,
) -> Comparison:
    """A value, or a difference, by t, and by what units that did not come would do. paired: whether it is a difference."""
    if metric.crowded:
        down, up = (Rare(side.units, side.reach, side.sharp, crowded=True) for side in rare)
        rare = down, up
    bounded = all(math.isfinite(side.reach) for side in rare)
    if _is_still(value, rows):
        unit = "query" if metric.counted_in == "queries" else "row"
        # Of uneven rows such a number is an approximation: only where all carry the same is the bound exact.
        method = f"{'identical' if paired else 'the same'} on every {unit}{EFFECTIVE if value.uneven else ', exact'}"
        if not bounded:
            return unvaried(value.value, value.units, null=null, confidence=confidence, method=method)
        return floored(_nothing_varies(value, method, null), rare, null=null, confidence=confidence)
    method = f"{metric.method} paired" if paired else metric.method
    by_score = bounded or value.error.n_eff >= MIN_EFFECTIVE_ROWS or value.units >= _MIN_ROWS
    few = _too_few(value.error, fewest)
    if few is None and not by_score:
        carried = f"{value.error.n_eff:.1f} {metric.counted_in} carry the variance"
        few = f"{carried}; below {_MIN_ROWS} {metric.counted_in} the test needs {MIN_EFFECTIVE_ROWS:g}"
    by_t = _by_t(value, method, scale, null=null, confidence=confidence, few=few)
    if by_t.method == NONE and by_score:
        by_t = replace(by_t, method=f"{method}, score")
    ends = widened(by_t, value.error, rare, null=null, confidence=confidence)
    return ends if bounded or not by_score else _open_ends(ends, value, scale, rare, null=null, confidence=confidence)


def _open_ends(
    ends: Comparison, value: Summary, scale: Scale, rare: tuple[Rare, Rare], *, null: float, confidence: float
) -> Comparison:
    """On the sides that nothing bounds, by t or by the score of units as far away as any that came may leave, whichever shows more.

    By the score alone where so few carry the variance that t is no judge; it shows more where a few losses are so large that
    the correction for their skewness comes to its end.
    """
    root = scale == "root" and value.value > 0  # of which the square is a mean: d(v²) = 2v dv
    error = replace(value.error, se=2 * value.value * value.error.se) if root else value.error
    unshown = Comparison(
        value.value**2 if root else value.value, -math.inf, math.inf, 1.0, 1.0, error.se, error.n_eff, NONE
    )
    # No row moves it farther than (Σψ⁴)^¼, which is (Σψ²)^½ / n_eff^¼.
    unseen = Rare(value.units, _WORSE * max(value.units, 1.0) * error.se / max(error.n_eff, 1.0) ** 0.25)
    limit = max(null, 0.0) ** 2 if root else null
    score = widened(unshown, error, (unseen, unseen), null=limit, confidence=confidence)
    if root:
        score = replace(score, low=math.sqrt(max(score.low, 0.0)), high=math.sqrt(score.high))
    t_judges, (down, up) = error.n_eff >= MIN_EFFECTIVE_ROWS, (math.isfinite(side.reach) for side in rare)
    by_t = ends if t_judges else score
    return replace(
        ends,
        low=ends.low if down else max(score.low, by_t.low),
        high=ends.high if up else min(score.high, by_t.high),
        p_above=ends.p_above if down else min(score.p_above, by_t.p_above),
        p_below=ends.p_below if up else min(score.p_below, by_t.p_below),
        method=ends.method if t_judges else f"{ends.method.partition(',')[0]}, score",
    )


def _by_t(value: Summary, method: str, scale: Scale, *, null: float, confidence: float, few: str | None) -> Comparison:
    """A value with its spread against a number, by t; unbounded where fewer than two rows carry the variance."""
    error = value.error
    # Below one degree of freedom t has quantiles of any size, which are no bound. Two rows are two however they are summed.
    if error.n_eff < 2 - 1e-6:
        return Comparison(value.value, -math.inf, math.inf, 1.0, 1.0, error.se, error.n_eff, NONE, few)
    transform = _TRANSFORMS[scale]
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
        score = _tango(metric, difference, null=null, confidence=confidence, up=requirement.op == ">=")
        if not difference.uneven:
            return score
    # A difference of two values within 0 and 1 lies within −1 and 1: there is no logit of it.
    scale: Scale = "skew" if metric.scale in ("skew", "root") or metric.mean else "plain"
    rare = difference.rare or _rare(difference, metric.bounds, requirement.limit.factor)
    by_influence = _by_influence(
        metric, difference, scale, rare, rows=rows, fewest=fewest, null=null, confidence=confidence, paired=True
    )
    return by_influence if difference.disagree is None else _wider(score, by_influence)


def _wider(score: Comparison, by_influence: Comparison) -> Comparison:
    """What both show: a score test counts rows of one size, and where the few that are lost are the heavy ones it shows too much."""
    return replace(
        score,
        low=min(score.low, by_influence.low),
        high=max(score.high, by_influence.high),
        p_above=max(score.p_above, by_influence.p_above),
        p_below=max(score.p_below, by_influence.p_below),
    )


def _rare(value: Summary, bounds: tuple[float, float], factor: float = 0.0) -> tuple[Rare, Rare]:
    """Units that bring as little as can be, and the champion's as much, and the other way around.

    No less is taken than the metric is wide. bounds: of one model's. factor: of the champion's value, 0 where it is not compared.
    """
    low, high = bounds
    lowest, highest = (low - factor * high, high - factor * low) if factor else bounds
    down, up = value.value - lowest, highest - value.value
    least = high - low if math.isfinite(high - low) else 0.0
    return Rare(value.units, max(least, down)), Rare(value.units, max(least, up))


def _tango(metric: Metric, difference: Summary, *, null: float, confidence: float, up: bool) -> Comparison:
    """up: whether the line requires more."""
    assert difference.disagree is not None  # noqa: S101  # looked at by who calls
    b, c, n = difference.disagree
    interval = tango_interval(b, c, n, confidence=2 * confidence - 1)
    # Turned so that the first p-value is the one that the line is passed by: `tango_p` treats its two claims unlike.
    met, violated = tango_p(b, c, n, null) if up else tango_p(c, b, n, -null)
    se = math.sqrt(max((b + c) / n - interval.value**2, 0.0) / n)
    uneven = difference.uneven
    score = Comparison(
        interval.value,
        interval.low,
        interval.high,
        met if up else violated,
        violated if up else met,
        se,
        float(n),
        TANGO + (EFFECTIVE if uneven else ""),
        None,
        {"only_candidate": number(b) if uneven else b, "only_champion": number(c) if uneven else c},
    )
    return floored(score, _rare(difference, (0.0, 1.0), 1.0), null=null, confidence=confidence)


def p_of_shares(better: float, worse: float, n: float, tolerance: float) -> tuple[float, float]:
    """The p-values by which `paired` says that the hits on n rows, of which these differ, fell by less, by more than the tolerance."""
    value = (better - worse) / n
    rare = Rare(n, max(1.0, 1 + value)), Rare(n, max(1.0, 1 - value))  # as `_rare` has it of a difference of two shares
    return floored_p(tango_p(better, worse, n, -tolerance), rare, value=value, null=-tolerance)


def _is_still(value: Summary, rows: int) -> bool:
    """Whether nothing varies from row to row, but for the last digits of a float."""
    return value.error.se * math.sqrt(rows) <= 1e-12 * value.size


def _nothing_varies(summary: Summary, method: str, null: float) -> Comparison:
    """The value alone, without any error: what did not come is yet to bound it."""
    value = summary.value
    above, below = float(value <= null), float(value >= null)
    return Comparison(value, value, value, above, below, 0.0, float(summary.units), method)


def _too_few(error: Spread, fewest: Minority) -> str | None:
    if fewest is not None and fewest[0] < MIN_MINORITY:
        return f"{fewest[0]} {fewest[1]}; the test needs {MIN_MINORITY}"
    if error.clusters is not None and error.clusters < MIN_CLUSTERS:
        return f"{error.clusters} clusters; the test needs {MIN_CLUSTERS}"
    if error.clusters is not None and error.effective is not None and error.effective < MIN_CLUSTERS:
        return f"{error.clusters} clusters carry as much as {error.effective:.1f} equal ones; the test needs {MIN_CLUSTERS}"
    return None

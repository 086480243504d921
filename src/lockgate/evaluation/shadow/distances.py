"""Measure how far two models' numbers are apart: mean, percentile and share of paired differences, and of distributions.

Each is of the requests that both answered. candidate, champion: (n,) float, NaN without an answer. weights: (n,) or None.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lockgate.evaluation.metrics.declaration import UNIT, Kinds, Means, Metric, unpaired
from lockgate.evaluation.shadow.shifts import P99_ABS_DIFFERENCE, SCORE_SHIFT, SHIFTS, WASSERSTEIN, WITHIN
from lockgate.evaluation.uncertainty.comparison import EFFECTIVE, MIN_CLUSTERS, Comparison, approximately
from lockgate.evaluation.uncertainty.metric_value import (
    Array,
    Bools,
    Floats,
    MetricValue,
    Summary,
    Undefined,
    rare_pair,
    ratio_of,
    small_sample,
)
from lockgate.evaluation.uncertainty.significance import own
from lockgate.hashing import number
from lockgate.stats.effective_size import Weighing, effective_rows
from lockgate.stats.influence import Sums, dot, spread
from lockgate.stats.proportions import binomial_at_least, binomial_at_most

PERCENTILE = 0.99
METHOD = "order statistics of differences"
_SHARE = Metric("within", "logit", bounds=UNIT)
_DISTANCE = Metric("wasserstein", "skew")
_NO_ANSWERS = "no request was answered by both models"

Measure: TypeAlias = "Callable[[Floats, Floats, Bools, Floats | None], MetricValue]"
"""(candidate's answers, champion's, whether both answered, weights) → value and influence of each row; raises Undefined."""


def shift(
    subject: str, candidate: Floats, champion: Floats, *, tolerance: float | None = None, probabilities: bool = False
) -> Metric:
    """The metric of that name on these answers. tolerance: of `within`. probabilities: whether no answer can leave 0 to 1."""
    measures: dict[str, Measure] = {
        SCORE_SHIFT.name: lambda *answers: score_shift(*answers, probabilities=probabilities),
        P99_ABS_DIFFERENCE.name: p99_abs_difference,
        WITHIN.name: lambda *answers: within(*answers, tolerance=tolerance or 0.0),
        WASSERSTEIN.name: wasserstein,
    }

    def measure(_: str, rows: NDArray[np.intp], weights: Floats | None) -> MetricValue:
        ours, theirs = candidate[rows], champion[rows]
        answered = ~(np.isnan(ours) | np.isnan(theirs))
        if not answered.any():
            raise Undefined("no_answers", _NO_ANSWERS)
        if not answered.all():
            ours, theirs = np.where(answered, ours, 0.0), np.where(answered, theirs, 0.0)
        return measures[subject](ours, theirs, answered, weights)

    decide = {P99_ABS_DIFFERENCE.name: unpaired(decide_p99), WASSERSTEIN.name: unpaired(decide_wasserstein)}.get(
        subject
    )
    kinds = _kinds_within(candidate, champion, tolerance or 0.0) if subject == WITHIN.name else None
    means = _mean_shift(candidate, champion, probabilities) if subject == SCORE_SHIFT.name else None
    metric = replace(
        SHIFTS[subject], measure=None, measure_rows=measure, argument=None, decide=decide, kinds=kinds, means=means
    )
    return replace(metric, bounds=(-1.0, 1.0)) if probabilities and subject == SCORE_SHIFT.name else metric


def score_shift(
    candidate: Floats, champion: Floats, answered: Bools, weights: Floats | None, *, probabilities: bool
) -> MetricValue:
    """The size of the mean difference, whichever way: above its bound on one side is beyond it on the other.

    Turned to be positive, so that its one-sided test is that of two one-sided tests (TOST, Schuirmann 1987).
    """
    mean = ratio_of((candidate - champion) * answered, answered, weights, among="requests answered by both")
    sign = -1.0 if mean.value < 0 else 1.0
    size = abs(mean.value)
    # How far a share of requests would move it that differ by 1, of answers that can differ by no more.
    cells = ((-1.0 - size, 1.0 - size),) if probabilities else None
    detail = {"shift": number(mean.value)}
    return MetricValue(size, sign * mean.psi, base=answered, cells=cells, detail=detail)


def within(
    candidate: Floats, champion: Floats, answered: Bools, weights: Floats | None, *, tolerance: float
) -> MetricValue:
    """The share of requests whose two answers differ by no more than the tolerance."""
    hits = answered & (np.abs(candidate - champion) <= tolerance)
    share = ratio_of(hits, answered, weights, among="requests answered by both")
    return MetricValue(share.value, share.psi, hits, answered)


def _mean_shift(candidate: Floats, champion: Floats, probabilities: bool) -> Means:
    """`score_shift` from the moments of differences."""

    def summary(rows: int, answered: int, mean: float, sums: Sums) -> Summary:
        if not answered:
            raise Undefined("no_answers", _NO_ANSWERS)
        size, share = abs(mean), answered / rows
        turned = replace(sums, third=math.copysign(1.0, mean) * sums.third).scaled(small_sample(rows) / share)
        return Summary(
            size, turned.spread(rows), max(size, max(turned.fourth, 0.0) ** 0.25), answered,
            rare=rare_pair(answered, share * (1.0 + size), share * (1.0 - size)) if probabilities else None, detail={"shift": number(mean)},
        )  # fmt: skip

    return Means(candidate - champion, summary)


def _kinds_within(candidate: Floats, champion: Floats, tolerance: float) -> Kinds:
    """The same from counts of requests: 0 where one did not answer, 1 where both did, 3 where they differ by no more besides."""
    answered, inside = ~(np.isnan(candidate) | np.isnan(champion)), np.abs(candidate - champion) <= tolerance
    above, below = np.array([False, False, False, True]), np.array([False, True, False, True])

    def share(_: str, counts: NDArray[np.int64]) -> tuple[Bools, Bools, dict[str, int]]:
        if not counts[below].any():
            raise Undefined("no_answers", _NO_ANSWERS)
        return above, below, {}

    return Kinds(answered * np.uint8(1) + inside * np.uint8(2), above.size, share)


@dataclass(frozen=True, kw_only=True)
class _OfAnswers(MetricValue):
    """A value of the requests that both answered. weights: (n,) or None."""

    answered: Bools
    weights: Floats | None


@dataclass(frozen=True, kw_only=True)
class Differences(_OfAnswers):
    """A percentile of absolute differences. size: (n,) |difference|, 0 where one did not answer."""

    size: Floats


def _weighed(answered: Bools, weights: Floats | None) -> Floats:
    """(n,) what each request weighs, 0 where one did not answer. Raises Undefined where none weighs anything."""
    weight = answered.astype(np.float64) if weights is None else weights * answered
    if not weight.any():
        raise Undefined("no_weight", "all weights are zero")
    return weight


def p99_abs_difference(candidate: Floats, champion: Floats, answered: Bools, weights: Floats | None) -> Differences:
    """The least difference that 99 % of requests do not exceed."""
    size = np.abs(candidate - champion)
    weight = _weighed(answered, weights)
    if weights is None:
        among = size if answered.all() else size[answered]
        index = math.ceil(PERCENTILE * among.size - 1e-9) - 1
        value = float(np.partition(among, index)[index])
    else:
        order = np.argsort(size, kind="stable")
        reached = np.cumsum(weight[order])
        value = float(size[order][np.searchsorted(reached, PERCENTILE * reached[-1] * (1 - 1e-12))])
    return Differences(value, np.zeros(size.size), size=size, answered=answered, weights=weights)


def decide_p99(measured: Differences, clusters: Array | None, null: float, confidence: float) -> Comparison:
    """By the share of requests within the limit, which is below 99 % where the percentile lies above it.

    Source: binomial test of a quantile (Conover 1999, §3.2); with weights or clusters by the test of such a share.
    """
    plain = measured.weights is None and clusters is None
    return (_by_counts if plain else _by_shares)(measured, clusters, null, confidence)


def _by_counts(measured: Differences, _: Array | None, null: float, confidence: float) -> Comparison:
    """Exact, of independent requests."""
    size = measured.size if measured.answered.all() else measured.size[measured.answered]
    n, beyond, alpha = size.size, 1 - PERCENTILE, 1 - confidence
    # So many may lie beyond a limit that is met, so many must where one is violated: the ends are the values with these beyond them.
    most = bisect_left(range(n + 1), x=True, key=lambda k: binomial_at_most(k, n, beyond) > alpha) - 1
    least = bisect_left(range(n + 1), x=True, key=lambda k: binomial_at_least(k, n, beyond) <= alpha)
    places = [
        index for index in (n - 1 - most if most >= 0 else None, n - least if least <= n else None) if index is not None
    ]
    ordered = np.partition(size, places) if places else size
    over = int(np.count_nonzero(size > null))
    high = float(ordered[n - 1 - most]) if most >= 0 else math.inf
    return Comparison(
        measured.value,
        float(ordered[n - least]) if least <= n else 0.0,
        high,
        binomial_at_least(over, n, beyond),
        binomial_at_most(over, n, beyond),
        (high - measured.value) / float(special.ndtri(confidence)) if math.isfinite(high) else None,
        float(n),
        METHOD,
    )


def _by_shares(measured: Differences, clusters: Array | None, null: float, confidence: float) -> Comparison:
    """By the share within each of the values that came, with what weights and clusters leave of it."""
    alpha, values = 1 - confidence, np.unique(measured.size[measured.answered])

    def test(limit: float, *, below: bool = False) -> Comparison:
        inside = measured.size < limit if below else measured.size <= limit
        return _share_test(measured, inside, clusters, confidence)

    upper = bisect_left(values, x=True, key=lambda value: test(float(value)).p_above <= alpha)
    lower = bisect_left(values, x=True, key=lambda value: test(float(value), below=True).p_below > alpha)
    at_limit = test(null)
    high = float(values[upper]) if upper < values.size else math.inf
    few = None
    if clusters is not None and (count := np.unique(clusters[measured.answered]).size) < MIN_CLUSTERS:
        few = f"{count} clusters; the test needs {MIN_CLUSTERS}"
    return Comparison(
        measured.value,
        float(values[lower - 1]) if lower > 0 else 0.0,
        high,
        at_limit.p_below,
        at_limit.p_above,
        (high - measured.value) / float(special.ndtri(confidence)) if math.isfinite(high) else None,
        at_limit.n_eff,
        METHOD + (EFFECTIVE if clusters is None else ", by cluster"),
        few,
    )


def _share_test(measured: Differences, inside: Bools, clusters: Array | None, confidence: float) -> Comparison:
    """Of the claims that more, and that less, than 99 % of requests are inside."""
    answered, weights = measured.answered, measured.weights
    share = ratio_of(inside & answered, answered, weights, among="requests answered by both")
    summary, weighing = summary_of(share, answered, weights, clusters)
    if clusters is None:
        n = effective_rows(share.psi, weighing.effective, variance=share.value * (1 - share.value))
        summary = replace(summary, counts=(share.value * n, n))
    return own(_SHARE, summary, rows=inside.size, fewest=None, null=PERCENTILE, confidence=confidence)


def summary_of(
    value: MetricValue, answered: Bools, weights: Floats | None, clusters: Array | None
) -> tuple[Summary, Weighing]:
    """The spread of a value of answered requests, from its influence values, with what weights and clusters leave of them."""
    weighing = Weighing(_weighed(answered, weights), clusters)
    error = spread(value.psi, clusters=clusters)
    if weights is not None or clusters is not None:
        error = weighing.limit(error, value.psi)
    size = max(abs(value.value), float(np.abs(value.psi).max()))
    return Summary(value.value, error, size, *weighing.count), weighing


@dataclass(frozen=True, kw_only=True)
class Distance(_OfAnswers):
    """A distance of two distributions. bias: by how much chance alone would raise it, were there none, of independent rows."""

    bias: float


def wasserstein(candidate: Floats, champion: Floats, answered: Bools, weights: Floats | None) -> Distance:
    """∫|F − G| over the champion's standard deviation, F and G the distributions of both models' answers.

    psi of the integral is S(y) − S(x) − value for a request answered x and y, S the integral of the sign of F − G; that of the
    deviation is ((y − mean)² − variance) / (2 deviation). Where F and G hardly differ, chance raises it by up to √(2/π) times the
    integral of the standard error of F − G, whose variance at t is made of the requests with one answer on each side of t.
    Source: influence function as in del Barrio, Gordaliza & Loubes 2019, Information and Inference 8:817–849.
    """
    n = answered.size
    weight = _weighed(answered, weights)
    total = float(weight.sum())
    mean = dot(weight, champion) / total
    variance = dot(weight, (champion - mean) ** 2) / total
    if not variance > 0:
        raise Undefined("constant_answer", "the champion answers every request alike, so that nothing is far or near")
    pooled = np.concatenate([candidate, champion])
    order = np.argsort(pooled, kind="stable")
    mass = np.concatenate([weight, -weight])[order] / total
    gaps, ahead = np.diff(pooled[order]), np.cumsum(mass)[:-1]
    ahead[np.abs(ahead) < 1e-12] = 0.0  # what rounding leaves where the two agree
    distance = dot(np.abs(ahead), gaps)
    integral = np.empty(2 * n)
    integral[order] = np.concatenate([[0.0], np.cumsum(np.sign(ahead) * gaps)])
    deviation = math.sqrt(variance)
    psi = (integral[n:] - integral[:n] - distance) / deviation
    psi -= distance / (2 * deviation**3) * ((champion - mean) ** 2 - variance)
    psi *= weight * (n / total) * math.sqrt(n / max(n - 1, 1))
    ends = np.concatenate(
        [candidate <= champion, candidate > champion]
    )  # whether an answer is the lower one of its request
    apart = np.cumsum(np.where(ends, 1.0, -1.0)[order] * np.concatenate([weight, weight])[order] ** 2)[:-1]
    bias = math.sqrt(2 / math.pi) * dot(np.sqrt(np.maximum(apart, 0.0)), gaps) / total / deviation
    return Distance(distance / deviation, psi, base=answered, bias=bias, answered=answered, weights=weights)


def decide_wasserstein(measured: Distance, clusters: Array | None, null: float, confidence: float) -> Comparison:
    """By the influence of each request, what chance may have added taken off for the claim that the distance is above."""
    summary, _ = summary_of(measured, measured.answered, measured.weights, clusters)

    def test(value: float) -> Comparison:
        moved = replace(summary, value=value)
        return own(_DISTANCE, moved, rows=measured.psi.size, fewest=None, null=null, confidence=confidence)

    whole, bias = test(measured.value), measured.bias * math.sqrt(max(summary.error.design_effect or 1.0, 1.0))
    least = test(max(measured.value - bias, 0.0))
    return replace(whole, low=max(least.low, 0.0), p_above=least.p_above, method=approximately(whole.method))

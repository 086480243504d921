"""By how much a candidate differs from the champion more than the champion does from itself, on the same requests.

A request brings X = 1[the candidate differs from the champion] − 1[the champion differs from itself], the latter in two
answers of the champion to the same request, of which none is the one that the candidate is compared with.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.estimation.from_sums import NO_SPREAD
from lockgate.evaluation.metrics.declaration import UNIT, Metric, unpaired
from lockgate.evaluation.requirements.requirement import Requirement, RequirementLimit
from lockgate.evaluation.shadow import rates
from lockgate.evaluation.shadow.distances import Differences, decide_p99, p99_abs_difference, summary_of
from lockgate.evaluation.shadow.shifts import P99_ABS_DIFFERENCE, SHIFTS, WITHIN
from lockgate.evaluation.uncertainty.comparison import Comparison
from lockgate.evaluation.uncertainty.metric_value import Array, Bools, Floats, MetricValue, Summary, Undefined, ratio_of
from lockgate.evaluation.uncertainty.significance import paired
from lockgate.hashing import number
from lockgate.stats.effective_size import effective_rows

_EXCESS = Metric("excess", "logit", bounds=UNIT, counted_in="requests")
_NO_ANSWERS = "no request was answered by both models, and twice more by the champion"
# What a p-value is rounded up to where each step of a search costs two bounds.
_RISKS = (1e-6, 1e-5, 1e-4, 5e-4, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True, kw_only=True)
class Excess(MetricValue):
    """A share minus that of the champion against itself, plus `offset`.

    pair: (n,) hits of both shares, where both are of the same requests, `base`; else None. weights: (n,) or None.
    """

    pair: tuple[Bools, Bools] | None
    weights: Floats | None
    offset: float
    up: bool


def excess_rate(subject: str, kinds: NDArray[np.uint8], own_kinds: NDArray[np.uint8], *, code: str = "") -> Metric:
    """The excess of a rate of decisions. kinds: (n,) of candidate and champion, own_kinds: of the champion's two more answers.

    code: the name of the class that counts as positive, of several.
    """
    above, below = rates.lookup(subject, "candidate")
    among = rates.among(subject, code)

    def measure(_: str, rows: NDArray[np.intp], weights: Floats | None) -> Excess:
        of_both, of_itself = kinds[rows], own_kinds[rows]
        answered = (of_both & of_itself & rates.ANSWERED).astype(bool)
        columns = [column[each] & answered for each in (of_both, of_itself) for column in (above, below)]
        return _excess(*columns, answered=answered, weights=weights, among=among)

    return replace(rates.RATES[subject], measure=None, measure_rows=measure, decide=unpaired(decide_excess))


def excess_within(differences: Floats, own_differences: Floats, *, tolerance: float) -> Metric:
    """1 − the excess of the share that differs by more. differences, own_differences: (n,) sizes, NaN without an answer."""

    def measure(_: str, rows: NDArray[np.intp], weights: Floats | None) -> Excess:
        of_both, of_itself = differences[rows], own_differences[rows]
        answered = ~(np.isnan(of_both) | np.isnan(of_itself))
        inside, own_inside = (answered & (each <= tolerance) for each in (of_both, of_itself))
        return _excess(
            inside, answered, own_inside, answered, answered=answered, weights=weights,
            among="requests answered by both", offset=1.0, up=True,
        )  # fmt: skip

    return replace(
        SHIFTS[WITHIN.name], measure=None, measure_rows=measure, argument=None, decide=unpaired(decide_excess)
    )


def _excess(
    hits: Bools,
    base: Bools,
    own_hits: Bools,
    own_base: Bools,
    *,
    answered: Bools,
    weights: Floats | None,
    among: str,
    offset: float = 0.0,
    up: bool = False,
) -> Excess:
    if not answered.any():
        raise Undefined("no_answers", _NO_ANSWERS)
    whole, noise = (ratio_of(*pair, weights, among=among) for pair in ((hits, base), (own_hits, own_base)))
    same = bool((base == own_base).all())
    return Excess(
        offset + whole.value - noise.value,
        whole.psi - noise.psi,
        base=base | own_base,
        detail=_detail(whole.value, noise.value, answered),
        pair=(hits, own_hits) if same else None,
        weights=weights,
        offset=offset,
        up=up,
    )


def _detail(whole: float, noise: float, answered: Bools) -> dict[str, str | int | None]:
    return {"with_noise": number(whole), "noise": number(noise), "asked_twice": int(np.count_nonzero(answered))}


def decide_excess(measured: Excess, clusters: Array | None, null: float, confidence: float) -> Comparison:
    """As a share is compared with the champion's on the same rows: by Tango's score of independent pairs, else by influence."""
    op: Literal[">=", "<="] = ">=" if measured.up else "<="
    beside = Requirement(_EXCESS.name, op, RequirementLimit(relative=True))
    test = paired(
        _EXCESS, _summary(measured, clusters), beside, rows=measured.psi.size, fewest=None,
        null=null - measured.offset, confidence=confidence,
    )  # fmt: skip
    shifted = {name: getattr(test, name) + measured.offset for name in ("value", "low", "high")}
    detail = {key: value for key, value in test.detail.items() if not key.startswith("only_")}
    return replace(test, **shifted, detail=detail)


def _summary(excess: Excess, clusters: Array | None) -> Summary:
    value, base, weights = excess.value - excess.offset, excess.base, excess.weights
    assert base is not None  # noqa: S101  # of each excess
    independent = clusters is None and excess.pair is not None
    differing = [first & ~second for first, second in (excess.pair, excess.pair[::-1])] if excess.pair else []
    if independent and weights is None:
        more, less = (int(np.count_nonzero(kind)) for kind in differing)
        rows = int(np.count_nonzero(base))
        return Summary(value, NO_SPREAD, 0.0, rows, disagree=(more, less, rows))
    summary, weighing = summary_of(replace(excess, value=value), base, weights, clusters)
    if not independent or weights is None:
        return summary
    up, down = (float(weights[kind].sum() / weights[base].sum()) for kind in differing)
    rows_alike = effective_rows(excess.psi, weighing.effective, variance=up + down - (up - down) ** 2)
    return replace(summary, disagree=(up * rows_alike, down * rows_alike, rows_alike))


@dataclass(frozen=True, kw_only=True)
class ExcessPercentile(MetricValue):
    """A percentile of differences minus that of the champion against itself."""

    whole: Differences
    noise: Differences


def excess_p99(differences: Floats, own_differences: Floats) -> Metric:
    """The excess of the percentile. differences, own_differences: (n,) sizes, NaN without an answer."""

    def measure(_: str, rows: NDArray[np.intp], weights: Floats | None) -> ExcessPercentile:
        of_both, of_itself = differences[rows], own_differences[rows]
        answered = ~(np.isnan(of_both) | np.isnan(of_itself))
        if not answered.any():
            raise Undefined("no_answers", _NO_ANSWERS)
        whole, noise = (
            p99_abs_difference(np.where(answered, each, 0.0), np.zeros(each.size), answered, weights)
            for each in (of_both, of_itself)
        )
        detail = _detail(whole.value, noise.value, answered)
        return ExcessPercentile(whole.value - noise.value, whole.psi, detail=detail, whole=whole, noise=noise)

    metric = SHIFTS[P99_ABS_DIFFERENCE.name]
    return replace(metric, measure=None, measure_rows=measure, argument=None, decide=unpaired(decide_excess_p99))


def decide_excess_p99(measured: ExcessPercentile, clusters: Array | None, null: float, confidence: float) -> Comparison:
    """By a bound of each percentile, each of half the risk (Bonferroni), so that how the two hang together plays no part."""

    @cache
    def ends(alpha: float) -> tuple[float, float, Comparison]:
        whole, noise = (decide_p99(each, clusters, 0.0, 1 - alpha / 2) for each in (measured.whole, measured.noise))
        return whole.low - noise.high, whole.high - noise.low, whole

    def least_alpha(shows: Callable[[float], bool]) -> float:
        place = bisect_left(risks, x=True, key=shows)
        return risks[place] if place < len(risks) else 1.0

    risks = sorted({*_RISKS, 1 - confidence})
    low, high, whole = ends(1 - confidence)
    return replace(
        whole,
        value=measured.value,
        low=low,
        high=high,
        p_above=least_alpha(lambda alpha: ends(alpha)[0] > null),
        p_below=least_alpha(lambda alpha: ends(alpha)[1] <= null),
        se=None,
    )

"""Estimates of each requirement on each slice: value, contrast, interval and the two p-values."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from lockgate.evaluation.requirements.requirement import Requirement

if TYPE_CHECKING:
    from lockgate.data.slices.names import SliceKey
    from lockgate.evaluation.estimation.from_rows import SliceRows
    from lockgate.evaluation.metrics.declaration import Metric
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.evaluation.uncertainty.power import Tested

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """One requirement on one slice, before any verdict.

    candidate, champion: their values; interval: the candidate's own, two-sided at 2·confidence − 1.
    on, value, low, high, required: the contrast that is compared with `required`, its interval likewise.
    limit: what the candidate's own value is compared with. p_pass, p_fail: one-sided p-values of the claims that the
    requirement is met, and that it is violated; None for counts and where nothing could be tested.
    minority: rows of the smaller class where the metric needs both. variance: of one row's influence, of this slice;
    pooled_variance of all rows. too_few: the reason where the test's own floor is not reached, or it cannot be decided otherwise;
    few_code: that in a word. problem: (code, reason) where there is no value. tested: what the test was asked about, None where
    a metric has a rule of its own.
    """

    requirement: str
    slice: SliceKey
    rows: int
    positives: int | None
    required: tuple[str, float]
    on: Literal["value", "difference", "ratio", "count"]
    method: str
    counted: bool = False
    candidate: float | None = None
    champion: float | None = None
    interval: tuple[float | None, float | None] | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    p_pass: float | None = None
    p_fail: float | None = None
    se: float | None = None
    n_eff: float | None = None
    minority: int | None = None
    variance: float | None = None
    pooled_variance: float | None = None
    too_few: str | None = None
    few_code: str = "too_small"
    problem: tuple[str, str] | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    counted_in: str = "rows"
    tested: Tested | None = field(default=None, repr=False, compare=False)


def counted(
    requirement_id: str,
    requirement: Requirement,
    *,
    value: float,
    units: int,
    champion: float | None = None,
    slice_key: SliceKey = (),
    detail: Mapping[str, Any] | None = None,
) -> Estimate:
    """A fact of this run: `value` things counted among `units` looked at; zero units show nothing."""
    limit = absolute_limit(requirement, champion)
    return Estimate(
        requirement=requirement_id,
        slice=slice_key,
        rows=units,
        positives=None,
        required=(requirement.op, requirement.limit.value if limit is None else limit),
        on="count",
        method="counted",
        counted=True,
        candidate=float(value),
        champion=champion,
        value=float(value) if units else None,
        low=float(value) if units else None,
        high=float(value) if units else None,
        limit=limit,
        problem=None if units else ("nothing_counted", "nothing was there to be counted"),
        detail=detail or {},
    )


def absolute_limit(requirement: Requirement, champion: float | None) -> float | None:
    """The limit of the candidate's own value; None where that needs a champion's value that is not there."""
    limit = requirement.limit
    if not limit.relative:
        return None if limit.declared else limit.value
    if champion is None:
        return None
    return champion * limit.value if limit.sign == "*" else champion + limit.margin


def contrast(requirement: Requirement) -> tuple[Literal["value", "difference"], float]:
    """(what is compared, the number it is compared with) for a requirement on a metric."""
    limit = requirement.limit
    if not limit.relative:
        return "value", limit.value
    return "difference", 0.0 if limit.sign == "*" else limit.margin


def estimate(
    scored: Scored,
    lines: Sequence[tuple[str, Requirement]],
    metrics: Mapping[str, Metric],
    *,
    threshold: Mapping[str, float | None],
    threads: int | None = None,
) -> tuple[Estimate, ...]:
    """Estimates of every requirement on every slice that it names, in the order of requirements, then slices.

    lines: (rN, requirement) on metrics of `metrics`; relative ones need scored.champion. threshold: of each role's scores.
    threads: how many may be used, one a processor by default; the estimates do not depend on it.
    """
    from lockgate.evaluation.estimation.from_rows import SliceRows
    from lockgate.evaluation.estimation.from_sums import SummedMetrics
    from lockgate.evaluation.estimation.in_memory_sums import InMemoryEngine
    from lockgate.evaluation.estimation.slice_cells import Members, cells_of
    from lockgate.evaluation.estimation.slice_totals import SliceTotals
    from lockgate.evaluation.estimation.sum_request import OVERALL

    cells, codes = cells_of(scored, lines)
    summed = SummedMetrics(
        InMemoryEngine(scored, codes, threads=threads or os.cpu_count() or 1),
        [
            *((OVERALL, line) for _, line in lines),
            *((cell.slice_code, line) for cell in cells for _, line in cell.lines),
        ],
        metrics,
        threshold=threshold,
        cut=scored.cut,
    )
    estimates: dict[tuple[str, SliceKey], Estimate] = {}
    pooled: dict[str, float | None] = {}
    members = {slicing: Members(column, count) for slicing, (count, column) in codes.items()}
    totals = SliceTotals(scored, members)
    overall = SliceRows(scored, None, OVERALL, threshold, metrics, summed, totals)
    for name, requirement in lines:
        whole = _estimate(overall, name, requirement, ())
        pooled[name] = whole.variance
        if requirement.scope.kind == "overall":
            estimates[name, ()] = replace(whole, pooled_variance=whole.variance)
    for cell in cells:
        slicing, code = cell.slice_code
        rows = SliceRows(scored, partial(members[slicing], code), cell.slice_code, threshold, metrics, summed, totals)
        for name, requirement in cell.lines:
            estimates[name, cell.key] = _estimate(rows, name, requirement, cell.key, pooled_variance=pooled[name])
    order = {name: number for number, (name, _) in enumerate(lines)}
    return tuple(sorted(estimates.values(), key=lambda estimate: order[estimate.requirement]))


def _estimate(
    rows: SliceRows, name: str, requirement: Requirement, key: SliceKey, *, pooled_variance: float | None = None
) -> Estimate:
    from lockgate.evaluation.uncertainty.comparison import approximately
    from lockgate.evaluation.uncertainty.metric_value import Undefined
    from lockgate.evaluation.uncertainty.power import Tested
    from lockgate.evaluation.uncertainty.significance import own, paired

    on, null = contrast(requirement)
    metric = requirement.pick(rows.metrics)
    fields: dict[str, Any] = {
        "requirement": name,
        "slice": key,
        "rows": rows.rows,
        "positives": rows.positives_of(metric),
        "required": (requirement.op, null),
        "on": on,
        "method": "none",
        "limit": absolute_limit(requirement, None),
        "pooled_variance": pooled_variance,
        "counted_in": metric.counted_in,
    }
    if rows.rows == 0:
        return Estimate(**fields, problem=("no_rows", f"there are no {metric.counted_in}"))
    try:
        candidate = rows.measure("candidate", requirement)
    except Undefined as error:
        return Estimate(**fields, problem=(error.code, str(error)))
    confidence = requirement.confidence or CONFIDENCE
    fields |= {"candidate": candidate.value, "detail": candidate.detail}
    test, value, fewest, tested = None, candidate.value, None, None
    if requirement.claim != "point" or metric.decide is not None:  # else nothing but the values is computed
        fewest = rows.minority(metric)
        own_null = null if on == "value" else candidate.value
        test = rows.compare(requirement, paired=False, null=own_null, confidence=confidence)
        if test is None:
            tested = Tested(metric, requirement, candidate, rows.rows, fewest)
            test = own(metric, candidate, rows=rows.rows, fewest=fewest, null=own_null, confidence=confidence)
        fields["interval"] = test.low, test.high
    if on == "difference":
        if metric.of_both:
            raise ValueError(f"no model alone has a {requirement.subject}")
        factor = requirement.limit.factor
        try:
            champion = rows.value("champion", requirement)
        except Undefined as error:
            return Estimate(**fields, problem=(error.code, f"of the champion: {error}"))
        fields |= {"champion": champion, "limit": absolute_limit(requirement, champion)}
        value -= factor * champion
        if test is not None:
            test = rows.compare(requirement, paired=True, null=null, confidence=confidence)
            if test is None:
                difference = rows.contrast(requirement, factor)
                tested = Tested(metric, requirement, difference, rows.rows, fewest)
                fields["detail"] = {**candidate.detail, **difference.detail}
                test = paired(
                    metric,
                    difference,
                    requirement,
                    rows=rows.rows,
                    fewest=fewest,
                    null=null,
                    confidence=confidence,
                )
    fields |= {"value": value if test is None else test.value, "method": "point"}
    if test is None or requirement.claim == "point":
        return Estimate(**fields)
    p_pass, p_fail = test.p_values(up=requirement.op == ">=")
    return Estimate(
        **fields
        | {
            "low": test.low,
            "high": test.high,
            "p_pass": p_pass,
            "p_fail": p_fail,
            "se": test.se,
            "n_eff": test.n_eff,
            "method": approximately(test.method)
            if metric.approximate or (tested and tested.unbounded)
            else test.method,
            "minority": None if fewest is None else fewest[0],
            "variance": None if not test.se else test.se**2 * rows.rows,
            "too_few": test.too_few,
            "tested": tested,
            "detail": {**fields["detail"], **test.detail},
        }
    )

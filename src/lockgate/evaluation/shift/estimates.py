"""Estimates of the lines on features: distance, null rates and new values, each with the bound that decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from scipy import special

from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.shift.comparison import Compared
from lockgate.evaluation.shift.counts import Counts, Moved
from lockgate.evaluation.shift.features import Feature
from lockgate.evaluation.shift.subjects import DISTANCE, FEATURE, NEW_VALUE_RATE, NULL_RATE_SHIFT
from lockgate.evaluation.uncertainty.comparison import CLOPPER_PEARSON, EFFECTIVE
from lockgate.hashing import number
from lockgate.stats.proportions import binomial_at_least, binomial_at_most, korn_graubard
from lockgate.stats.two_samples import Apart, kolmogorov, share_apart, total_variation

FEWEST_ROWS = 30  # of a sample whose shares are taken for normal


def feature_estimates(name: str, line: Requirement, compared: Compared) -> Iterator[Estimate]:
    """One of each feature that the line is about, in the order of the features."""
    named = [value for key, value in line.scope.cell if key == FEATURE]
    for feature in compared.features:
        if not named or feature.name in named:
            yield _estimate(name, line, compared, feature)
    for missing in sorted(set(named) - {feature.name for feature in compared.features}):
        blank = _blank(name, line, missing, 0)
        yield replace(blank, problem=("no_column", f"no feature is called {missing!r}"))


def _blank(name: str, line: Requirement, feature: str, rows: int) -> Estimate:
    return Estimate(
        name, ((FEATURE, feature),), rows, None, (line.op, line.limit.value), "value", "none", limit=line.limit.value
    )


def _estimate(name: str, line: Requirement, compared: Compared, feature: Feature) -> Estimate:
    blank = _blank(name, line, feature.name, compared.traffic.rows)
    if feature.problem is not None:
        return replace(blank, problem=feature.problem)
    counts = compared.counts[feature.name]
    if line.subject == NULL_RATE_SHIFT.name:
        return _null_rates(blank, line, compared, counts)
    if counts.problem is not None:
        return replace(blank, problem=counts.problem)
    sizes = compared.sizes(counts)
    if not all(sizes):
        where = "the reference" if not sizes[0] else "the traffic"
        return replace(blank, problem=("no_rows", f"no row of {where} has a value"))
    moved = counts.moved(sizes)
    measure = {DISTANCE.name: _distance, NEW_VALUE_RATE.name: _new_values}[line.subject]
    return measure(replace(blank, rows=_with_value(counts, 1)), line, sizes, moved)


def _with_value(counts: Counts, side: int) -> int:
    return counts.missing[side].rows - counts.missing[side].missing_rows


def _distance(blank: Estimate, line: Requirement, sizes: tuple[float, float], moved: Moved) -> Estimate:
    apart = distance_apart(moved, sizes, limit=line.limit.value, confidence=line.confidence or CONFIDENCE)
    few = next(
        (f"{int(size)} effective rows; the test needs {FEWEST_ROWS}" for size in sizes if size < FEWEST_ROWS), None
    )
    detail = {
        "distance": "kolmogorov-smirnov" if moved.chance is None else "total variation",
        "where": moved.words,
        "reference_share": number(moved.shares[0]),
        "traffic_share": number(moved.shares[1]),
    }
    return replace(_decided(blank, line, apart, sizes, "largest difference", detail), too_few=few)


def distance_apart(moved: Moved, sizes: tuple[float, float], *, limit: float, confidence: float) -> Apart:
    """The distance of a feature with its bounds. sizes: effective rows with a value, of the reference and of the traffic."""
    m, n = sizes
    if moved.chance is None:
        return kolmogorov(moved.distance, n, m, limit=limit, confidence=confidence)
    return total_variation(moved.distance, n, m, chance=moved.chance, limit=limit, confidence=confidence)


def _null_rates(blank: Estimate, line: Requirement, compared: Compared, counts: Counts) -> Estimate:
    sizes = compared.reference.all, compared.traffic.all
    if not all(sizes):
        where = "the reference" if not sizes[0] else "the traffic"
        return replace(blank, problem=("no_rows", f"there are no rows of {where}"))
    ours, theirs = (each.share for each in counts.missing)
    confidence = line.confidence or CONFIDENCE
    apart = share_apart(theirs, sizes[1], ours, sizes[0], limit=line.limit.value, confidence=confidence)
    detail = {"where": "missing", "reference_share": number(ours), "traffic_share": number(theirs)}
    return _decided(blank, line, apart, sizes, "mover", detail)


def _new_values(blank: Estimate, line: Requirement, sizes: tuple[float, float], moved: Moved) -> Estimate:
    n, confidence = sizes[1], line.confidence or CONFIDENCE
    interval = korn_graubard(moved.new * n, n, confidence=2 * confidence - 1)
    limit = line.limit.value
    apart = Apart(
        moved.new, interval.low, interval.high, binomial_at_least(moved.new * n, n, limit), binomial_at_most(moved.new * n, n, limit),
        (interval.high - moved.new) / float(special.ndtri(confidence)),
    )  # fmt: skip
    method = CLOPPER_PEARSON + (EFFECTIVE if n < blank.rows else "")
    detail = {"where": moved.new_words} if moved.new else {}
    return _decided(blank, line, apart, sizes, method, detail)


def _decided(
    blank: Estimate, line: Requirement, apart: Apart, sizes: tuple[float, float], method: str, detail: dict[str, Any]
) -> Estimate:
    more = {**detail, "reference_n_eff": number(sizes[0])}
    if line.claim == "point":
        return replace(blank, candidate=apart.value, value=apart.value, method="point", detail=more)
    p_above, p_below = apart.p_above, apart.p_below
    p_pass, p_fail = (p_above, p_below) if line.op == ">=" else (p_below, p_above)
    return replace(
        blank, candidate=apart.value, value=apart.value, low=apart.low, high=apart.high, interval=(apart.low, apart.high),
        p_pass=p_pass, p_fail=p_fail, se=apart.se, n_eff=sizes[1], method=method, detail=more,
    )  # fmt: skip

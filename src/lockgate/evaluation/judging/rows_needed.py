"""Rows with which a requirement would be decided, and the tolerance or loss that the present rows can show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.comparison import MIN_EFFECTIVE_ROWS, MIN_MINORITY, TANGO

# Chance that a candidate that deserves to pass does: the usual 80 % would block every fifth good candidate.
POWER = 0.9
MOST_ROWS = 10**9  # more than anybody labels: no number would decide
_NEAR = 1.01  # a margin so near is met: rows are said to two figures
# Below as many effective rows a slice's own variance is too noisy to plan with; that of all rows stands in.
_OWN_VARIANCE_FROM = 30


def alpha_and_power(requirement: Requirement | None, slices: int) -> dict[str, float]:
    """alpha of a requirement, and the power that each of its slices needs so that all of them pass with 90 %."""
    # As if the tests of the slices were independent: power_of_each ** slices = POWER.
    return {
        "alpha": 1 - ((requirement and requirement.confidence) or CONFIDENCE),
        "power": float(POWER ** (1 / max(slices, 1))),
    }


def rows_to_decide(
    estimate: Estimate, requirement: Requirement, slices: int, *, small: SmallSlices | None
) -> int | None:
    """Rows of the slice that would decide all slices of the requirement with 90 % power; None where no number would.

    For a tolerance the models are assumed to be equal; for an absolute limit, and for a gain, the observed distance is
    assumed to be true. Never fewer than the policy and the test require. A `no_harm` claim needs none: more rows sharpen
    it, and do not decide it.
    """
    if requirement.claim in ("point", "no_harm"):
        return None
    from lockgate.stats.power import rows_by_score, rows_by_t

    distance = _tolerance(estimate, requirement)
    by_difference = estimate.on != "value" and requirement.claim != "superior"
    if not by_difference:
        if estimate.value is None:
            return None
        op, required = estimate.required
        distance = estimate.value - required if op == ">=" else required - estimate.value
    variance = _variance(estimate)
    if distance is None or distance <= 0 or (variance is None and estimate.value is None):
        return None
    rows, aim = _least_rows(estimate, requirement, small, distance=distance), alpha_and_power(requirement, slices)
    share = _effective(estimate) / max(estimate.rows, 1)
    if variance is not None and by_difference and estimate.method.startswith(TANGO):
        rows = max(rows, math.ceil(rows_by_score(variance * share, margin=distance, **aim) / share))
    elif variance:
        rows = max(rows, rows_by_t(variance, margin=distance, n_eff_share=share, **aim))
        rows = _rows_by_test(estimate, variance, rows, tolerance=distance, aim=aim) if by_difference else rows
    return rows if estimate.rows < rows <= MOST_ROWS else None


def _rows_by_test(
    estimate: Estimate, variance: float, least: int, *, tolerance: float, aim: Mapping[str, float]
) -> int:
    """So many rows, or more where the test shows no more than units that did not come would have done."""
    if estimate.tested is None or not estimate.rows:
        return least
    expected = estimate.tested.expecting(math.sqrt(variance / estimate.rows), _effective(estimate))
    rows = float(least)
    # A margin falls with the rows, or with their root: so many times as many never are too many, and soon are enough.
    while rows <= MOST_ROWS:
        margin = expected.resized(rows / estimate.rows).margin_of_equal(**aim)
        if margin <= tolerance * _NEAR or not math.isfinite(margin):
            break
        rows *= margin / tolerance
    return math.ceil(rows)


def _least_rows(estimate: Estimate, requirement: Requirement, small: SmallSlices | None, *, distance: float) -> int:
    """Rows of the slice's own kind that the policy and the floors of the test require, whatever the power."""
    of_policy = small if estimate.slice else None
    least = max(of_policy.min_rows if of_policy else 0, requirement.min_rows or 0)
    floors: list[tuple[float, float | None]] = [
        (of_policy.min_positives if of_policy else 0, estimate.positives),
        (MIN_MINORITY, estimate.minority),
        (MIN_EFFECTIVE_ROWS, estimate.n_eff if estimate.too_few is not None else None),
    ]
    if estimate.method.startswith("identical") and distance < 1:
        alpha = 1 - (requirement.confidence or CONFIDENCE)
        # The models agree on all n rows: a share `distance` of disagreement is excluded once (1 − distance)^n <= alpha.
        floors.append((math.log(alpha) / math.log1p(-distance), estimate.n_eff))
    return max(
        [
            least,
            *(math.ceil(estimate.rows * floor / present) for floor, present in floors if present and present < floor),
        ]
    )


def _effective(estimate: Estimate) -> float:
    """Rows that carry the variance (of a share, its denominator), at least as many as the test requires."""
    return float(estimate.rows) if estimate.n_eff is None else max(estimate.n_eff, MIN_EFFECTIVE_ROWS)


def _variance(estimate: Estimate) -> float | None:
    """Variance of one row's influence: the slice's own where it can be trusted, else that of all rows."""
    if estimate.counted or estimate.on == "ratio":
        return None
    trusted = estimate.n_eff is not None and estimate.n_eff >= _OWN_VARIANCE_FROM and estimate.too_few is None
    own = (estimate.variance if trusted else None) or estimate.pooled_variance or None
    return 0.0 if own is None and estimate.method.startswith(TANGO) else own  # answers that are all alike


def _tolerance(estimate: Estimate, requirement: Requirement) -> float | None:
    """How much worse than the champion is allowed, in the metric's units; negative where a gain is required."""
    if estimate.on != "difference":
        return None
    op, required = estimate.required
    if requirement.limit.sign != "*":
        return -required if op == ">=" else required
    if estimate.champion is None:
        return None
    factor = requirement.limit.value
    return (1 - factor if op == ">=" else factor - 1) * abs(estimate.champion)


def smallest_tolerance(estimate: Estimate, requirement: Requirement, slices: int) -> float | None:
    """The smallest tolerance that so many rows decide with 90 % power on all slices, if the models are equal.

    In the metric's units; of a factor, its distance from 1. None for a requirement without a tolerance.
    """
    variance, tolerance = _variance(estimate), _tolerance(estimate, requirement)
    if (
        variance is None
        or not tolerance
        or tolerance < 0
        or requirement.claim not in (None, "not_worse")
        or not estimate.rows
    ):
        return None
    from lockgate.stats.power import margin_by_score, margin_by_t

    effective_rows, aim = _effective(estimate), alpha_and_power(requirement, slices)
    if estimate.method.startswith(TANGO):
        smallest = margin_by_score(effective_rows, variance * effective_rows / estimate.rows, **aim)
    elif estimate.tested is not None:
        expected = estimate.tested.expecting(math.sqrt(variance / estimate.rows), effective_rows)
        smallest = expected.margin_of_equal(**aim)
    else:
        smallest = margin_by_t(math.sqrt(variance / estimate.rows), n_eff=effective_rows, **aim)
    if not math.isfinite(smallest):
        return None
    return smallest / abs(estimate.champion) if requirement.limit.sign == "*" and estimate.champion else smallest


def stated_tolerance(requirement: Requirement) -> float:
    """The tolerance of a requirement on the scale of `smallest_tolerance`."""
    limit = requirement.limit
    return abs(1 - limit.value) if limit.sign == "*" else abs(limit.margin)


def smallest_loss(estimate: Estimate, requirement: Requirement, *, findings: int) -> float | None:
    """The smallest loss on this slice that would fail it with 90 % power, in the metric's units; infinite where none would.

    findings: how many Holm's method corrects for, this one among them: the smallest p-value must be so many times smaller.
    Beside the champion a loss is counted from the champion's value, else from the limit. None for a metric without bounds,
    where a loss may lie on a row that did not come, and for one with a rule of its own.
    """
    tested, reference = estimate.tested, estimate.champion if estimate.on == "difference" else estimate.required[1]
    if tested is None or reference is None or not math.isfinite(tested.width):
        return None
    from lockgate.evaluation.uncertainty import power

    tolerance = max(_tolerance(estimate, requirement) or 0.0, 0.0)
    most = reference - tested.metric.bounds[0] if tested.up else tested.metric.bounds[1] - reference
    if most <= tolerance:
        return math.inf if most > 0 else 0.0
    aim = {"alpha": (1 - (requirement.confidence or CONFIDENCE)) / findings, "power": POWER}
    if estimate.on == "value":
        return power.detected_distance(tested, reference, most=most, **aim)
    # Models that agree on these few rows may yet differ on others, as they do on all rows.
    pooled, error = estimate.pooled_variance or 0.0, tested.summary.error
    if tested.summary.disagree is not None:
        more, less, rows = tested.summary.disagree
        if rows < 1:
            return math.inf
        differ = max((more + less) / rows, pooled * rows / estimate.rows)
        rate = (most * rows + 1) / (
            rows + 2
        )  # by Laplace's rule: few rows without a mistake are no proof that there is none
        return power.detected_share_loss(rows, differ, rate=rate, tolerance=tolerance, most=most, **aim)
    se = math.sqrt(pooled / estimate.rows)
    if se > error.se:
        error = replace(error, se=se, n_eff=error.n_eff or tested.summary.units)
    return power.detected_loss(tested, error, tolerance=tolerance, most=most, **aim)

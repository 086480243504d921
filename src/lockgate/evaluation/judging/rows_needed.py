"""Rows with which a requirement would be decided, and the tolerance or loss that the present rows can show."""

from __future__ import annotations

import math
from statistics import NormalDist

from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.uncertainty.comparison import CLOPPER_PEARSON, MIN_EFFECTIVE_ROWS, MIN_MINORITY, TANGO

# Chance that a candidate that deserves to pass does: the usual 80 % would block every fifth good candidate.
POWER = 0.9
# Below as many effective rows a slice's own variance is too noisy to plan with; that of all rows stands in.
_OWN_VARIANCE_FROM = 30


def quantiles(requirement: Requirement | None, slices: int) -> tuple[float, float]:
    """Normal quantiles of alpha_and_power: their sum times a standard error is the smallest effect that is detected."""
    aim, normal = alpha_and_power(requirement, slices), NormalDist()
    return normal.inv_cdf(1 - aim["alpha"]), normal.inv_cdf(aim["power"])


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
    if variance and by_difference and estimate.method.startswith(TANGO):
        rows = max(rows, math.ceil(rows_by_score(variance * share, margin=distance, **aim) / share))
    elif variance:
        rows = max(rows, rows_by_t(variance, margin=distance, n_eff_share=share, **aim))
    return rows if estimate.rows < rows < 2**53 else None  # beyond, JSON readers lose whole numbers


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
    return (estimate.variance if trusted else None) or estimate.pooled_variance or None


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
    else:
        smallest = margin_by_t(math.sqrt(variance / estimate.rows), n_eff=effective_rows, **aim)
    return smallest / abs(estimate.champion) if requirement.limit.sign == "*" and estimate.champion else smallest


def stated_tolerance(requirement: Requirement) -> float:
    """The tolerance of a requirement on the scale of `smallest_tolerance`."""
    limit = requirement.limit
    return abs(1 - limit.value) if limit.sign == "*" else abs(limit.margin)


def smallest_loss(estimate: Estimate, requirement: Requirement, subject: Subject | None) -> float | None:
    """The smallest loss that this slice would show with 90 % power, in the metric's units, at most what can be lost.

    None where nothing bounds it. A slice below the floor of its test is credited with no more than a share of as many rows
    could show.
    """
    if estimate.se is None or estimate.on == "ratio":
        return None
    tolerance, se = max(_tolerance(estimate, requirement) or 0.0, 0.0), estimate.se
    if se == 0 and estimate.pooled_variance:
        se = math.sqrt(estimate.pooled_variance / max(estimate.rows, 1))
    steps = sum(quantiles(requirement, 1))
    loss = tolerance + steps * se
    within = subject is not None and subject.bounds == (0, 1)
    if estimate.too_few is not None and not within:
        return None
    if within and (estimate.too_few is not None or estimate.method.startswith(("tango", "identical"))):
        # Models that agree on these rows have no variance here, yet a share that falls by L varies by at least L(1 − L).
        effective_counts = [count for count in (estimate.n_eff, estimate.minority) if count]
        loss = max(loss, _detected_share_loss(tolerance, steps**2 / min(effective_counts)) if effective_counts else 1.0)
    reference = estimate.champion if estimate.on == "difference" else estimate.required[1]
    if not within or reference is None:
        return loss
    worst = 0.0 if requirement.op == ">=" else 1.0
    if estimate.method.startswith(CLOPPER_PEARSON) and estimate.n_eff:
        loss = max(loss, _detected_rate_loss(reference, worst, estimate.n_eff, quantiles(requirement, 1)))
    return min(loss, abs(worst - reference))


def _detected_rate_loss(limit: float, worst: float, rows: float, steps: tuple[float, float]) -> float:
    """The distance from the limit, towards the worst value, at which a rate of so many rows is detected.

    steps: quantiles of the error rate and of the power. Solves d = z_alpha · σ(limit) + z_power · σ(limit + d) by
    bisection, as the sample size of a binomial test; the whole way where no smaller distance is detected.
    """
    way = worst - limit
    at_limit = steps[0] * math.sqrt(max(limit * (1 - limit), 0.0) / rows)
    near, far = 0.0, 1.0
    for _ in range(50):  # halves the interval to the resolution of a float
        middle = (near + far) / 2
        rate = limit + way * middle
        detected = abs(way) * middle >= at_limit + steps[1] * math.sqrt(max(rate * (1 - rate), 0.0) / rows)
        near, far = (near, middle) if detected else (middle, far)
    return abs(way) * far


def _detected_share_loss(tolerance: float, ratio: float) -> float:
    """The larger root L of L − tolerance = √(ratio · L(1 − L)); ratio: squared sum of quantiles over the rows."""
    middle = 2 * tolerance + ratio
    return (middle + math.sqrt(max(middle**2 - 4 * (1 + ratio) * tolerance**2, 0.0))) / (2 * (1 + ratio))

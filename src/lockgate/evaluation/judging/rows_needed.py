"""Rows with which a requirement would be decided, and the tolerance or loss that the present rows can show."""

from __future__ import annotations

import math
from statistics import NormalDist

from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.uncertainty.comparison import MIN_EFFECTIVE_ROWS, MIN_MINORITY, TANGO

POWER = 0.9


def quantiles(requirement: Requirement | None, slices: int) -> tuple[float, float]:
    """Normal quantiles of the line's confidence, and of the power with which each of its slices must pass."""
    asked, normal = alpha_and_power(requirement, slices), NormalDist()
    return normal.inv_cdf(1 - asked["alpha"]), normal.inv_cdf(asked["power"])


def alpha_and_power(requirement: Requirement | None, slices: int) -> dict[str, float]:
    """alpha of a line, and the power with which each of its slices must pass, so that all of them do with 90 %."""
    return {
        "alpha": 1 - ((requirement and requirement.confidence) or CONFIDENCE),
        "power": float(POWER ** (1 / max(slices, 1))),
    }


def rows_to_decide(one: Estimate, requirement: Requirement, slices: int, *, small: SmallSlices | None) -> int | None:
    """Rows of the slice with which all slices of the line would be decided with 90 % power; None where no number would.

    For lines on a tolerance the models are taken to be equal; for absolute ones, and for a gain, the observed distance is
    taken to be true. Never fewer than the policy and the test ask for. Nothing is needed for `no_harm`: more rows do not
    decide it, they sharpen it.
    """
    if requirement.claim in ("point", "no_harm"):
        return None
    from lockgate.stats.power import rows_by_score, rows_by_t

    distance = _tolerance(one, requirement)
    by_difference = one.on != "value" and requirement.claim != "superior"
    if not by_difference:
        if one.value is None:
            return None
        op, required = one.required
        distance = one.value - required if op == ">=" else required - one.value
    variance = _variance(one)
    if distance is None or distance <= 0 or (variance is None and one.value is None):
        return None
    rows, share = _least_rows(one, requirement, small, distance=distance), _effective(one) / max(one.rows, 1)
    if variance and by_difference and one.method == TANGO:
        carrying = rows_by_score(variance * share, margin=distance, **alpha_and_power(requirement, slices))
        rows = max(rows, math.ceil(carrying / share))
    elif variance:
        rows = max(
            rows, rows_by_t(variance, margin=distance, n_eff_share=share, **alpha_and_power(requirement, slices))
        )
    return rows if one.rows < rows < 2**53 else None


def _least_rows(one: Estimate, requirement: Requirement, small: SmallSlices | None, *, distance: float) -> int:
    """Rows of the slice's own kind that the policy and the floors of the test ask for, whatever the power.

    Where the models do not differ on any row, as many as would have shown a share of `distance` that does.
    """
    of_policy = small if one.slice else None
    least = max(of_policy.min_rows if of_policy else 0, requirement.min_rows or 0)
    asked: list[tuple[float, float | None]] = [
        (of_policy.min_positives if of_policy else 0, one.positives),
        (MIN_MINORITY, one.minority),
        (MIN_EFFECTIVE_ROWS, one.n_eff if one.too_few is not None else None),
    ]
    if one.method.startswith("identical") and distance < 1:
        alpha = 1 - (requirement.confidence or CONFIDENCE)
        asked.append((math.log(alpha) / math.log1p(-distance), one.n_eff))
    return max([least, *(math.ceil(one.rows * floor / have) for floor, have in asked if have and have < floor)])


def _effective(one: Estimate) -> float:
    """Rows that carry the variance (of a share, those that it is taken of), at least as many as the test asks for."""
    return float(one.rows) if one.n_eff is None else max(one.n_eff, MIN_EFFECTIVE_ROWS)


def _variance(one: Estimate) -> float | None:
    """Of one row's influence: the slice's own where it can be trusted, else that of all rows."""
    if one.counted or one.on == "ratio":
        return None
    own = one.variance if one.n_eff is not None and one.n_eff >= 30 and one.too_few is None else None
    return own or one.pooled_variance or None


def _tolerance(one: Estimate, requirement: Requirement) -> float | None:
    """How much worse than the champion the line allows, in the metric's units; below zero where it asks for a gain."""
    if one.on != "difference":
        return None
    op, required = one.required
    if requirement.limit.sign != "*":
        return -required if op == ">=" else required
    if one.champion is None:
        return None
    factor = requirement.limit.value
    return (1 - factor if op == ">=" else factor - 1) * abs(one.champion)


def smallest_tolerance(one: Estimate, requirement: Requirement, slices: int) -> float | None:
    """The smallest tolerance that rows as many as these decide with 90 % power on all slices of the line, equal models.

    In the metric's units; of a factor, its distance from 1. None for other lines than those on a tolerance.
    """
    variance, asked = _variance(one), _tolerance(one, requirement)
    if variance is None or not asked or asked < 0 or requirement.claim not in (None, "not_worse") or not one.rows:
        return None
    from lockgate.stats.power import margin_by_score, margin_by_t

    if one.method == TANGO:
        carrying = _effective(one)
        smallest = margin_by_score(carrying, variance * carrying / one.rows, **alpha_and_power(requirement, slices))
    else:
        smallest = margin_by_t(
            math.sqrt(variance / one.rows), n_eff=_effective(one), **alpha_and_power(requirement, slices)
        )
    return smallest / abs(one.champion) if requirement.limit.sign == "*" and one.champion else smallest


def stated_tolerance(requirement: Requirement) -> float:
    """The tolerance of a line as `smallest_tolerance` gives it."""
    limit = requirement.limit
    return abs(1 - limit.value) if limit.sign == "*" else abs(limit.margin)


def smallest_loss(one: Estimate, requirement: Requirement, subject: Subject | None) -> float | None:
    """The smallest loss that this slice would show with 90 % power, in the metric's units, at most what can be lost.

    A share that falls by L varies by at least L(1 − L) a row, however alike the models are on the rows that were seen;
    a slice below the floor of its test is taken to know no more than a share of as many rows would.
    """
    if one.se is None or one.on == "ratio":
        return None
    tolerance, se = max(_tolerance(one, requirement) or 0.0, 0.0), one.se
    if se == 0 and one.pooled_variance:
        se = math.sqrt(one.pooled_variance / max(one.rows, 1))
    steps = sum(quantiles(requirement, 1))
    loss = tolerance + steps * se
    within = subject is not None and subject.bounds == (0, 1)
    if one.too_few is not None and not within:
        return None
    if within and (one.too_few is not None or one.method.startswith(("tango", "identical"))):
        carrying = [have for have in (one.n_eff, one.minority) if have]
        loss = max(loss, _share_seen(tolerance, steps**2 / min(carrying)) if carrying else 1.0)
    before = one.champion if one.on == "difference" else one.required[1]
    if not within or before is None:
        return loss
    worst = 0.0 if requirement.op == ">=" else 1.0
    if one.method == "clopper-pearson" and one.n_eff:
        loss = max(loss, _rate_seen(before, worst, one.n_eff, quantiles(requirement, 1)))
    return min(loss, abs(worst - before))


def _rate_seen(limit: float, worst: float, rows: float, steps: tuple[float, float]) -> float:
    """How far from the limit, towards the worst value, a rate of so many rows is seen; the whole way where not before.

    steps: the quantiles of the error rate and of the power, for the variance at the limit and at that distance from it.
    """
    way = worst - limit
    at_limit = steps[0] * math.sqrt(max(limit * (1 - limit), 0.0) / rows)
    near, far = 0.0, 1.0
    for _ in range(50):
        middle = (near + far) / 2
        rate = limit + way * middle
        seen = abs(way) * middle >= at_limit + steps[1] * math.sqrt(max(rate * (1 - rate), 0.0) / rows)
        near, far = (near, middle) if seen else (middle, far)
    return abs(way) * far


def _share_seen(tolerance: float, ratio: float) -> float:
    """The loss L with L − tolerance = √(ratio · L(1 − L)), ratio being the squared quantiles over the rows."""
    middle = 2 * tolerance + ratio
    return (middle + math.sqrt(max(middle**2 - 4 * (1 + ratio) * tolerance**2, 0.0))) / (2 * (1 + ratio))

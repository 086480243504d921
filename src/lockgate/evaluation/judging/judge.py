"""From estimates to findings: claim, bound, Holm, small slices, rows needed, and the sentence. One pure function."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

from lockgate.data.slices.names import finding_id
from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate
from lockgate.evaluation.judging.explanations import Sentence, outlook_words
from lockgate.evaluation.requirements.requirement import Requirement, Subject
from lockgate.evaluation.uncertainty.comparison import MIN_EFFECTIVE_ROWS, MIN_MINORITY, TANGO
from lockgate.evidence.evidence import Claim, Decided, Finding, FindingLimit, Verdict
from lockgate.hashing import number
from lockgate.stats.multiple_testing import holm

POWER = 0.9


def verdict_of(decided: Decided | None, detail: Mapping[str, Any]) -> Verdict:
    """The verdict that the numbers of a finding give: what a stranger recomputes from `decided` and `detail`.

    A count or a point is compared with the limit; fewer rows than were asked for (`too_few`) let neither pass, and no
    point fail. Else, with alpha = 1 − confidence: fail where p_fail_holm <= alpha; a `no_harm` claim passes unless
    p_fail <= alpha, and with `too_few` only where it is watched; every other claim passes where p_pass <= alpha and
    nothing is `too_few`. Whatever else there is, is inconclusive.
    """
    if decided is None or decided.estimate is None:
        return Verdict.INCONCLUSIVE
    op, required = decided.required
    if decided.confidence is None:
        met = decided.estimate >= required if op == ">=" else decided.estimate <= required
        if detail.get("too_few") is not None and (met or decided.on != "count"):
            return Verdict.INCONCLUSIVE
        return Verdict.PASS if met else Verdict.FAIL
    alpha = 1 - decided.confidence
    p_pass, p_fail, p_fail_holm = (
        None if detail.get(key) is None else float(detail[key]) for key in ("p_pass", "p_fail", "p_fail_holm")
    )
    if p_fail_holm is not None and p_fail_holm <= alpha:
        return Verdict.FAIL
    few = detail.get("too_few") is not None
    if decided.claim == "no_harm":
        unseen = p_fail is not None and p_fail > alpha and (not few or detail.get("watched") is not None)
        return Verdict.PASS if unseen else Verdict.INCONCLUSIVE
    return Verdict.PASS if not few and p_pass is not None and p_pass <= alpha else Verdict.INCONCLUSIVE


def judge(
    gate: str,
    asked: Sequence[tuple[str, Requirement]],
    estimates: Sequence[Estimate],
    subjects: Mapping[str, Subject],
    *,
    small: SmallSlices | None = None,
) -> tuple[Finding, ...]:
    """Findings of one gate, in the order of its estimates.

    gate: its name in the evidence. asked: (rN, requirement) that the estimates answer. subjects: of the gate, for units.
    small: the policy for small slices; None holds every slice to the full claim.
    Source: intersection-union test (Berger 1982) for pass; Holm 1979 over all findings of the gate for fail.
    """
    lines = dict(asked)
    tested = [
        place
        for place, one in enumerate(estimates)
        if one.p_fail is not None and one.too_few is None and one.problem is None
    ]
    adjusted = dict(zip(tested, holm([_known(estimates[place].p_fail) for place in tested]), strict=True))
    siblings: dict[str, int] = {}
    for one in estimates:
        held = not watched(one, lines[one.requirement], small)
        siblings[one.requirement] = siblings.get(one.requirement, 0) + held
    return tuple(
        _finding(
            gate,
            lines[one.requirement],
            one,
            subjects.get(lines[one.requirement].subject),
            p_fail_holm=adjusted.get(place),
            slices=siblings[one.requirement],
            small=small,
        )
        for place, one in enumerate(estimates)
    )


def _known(value: float | None) -> float:
    return 1.0 if value is None else value


def _finding(
    gate: str,
    requirement: Requirement,
    one: Estimate,
    subject: Subject | None,
    *,
    p_fail_holm: float | None,
    slices: int,
    small: SmallSlices | None,
) -> Finding:
    few = smallness(one, requirement, small)
    weak = watched(one, requirement, small)
    claim = _claim(requirement, watched=weak)
    certain = one.counted or claim == "point"
    decided = None
    if one.value is not None:
        decided = Decided(
            on=one.on,
            claim=claim,
            estimate=one.value,
            low=None if claim == "point" else one.low,
            high=None if claim == "point" else one.high,
            required=one.required,
            confidence=None if certain else requirement.confidence or CONFIDENCE,
            se=one.se,
            n_eff=one.n_eff,
            method=one.method,
        )
    detail: dict[str, Any] = dict(one.detail)
    if one.counted_in != "rows":
        detail["counted_in"] = one.counted_in
    if not certain and one.value is not None:
        detail |= {
            "p_pass": number(one.p_pass),
            "p_fail": number(one.p_fail),
            "p_fail_holm": number(p_fail_holm),
        }
    if one.value is not None:
        blocked = one.too_few or (few if not weak else None)
        if blocked is not None:
            detail["too_few"] = blocked
    if claim == "no_harm" and one.value is not None:
        if weak:
            detail["watched"] = few
        detail["smallest_loss_seen"] = number(_smallest_loss(one, requirement, subject))
    verdict = verdict_of(decided, detail)
    needed = _rows_needed(one, requirement, slices, small=small) if verdict is Verdict.INCONCLUSIVE else None
    tolerance = None if verdict is not Verdict.INCONCLUSIVE else _smallest_tolerance(one, requirement, slices)
    if tolerance is not None and one.problem is None and detail.get("too_few") is None:
        detail["smallest_tolerance"] = number(tolerance)
        detail["outlook"] = outlook_words(
            requirement,
            rows=one.rows,
            positives=one.positives,
            smallest=tolerance,
            decidable=tolerance <= _asked(requirement),
            counted_in=one.counted_in,
        )
    code = _code(one, decided, detail, verdict)
    speaker = Sentence(requirement, one, subject, claim, code, detail, needed, few)
    return Finding(
        id=finding_id(gate, one.requirement, one.slice),
        requirement=one.requirement,
        subject=requirement.asked,
        slice=dict(one.slice),
        observed=one.candidate,
        interval=None if certain else one.interval,
        champion=one.champion,
        limit=FindingLimit(requirement.op, one.limit, str(requirement.limit)),
        decided=decided,
        rows=one.rows,
        positives=one.positives,
        rows_needed=needed,
        verdict=verdict,
        code=code,
        reason=speaker.reason(verdict),
        remedy=speaker.remedy(verdict),
        detail=detail,
    )


def _claim(requirement: Requirement, *, watched: bool) -> Claim:
    if watched and requirement.claim != "point":
        return "no_harm"
    return requirement.claim or ("not_worse" if requirement.limit.relative else "at_limit")


def smallness(one: Estimate, requirement: Requirement, small: SmallSlices | None) -> str | None:
    """Why the slice counts as small, by rows and positives alone; the whole is never small but by a line's own min_rows."""
    rows = max(small.min_rows if small and one.slice else 0, requirement.min_rows or 0)
    if one.rows < rows:
        return f"{one.rows:,} {one.counted_in}; {rows:,} are asked for"
    positives = small.min_positives if small and one.slice else 0
    if one.positives is not None and one.positives < positives:
        return f"{one.positives:,} positive rows; {positives:,} are asked for"
    few = one.minority is not None and one.minority < MIN_MINORITY
    if small is not None and small.below == "watch" and one.slice and few:
        return one.too_few
    return None


def watched(one: Estimate, requirement: Requirement, small: SmallSlices | None) -> bool:
    """Whether the policy holds a slice to `no_harm` because it is small; the others of its line are planned without it."""
    few = small is not None and small.below == "watch" and bool(one.slice)
    return few and smallness(one, requirement, small) is not None


def _code(one: Estimate, decided: Decided | None, detail: Mapping[str, Any], verdict: Verdict) -> str:
    if one.problem is not None:
        return one.problem[0]
    if decided is None:
        return "not_measured"
    if verdict is Verdict.PASS:
        if decided.claim == "no_harm":
            return "watched" if "watched" in detail else "no_loss_seen"
        return "met"
    if verdict is Verdict.FAIL:
        relative = decided.on in ("difference", "ratio")
        return "exceeded" if one.counted else ("worse_than_margin" if relative else "beyond_limit")
    if one.too_few is None and _beyond(one, decided):
        return "beyond_unadjusted"
    return "not_shown" if detail.get("too_few") is None else one.few_code if one.too_few is not None else "too_small"


def _beyond(one: Estimate, decided: Decided) -> bool:
    """Whether the finding on its own speaks against the requirement: by its p-value, or by the interval that is shown."""
    if one.p_fail is None:
        return False
    op, required = decided.required
    end = one.high if op == ">=" else one.low
    outside = end is not None and (end < required if op == ">=" else end > required)
    return outside or one.p_fail <= 1 - (decided.confidence or CONFIDENCE)


def askable(finding: Finding) -> bool:
    """Whether an owner may accept this inconclusive finding.

    Not where its own interval lies wholly beyond the limit, nor where its rows were looked at too often to tell.
    """
    return finding.verdict is Verdict.INCONCLUSIVE and finding.code not in ("beyond_unadjusted", "budget_spent")


def quantiles(requirement: Requirement | None, slices: int) -> tuple[float, float]:
    """Normal quantiles of the line's confidence, and of the power with which each of its slices must pass."""
    asked, normal = aim(requirement, slices), NormalDist()
    return normal.inv_cdf(1 - asked["alpha"]), normal.inv_cdf(asked["power"])


def aim(requirement: Requirement | None, slices: int) -> dict[str, float]:
    """alpha of a line, and the power with which each of its slices must pass, so that all of them do with 90 %."""
    return {
        "alpha": 1 - ((requirement and requirement.confidence) or CONFIDENCE),
        "power": float(POWER ** (1 / max(slices, 1))),
    }


def _rows_needed(one: Estimate, requirement: Requirement, slices: int, *, small: SmallSlices | None) -> int | None:
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
        carrying = rows_by_score(variance * share, margin=distance, **aim(requirement, slices))
        rows = max(rows, math.ceil(carrying / share))
    elif variance:
        rows = max(rows, rows_by_t(variance, margin=distance, n_eff_share=share, **aim(requirement, slices)))
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


def _smallest_tolerance(one: Estimate, requirement: Requirement, slices: int) -> float | None:
    """The smallest tolerance that rows as many as these decide with 90 % power on all slices of the line, equal models.

    In the metric's units; of a factor, its distance from 1. None for other lines than those on a tolerance.
    """
    variance, asked = _variance(one), _tolerance(one, requirement)
    if variance is None or not asked or asked < 0 or requirement.claim not in (None, "not_worse") or not one.rows:
        return None
    from lockgate.stats.power import margin_by_score, margin_by_t

    if one.method == TANGO:
        carrying = _effective(one)
        smallest = margin_by_score(carrying, variance * carrying / one.rows, **aim(requirement, slices))
    else:
        smallest = margin_by_t(math.sqrt(variance / one.rows), n_eff=_effective(one), **aim(requirement, slices))
    return smallest / abs(one.champion) if requirement.limit.sign == "*" and one.champion else smallest


def _asked(requirement: Requirement) -> float:
    """The tolerance of a line as `_smallest_tolerance` gives it."""
    limit = requirement.limit
    return abs(1 - limit.value) if limit.sign == "*" else abs(limit.margin)


def _smallest_loss(one: Estimate, requirement: Requirement, subject: Subject | None) -> float | None:
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

"""Judge the estimates of a gate: claim, Holm's adjustment, small slices, verdict, code and sentence of each finding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lockgate.data.slices.names import finding_id
from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate
from lockgate.evaluation.judging.explanations import Explanation, enough_words
from lockgate.evaluation.judging.rows_needed import rows_to_decide, smallest_loss, smallest_tolerance, stated_tolerance
from lockgate.evaluation.labelling.late_labels import LABELS
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.uncertainty.comparison import MIN_MINORITY
from lockgate.evidence.completeness import NEVER_ACCEPTED, RECORDED
from lockgate.evidence.finding import Claim, Decided, Finding, FindingLimit, Verdict
from lockgate.hashing import number
from lockgate.stats.multiple_testing import holm


def verdict_of(decided: Decided | None, detail: Mapping[str, Any]) -> Verdict:
    """Recompute the verdict of a finding from `decided` and `detail`, as anybody can from the evidence.

    A count or a point is compared with the limit; fewer rows than required (`too_few`) let neither pass, and no point
    fail. Else, with alpha = 1 − confidence: fail where p_fail_holm <= alpha; a `no_harm` claim passes unless
    p_fail <= alpha, and with `too_few` only where the policy allows the no-harm check (`watched`); every other claim
    passes where p_pass <= alpha and nothing is `too_few`. Everything else is inconclusive, and so is what would pass on rows
    that the candidate was trained on (`seen_rows`), or by answers that nobody confirmed to be its own (`recorded`). Where too few
    requests have a label (`labels`) nothing is decided.
    """
    if detail.get(LABELS) is not None:
        return Verdict.INCONCLUSIVE
    verdict = _by_numbers(decided, detail)
    withheld = any(detail.get(key) is not None for key in ("seen_rows", RECORDED))
    return Verdict.INCONCLUSIVE if verdict is Verdict.PASS and withheld else verdict


def _by_numbers(decided: Decided | None, detail: Mapping[str, Any]) -> Verdict:
    if decided is None or decided.estimate is None:
        return Verdict.INCONCLUSIVE
    if decided.confidence is None:
        if detail.get("too_few") is not None and (decided.met or decided.on != "count"):
            return Verdict.INCONCLUSIVE
        return Verdict.PASS if decided.met else Verdict.FAIL
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
    requirements: Sequence[tuple[str, Requirement]],
    estimates: Sequence[Estimate],
    subjects: Mapping[str, Subject],
    *,
    small: SmallSlices | None = None,
    advise: bool = True,
) -> tuple[Finding, ...]:
    """Findings of one gate, in the order of its estimates.

    gate: its name in the evidence. requirements: (rN, requirement) that the estimates belong to. subjects: of the gate, for
    units and bounds. small: the policy for small slices; None holds every slice to the full claim. advise: whether it is also
    worked out what would decide, and which loss would go unseen.
    Source: intersection-union test (Berger 1982) for pass; Holm 1979 over all findings of the gate for fail.
    """
    by_id = dict(requirements)
    # A slice below the floor of its test takes no part in Holm's adjustment: it cannot fail, and must not cost the others.
    tested = {
        index: estimate.p_fail
        for index, estimate in enumerate(estimates)
        if estimate.p_fail is not None and estimate.too_few is None and estimate.problem is None
    }
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    # Slices that must pass by the full claim: the power of each is chosen so that all of them pass together.
    slices: dict[str, int] = {}
    for estimate in estimates:
        full_claim = not is_no_harm_check(estimate, by_id[estimate.requirement], small)
        slices[estimate.requirement] = slices.get(estimate.requirement, 0) + full_claim
    return tuple(
        _finding(
            gate,
            by_id[estimate.requirement],
            estimate,
            subjects.get(by_id[estimate.requirement].subject),
            p_fail_holm=adjusted.get(index),
            tested=len(tested) + (index not in tested),
            slices=slices[estimate.requirement],
            small=small,
            advise=advise,
        )
        for index, estimate in enumerate(estimates)
    )


def _finding(
    gate: str,
    requirement: Requirement,
    estimate: Estimate,
    subject: Subject | None,
    *,
    p_fail_holm: float | None,
    tested: int,
    slices: int,
    small: SmallSlices | None,
    advise: bool,
) -> Finding:
    no_harm_check = is_no_harm_check(estimate, requirement, small)
    claim = _claim(requirement, no_harm_check=no_harm_check)
    decided = _decided(estimate, requirement, claim)
    few = smallness(estimate, requirement, small)
    detail: dict[str, Any] = {
        **estimate.detail,
        **({"counted_in": estimate.counted_in} if estimate.counted_in != "rows" else {}),
        **(_tests(estimate, decided, few, p_fail_holm, no_harm_check=no_harm_check) if decided is not None else {}),
    }
    if advise and decided is not None and claim == "no_harm":
        loss = smallest_loss(estimate, requirement, findings=tested)
        detail["smallest_loss_seen"] = number(loss)
        if loss == math.inf:
            detail["no_power"] = True
    verdict = verdict_of(decided, detail)
    undecided = advise and verdict is Verdict.INCONCLUSIVE
    needed = rows_to_decide(estimate, requirement, slices, small=small) if undecided else None
    if undecided and estimate.problem is None and detail.get("too_few") is None:
        detail |= _power(estimate, requirement, slices)
    code = _code(estimate, decided, detail, verdict)
    explanation = Explanation(requirement, estimate, subject, claim, code, detail, needed, few)
    return Finding(
        id=finding_id(gate, estimate.requirement, estimate.slice),
        requirement=estimate.requirement,
        subject=requirement.subject_text,
        slice=dict(estimate.slice),
        observed=estimate.candidate,
        interval=None if estimate.counted or claim == "point" else estimate.interval,
        champion=estimate.champion,
        limit=FindingLimit(requirement.op, estimate.limit, str(requirement.limit)),
        decided=decided,
        rows=estimate.rows,
        positives=estimate.positives,
        rows_needed=needed,
        verdict=verdict,
        code=code,
        reason=explanation.reason(verdict) if advise or verdict is not Verdict.PASS else "",
        remedy=explanation.remedy(verdict),
        detail=detail,
    )


def _decided(estimate: Estimate, requirement: Requirement, claim: Claim) -> Decided | None:
    if estimate.value is None:
        return None
    return Decided(
        on=estimate.on,
        claim=claim,
        estimate=estimate.value,
        low=None if claim == "point" else estimate.low,
        high=None if claim == "point" else estimate.high,
        required=estimate.required,
        confidence=None if estimate.counted or claim == "point" else requirement.confidence or CONFIDENCE,
        se=estimate.se,
        n_eff=estimate.n_eff,
        method=estimate.method,
    )


def _tests(
    estimate: Estimate, decided: Decided, few: str | None, p_fail_holm: float | None, *, no_harm_check: bool
) -> dict[str, Any]:
    """The p-values, and why they may not decide; in the order in which the evidence lists them."""
    detail: dict[str, Any] = {}
    if decided.confidence is not None:
        p_values = {"p_pass": estimate.p_pass, "p_fail": estimate.p_fail, "p_fail_holm": p_fail_holm}
        detail |= {name: number(value) for name, value in p_values.items()}
    too_few = estimate.too_few or (None if no_harm_check else few)
    if too_few is not None:
        detail["too_few"] = too_few
    if no_harm_check and decided.claim == "no_harm":
        detail["watched"] = few
    if estimate.tested is not None and decided.confidence is not None:
        from lockgate.evaluation.judging.stored_test import kept_of_test

        kept = kept_of_test(estimate.tested)
        detail |= {} if kept is None else {"test": kept}
    return detail


def _power(estimate: Estimate, requirement: Requirement, slices: int) -> dict[str, Any]:
    """The tolerance that these rows can decide, for a finding that they left undecided."""
    tolerance = smallest_tolerance(estimate, requirement, slices)
    if tolerance is None:
        return {}
    decidable = tolerance <= stated_tolerance(requirement)
    words = enough_words(requirement, estimate, smallest=tolerance, decidable=decidable)
    return {"smallest_tolerance": number(tolerance), "outlook": words}


def _claim(requirement: Requirement, *, no_harm_check: bool) -> Claim:
    if no_harm_check and requirement.claim != "point":
        return "no_harm"
    return requirement.claim or ("not_worse" if requirement.limit.relative else "at_limit")


def smallness(estimate: Estimate, requirement: Requirement, small: SmallSlices | None) -> str | None:
    """Why the slice counts as small; None where it does not. All rows together are small only by a line's own min_rows."""
    rows = max(small.min_rows if small and estimate.slice else 0, requirement.min_rows or 0)
    if estimate.rows < rows:
        return f"{estimate.rows:,} {estimate.counted_in}; {rows:,} are required"
    positives = small.min_positives if small and estimate.slice else 0
    if estimate.positives is not None and estimate.positives < positives:
        return f"{estimate.positives:,} positive rows; {positives:,} are required"
    few = estimate.minority is not None and estimate.minority < MIN_MINORITY
    if small is not None and small.below == "watch" and estimate.slice and few:
        return estimate.too_few
    return None


def is_no_harm_check(estimate: Estimate, requirement: Requirement, small: SmallSlices | None) -> bool:
    """Whether the policy requires of a small slice only that no harm is shown (`small_slices: below: watch`)."""
    few = small is not None and small.below == "watch" and bool(estimate.slice)
    return few and smallness(estimate, requirement, small) is not None


def _code(estimate: Estimate, decided: Decided | None, detail: Mapping[str, Any], verdict: Verdict) -> str:
    if estimate.problem is not None:
        return estimate.problem[0]
    if decided is None:
        return "not_measured"
    if verdict is Verdict.PASS:
        if decided.claim == "no_harm":
            return "watched" if "watched" in detail else "no_loss_seen"
        return "met"
    if verdict is Verdict.FAIL:
        relative = decided.on in ("difference", "ratio")
        return "exceeded" if estimate.counted else ("worse_than_margin" if relative else "beyond_limit")
    if estimate.too_few is None and _beyond(estimate, decided):
        return "beyond_unadjusted"
    return (
        "not_shown"
        if detail.get("too_few") is None
        else estimate.few_code
        if estimate.too_few is not None
        else "too_small"
    )


def _beyond(estimate: Estimate, decided: Decided) -> bool:
    """Whether the finding violates the requirement before Holm's adjustment: by its p-value, or by the interval shown."""
    if estimate.p_fail is None:
        return False
    op, required = decided.required
    end = estimate.high if op == ">=" else estimate.low
    outside = end is not None and (end < required if op == ">=" else end > required)
    return outside or estimate.p_fail <= 1 - (decided.confidence or CONFIDENCE)


def owner_may_accept(finding: Finding) -> bool:
    """Whether an owner may accept this inconclusive finding.

    Not where its own interval lies wholly beyond the limit, nor where its holdout was evaluated too often to tell.
    """
    return finding.verdict is Verdict.INCONCLUSIVE and finding.code not in NEVER_ACCEPTED

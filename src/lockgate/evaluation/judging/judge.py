"""From estimates to findings: claim, bound, Holm, small slices, rows needed, and the sentence. One pure function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lockgate.data.slices.names import finding_id
from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate
from lockgate.evaluation.judging.explanations import Explanation, outlook_words
from lockgate.evaluation.judging.rows_needed import rows_to_decide, smallest_loss, smallest_tolerance, stated_tolerance
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.uncertainty.comparison import MIN_MINORITY
from lockgate.evidence.finding import Claim, Decided, Finding, FindingLimit, Verdict
from lockgate.hashing import number
from lockgate.stats.multiple_testing import holm


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
        held = not is_no_harm_check(one, lines[one.requirement], small)
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
    weak = is_no_harm_check(one, requirement, small)
    claim = _claim(requirement, no_harm_check=weak)
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
        detail["smallest_loss_seen"] = number(smallest_loss(one, requirement, subject))
    verdict = verdict_of(decided, detail)
    needed = rows_to_decide(one, requirement, slices, small=small) if verdict is Verdict.INCONCLUSIVE else None
    tolerance = None if verdict is not Verdict.INCONCLUSIVE else smallest_tolerance(one, requirement, slices)
    if tolerance is not None and one.problem is None and detail.get("too_few") is None:
        detail["smallest_tolerance"] = number(tolerance)
        detail["outlook"] = outlook_words(
            requirement,
            rows=one.rows,
            positives=one.positives,
            smallest=tolerance,
            decidable=tolerance <= stated_tolerance(requirement),
            counted_in=one.counted_in,
        )
    code = _code(one, decided, detail, verdict)
    speaker = Explanation(requirement, one, subject, claim, code, detail, needed, few)
    return Finding(
        id=finding_id(gate, one.requirement, one.slice),
        requirement=one.requirement,
        subject=requirement.subject_text,
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


def _claim(requirement: Requirement, *, no_harm_check: bool) -> Claim:
    if no_harm_check and requirement.claim != "point":
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


def is_no_harm_check(one: Estimate, requirement: Requirement, small: SmallSlices | None) -> bool:
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


def owner_may_accept(finding: Finding) -> bool:
    """Whether an owner may accept this inconclusive finding.

    Not where its own interval lies wholly beyond the limit, nor where its rows were looked at too often to tell.
    """
    return finding.verdict is Verdict.INCONCLUSIVE and finding.code not in ("beyond_unadjusted", "budget_spent")

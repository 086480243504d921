"""An estimate taken up from a finding, for another limit, claim, confidence or policy; and why where that cannot be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from lockgate.data.slices.spec import SmallSlices
from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate, absolute_limit, counted
from lockgate.evaluation.judging.explanations import cause
from lockgate.evaluation.judging.judge import smallness
from lockgate.evaluation.judging.stored_test import StoredTest
from lockgate.evaluation.latency.percentile_estimates import noisy
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evidence.finding import Decided, Finding, Verdict

# What judging adds to the detail of an estimate.
_JUDGED = ("p_pass", "p_fail", "p_fail_holm", "too_few", "watched", "test", "smallest_loss_seen", "no_power",
           "smallest_tolerance", "outlook", "counted_in", "budget_spent", "seen_rows", "recorded", "labels")  # fmt: skip
On = Literal["value", "difference", "ratio"]


class NotJudgedAnew(ValueError):
    """The evidence does not hold what another judgement needs; the text is the reason, to be read behind the line."""


class DecidedByItsGate(NotJudgedAnew):
    """The judge took no part in it."""


@dataclass(frozen=True)
class StoredEstimate:
    """estimate: as `judge` takes it. by: what its p-values rest on; of an `interval` they are no numbers, but lie on the same
    side of alpha. surely_no_pass: it is beyond the limit, and the interval does not say whether far enough to fail beside
    the other findings.
    """

    estimate: Estimate
    by: Literal["count", "point", "test", "interval", "no_value"]
    surely_no_pass: bool = False


def stored_estimate(
    name: str, finding: Finding, was: Requirement, line: Requirement, small: SmallSlices | None
) -> StoredEstimate:
    """The estimate of a line, from the finding of one on the same subject. was: the line that was judged. Raises NotJudgedAnew."""
    decided = finding.decided
    if line.limit.declared and was != line:
        raise NotJudgedAnew("its limit is what the version declares")
    if decided is None or decided.estimate is None:
        if finding.verdict is not Verdict.INCONCLUSIVE:
            raise DecidedByItsGate("its gate decided it by a rule of its own")
        if "seen_rows" in finding.detail:
            raise NotJudgedAnew(
                "it has no value, and the evidence says of it only that the candidate may have seen its rows"
            )
        fields = _fields(name, finding, line, on="value", required=line.limit.value)
        return StoredEstimate(Estimate(**fields, problem=(finding.code, cause(finding))), "no_value")
    if decided.on == "count":
        if line.limit.relative and finding.champion is None:
            raise NotJudgedAnew("the champion's own count is not in the evidence")
        detail = _own_detail(finding)
        key = tuple(finding.slice.items())
        again = counted(
            name,
            line,
            value=decided.estimate,
            units=finding.rows,
            champion=finding.champion,
            slice_key=key,
            detail=detail,
        )
        return StoredEstimate(replace(again, counted_in=finding.counted_in), "count")
    on, required = _contrast(decided, line)
    decided = _on_the_same_scale(finding, decided, was, line, on)
    fields = _fields(name, finding, line, on=on, required=required) | {
        "candidate": finding.observed,
        "champion": finding.champion,
        "interval": finding.interval,
        "value": decided.estimate,
        "limit": absolute_limit(line, finding.champion),
    }
    if line.claim == "point":
        return StoredEstimate(Estimate(**fields | {"method": "point"}), "point")
    if decided.confidence is None:
        raise NotJudgedAnew("it was compared by points, without an interval")
    fields |= {
        "low": decided.low,
        "high": decided.high,
        "se": decided.se,
        "n_eff": decided.n_eff,
        "method": decided.method,
    }
    test = StoredTest.from_finding(finding, line) if decided is finding.decided else None
    if test is not None:
        return StoredEstimate(Estimate(**fields | _by_test(fields, decided, test, line)), "test")
    return _by_interval(Estimate(**fields), finding, decided, line, small)


def _fields(name: str, finding: Finding, line: Requirement, *, on: On, required: float) -> dict[str, Any]:
    """Those of an estimate without a value. One is made of them at last: thousands that are replaced take long."""
    return {
        "requirement": name,
        "slice": tuple(finding.slice.items()),
        "rows": finding.rows,
        "positives": finding.positives,
        "required": (line.op, required),
        "on": on,
        "method": "none",
        "detail": _own_detail(finding),
        "counted_in": finding.counted_in,
    }


def _own_detail(finding: Finding) -> dict[str, Any]:
    return {key: value for key, value in finding.detail.items() if key not in _JUDGED}


def _contrast(decided: Decided, line: Requirement) -> tuple[On, float]:
    """What a line compares, and with which number; times of two models by their ratio, as they were."""
    limit = line.limit
    if not limit.relative:
        return "value", limit.value
    if limit.sign == "*":
        return ("ratio", limit.value) if decided.on == "ratio" else ("difference", 0.0)
    return "difference", limit.margin


def _on_the_same_scale(finding: Finding, decided: Decided, was: Requirement, line: Requirement, on: On) -> Decided:
    """The comparison with the champion, or the candidate's own value beside it."""
    if on == decided.on:
        if on == "difference" and line.limit.factor != was.limit.factor:
            raise NotJudgedAnew("another factor of the champion's value needs the rows")
        return decided
    if on != "value" or finding.observed is None:
        raise NotJudgedAnew(
            "it was not compared with the champion" if decided.on == "value" else "it was compared otherwise"
        )
    low, high = finding.interval or (None, None)
    if finding.interval is None and line.claim != "point":
        raise NotJudgedAnew("the interval of its own value is not in the evidence")
    return replace(decided, on="value", estimate=finding.observed, low=low, high=high, se=None, method="interval")


def _by_test(fields: Mapping[str, Any], decided: Decided, test: StoredTest, line: Requirement) -> dict[str, Any]:
    """The fields that the test decides."""
    confidence, null = line.confidence or CONFIDENCE, fields["required"][1]
    fewest = test.tested.fewest
    more = {
        "minority": None if fewest is None else fewest[0],
        "variance": None if not decided.se else decided.se**2 * fields["rows"],
    }
    if test.counts_rows and confidence == decided.confidence:  # the ends are those of the evidence, whatever the limit
        p_pass, p_fail = test.p_values(null=null, confidence=confidence)
        return {**more, "p_pass": p_pass, "p_fail": p_fail}
    again = test.compare(null=null, confidence=confidence)
    p_pass, p_fail = again.p_values(up=test.tested.up)
    return {
        **more,
        "value": again.value,
        "low": again.low,
        "high": again.high,
        "interval": (again.low, again.high) if fields["on"] == "value" else fields["interval"],
        "p_pass": p_pass,
        "p_fail": p_fail,
        "too_few": again.too_few,
    }


def _by_interval(
    blank: Estimate, finding: Finding, decided: Decided, line: Requirement, small: SmallSlices | None
) -> StoredEstimate:
    """Decided by the ends of the interval: they meet a limit exactly where the test at their confidence does."""
    confidence = line.confidence or CONFIDENCE
    if not math.isclose(confidence, decided.confidence or 0.0, rel_tol=1e-12):
        raise NotJudgedAnew("another confidence needs more than the interval that the evidence has")
    alpha, up, required = 1 - confidence, line.op == ">=", blank.required[1]
    value = float(decided.estimate or 0.0)
    low, high = (decided.low, decided.high) if up else (_negated(decided.high), _negated(decided.low))
    at, null = (value, required) if up else (-value, -required)
    met = low is not None and low >= null
    beyond = not met and at < null and ((high is not None and high < null) or line.gap is not None)
    estimate = replace(
        blank,
        p_pass=alpha if met else 1.0,
        p_fail=alpha if beyond and line.gap is None else 1.0,  # of a gap, only its pairs say
    )
    estimate = _still_few(estimate, finding, line, small)
    return StoredEstimate(estimate, "interval", surely_no_pass=beyond and estimate.too_few is None)


def _still_few(estimate: Estimate, finding: Finding, line: Requirement, small: SmallSlices | None) -> Estimate:
    """With the reason why nothing is decided, where it holds also under this policy. Raises NotJudgedAnew where that is not known."""
    few = _few(finding.detail)
    if estimate.on == "ratio":
        noise = finding.detail.get("noise_factor")
        loud = noisy(None if noise is None else float(noise), line.limit.value, up=line.op == ">=")
        if loud is not None:
            return replace(estimate, few_code=loud[0], too_few=loud[1])
        if finding.code == "too_noisy":
            raise NotJudgedAnew("it was too noisy to tell, and the evidence does not say whether it was steady")
    test = StoredTest.from_finding(finding, line)
    if test is not None:  # whose own floor does not depend on what it is compared with
        fewest = test.tested.fewest
        own_floor = test.compare(null=estimate.required[1], confidence=line.confidence or CONFIDENCE).too_few
        return replace(estimate, too_few=own_floor, minority=None if fewest is None else fewest[0])
    if few is None:
        return estimate
    if finding.code == "not_steady":
        return replace(estimate, few_code=finding.code, too_few=few)
    if line.gap is not None:
        raise NotJudgedAnew("it depends on which of its slices are too small")
    if smallness(estimate, line, small) is None:
        raise NotJudgedAnew("it was too small to judge, and the evidence does not say by which rule")
    return replace(estimate, too_few=few)


def _few(detail: Any) -> str | None:
    few = detail.get("too_few") or detail.get("watched")
    return None if few is None else str(few)


def _negated(value: float | None) -> float | None:
    return None if value is None else -value

"""Outcomes that a command reports, as findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

from lockgate.data.slices.names import SliceKey, finding_id
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.requirements.requirement import Op, Requirement, RequirementLimit
from lockgate.evidence.finding import Finding, Verdict
from lockgate.hashing import sha256
from lockgate.text import cut, one_line

MOST = 2000  # findings of one command
_LONGEST_NAME = 300
_LONGEST_MESSAGE = 500
Outcome = Literal["pass", "inconclusive", "skipped", "fail", "error"]
_WORST: tuple[Outcome, ...] = get_args(Outcome)
# Where a command says none of its own, which it may: `remedy` in its JSON.
_REMEDIES = {
    Verdict.FAIL: "see what the command printed, in the report, and mend what it found; a check can say what to do itself, as `remedy`",
    Verdict.INCONCLUSIVE: "give the check what it needs to decide, such as more rows; it can say itself what, as `remedy`",
    Verdict.ERROR: "see what the command printed, in the report, and mend the check",
}
_SKIPPED_REMEDY = "let it run, leave it out of what the command runs, or waive this finding"


class NoFindings(ValueError):
    """A file that holds no findings; the text says why, to be read behind its name."""


@dataclass(frozen=True)
class Measured:
    """A value held against a limit. counted: a fact of this run, else a number without an error rate. value: None for none."""

    value: float | None
    op: Op
    limit: float
    counted: bool = False


@dataclass(frozen=True)
class Reported:
    """One outcome. kind: what it is one of, a test or a finding. name: its own. slice: where, besides.

    rows: that were looked at for it; None where it does not say.
    """

    kind: Literal["test", "finding"]
    name: str
    outcome: Outcome | Measured
    message: str = ""
    slice: SliceKey = ()
    rows: int | None = None
    remedy: str | None = None

    @property
    def units(self) -> int:
        """How many of `counted_in` there were."""
        return 1 if self.rows is None else self.rows

    @property
    def counted_in(self) -> str:
        return "rows" if self.rows is not None else "tests" if self.kind == "test" else "checks"

    @cached_property
    def key(self) -> SliceKey:
        """What tells it from all others of its command."""
        return ((self.kind, _short(self.name)), *self.slice)


def each_once(outcomes: Sequence[Reported]) -> list[Reported]:
    """Each name once, of whichever file: a test that is run twice, or breaks after it failed, is there twice, and counts by
    its worst outcome. Raises NoFindings for findings of JSON with one name and one slice, of which nobody can choose.

    By name, since tests that run beside each other are written in the order in which they end.
    """
    tests: dict[SliceKey, Reported] = {}
    rest: dict[SliceKey, Reported] = {}
    for reported in outcomes:
        if reported.kind == "test":
            tests[reported.key] = max(tests.get(reported.key, reported), reported, key=_rank)
        elif rest.setdefault(reported.key, reported) is not reported:
            names = ", ".join(f"{name}={value}" for name, value in reported.key)
            raise NoFindings(f"has {names} a second time; give each a subject or a slice of its own")
    return [*(tests[key] for key in sorted(tests)), *rest.values()]


def findings(gate: str, requirement: str, line: Requirement, outcomes: Sequence[Reported]) -> Iterator[Finding]:
    """The findings of a gate's line, which every outcome is held to in its own way."""
    for reported in outcomes:
        own, estimate = _estimate(requirement, line, reported)
        estimate = replace(estimate, counted_in=reported.counted_in)
        (finding,) = judge(gate, [(requirement, own)], [estimate], {})
        key = reported.key
        finding = replace(finding, id=finding_id(gate, requirement, key), slice=dict(key))
        explained = _explained(finding, reported)
        yield replace(explained, remedy=explained.remedy or _REMEDIES.get(explained.verdict))


def none_reported(gate: str, requirement: str, line: Requirement, reason: str) -> Finding:
    """The finding of a command that ended well, and showed nothing."""
    estimate = replace(counted(requirement, line, value=0, units=0), candidate=None)
    (finding,) = judge(gate, [(requirement, line)], [estimate], {})
    remedy = "let it write what it checked, as JUnit XML or JSON, to the file that findings: names in $OUT"
    return replace(finding, code="no_findings", reason=reason, remedy=remedy)


def _estimate(requirement: str, line: Requirement, reported: Reported) -> tuple[Requirement, Estimate]:
    measured = reported.outcome
    if not isinstance(measured, Measured):
        failures, units = (0, 0) if measured in ("inconclusive", "skipped", "error") else (int(measured == "fail"), 1)
        estimate = counted(requirement, line, value=failures, units=units)
        return line, estimate if units else replace(estimate, candidate=None)
    limit = RequirementLimit(relative=False, number=measured.limit)
    own = replace(line, subject=reported.name, op=measured.op, limit=limit, claim=None if measured.counted else "point")
    if measured.value is None or not reported.units:
        problem = (
            ("no_rows", "there was nothing to look at")
            if measured.value is not None
            else ("no_value", "it has no value")
        )
        empty = counted(requirement, own, value=0, units=0, slice_key=reported.slice)
        return own, replace(empty, candidate=None, problem=problem)
    estimate = counted(requirement, own, value=measured.value, units=reported.units, slice_key=reported.slice)
    if not measured.counted:
        estimate = replace(estimate, on="value", method="point", counted=False, low=None, high=None)
    return own, estimate


def _explained(finding: Finding, reported: Reported) -> Finding:
    """The finding with what the command says of it."""
    message = cut(reported.message, _LONGEST_MESSAGE)
    more = f": {message}" if message else ""
    remedy = None if reported.remedy is None else cut(reported.remedy, _LONGEST_MESSAGE)
    if isinstance(reported.outcome, Measured):
        return replace(finding, reason=finding.reason + more, remedy=remedy)
    name, where = _short(reported.name), ", ".join(f"{name}={value}" for name, value in reported.slice)
    name += f" on {where}" if where else ""
    if reported.outcome == "skipped":
        reason = f"{name} was skipped{more}, and what is skipped shows nothing"
        return replace(finding, code="skipped", reason=reason, remedy=remedy or _SKIPPED_REMEDY)
    if reported.outcome == "inconclusive":
        return replace(finding, code="undecided", reason=f"{name} is undecided{more}", remedy=remedy)
    if reported.outcome == "error":
        reason = f"{name} broke{more}"
        return replace(finding, verdict=Verdict.ERROR, code="broken", reason=reason, remedy=remedy)
    word = "passed" if reported.outcome == "pass" else "failed"
    return replace(finding, reason=f"{name} {word}{more}", remedy=remedy)


def _rank(reported: Reported) -> int:
    assert not isinstance(reported.outcome, Measured)  # noqa: S101  # a test has no value
    return _WORST.index(reported.outcome)


def _short(name: str) -> str:
    """The name on one line; a long one by its beginning and its digest, so that it stays another than its like."""
    line = one_line(name)
    if len(line) <= _LONGEST_NAME:
        return line
    return f"{line[: _LONGEST_NAME - 20]}…{sha256(name.encode(errors='replace'))[-12:]}"

"""Findings on expectations: one each, under an id by expectation and column, with the verdict of their own library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lockgate.errors import guess
from lockgate.evaluation.data_quality.check_results import CheckResult
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.judging.number_format import counted_words
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evidence.finding import Finding, FindingLimit, Verdict
from lockgate.hashing import number

if TYPE_CHECKING:
    from lockgate.data.slices.names import SliceKey
    from lockgate.evaluation.requirements.subject import Subject

_ABSENT = "column_in_dataframe"


@dataclass(frozen=True)
class QualityJudge:
    """What findings are made of. line: (rN, requirement) that they answer. file: that holds the expectations.

    columns: of the data. names: number of a row → what it is called; ids: whether that is an id.
    """

    gate: str
    line: tuple[str, Requirement]
    subjects: Mapping[str, Subject]
    file: str
    columns: Sequence[str]
    names: Mapping[int, str]
    ids: bool

    def findings(self, checks: Sequence[CheckResult]) -> Iterator[Finding]:
        """One finding each, in their order; of those that ask the same of the same column, the later ones are numbered."""
        times = Counter[tuple[str, str | None]]()
        for check in checks:
            times[check.type, check.column] += 1
            yield self._finding(check, _key(check, times[check.type, check.column]))

    def nothing_expected(self) -> Finding:
        """Of a file without any expectation, which would let all data pass."""
        name, line = self.line
        estimate = counted(name, line, value=0, units=0)
        (finding,) = judge(self.gate, [self.line], [estimate], self.subjects)
        reason = f"{self.file} holds no expectation, so that nothing is shown of the data"
        return replace(finding, code="no_expectations", reason=reason, remedy="write down what must hold of the data")

    def _finding(self, check: CheckResult, key: SliceKey) -> Finding:
        offenders, allowed = _counted(check)
        name, line = self.line
        own = replace(line, limit=replace(line.limit, number=float(allowed)))
        (finding,) = judge(self.gate, [(name, own)], [self._estimate(check, own, key, offenders)], self.subjects)
        limit = FindingLimit(finding.limit.op, finding.limit.value, _limit_text(check, allowed))
        finding = replace(finding, limit=limit)
        text = expectation_text(check)
        if check.raised is not None:
            return replace(finding, code="raised", reason=f"{text} raised {check.raised[0]}", remedy=self._mend)
        if check.problem is not None:
            return replace(finding, code="not_measured", reason=f"{text}: {check.problem}", remedy=None)
        if finding.verdict is Verdict.INCONCLUSIVE:
            reason = f"{text}: there is no value to look at"
            return replace(finding, reason=reason, remedy="see why the column, or what the condition selects, is empty")
        reason = f"{text}: {self._count_text(check, offenders, allowed)}"
        if finding.verdict is Verdict.PASS:
            return replace(finding, reason=reason)
        return replace(finding, reason=reason, remedy=self._remedy(check))

    def _estimate(self, check: CheckResult, line: Requirement, key: SliceKey, offenders: int | None) -> Estimate:
        silent, failed = check.success is None, check.success is False
        units = 0 if silent else max(check.rows, int(failed))  # a failure stands, whatever was looked at
        value = int(failed) if offenders is None else offenders
        per_row = offenders is not None or silent
        estimate = counted(
            self.line[0], line, value=value, units=units if per_row else min(units, 1), slice_key=key,
            detail=self._detail(check, offenders),
        )  # fmt: skip
        return estimate if per_row else replace(estimate, counted_in="checks")

    def _detail(self, check: CheckResult, offenders: int | None) -> dict[str, Any]:
        detail: dict[str, Any] = {"expectation": check.words} if check.words else {}
        if offenders and check.rows:
            detail["share"] = number(offenders / check.rows)
        if check.first and offenders:
            detail["ids" if self.ids else "rows_named"] = [self.names[row] for row in check.first if row in self.names]
        detail |= {} if check.observed is None else {"observed_value": number(check.observed)}
        return detail | ({"warns": True} if check.warns else {})

    def _count_text(self, check: CheckResult, offenders: int | None, allowed: int) -> str:
        observed = "" if check.observed is None else f", it is {check.observed:g}"
        if offenders is None:
            return f"not met{observed}{_warning(check)}"
        if not offenders:
            return f"none of {counted_words(check.rows)} offends{observed}"
        which = [self.names[row] for row in check.first[:1] if row in self.names]
        first = "" if self.ids or not which else f", the first is {which[0]}"
        may = "" if check.mostly is None else f"; mostly {check.mostly:g} allows {allowed:,}"
        return f"{offenders:,} of {counted_words(check.rows)} do not meet it{may}{first}{_warning(check)}"

    @property
    def _mend(self) -> str:
        return f"mend the expectation in {self.file}, or the column that it reads: what raises says nothing of the data"

    def _remedy(self, check: CheckResult) -> str:
        if check.type == _ABSENT and check.column not in self.columns:
            return f"give the data that column, or correct its name in {self.file}{guess(check.column or '', self.columns)}"
        return f"mend the data; where the data are right, change the expectation in {self.file}"


def expectation_text(check: CheckResult) -> str:
    """`age: in_range(0, 100)`: the column, and what is asked of it."""
    words, parenthesised = check.words, check.words.startswith(f"{check.type}(")
    asks = words if parenthesised else f"{check.type} ({words})" if words else check.type
    return asks if check.column is None else f"{check.column}: {asks}"


def _key(check: CheckResult, time: int) -> SliceKey:
    column = () if check.column is None else (("column", check.column),)
    return (*column, ("expectation", check.type), *((("number", str(time)),) if time > 1 else ()))


def _counted(check: CheckResult) -> tuple[int | None, int]:
    """(offending rows, how many may be), so that their comparison comes to the verdict of the check's own library.

    None for a check that says of no single rows whether they offend, or whose verdict does not rest on how many do.
    """
    offenders, allowed = check.offenders, _most_offenders(check)
    if check.success is None:
        return None, 0
    if check.warns:
        return offenders if offenders or not check.success else 0, max(offenders or 0, check.rows, 1)
    if check.success:
        return offenders or 0, max(allowed, offenders or 0)
    return (None, 0) if offenders is None or offenders <= allowed else (offenders, allowed)


def _most_offenders(check: CheckResult) -> int:
    """The most rows that may offend where `mostly` of them must not, as Great Expectations divides."""
    if check.mostly is None or not check.rows:
        return 0
    most = min(check.rows, max(0, int((1 - check.mostly) * check.rows) + 1))
    while most > 0 and (check.rows - most) / check.rows < check.mostly:
        most -= 1
    return most


def _limit_text(check: CheckResult, allowed: int) -> str:
    if check.warns:
        return "any, it only warns"
    return f"{allowed:,}" if check.mostly is None else f"{allowed:,} (mostly {check.mostly:g})"


def _warning(check: CheckResult) -> str:
    return "" if not check.warns else "; the schema only warns of it"

"""Rows of the table that a terminal shows of a run: for each gate the findings that decided it, with their numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from lockgate.evaluation.judging.gate_summary import WEAKER, summary
from lockgate.evaluation.judging.number_format import number_cell, short, slice_words
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.reports.run_facts import is_count, most_urgent_first
from lockgate.text import cut, listed

_MAX_REASON = 60
_MAX_ROWS = 6  # of a gate; what is left out has passed or stands among the sentences below
_MOST_NAMED = 3  # subjects of a row that has all that passed
_BUDGET = ("evaluation no. ", "one evaluation of the ")


@dataclass(frozen=True)
class Row:
    """One line of a pipeline that was judged. verdict: its word; style: the verdict whose colour it has, or none.

    values: candidate, champion, limit; None where `line` is a sentence about the whole gate.
    """

    verdict: str
    style: str
    line: str
    values: tuple[str, str, str] | None = None


def gate_rows(gate: GateResult, waived: Collection[str]) -> list[Row]:
    """The rows of a gate, the worst first; of each requirement the slice that is worst, or whose value is nearest to the limit.

    What was counted and passed, as of a signature, shares a row where the limit is the same.
    """
    if gate.verdict is Verdict.ERROR or not gate.findings:
        # why a gate broke stands whole below the table
        reason = cut(gate.reason, _MAX_REASON) if gate.breakdown is not None else gate.reason
        rows = [Row(str(gate.verdict), gate.verdict.value, reason)]
    else:
        rows = []
    groups: dict[str, list[Finding]] = {}
    for finding in gate.findings:
        groups.setdefault(finding.requirement, []).append(finding)
    counted: dict[str, list[Finding]] = {}
    judged: list[tuple[Finding, str]] = []
    for group in groups.values():
        if _is_met_count(group) and group[0].id not in waived:
            counted.setdefault(values(group[0])[2], []).append(group[0])
        else:
            first = most_urgent_first(group)[0]
            judged.append((first, _place(first, group)))
    judged.sort(key=lambda pair: (pair[0].id in waived, -pair[0].verdict.rank))
    rows += [_row(finding, place, waived=finding.id in waived) for finding, place in judged]
    rows += [_counted_row(findings) for findings in counted.values()]
    if not gate.counts:
        rows[0] = replace(rows[0], line=f"{rows[0].line} (does not count)")
    hidden = len(rows) - _MAX_ROWS
    if hidden > 1:
        rows[_MAX_ROWS:] = [Row("", "", f"… and {hidden} more lines; see the report")]
    return [*rows, *_not_asked(gate, groups)]


def notes(gate: GateResult, waived: Collection[str]) -> str:
    """What a gate says of its data and answers beside its findings: repeated rows, answers that cannot be repeated."""
    counted = [finding for finding in gate.findings if finding.id not in waived]
    absent = len(gate.requirements) - len({finding.requirement for finding in gate.findings})
    sentence = summary(counted, not_asked=max(0, absent))
    if not counted or sentence not in gate.reason:
        return ""
    rest = gate.reason.partition(sentence)[2].removeprefix("; ")
    return rest.partition("; ")[2] if rest.startswith(_BUDGET) else rest


def _slice_phrase(finding: Finding) -> str:
    """` on country=BR`, nothing for all rows."""
    name = slice_words(tuple(finding.slice.items()))
    return f" on {name}" if name else ""


def values(finding: Finding) -> tuple[str, str, str]:
    """Candidate, champion and limit for the eye; the limit of a line relative to the champion is what it came to."""
    limit = finding.limit
    required = f"{limit.op} {limit.text if limit.value is None else short(limit.value)}"
    return number_cell(finding.observed), number_cell(finding.champion), required


def _place(first: Finding, group: Sequence[Finding]) -> str:
    """`, worst of 13`; of passes by what puts it first, `, lowest of 12 judged` beside one that was only watched."""
    if len(group) == 1:
        return ""
    if first.verdict is not Verdict.PASS:
        return f", worst of {len(group)}"
    compared = first.decided is not None and first.decided.on in ("difference", "ratio")
    word = "nearest" if compared else "lowest" if first.limit.op == ">=" else "highest"
    alike = sum((each.code in WEAKER) == (first.code in WEAKER) for each in group)
    return f", {word} of {alike}{' judged' if alike < len(group) else ''}"


def _row(finding: Finding, place: str, *, waived: bool) -> Row:
    line = f"{finding.subject} {finding.limit.op} {finding.limit.text}{_slice_phrase(finding)}{place}"
    verdict = "waived" if waived else str(finding.verdict)
    return Row(verdict, "" if waived else finding.verdict.value, line, values(finding))


def _is_met_count(group: Sequence[Finding]) -> bool:
    finding = group[0]
    return len(group) == 1 and is_count(finding) and finding.verdict is Verdict.PASS


def _counted_row(findings: Sequence[Finding]) -> Row:
    """What was counted, with its numbers where it is one thing, else by name: none of several, or all there."""
    first, subjects = findings[0], [finding.subject.replace("_", " ") for finding in findings]
    names = listed(subjects, len(subjects) if len(subjects) <= _MOST_NAMED + 1 else _MOST_NAMED)
    if len(findings) == 1:
        return Row("pass", "pass", first.subject, values(first))
    if first.limit.op == "<=":
        counts = "none" if not any(finding.observed for finding in findings) else f"each {values(first)[2]}"
    else:
        counts = "all there" if first.limit.value == 1 else f"each {values(first)[2]}"
    return Row("pass", "pass", f"{names}: {counts}")


def _not_asked(gate: GateResult, groups: Collection[str]) -> list[Row]:
    """The requirements of which nothing was found, although the gate ran: there is no champion to compare with."""
    if not groups or gate.verdict is Verdict.ERROR:
        return []
    absent = [requirement.text for requirement in gate.requirements if requirement.id not in groups]
    return [Row("not compared", "", f"{text}: there is no champion yet") for text in absent]

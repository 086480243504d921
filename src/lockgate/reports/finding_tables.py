"""The findings of one requirement as a table of Markdown, with their intervals as bars on one scale, for report, summary and comment."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lockgate.evaluation.judging.number_format import counted_words, ends_text, number_cell, slice_words
from lockgate.evidence.finding import Finding
from lockgate.reports.interval_bars import bars
from lockgate.reports.run_facts import contrast_heading, deciding_rows, on_one_scale
from lockgate.text import cut, markdown

MARKS = {"pass": "✅", "inconclusive": "❔", "fail": "❌", "error": "💥"}
_LONGEST = 120  # signs of a slice


def finding_table(findings: Sequence[Finding], *, most: int | None = None, waived: Collection[str] = ()) -> list[str]:
    """Lines of a table; findings of one requirement, at most so many of them. What is waived says so."""
    listed = findings[:most]
    if not on_one_scale([finding for finding in findings if finding.decided is not None]):
        return _apart(findings, listed, waived)
    contrast = next(filter(None, map(contrast_heading, findings)), None)
    compared = contrast is not None or any(finding.champion is not None for finding in listed)
    worse = "◂ worse" if findings[0].limit.op == ">=" else "worse ▸"
    heading = markdown(cut(contrast or "interval", 40))
    lines = [
        f"| | | value |{' champion |' if compared else ''} {heading} | {worse} | {listed[0].counted_in} |",
        f"|:-:|---|--:|{'--:|' if compared else ''}:-:|---|--:|",
    ]
    for finding, bar in zip(listed, bars(listed), strict=True):
        champion = f" {number_cell(finding.champion)} |" if compared else ""
        lines.append(
            f"| {_mark(finding, waived)} | {_where(finding)} | {number_cell(finding.observed)} |{champion} "
            f"{_interval(finding, contrast)} | {f'`{bar}`' if bar else ''} | {_rows(finding)} |"
        )
    if len(findings) > len(listed):
        lines.append(f"| | … and {len(findings) - len(listed):,} more |{' |' * (5 if compared else 4)}")
    return lines


def _apart(findings: Sequence[Finding], listed: Sequence[Finding], waived: Collection[str]) -> list[str]:
    """Of findings that no one scale holds: each with its own limit."""
    lines = ["| | | value | limit | among |", "|:-:|---|--:|--:|--:|"]
    for finding in listed:
        limit = markdown(cut(f"{finding.limit.op} {finding.limit.text}", _LONGEST))
        among = markdown(counted_words(finding.rows, finding.counted_in)) if finding.rows else ""
        lines.append(
            f"| {_mark(finding, waived)} | {_where(finding)} | {number_cell(finding.observed)} | {limit} | {among} |"
        )
    return [
        *lines,
        *([f"| | … and {len(findings) - len(listed):,} more | | | |"] if len(findings) > len(listed) else []),
    ]


def count_table(findings: Sequence[tuple[str, Finding]], *, waived: Collection[str] = ()) -> list[str]:
    """Lines of a table of what was counted. findings: (requirement as it is written, its only finding)."""
    lines = ["| | line | value | champion | among |", "|:-:|---|--:|--:|--:|"]
    for written, finding in findings:
        among = counted_words(finding.rows, finding.counted_in) if finding.counted_in != "rows" else f"{finding.rows:,}"
        numbers = f"{number_cell(finding.observed)} | {number_cell(finding.champion)} | {among}"
        lines.append(f"| {_mark(finding, waived)} | {markdown(cut(written, _LONGEST))} | {numbers} |")
    return lines


def _mark(finding: Finding, waived: Collection[str]) -> str:
    return MARKS[finding.verdict.value] + (" waived" if finding.id in waived else "")


def _rows(finding: Finding) -> str:
    """The number alone where the heading says of what."""
    return f"{finding.rows:,}" if finding.counted_in != "rows" else markdown(cut(deciding_rows(finding)[1], _LONGEST))


def _where(finding: Finding) -> str:
    """The slice, as every report writes it; that little was shown of it stands beside it."""
    name = slice_words(tuple(finding.slice.items())) or "overall"
    return markdown(cut(name, _LONGEST)) + (" (no-harm check)" if finding.code == "watched" else "")


def _interval(finding: Finding, contrast: str | None) -> str:
    """The value compared, and its interval below it."""
    decided = finding.decided
    if decided is None:
        return ""
    sign = "+" if decided.on == "difference" and decided.estimate is not None and decided.estimate > 0 else ""
    value = f"{sign}{number_cell(decided.estimate)}" if contrast else ""
    if decided.low is None and decided.high is None:
        return value
    ends = f"<sub>{ends_text(decided.low, decided.high)}</sub>".replace(" ", "&nbsp;")
    return f"{value}<br>{ends}" if value else ends

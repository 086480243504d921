"""Job summary: the Markdown report, cut to the size that GitHub takes."""

from __future__ import annotations

from lockgate.evidence.run_record import RunRecord
from lockgate.reports.markdown import sections
from lockgate.text import fit, utf8

LIMIT = 900 * 1024  # GitHub takes 1 MiB of a step, and drops what is longer without a word
_FINDINGS = (None, 1_000, 100, 10)


def render(record: RunRecord, *, limit: int = LIMIT) -> str:
    """The report in at most `limit` bytes: first fewer findings of each gate, the worst kept, then fewer gates.

    The last lines that a model wrote to stderr are left out: they may hold rows of data, and more people read a summary
    than the run folder.
    """
    for most in _FINDINGS:
        parts = sections(record, most=most, stderr=False)
        if utf8(str(parts)) <= limit:
            return str(parts)
    room = limit - utf8(parts.head) - utf8(parts.foot) - 1  # 1: the line break after the table
    table = fit(parts.table, room=room // 2, size=utf8, left_out=lambda count: f"| … and {count:,} more gates | | |\n")
    room -= sum(map(utf8, table))
    gates = fit(parts.gates, room=room, size=utf8, left_out=_left_out)
    return "".join([parts.head, *table, "\n", *gates, parts.foot])


def _left_out(count: int) -> str:
    return f"_{count:,} more gate{'s' if count > 1 else ''} in the report, among the artifacts of the run._\n\n"

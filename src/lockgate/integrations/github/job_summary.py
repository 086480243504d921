"""The job summary: the whole report, as far as GitHub takes it."""

from __future__ import annotations

from lockgate.evidence.evidence import Evidence
from lockgate.reports.markdown import pieces
from lockgate.text import fit, utf8

LIMIT = 900 * 1024  # GitHub takes 1 MiB of a step, and drops what is longer without a word
_FINDINGS = (None, 1_000, 100, 10)


def render(evidence: Evidence, *, limit: int = LIMIT) -> str:
    """The report in at most `limit` bytes: first fewer findings of each gate, the worst kept, then fewer gates.

    What a model wrote last is left out: a summary is read by more people than the run's own folder, and rows may stand
    in it.
    """
    for most in _FINDINGS:
        parts = pieces(evidence, most=most, stderr=False)
        whole = "".join([parts.head, *parts.table, "\n", *parts.gates, parts.foot])
        if utf8(whole) <= limit:
            return whole
    room = limit - utf8(parts.head) - utf8(parts.foot) - 1
    table = fit(parts.table, room=room // 2, size=utf8, left_out=lambda count: f"| … and {count:,} more gates | | |\n")
    room -= sum(map(utf8, table))
    gates = fit(parts.gates, room=room, size=utf8, left_out=_left_out)
    return "".join([parts.head, *table, "\n", *gates, parts.foot])


def _left_out(count: int) -> str:
    return f"_{count:,} more gate{'s' if count > 1 else ''} in the report, among the artifacts of the run._\n\n"

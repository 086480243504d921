"""Which lines can be decided while requests are asked, and what is said of those that were left. Light at import."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.shadow.rates import NULL_RATE, RATES
from lockgate.evaluation.shadow.shifts import SCORE_SHIFT, WITHIN
from lockgate.evidence.finding import Finding, Verdict
from lockgate.text import counted

if TYPE_CHECKING:
    from lockgate.evaluation.scoring.scored_table import Scored

EARLY = (*RATES, SCORE_SHIFT.name, WITHIN.name)
_WEAKER = ("watched", "no_loss_seen")  # codes of passes on slices that may only be small so far
_COUNTS = {"errors": f"{NULL_RATE.name} <= 0.1%", "new_errors": f"{NULL_RATE.name} <= champion + 0.001"}


def whole_traffic_only(lines: Iterable[Requirement]) -> Iterator[tuple[int, str]]:
    """(number of a line, why it is decided on all requests or not at all)."""
    for number, line in enumerate(lines):
        if line.subject in _COUNTS:
            yield (
                number,
                f"{str(line)!r}: {line.subject} are counted over all requests; write {_COUNTS[line.subject]!r}",
            )
        elif line.subject not in EARLY:
            yield (
                number,
                f"{str(line)!r}: {line.subject} is not decided while requests are asked: {', '.join(EARLY)} are",
            )
        elif line.gap is not None:
            yield number, f"{str(line)!r}: gaps between slices are not decided while requests are asked"
        elif line.claim in ("no_harm", "point"):
            yield number, f"{str(line)!r}: the claim {line.claim} is met before anything is asked"


def all_decided(findings: Iterable[Finding]) -> bool:
    """Whether nothing is open, so that the rest of the requests need not be asked.

    A slice that is small so far may be none of the small ones at last.
    """
    return all(
        finding.verdict is not Verdict.INCONCLUSIVE and finding.code not in _WEAKER and "members" not in finding.detail
        for finding in findings
    )


def stopping_entry(scored: Scored) -> dict[str, int]:
    """What the evidence says of the requests that were not asked."""
    requests = int(scored.traffic["requests"])
    return {"requests": requests, "left": requests - scored.rows}


def stopping_sentence(entry: Mapping[str, Any]) -> str:
    """How many requests were asked, for the summary of a gate."""
    requests, rest = int(entry["requests"]), int(entry["left"])
    if not rest:
        return f"all {counted(requests, 'request')} were asked"
    return f"stopped after {requests - rest:,} of {counted(requests, 'request')}, when each line was decided; {rest:,} left"

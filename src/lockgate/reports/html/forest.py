"""Slices of one line as a forest plot: what was compared, its interval, and the limit, on one axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence

from lockgate.evaluation.judging.number_format import interval_text, short, slice_words
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Finding
from lockgate.reports.html.figures import Forest, ForestRow, Scale
from lockgate.reports.interval_bars import comparison, value_range
from lockgate.reports.run_facts import (
    cells,
    contrast_heading,
    contrast_words,
    interval_words,
    limit_words,
    passes_among,
    slice_groups,
)
from lockgate.text import cut

WIDTH, _EDGE, _ROOM = 260, 6, 16  # of the axis; room that a number needs at its ends
NAME = 44  # signs of a slice, which stay on one line so that the limit is one line too
_MOST = 40  # rows of a plot; the table of findings has them all


def axis(low: float, high: float) -> Scale:
    """The scale that all rows of a plot share."""
    return Scale(low, high, _EDGE, WIDTH - _EDGE)


def ticks(scale: Scale, written: Callable[[float], str] = short) -> tuple[tuple[float, str], ...]:
    """(place, number) at round numbers that have room."""
    return tuple((scale(at), written(at)) for at in scale.steps if _ROOM < scale(at) < WIDTH - _ROOM)


def forests(gate: GateResult, waived: Collection[str]) -> Iterator[Forest]:
    """One plot for each line that was compared on several slices."""
    lines = {requirement.id: requirement.text for requirement in gate.requirements}
    for group in slice_groups(gate):
        drawn = [finding for finding in group if comparison(finding) is not None]
        if drawn:
            yield _forest(lines.get(group[0].requirement, group[0].subject), drawn, waived)


def _forest(line: str, group: Sequence[Finding], waived: Collection[str]) -> Forest:
    listed, hidden = group[:_MOST], group[_MOST:]
    scale = axis(*value_range([finding.decided for finding in listed if finding.decided], 60))
    interval = interval_words(listed[0])
    return Forest(
        line,
        contrast_heading(listed[0]) or "value",
        contrast_words(listed[0]) + (f" with its {interval}" if interval else ""),
        ticks(scale),
        tuple(_row(finding, scale, waived) for finding in listed),
        WIDTH,
        f"{len(hidden):,} more slices, {passes_among(hidden)}, in the table of findings" if hidden else "",
        limit=limit_words(listed[0]),
    )


def _row(finding: Finding, scale: Scale, waived: Collection[str]) -> ForestRow:
    decided = finding.decided
    assert decided is not None and decided.estimate is not None  # noqa: S101, PT018  # it is comparable
    cell = cells(finding)
    bounded = decided.low is not None or decided.high is not None
    return ForestRow(
        slice=cut(slice_words(tuple(finding.slice.items())), NAME),
        rows=cut(cell.rows, NAME),
        count=cell.count,
        verdict="waived" if finding.id in waived else cell.verdict,
        rank=finding.verdict.rank,
        low=scale(-math.inf if decided.low is None else decided.low) if bounded else None,
        high=scale(math.inf if decided.high is None else decided.high) if bounded else None,
        estimate=scale(decided.estimate),
        limit=scale(decided.required[1]),
        value=short(decided.estimate),
        interval=interval_text(decided.low, decided.high) if bounded else "",
        number=decided.estimate,
    )

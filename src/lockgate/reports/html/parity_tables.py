"""What an environment gate compared: declared and serving packages, recorded and given answers."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.evaluation.judging.number_format import short
from lockgate.reports.html.figures import Figure, Table
from lockgate.reports.html.source import Source

_TONES = {"differs": "bad", "refused": "bad", "undecided": "dim", "missing": "dim", "not shown": "dim"}


def packages(source: Source) -> Iterator[Figure]:
    """What differs first."""
    rows = tuple(tuple(map(str, point)) for point in source.exhibit.points)
    yield Table("Packages: declared and serving", source.exhibit.columns, rows, _tones(rows))


def golden_rows(source: Source) -> Iterator[Figure]:
    """The rows that are refused or answered otherwise first."""
    rows = tuple(
        (str(row), str(model), str(recorded), str(answered), short(float(apart)) if apart else "", str(outcome))
        for row, model, recorded, answered, apart, outcome in source.exhibit.points
    )
    yield Table("Golden rows: recorded and answered", source.exhibit.columns, rows, _tones(rows))


def _tones(rows: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """By the last cell of each row, which says what the comparison came to."""
    return tuple(_TONES.get(row[-1], "") for row in rows)

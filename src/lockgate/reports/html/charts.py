"""The pictures of exhibits: curves of both models, latencies as a distribution and over time, and tables."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from lockgate.evaluation.judging.number_format import NOTHING, number_cell, percent, short
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.exhibit import Exhibit
from lockgate.reports.html.figures import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Chart,
    Figure,
    Line,
    Mark,
    Scale,
    Table,
    band,
    path,
    rises,
)

MODELS = ("candidate", "champion")
_SHARES = (0.5, 0.9, 0.95, 0.99, 0.999)
_LONGEST = 8  # requests of a timeline that are listed
_MOST_ROWS = 100
_NAMES = {"roc": "ROC curve", "precision_recall": "Precision and recall"}
# An operating point: the subjects whose values on all rows are its two coordinates.
_COORDINATES = {"roc": ("false_positive_rate", "recall"), "precision_recall": ("recall", "precision")}

Points = dict[str, list[tuple[float, ...]]]


def curve(exhibit: Exhibit, gate: GateResult) -> Figure:
    """A curve of each model between nothing and one, with the operating point where its values were judged."""
    name = exhibit.name.rpartition("/")[2]
    x, y = Scale(0, 1, LEFT, RIGHT), Scale(0, 1, BOTTOM, TOP)
    models = _numbers(exhibit)
    lines = [Line(role, path(((across, up) for across, up, *_ in points), x, y)) for role, points in models.items()]
    if name == "roc":
        lines.insert(0, Line("chance", path([(0, 0), (1, 1)], x, y)))
    labels = [column.replace("_", " ") for column in exhibit.columns[1:3]]
    operating = _operating_points(gate, *_COORDINATES.get(name, ("", "")))
    marks = [Mark(role, x(across), y(up), f"{role} at its threshold") for role, (across, up) in operating.items()]
    rows = [
        (short(share), *(_at(models.get(role, []), share) for role in models))
        for share in (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)
    ]
    numbers = Table(f"{labels[1]} by {labels[0]}", (labels[0], *models), tuple(rows))
    title = _NAMES.get(name, "Curve")
    words = f"{title} of {' and '.join(models)}: {labels[1]} against {labels[0]}; the table beside it has its numbers"
    return Chart(
        title, words, labels[0], labels[1], x.ticks, y.ticks, tuple(lines), tuple(marks), (), tuple(models), numbers
    )


def distribution(exhibit: Exhibit, _: GateResult) -> Figure:
    """The share of requests that took up to so many milliseconds, with its bounds, and the limits; the axis of shares
    widens towards 100 %, where lines on p99 are decided."""
    models = {role: points for role, points in _numbers(exhibit).items() if role in MODELS}
    limits = [(str(line), float(at), float(share)) for line, at, share, *_ in exhibit.points if line not in MODELS]
    times = [point[0] for points in models.values() for point in points] + [at for _, at, _ in limits]
    x = _log_scale(times, LEFT, RIGHT)
    most = max((point[1] for points in models.values() for point in points if point[1] < 1), default=0.9)
    shares = Scale(0, _nines(most) + 0.3, BOTTOM, TOP)
    lines = [
        Line(role, band([(time, _nines(low), _nines(high)) for time, _, low, high in points], x, shares), "band")
        for role, points in models.items()
    ]
    lines += [
        Line(role, path(((time, _nines(share)) for time, share, *_ in points), x, shares, steps=True))
        for role, points in models.items()
    ]
    ticks = [(shares(_nines(share)), percent(share)) for share in (0, *_SHARES, 0.9999) if share <= most]
    marks = tuple(
        Mark("limit", x(at), shares(_nines(share)), f"limit of {line}: {short(at)} ms") for line, at, share in limits
    )
    rows = [(f"p{100 * share:g}", *(_time_of(points, share) for points in models.values())) for share in _SHARES]
    rows.append(("slowest", *(short(points[-1][0]) for points in models.values())))
    rows += [(f"limit of {line}", *[short(at)] * len(models)) for line, at, _ in limits]
    numbers = Table("Milliseconds of a request", ("share", *models), tuple(rows))
    words = f"Share of requests by milliseconds, of {' and '.join(models)}, with 90 % bounds; the table beside it has the numbers"
    return Chart(
        f"Latency, batches of {_batch(exhibit)}", words, "milliseconds (log)", "share of requests", x.ticks, tuple(ticks),
        tuple(lines), (), marks, tuple(models), numbers,
    )  # fmt: skip


def timeline(exhibit: Exhibit, _: GateResult) -> Figure:
    """The median and the longest request of each moment, the blocks of a run one after another: a stall rises alone."""
    moments = _numbers(exhibit, partly=True)
    begin = _block_starts(moments)
    models = {role: [(begin[point[0]] + point[1], *point[2:]) for point in points] for role, points in moments.items()}
    answered = {role: [point for point in points if math.isfinite(point[2])] for role, points in models.items()}
    x = Scale(0, max((point[0] for points in models.values() for point in points), default=1.0), LEFT, RIGHT)
    y = _log_scale([time for points in answered.values() for point in points for time in point[1:3]], BOTTOM, TOP)
    lines = [
        Line(role, rises(((point[0], point[1], point[2]) for point in points), x, y), "line rise")
        for role, points in answered.items()
    ]
    marks = tuple(
        Mark("failed", x(point[0]), y(point[2]) if math.isfinite(point[2]) else TOP, f"{role}: {point[3]:g} failed")
        for role, points in models.items()
        for point in points
        if point[3] > 0
    )
    longest = sorted(((point[2], role, point) for role, points in answered.items() for point in points), reverse=True)
    rows = [(short(point[0]), role, short(point[1]), short(point[2]), f"{point[3]:g}") for _, role, point in longest]
    numbers = Table(
        "The longest requests", ("second", "model", "median ms", "longest ms", "failed"), tuple(rows[:_LONGEST])
    )
    words = f"Latency over time of {' and '.join(models)}, each moment from its median to its longest request"
    return Chart(
        f"Latency over time, batches of {_batch(exhibit)}", words, "second, block after block", "milliseconds (log)", x.ticks, y.ticks,
        tuple(lines), marks, (), tuple(models), numbers,
    )  # fmt: skip


def table(exhibit: Exhibit, _: GateResult) -> Figure:
    """Points as they are."""
    rows = [tuple(_cell(value) for value in point) for point in exhibit.points[:_MOST_ROWS]]
    return Table(exhibit.name.rpartition("/")[2].replace("_", " "), exhibit.columns, tuple(rows))


def _numbers(exhibit: Exhibit, *, partly: bool = False) -> Points:
    """The rows of each model, numbers alone. partly: what is missing is NaN; else a row of which a number is missing or
    infinite is left out."""
    models: Points = {}
    for role, *values in exhibit.points:
        numbers = [math.nan if value is None else float(value) for value in values]
        if role in MODELS and (partly or all(map(math.isfinite, numbers))):
            models.setdefault(role, []).append(tuple(numbers))
    if not models:
        raise ValueError(f"{exhibit.name} has no point")
    return models


def _block_starts(moments: Points) -> dict[float, float]:
    """block → the second at which it begins where blocks stand one after another, those of both models side by side."""
    last: dict[float, float] = {}
    for points in moments.values():
        for block, second, *_ in points:
            last[block] = max(last.get(block, 0.0), second)
    starts, end = {}, 0.0
    for block in sorted(last):
        starts[block] = end
        end += last[block]
    return starts


def _operating_points(gate: GateResult, x: str, y: str) -> dict[str, tuple[float, float]]:
    """role → point, where both values were judged on all rows."""
    overall: Mapping[str, Any] = {finding.subject: finding for finding in gate.findings if not finding.slice}
    if x not in overall or y not in overall:
        return {}
    values = {
        role: [getattr(overall[subject], attribute) for subject in (x, y)]
        for role, attribute in (("candidate", "observed"), ("champion", "champion"))
    }
    return {role: (pair[0], pair[1]) for role, pair in values.items() if None not in pair}


def _at(points: Sequence[tuple[float, ...]], share: float) -> str:
    """The height of a curve where it reaches a place on the axis."""
    index = bisect.bisect_right([point[0] for point in points], share) - 1
    return short(points[index][1]) if index >= 0 else NOTHING


def _time_of(points: Sequence[tuple[float, ...]], share: float) -> str:
    index = bisect.bisect_left([point[1] for point in points], share)
    return short(points[index][0]) if index < len(points) else NOTHING


def _nines(share: float) -> float:
    """0 for none, 1 for 90 %, 2 for 99 %; five of them stand for all."""
    return -math.log10(max(1 - share, 1e-5))


def _log_scale(values: Sequence[float], start: float, end: float) -> Scale:
    positive = [value for value in values if value > 0] or [1.0]
    return Scale(min(positive) / 1.1, max(positive) * 1.1, start, end, log=True)


def _batch(exhibit: Exhibit) -> str:
    size = exhibit.name.rpartition("-")[2]
    return size if size.isdecimal() else "1"


def _cell(value: Any) -> str:
    if isinstance(value, str):
        try:
            return short(float(value))
        except ValueError:
            return value
    return f"{value:,}" if isinstance(value, int) else number_cell(value)

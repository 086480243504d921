"""The pictures of latencies: as a distribution and over time."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence

from lockgate.evaluation.judging.number_format import NOTHING, percent, short
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
    whiskers,
)
from lockgate.reports.html.source import MODELS, Points, Source

_SHARES = (0.5, 0.9, 0.95, 0.99, 0.999)
_LONGEST = 8  # requests of a timeline that are listed


def distribution(source: Source) -> Iterator[Figure]:
    """The share of requests that took up to so many milliseconds, with its bounds, and the limits; the axis of shares
    widens towards 100 %, where lines on p99 are decided."""
    models = source.by_model()
    limits = [
        (str(line), float(at), float(share)) for line, at, share, *_ in source.exhibit.points if line not in MODELS
    ]
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
    yield Chart(
        f"Latency, batches of {_batch(source.exhibit)}", words, "milliseconds (log)", "share of requests", x.ticks, tuple(ticks),
        tuple(lines), (), marks, tuple(models), numbers,
    )  # fmt: skip


def timeline(source: Source) -> Iterator[Figure]:
    """The median and the longest request of each moment, the blocks of a run one after another: a stall rises alone."""
    moments = source.by_model(partly=True)
    begin = _block_starts(moments)
    models = {role: [(begin[point[0]] + point[1], *point[2:]) for point in points] for role, points in moments.items()}
    answered = {role: [point for point in points if math.isfinite(point[2])] for role, points in models.items()}
    x = Scale(0, max((point[0] for points in models.values() for point in points), default=1.0), LEFT, RIGHT)
    y = _log_scale([time for points in answered.values() for point in points for time in point[1:3]], BOTTOM, TOP)
    lines = [
        Line(role, whiskers(((point[0], point[1], point[2]) for point in points), x, y, beyond=0.5), "line rise")
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
    yield Chart(
        f"Latency over time, batches of {_batch(source.exhibit)}", words, "second, block after block", "milliseconds (log)", x.ticks, y.ticks,
        tuple(lines), marks, (), tuple(models), numbers,
    )  # fmt: skip


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

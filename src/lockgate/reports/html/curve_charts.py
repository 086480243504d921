"""The pictures of scores: curves of ranks, reliability, metrics against the threshold, and distributions of numbers."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence

from lockgate.evaluation.judging.number_format import NOTHING, interval_text, percent, short
from lockgate.reports.html.figures import (
    BOTTOM,
    LEFT,
    RIGHT,
    SMALL,
    TOP,
    Chart,
    Figure,
    Line,
    Mark,
    Panels,
    Scale,
    Table,
    path,
    whiskers,
)
from lockgate.reports.html.source import OperatingPoint, Points, Source, operating_points

_RANKS = {
    "roc": ("ROC curve", "false_positive_rate", "recall"),
    "precision_recall": ("Precision and recall", "recall", "precision"),
}
_BINNED = {
    "probability": ("predicted probability", "observed share"),
    "confidence": ("confidence in the predicted class", "share that is right"),
    "prediction": ("predicted", "actual, mean of a bin"),
}
_PLACES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)
_SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_METRICS = {"precision": "precision", "recall": "recall", "F1": "f1", "positive rate": "positive_rate"}
_AROUND = 4  # thresholds of a model that are listed beside the one in use


def ranks(source: Source) -> Iterator[Figure]:
    """A ROC or precision–recall curve of each model, with the point at which its threshold puts it."""
    exhibit = source.exhibit
    title, across, up = _RANKS.get(exhibit.name.rpartition("/")[2], ("Curve", "", ""))
    x, y = Scale(0, 1, LEFT, RIGHT), Scale(0, 1, BOTTOM, TOP)
    models = source.by_model()
    lines = [Line(role, path(((point[0], point[1]) for point in points), x, y)) for role, points in models.items()]
    if title == "ROC curve":
        lines.insert(0, Line("chance", path([(0, 0), (1, 1)], x, y)))
    labels = [column.replace("_", " ") for column in exhibit.columns[1:3]]
    in_use = {role: point for role, point in operating_points(source).items() if across and role in models}
    places = {role: (getattr(point, across), getattr(point, up)) for role, point in in_use.items()}
    marks = [
        Mark(role, x(spot[0]), y(spot[1]), f"{role} at its threshold {short(in_use[role].threshold)}")
        for role, spot in places.items()
        if all(map(math.isfinite, spot))
    ]
    rows = [(short(share), *(_at(points, share) for points in models.values())) for share in _PLACES]
    if in_use:
        held = [in_use.get(role) for role in models]
        rows.append(("● threshold in use", *(_cell(point, "threshold") for point in held)))
        rows += [
            (f"● its {name}", *(_cell(point, name.replace(" ", "_")) for point in held))
            for name in (across.replace("_", " "), up)
        ]
    words = f"{title} of {' and '.join(models)}: {labels[1]} against {labels[0]}; the table below it has its numbers"
    yield Chart(
        title, words, labels[0], labels[1], x.ticks, y.ticks, tuple(lines), tuple(marks), (), tuple(models),
        Table(f"{labels[1]} by {labels[0]}", (labels[0], *models), tuple(rows)),
    )  # fmt: skip


def reliability(source: Source) -> Iterator[Figure]:
    """What was observed against what was predicted, in bins of equal mass with their intervals."""
    shares = source.exhibit.name.endswith("/reliability")
    models = source.by_model()
    flat = [value for points in models.values() for point in points for value in point[:4]]
    low, high = (0.0, min(1.0, _ceiling(max(flat)))) if shares else (min(flat), max(flat))
    x, y = Scale(low, high, LEFT, RIGHT), Scale(low, high, BOTTOM, TOP)
    lines = [Line("chance", path([(low, low), (high, high)], x, y))]
    for role, points in models.items():
        lines.append(Line(role, whiskers(((point[0], point[2], point[3]) for point in points), x, y), "whisker"))
        lines.append(Line(role, path(((point[0], point[1]) for point in points), x, y)))
    marks = [
        Mark(
            f"{role} bin", x(point[0]), y(point[1]), f"{role}: predicted {short(point[0])}, observed {short(point[1])}"
        )
        for role, points in models.items()
        for point in points
    ]
    rows = [
        (role, short(point[0]), short(point[1]), interval_text(*point[2:4]), f"{point[4]:,.0f}")
        for role, points in models.items()
        for point in points
    ]
    title = "Reliability" if shares else "Predicted and actual"
    labels = _BINNED.get(source.exhibit.columns[1], _BINNED["prediction"])
    words = f"{title} of {' and '.join(models)}, in bins of equal mass with 90 % intervals; on the diagonal what was predicted was observed"
    yield Chart(
        title, words, *labels, x.ticks, y.ticks, tuple(lines), tuple(marks), (), tuple(models),
        Table("Bins of equal mass", ("model", "predicted", "observed", "90 % interval", "rows"), tuple(rows)),
    )  # fmt: skip


def thresholds(source: Source) -> Iterator[Figure]:
    """Precision, recall, F1 and the positive rate of both models against the threshold, with the thresholds in use."""
    models = source.by_model(partly=True)
    in_use = operating_points(source)
    rows = [row for role, points in models.items() for row in _threshold_rows(role, points)]
    head = ("model", "threshold", *_METRICS, "false positive rate")
    numbers = Table("Thresholds", head, tuple(rows), tuple("bold" if "●" in row[1] else "" for row in rows))
    places = [point[0] for points in models.values() for point in points]
    if all(point[-1] == 1 for points in models.values() for point in points):  # class labels have no other threshold
        yield numbers
        return
    charts = tuple(
        _against_threshold(number, name, models, in_use, (min(places), max(places)))
        for number, name in enumerate(_METRICS, start=1)
    )
    yield Panels("What another threshold would do", tuple(models), charts, numbers)


def _against_threshold(
    column: int, name: str, models: Points, in_use: dict[str, OperatingPoint], ends: tuple[float, float]
) -> Chart:
    frame = SMALL
    x, y = Scale(*ends, frame.left, frame.right), Scale(0, 1, frame.bottom, frame.top)
    lines = [
        Line(role, path(((point[0], point[column]) for point in points if math.isfinite(point[column])), x, y))
        for role, points in models.items()
        if any(math.isfinite(point[column]) for point in points)
    ]
    marks, uprights = [], []
    for role, point in in_use.items():
        value = getattr(point, _METRICS[name])
        uprights.append(Mark(role, x(point.threshold), 0, f"threshold of the {role}: {short(point.threshold)}"))
        if math.isfinite(value):
            marks.append(Mark(role, x(point.threshold), y(value), f"{role}: {short(value)}"))
    words = f"{name} against the threshold, of {' and '.join(models)}"
    return Chart(
        name, words, "threshold", name, x.ticks, y.ticks, tuple(lines), tuple(marks), uprights=tuple(uprights), frame=frame
    )  # fmt: skip


def _threshold_rows(role: str, points: Sequence[tuple[float, ...]]) -> Iterator[tuple[str, ...]]:
    """The threshold in use, that of the highest F1, and a few evenly among the others, ascending."""
    others = [point for point in points if point[-1] != 1]
    best = max(points, key=lambda point: (point[3] if math.isfinite(point[3]) else -1.0, point[-1]))
    few = [others[(2 * number + 1) * len(others) // (2 * _AROUND)] for number in range(_AROUND if others else 0)]
    for point in sorted({*(point for point in points if point[-1] == 1), best, *few}):
        words = [*(["● in use"] if point[-1] == 1 else []), *(["highest F1"] if point is best and others else [])]
        yield (role, ", ".join([short(point[0]), *words]), *(_number(value) for value in point[1:6]))


def distribution(source: Source) -> Iterator[Figure]:
    """The share of rows with an error, or a difference of the two models, up to each number."""
    models = source.by_model()
    measured = source.exhibit.columns[1]
    places = [point[0] for points in models.values() for point in points]
    x, y = Scale(min(places), max(places), LEFT, RIGHT), Scale(0, 1, BOTTOM, TOP)
    lines = [Line(role, path(((point[0], point[1]) for point in points), x, y)) for role, points in models.items()]
    if min(places) < 0 < max(places):
        lines.insert(0, Line("chance", path([(0, 0), (0, 1)], x, y)))
    rows = [(percent(share), *(_quantile(points, share) for points in models.values())) for share in _SHARES]
    roles: tuple[str, ...]
    if measured == "difference":
        title, label, roles = "Differences of the two models", "candidate minus champion", ("candidate minus champion",)
    else:
        title, label, roles = "Errors", "predicted minus actual", tuple(models)
    words = f"{title}: share of rows up to each, {label}; the table below it has the numbers"
    yield Chart(
        title, words, label, "share of rows", x.ticks, y.ticks, tuple(lines), (), (), tuple(models) if measured == "error" else (),
        Table(f"{label}: so many rows lie at or below", ("share of rows", *roles), tuple(rows)),
    )  # fmt: skip


def _at(points: Sequence[tuple[float, ...]], share: float) -> str:
    """The height of a curve where it reaches a place on the axis."""
    index = bisect.bisect_right([point[0] for point in points], share) - 1
    return short(points[index][1]) if index >= 0 else NOTHING


def _quantile(points: Sequence[tuple[float, ...]], share: float) -> str:
    """Between the two points of a distribution that a share lies between."""
    index = bisect.bisect_left([point[1] for point in points], share)
    if not 0 < index < len(points):
        return NOTHING
    (lower, below, *_), (upper, above, *_) = points[index - 1], points[index]
    return short(lower + (upper - lower) * (share - below) / (above - below))


def _cell(point: OperatingPoint | None, name: str) -> str:
    return NOTHING if point is None else _number(getattr(point, name))


def _number(value: float) -> str:
    return short(value) if math.isfinite(value) else NOTHING


def _ceiling(value: float) -> float:
    """The next of 0.1, 0.2, 0.5 and 1, or of these times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(size * power for size in (1, 2, 5, 10) if size * power >= value * (1 - 1e-9))

"""The figures of a page: numbers already scaled to a picture's coordinates, and beside each picture the numbers as a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup

from lockgate.evaluation.judging.number_format import short

LEFT, RIGHT, TOP, BOTTOM = 52, 410, 12, 246
_HALF_COLUMNS, _HALF_SIGNS = 4, 40  # that half of a page has room for, in one table and in one cell


@dataclass(frozen=True)
class Frame:
    """Where a picture's axes lie, and how large it is, in the units of SVG."""

    left: int = LEFT
    right: int = RIGHT
    top: int = TOP
    bottom: int = BOTTOM
    width: int = 420
    height: int = 290


WHOLE, SMALL = Frame(), Frame(36, 262, 8, 142, 272, 178)


@dataclass(frozen=True)
class Table:
    """A table of its own, or the numbers of a picture. head: its columns; the first one names its row. tones: good, bad or dim
    of each row, or nothing. open: however many rows it has."""

    kind: ClassVar[str] = "table"
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    tones: tuple[str, ...] = ()
    open: bool = False

    @property
    def broad(self) -> bool:
        """Whether half of the page is too narrow for it: by its columns, or for a sentence in one of them."""
        return len(self.head) > _HALF_COLUMNS or any(len(cell) > _HALF_SIGNS for row in self.rows for cell in row)


@dataclass(frozen=True)
class Matrix:
    """Counts by two things. down, across: what its rows and columns are. cells: (text, smaller text, tone) by row and column."""

    kind: ClassVar[str] = "matrix"
    title: str
    sentence: str
    down: str
    across: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[tuple[str, str, str], ...], ...]


@dataclass(frozen=True)
class Line:
    """One path of a chart in SVG's notation. style: candidate, champion or chance; form: `line`, a filled `band`, or `line rise`."""

    style: str
    path: Markup
    form: str = "line"


@dataclass(frozen=True)
class Mark:
    """A point with a name: an operating point, a request that failed, a limit at its share of requests."""

    style: str
    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A picture with two axes. description: its alternative in words. uprights: places on the first axis, as of a threshold."""

    kind: ClassVar[str] = "chart"
    title: str
    description: str
    x_label: str
    y_label: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...] = ()
    limits: tuple[Mark, ...] = ()
    models: tuple[str, ...] = ()
    numbers: Table | None = None
    uprights: tuple[Mark, ...] = ()
    frame: Frame = WHOLE


@dataclass(frozen=True)
class Panels:
    """Small charts of one thing beside each other, and the numbers of all."""

    kind: ClassVar[str] = "panels"
    title: str
    models: tuple[str, ...]
    charts: tuple[Chart, ...]
    numbers: Table


@dataclass(frozen=True)
class ForestRow:
    """One slice. low, high, estimate, limit: places on the axis, an unbounded end at its edge. number: what they sort by."""

    slice: str
    rows: str
    count: int
    verdict: str
    rank: int
    low: float | None
    high: float | None
    estimate: float
    limit: float | None
    value: str
    interval: str
    number: float


@dataclass(frozen=True)
class Forest:
    """Slices below each other on one axis, the most urgent first. column: value, difference or ratio. hidden: slices that are not
    listed. second: what stands beside the name. limit: what the upright line is; counted_in: what rows are."""

    kind: ClassVar[str] = "forest"
    caption: str
    column: str
    contrast: str
    ticks: tuple[tuple[float, str], ...]
    rows: tuple[ForestRow, ...]
    width: int
    hidden: str = ""
    second: str = "verdict"
    limit: str = "limit"
    counted_in: str = "rows"


Figure = Table | Matrix | Chart | Panels | Forest


@dataclass(frozen=True)
class Scale:
    """From numbers to places of a picture. start, end: where low and high lie; log: decades are equally far apart."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a number, at an edge where it lies beyond."""
        low, high, value = (
            (math.log10(self.low), math.log10(self.high), math.log10(max(value, 1e-300)))
            if self.log
            else (self.low, self.high, value)
        )
        share = (value - low) / (high - low) if high > low else 0.5
        return round(self.start + min(1.0, max(0.0, share)) * (self.end - self.start), 1)

    @property
    def ticks(self) -> tuple[tuple[float, str], ...]:
        """(place, number) at round numbers, about five."""
        return tuple((self(value), short(value)) for value in self.steps)

    @property
    def steps(self) -> list[float]:
        return _decades(self.low, self.high) if self.log else _even(self.low, self.high)


def path(points: Iterable[tuple[float, float]], x: Scale, y: Scale, *, steps: bool = False) -> Markup:
    """A line through points; in steps where a value holds until the next one. Points that share a place are drawn once."""
    places = dict.fromkeys((x(across), y(up)) for across, up in points)
    drawn = (
        f"H{across:g}V{up:g}" if steps and index else f"{across:g} {up:g}" for index, (across, up) in enumerate(places)
    )
    return Markup("M" + ("" if steps else "L").join(drawn))  # noqa: S704  # numbers alone


def band(points: Sequence[tuple[float, float, float]], x: Scale, y: Scale) -> Markup:
    """The area between two lines through (x, low, high)."""
    there = [(x(across), y(high)) for across, _, high in points]
    back = [(x(across), y(low)) for across, low, _ in reversed(points)]
    drawn = (f"{across:g} {up:g}" for across, up in dict.fromkeys([*there, *back]))
    return Markup("M" + "L".join(drawn) + "Z")  # noqa: S704  # numbers alone


def whiskers(points: Iterable[tuple[float, float, float]], x: Scale, y: Scale, *, beyond: float = 0.0) -> Markup:
    """An upright line for each (x, low, high). beyond: how much higher each ends, so that none has no length."""
    drawn = (f"M{x(across):g} {y(low):g}V{y(high) - beyond:g}" for across, low, high in points)
    return Markup("".join(drawn))  # noqa: S704  # numbers alone


def _even(low: float, high: float) -> list[float]:
    if not 0 < high - low < math.inf:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= (high - low) / 5)
    first = math.ceil(low / step - 1e-9)
    return [float(f"{number * step:.10g}") for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _decades(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    sizes = (1, 2, 5) if len(powers) < 4 else (1,)
    inside = [size * 10.0**power for power in powers for size in sizes]
    return [value for value in inside if low <= value <= high] or [low, high]

"""Declaration of a metric: subject, measure, rule of decision, sums and plan, all in one place. Imports no numpy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from lockgate.errors import GateBroken
from lockgate.hashing import number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lockgate.evaluation.requirements.subject import Subject
    from lockgate.evaluation.uncertainty.comparison import Comparison
    from lockgate.evaluation.uncertainty.metric_value import Cells, Floats, MetricValue, Summary
    from lockgate.stats.influence import Scale
    from lockgate.stats.influence import Sums as RowSums

Measure: TypeAlias = "Callable[[Any, Floats, Floats | None, float | None], MetricValue]"
"""(labels, scores, weights, argument) → value and influence of each row; raises Undefined."""

MeasureRows: TypeAlias = "Callable[[str, NDArray[np.intp], Floats | None], MetricValue]"
"""(role, row numbers, weights) → value and influence of each of these rows; raises Undefined."""

Decide: TypeAlias = "Callable[[Any, Any, float, NDArray[Any] | None, float, float], Comparison]"
"""(candidate, champion, factor, clusters, null, confidence) → candidate, or candidate − factor · champion, against null.

candidate, champion: what `measure` returned, champion None for the candidate's own value. clusters: (n,) codes or None.
confidence: one-sided."""

_OTHER = {"candidate": "champion", "champion": "candidate"}
UNIT = 0.0, 1.0
"""Bounds of shares, and of what is a mean of shares."""

DeclaredBounds = tuple[float | None, float | None]
"""As a project writes them of its own function: None where there is none."""

ByCell = tuple[tuple[int, int], tuple[int, int]]
"""[label][decided positive] → what a row of that cell adds to a sum, 0 to 3."""


def unpaired(decide: Callable[[Any, NDArray[Any] | None, float, float], Comparison]) -> Decide:
    """The rule of a metric that is of both models, so that nothing is taken off its value. decide: (measured, clusters, null, confidence)."""

    def decided(
        candidate: Any, champion: Any, factor: float, clusters: NDArray[Any] | None, null: float, confidence: float
    ) -> Comparison:
        assert champion is None  # noqa: S101  # `gate check` refuses such lines
        return decide(candidate, clusters, null, confidence)

    return decided


@dataclass(frozen=True)
class Share:
    """Σ above / Σ below over rows, each by its label and its decision.

    among: what is counted below, for the message where there is none; among_class: the same for one class against the rest,
    `{}` standing for its name.
    """

    above: ByCell
    below: ByCell
    among: str
    among_class: str = ""

    @property
    def plain(self) -> bool:
        """Whether a row counts once or not at all, so that counts are binomial."""
        return max(max(pair) for pair in (*self.above, *self.below)) <= 1

    @property
    def by_decision(self) -> bool:
        """Whether the model's decisions choose the rows that are counted below."""
        return any(pair[0] != pair[1] for pair in self.below)

    def cells(self, value: float, mean: float) -> Cells:
        """[label][decided positive], how far rows of a cell move the ratio, for each of their share of all. mean: of `below`."""
        return tuple(
            tuple((above - value * below) / mean for above, below in zip(*pairs, strict=True))
            for pairs in zip(self.above, self.below, strict=True)
        )


@dataclass(frozen=True)
class Clip:
    """The least probability that a loss is taken of. binary, of_classes: as those of the loss → (n,) bool, which rows are clipped."""

    least: float
    binary: Callable[[Any, Floats], NDArray[np.bool_]]
    of_classes: Callable[[NDArray[Any], Floats], NDArray[np.bool_]]

    def detail(self, clipped: int) -> dict[str, Any]:
        """What a finding shows of it. clipped: rows."""
        return {"clip": number(self.least), "clipped": clipped}


@dataclass(frozen=True)
class RowLoss:
    """The mean of one loss a row.

    binary: (labels, probabilities of the positive class) → (n,) losses; labels of each row, or one for all.
    of_classes: (class codes, (n, classes) probabilities) → (n,) losses. clip: of probabilities, None where there is none.
    """

    binary: Callable[[Any, Floats], Floats]
    of_classes: Callable[[NDArray[Any], Floats], Floats]
    clip: Clip | None = None


@dataclass(frozen=True)
class OneRight:
    """Rows that one model decides rightly and the other does not, which takes both models. right: the one that does."""

    right: Literal["candidate", "champion"]


@dataclass(frozen=True)
class Agreement:
    """A smooth function of the confusion matrix, of two classes or several.

    of_shares: ((classes, classes) shares of all rows, [label][decided]) → (value, its derivative by each share); raises Undefined.
    each_class: whether classes count alike however rare they are, so that each must have rows.
    """

    of_shares: Callable[[Floats], tuple[float, Floats]]
    each_class: bool = False


Sums = Share | Agreement | RowLoss | OneRight | Literal["ranks", "bins"]
"""How an engine sums a metric up without its rows: by cell, by loss, by who is right, by rank (auc, average_precision), by
bin of scores."""


@dataclass(frozen=True, eq=False)
class Kinds:
    """How a plain share of independent rows of one weight follows from how many of them are of each kind.

    kinds: (n,) uint8, of all rows, each below `count`. share: (role, (count,) rows of each kind) → (those that are hits, those that
    it is taken of, both (count,) bool; what a finding shows besides); raises Undefined.
    """

    kinds: NDArray[np.uint8]
    count: int
    share: Callable[[str, NDArray[np.int64]], tuple[NDArray[np.bool_], NDArray[np.bool_], Mapping[str, Any]]]


@dataclass(frozen=True, eq=False)
class Means:
    """How a mean of one number a row follows from moments of independent rows of one weight.

    values: (n,) of all rows, NaN where there is none. summary: (rows, those with a number, their mean, Σ of the second to fourth powers
    of what deviates from it) → the value with its spread; raises Undefined.
    """

    values: Floats
    summary: Callable[[int, int, float, RowSums], Summary]


Counted = Literal["rows", "positives", "negatives"]


@dataclass(frozen=True)
class Plan:
    """What planning assumes of a metric before a candidate is scored; a metric without any of it is planned from the
    champion's own estimates only.

    counted: the rows that its share is taken of, None where it is no share. champion: the value that is assumed where none was measured.
    placements: whether its error follows from placements, as an AUC's. pair_variance: of the difference of two models, a
    positive row; effective: share of positives up to → positive rows that make an effective one; both simulated.
    relative_variance: of one row's loss, beside the squared mean; kurtosis: of the difference of two such losses.
    """

    counted: Counted | None = None
    champion: float | None = None
    placements: bool = False
    pair_variance: float | None = None
    effective: tuple[tuple[float, float], ...] = ()
    relative_variance: float | None = None
    kurtosis: float | None = None


@dataclass(frozen=True, eq=False)
class Metric:
    """One metric: all that is known of it.

    scale: on which one model's value is bounded. Either `measure` or `measure_rows` is there, the latter where a metric
    reads more than labels and scores; neither where it is measured of several classes only, or of both models together.
    argument: of the line, given to `measure`, by default the threshold; None where it takes none.
    decide: a rule in place of counts and influence values, which then are zero.
    minority: whether the smaller class must be large enough before anything is decided. paired_share: whether two models
    are compared by Tango's test. mean: whether the value is a mean of one number a row on any scale, so that a
    difference is corrected for skewness. bounds: the least and the largest that a row can bring to it, and so of the metric.
    crowded: whether one row of the other class that is ranked first lowers what each row below it is worth.
    method: what its error is called. counted_in: of what its rows are. classes: the names of several classes, none of a
    binary metric; positive_class: the code of the one that counts as positive, None where none does and rows of all of them are the
    minority that must be large enough. clipped: the same metric with another clip. kinds, means: how it
    follows from counts or moments of independent rows, None where it does not. sums: how it is summed up without rows, None where it cannot. curve: the picture that goes with it.
    """

    name: str
    scale: Scale
    measure: Measure | None = None
    measure_rows: MeasureRows | None = None
    subject: Subject | None = None
    argument: str | None = "threshold"
    decide: Decide | None = None
    minority: bool = False
    paired_share: bool = False
    mean: bool = False
    bounds: tuple[float, float] = (-math.inf, math.inf)
    crowded: bool = False
    method: str = "influence"
    counted_in: str = "rows"
    classes: tuple[str, ...] = ()
    positive_class: int | None = None
    sums: Sums | None = None
    kinds: Kinds | None = None
    means: Means | None = None
    clipped: Callable[[float], Metric] | None = None
    plan: Plan = Plan()
    curve: Literal["roc", "precision_recall"] | None = None

    @property
    def of_both(self) -> bool:
        """Whether its value is of the decisions of both models together, so that neither has one of its own."""
        return isinstance(self.sums, OneRight)

    @property
    def approximate(self) -> bool:
        """Whether a row may bring anything to a mean: then no bound of it is valid for all data (Bahadur & Savage 1956)."""
        return self.decide is None and not all(map(math.isfinite, self.bounds))

    def exchanged(self) -> Metric:
        """The same of rows on which each model stands in the other's place."""
        measure_rows = self.measure_rows
        if measure_rows is None:
            return self

        def turned(role: str, rows: NDArray[np.intp], weights: Floats | None) -> MetricValue:
            return measure_rows(_OTHER[role], rows, weights)

        kinds = self.kinds
        if kinds is None:
            return replace(self, measure_rows=turned)
        share = kinds.share
        swapped = replace(kinds, share=lambda role, rows: share(_OTHER[role], rows))
        return replace(self, measure_rows=turned, kinds=swapped)


def limits(bounds: DeclaredBounds) -> tuple[float, float]:
    """Bounds as a metric has them."""
    low, high = bounds
    return -math.inf if low is None else low, math.inf if high is None else high


def check_bounds(name: str, role: str, values: Floats, bounds: DeclaredBounds) -> None:
    """Raise GateBroken where a row's value lies beyond the bounds that a project declares, but for rounding."""
    if not values.size:
        return
    low, high = limits(bounds)
    least, most = float(values.min()), float(values.max())
    if least < low - 1e-6 * max(1.0, abs(low)) or most > high + 1e-6 * max(1.0, abs(high)):
        raise GateBroken(
            f"{name} of the {role} answered {least if least < low else most:g}, and its bounds are {low:g} and {high:g}",
            remedy="declare bounds that hold for every row, or null where there is none",
        )


def on_demand(module: str, name: str) -> Callable[..., Any]:
    """The function of that name in a module of this folder, which is imported when it is called: it costs numpy."""

    def call(*args: Any) -> Any:
        return getattr(import_module(f"lockgate.evaluation.metrics.{module}"), name)(*args)

    return call

"""Metrics on the rows of a slice, or on all of them, and how many rows carry each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.estimation.from_sums import NO_SPREAD, SummedMetrics
from lockgate.evaluation.estimation.slice_totals import SliceTotals
from lockgate.evaluation.estimation.sum_request import ROLES, SliceCode
from lockgate.evaluation.metrics.declaration import Metric, OneRight
from lockgate.evaluation.metrics.fixes_and_breaks import one_right
from lockgate.evaluation.metrics.multiclass import worst_class
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.uncertainty.comparison import Comparison
from lockgate.evaluation.uncertainty.metric_value import (
    Bools,
    MetricValue,
    Rare,
    Summary,
    Undefined,
    clipped_beside,
    rare_pair,
)
from lockgate.models.class_scores import predicted_class
from lockgate.stats.effective_size import Weighing, effective_rows
from lockgate.stats.influence import spread


class SliceRows:
    """Some rows of a scored table; what one requirement computes on them, the next one reuses.

    members: gives their numbers, None for all rows. slice_code: theirs in `summed`, which answers where sums suffice, so that
    no row is gathered. totals: likewise, of what follows from counts and moments of rows without labels.
    """

    def __init__(
        self,
        scored: Scored,
        members: Callable[[], NDArray[np.intp]] | None,
        slice_code: SliceCode,
        threshold: Mapping[str, float | None],
        metrics: Mapping[str, Metric],
        summed: SummedMetrics,
        totals: SliceTotals,
    ) -> None:
        self.scored, self._members, self._totals = scored, members, totals
        self.threshold, self.metrics = threshold, metrics
        self.summed, self.slice_code = summed, slice_code
        self.values: dict[tuple[str, Metric, float | None], MetricValue] = {}
        self._units_of_classes: dict[int | None, tuple[float, bool]] = {}

    @cached_property
    def members(self) -> NDArray[np.intp] | None:
        return None if self._members is None else self._members()

    def pick(self, column: NDArray[Any] | None) -> NDArray[Any] | None:
        return column if column is None or self.members is None else column[self.members]

    @cached_property
    def labels(self) -> NDArray[Any] | None:
        return self.pick(self.scored.labels)

    @cached_property
    def scores(self) -> dict[str, NDArray[Any] | None]:
        return {"candidate": self.pick(self.scored.candidate), "champion": self.pick(self.scored.champion)}

    @cached_property
    def weights(self) -> NDArray[Any] | None:
        """None where all rows weigh the same, which is no weight."""
        weights = self.pick(self.scored.weights)
        alike = weights is not None and weights.size > 0 and weights.min() == weights.max() > 0
        return None if alike else weights

    @cached_property
    def clusters(self) -> NDArray[Any] | None:
        """(n,) numbers from 0 without holes."""
        clusters = self.pick(self.scored.clusters)
        return None if clusters is None else np.unique(clusters, return_inverse=True)[1]

    @cached_property
    def rows(self) -> int:
        size = self.summed.size(self.slice_code)
        if size is not None:
            return size[0]
        return self._totals.rows(self.slice_code)

    @cached_property
    def positives(self) -> int | None:
        size = self.summed.size(self.slice_code)
        if size is not None:
            return size[1]
        if self.labels is None or self.labels.dtype != bool:
            return None
        return int(np.count_nonzero(self.labels))

    def positives_of(self, metric: Metric) -> int | None:
        """The rows that count as positive: of the class that the metric is of, where there are several."""
        if metric.positive_class is None or self.labels is None:
            return self.positives
        return int(np.count_nonzero(self.labels == metric.positive_class))

    def minority(self, metric: Metric) -> tuple[int, str] | None:
        """(rows, their kind) of the smallest group of rows that a metric needs enough of; None where it needs none."""
        if not metric.minority:
            return None
        positives = self.positives
        if metric.classes or positives is None:
            return min((int(group.sum()), name) for name, group in self._groups(metric).items())
        kind = "positive" if positives <= self.rows - positives else "negative"
        return min(positives, self.rows - positives), f"{kind} rows"

    def _groups(self, metric: Metric) -> dict[str, NDArray[np.bool_]]:
        """The groups of rows, each by its name, of which a metric needs enough."""
        labels: Any = self.labels
        if not metric.classes and labels.dtype == bool:
            return {"positive rows": labels, "negative rows": ~labels}
        if not metric.classes:  # numbers, of which most may be 0: those say little until others come
            return {f"rows with a label above {labels.min():g}": labels > labels.min()}
        if metric.positive_class is None:
            return {f"rows of class {name}": labels == code for code, name in enumerate(metric.classes)}
        name, inside = metric.classes[metric.positive_class], labels == metric.positive_class
        return {f"rows of class {name}": inside, f"rows of other classes than {name}": ~inside}

    def value(self, role: str, requirement: Requirement) -> float:
        """One model's metric here, without its error. Raises Undefined."""
        if self.summed.covers(requirement):
            return self.summed.measure(self.slice_code, role, requirement).value
        metric = requirement.pick(self.metrics)
        if self._totals.covers(metric):
            return self._totals.measure(metric, self.slice_code, role).value
        return self._value(role, requirement).value

    def measure(self, role: str, requirement: Requirement) -> Summary:
        """One model's metric here. Raises Undefined."""
        if self.summed.covers(requirement):
            return self.summed.measure(self.slice_code, role, requirement)
        metric = requirement.pick(self.metrics)
        if self._totals.covers(metric):
            return self._totals.measure(metric, self.slice_code, role)
        value = self._value(role, requirement)
        counts: tuple[float, float] | None = None if self.scored.clusters is not None else value.counts
        if counts is None:
            rare = self._rare(metric, value)
            return self._summary(metric, value.value, value.psi, value, base=value.base, rare=rare, detail=value.detail)
        weighing = None if self.weights is None else self._weighing(value.base)
        if weighing is None or not weighing.uneven:
            return Summary(value.value, NO_SPREAD, 0.0, counts[1], counts=counts, detail=value.detail)
        n = effective_rows(value.psi, weighing.effective, variance=value.value * (1 - value.value))
        counts = value.value * n, n
        return Summary(value.value, NO_SPREAD, 0.0, *weighing.count, counts=counts, detail=value.detail)

    def contrast(self, requirement: Requirement, factor: float) -> Summary:
        """Candidate minus `factor` times champion here. Raises Undefined."""
        if self.summed.covers(requirement):
            return self.summed.contrast(self.slice_code, requirement, factor)
        metric = requirement.pick(self.metrics)
        if self._totals.compares(metric, factor):
            return self._totals.contrast(metric, self.slice_code)
        candidate, champion = (self._value(role, requirement) for role in ("candidate", "champion"))
        value = candidate.value - factor * champion.value
        base = None if candidate.base is None or champion.base is None else candidate.base | champion.base
        # The influence of a difference is the difference of influences: rows are the same, so what models share cancels out.
        psi = candidate.psi - factor * champion.psi
        first, second, judged = candidate.hits, champion.hits, candidate.base
        independent = metric.paired_share and factor == 1.0 and self.scored.clusters is None

        def by_influence(**more: Any) -> Summary:
            rare = self._rare(metric, candidate, champion, factor)
            detail = clipped_beside(champion.detail)
            detail |= worst_class(candidate, champion, metric, up=requirement.op == ">=")
            return self._summary(metric, value, psi, candidate, champion, base=base, rare=rare, detail=detail, **more)

        if not independent or first is None or second is None or judged is None:
            return by_influence()
        kinds = first & ~second & judged, second & ~first & judged, judged
        weighing = None if self.weights is None else self._weighing(judged)
        if weighing is None or not weighing.uneven:
            up, down, rows = (int(np.count_nonzero(kind)) for kind in kinds)
            return Summary(value, NO_SPREAD, 0.0, rows, disagree=(up, down, rows))
        weights = weighing.weights
        more, less = (float(weights[kind].sum() / weights.sum()) for kind in kinds[:2])
        n = effective_rows(psi, weighing.effective, variance=more + less - (more - less) ** 2)
        return by_influence(disagree=(more * n, less * n, n))

    def influence(self, requirement: Requirement) -> NDArray[np.float64]:
        """(n,) influence of each row on what a line compares. Raises Undefined."""
        psi = self._value("candidate", requirement).psi
        if not requirement.limit.relative:
            return psi
        return psi - requirement.limit.factor * self._value("champion", requirement).psi

    def _value(self, role: str, requirement: Requirement) -> MetricValue:
        metric = requirement.pick(self.metrics)
        argument = self._argument(role, requirement)
        key = (role, metric, argument)
        if key not in self.values:
            if isinstance(metric.sums, OneRight):
                candidate, champion = (self._decided_rightly(each, requirement) for each in ROLES)
                self.values[key] = one_right(metric.sums, candidate, champion, self.weights)
            elif metric.measure_rows is not None:
                rows = np.arange(self.scored.rows) if self.members is None else self.members
                self.values[key] = metric.measure_rows(role, rows, self.weights)
            else:
                assert metric.measure is not None  # noqa: S101  # one of both is there
                scores: Any = self.scores[role]
                self.values[key] = metric.measure(self.labels, scores, self.weights, argument)
        return self.values[key]

    def _argument(self, role: str, requirement: Requirement) -> float | None:
        """What the metric of a line is given: its argument there, else the role's threshold."""
        name = requirement.pick(self.metrics).argument
        written = None if name is None else requirement.argument(name)
        argument = self.threshold.get(role) if written is None else float(written)
        return self.scored.cut(role, argument) if name == "threshold" else argument

    def _decided_rightly(self, role: str, requirement: Requirement) -> Bools:
        """(n,) whether a role decides a row for its label. Raises Undefined without a threshold, ValueError without its answers."""
        scores, cut = self.scores[role], self._argument(role, requirement)
        if scores is None:
            raise ValueError(f"{requirement.subject} needs the answers of two models")
        if not self.scored.classes and cut is None:
            raise Undefined("no_threshold", "no threshold says which scores are positive")
        right: Bools = (predicted_class(scores) if self.scored.classes else scores >= cut) == self.labels
        return right

    def compare(self, requirement: Requirement, *, paired: bool, null: float, confidence: float) -> Comparison | None:
        """By the metric's own rule, None where it has none."""
        decide = requirement.pick(self.metrics).decide
        if decide is None:
            return None
        champion = self._value("champion", requirement) if paired else None
        summed = self.summed.covers(requirement)
        candidate: Any = self.summed.bins(self.slice_code) if summed else self._value("candidate", requirement)
        return decide(candidate, champion, requirement.limit.factor, self.clusters, null, confidence)

    def _summary(
        self,
        metric: Metric,
        value: float,
        psi: NDArray[np.float64],
        *models: MetricValue,
        base: Bools | None,
        **more: Any,
    ) -> Summary:
        """The summary of influence values. models: those that the value is of."""
        size = max(max(abs(model.value), float(np.abs(model.psi).max())) for model in models)
        error = spread(psi, clusters=self.clusters)
        weighing = None if self.weights is None and self.clusters is None else self._weighing(base)
        if weighing is not None:
            error = weighing.limit(error, psi)
        hidden = max(model.unseen_variance(psi, self.weights, self.clusters) for model in models)
        if hidden and error.se > 0:
            error = replace(error, se=math.hypot(error.se, math.sqrt(hidden)))
        return Summary(value, error, size, *self._units(metric, base, weighing), **more)

    def _rare(
        self, metric: Metric, candidate: MetricValue, champion: MetricValue | None = None, factor: float = 0.0
    ) -> tuple[Rare, Rare] | None:
        """The units that would move a value, or a difference, the farthest down and up; None where no cells tell."""
        ours = candidate.cells
        theirs = ((0.0,),) * len(ours or ()) if champion is None else champion.cells
        if ours is None or theirs is None:
            return None
        pairs = list(zip(ours, theirs, strict=True))
        downs = [factor * max(champion_cells) - min(cells) for cells, champion_cells in pairs]
        ups = [max(cells) - factor * min(champion_cells) for cells, champion_cells in pairs]
        if metric.classes and metric.positive_class is None:
            carried = [self._carried(group) for group in self._groups(metric).values()]
            down, up = (
                max(
                    (Rare(units, reach * share) for (units, share), reach in zip(carried, way, strict=True) if units),
                    key=lambda rare: rare.reach / rare.units,
                )
                for way in (downs, ups)
            )
            return down, up
        units, share = min(self._carried(model.base) for model in (candidate, champion) if model is not None)
        return rare_pair(units, share * max(downs), share * max(ups))

    def _carried(self, base: Bools | None) -> tuple[float, float]:
        """(the rows or clusters of a base, by Kish where they weigh unlike; its share of all weight)."""
        if base is None:
            return self._weighing_of_all.count[0], 1.0
        if self.weights is None and self.clusters is None:
            count = int(np.count_nonzero(base))
            return count, count / base.size
        return self._weighing(base).count[0], float(np.average(base, weights=self.weights))

    def _units(self, metric: Metric, base: Bools | None, weighing: Weighing | None) -> tuple[float, bool]:
        """(the rows or clusters that carry a metric, those of the smaller class where it needs both; whether they weigh unlike)."""
        if metric.minority and self.labels is not None:
            if metric.positive_class not in self._units_of_classes:
                groups = self._groups(metric).values()
                self._units_of_classes[metric.positive_class] = min(
                    (int(np.count_nonzero(group)), False) if weighing is None else self._weighing(group).count
                    for group in groups
                )
            return self._units_of_classes[metric.positive_class]
        if weighing is not None:
            return weighing.count
        return self.rows if base is None else int(np.count_nonzero(base)), False

    def _weighing(self, base: Bools | None) -> Weighing:
        """What rows of a base weigh; that of all rows is kept for every line."""
        if base is None or base.all():
            return self._weighing_of_all
        return self._weigh(np.where(base, 1.0 if self.weights is None else self.weights, 0.0))

    @cached_property
    def _weighing_of_all(self) -> Weighing:
        return self._weigh(np.ones(self.rows) if self.weights is None else self.weights)

    def _weigh(self, weights: NDArray[np.float64]) -> Weighing:
        # Labels that are numbers to be predicted are no classes.
        classes = self.labels if self.labels is not None and self.labels.dtype.kind in "bi" else None
        return Weighing(weights, self.clusters, classes)

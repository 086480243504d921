"""What each metric is on the rows of a slice, or on all of them, and how many rows carry it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.estimation.from_sums import Sliced
from lockgate.evaluation.estimation.slice_cells import Rows
from lockgate.evaluation.estimation.sum_request import Place
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.comparison import Decision
from lockgate.evaluation.uncertainty.metric import Measured, Metric, Summary
from lockgate.stats.influence import spread


class SliceRows:
    """Some rows of a scored table; what one requirement computes on them, the next one finds.

    members: gives their numbers, None for all rows. place: theirs in `sliced`, which may know their sums without them.
    """

    def __init__(
        self,
        scored: Rows,
        members: Callable[[], NDArray[np.intp]] | None,
        place: Place,
        threshold: Mapping[str, float | None],
        metrics: Mapping[str, Metric],
        sliced: Sliced,
    ) -> None:
        self.scored, self._members = scored, members
        self.threshold, self.metrics = threshold, metrics
        self.sliced, self.place = sliced, place
        self.measured: dict[tuple[str, Metric, float | None], Measured] = {}

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
        return self.pick(self.scored.weights)

    @cached_property
    def clusters(self) -> NDArray[Any] | None:
        return self.pick(self.scored.clusters)

    @cached_property
    def rows(self) -> int:
        size = self.sliced.size(self.place)
        if size is not None:
            return size[0]
        return self.scored.rows if self.members is None else int(self.members.size)

    @cached_property
    def positives(self) -> int | None:
        size = self.sliced.size(self.place)
        if size is not None:
            return size[1]
        if self.labels is None or self.labels.dtype != bool:
            return None
        return int(np.count_nonzero(self.labels))

    def positives_of(self, metric: Metric) -> int | None:
        """The rows that count as positive: of the class that the metric is of, where there are several."""
        of = getattr(metric, "of", None)
        if of is None or self.labels is None:
            return self.positives
        return int(np.count_nonzero(self.labels == of))

    def minority(self, metric: Metric) -> tuple[int, str] | None:
        """(rows, what they are) of the smallest group of rows that a metric needs enough of; None where it needs none."""
        if not metric.minority:
            return None
        if hasattr(metric, "of"):
            return min((int(group.sum()), name) for name, group in self._groups(metric).items())
        positives = self.positives
        if positives is None:
            return None
        kind = "positive" if positives <= self.rows - positives else "negative"
        return min(positives, self.rows - positives), f"{kind} rows"

    def _groups(self, metric: Metric) -> dict[str, NDArray[np.bool_]]:
        """The groups of rows, each by its name, of which a metric needs enough."""
        labels: Any = self.labels
        if not hasattr(metric, "of"):
            return {"positive rows": labels, "negative rows": ~labels}
        classes: tuple[str, ...] = getattr(metric, "classes", ())
        if metric.of is None:
            return {f"rows of class {name}": labels == place for place, name in enumerate(classes)}
        name = classes[metric.of]
        return {f"rows of class {name}": labels == metric.of, f"rows of other classes than {name}": labels != metric.of}

    def measure(self, role: str, requirement: Requirement) -> Summary:
        """One model's metric here. Raises Undefined."""
        if self.sliced.takes(requirement):
            return self.sliced.measure(self.place, role, requirement)
        return self._summary(requirement.pick(self.metrics), self._measured(role, requirement))

    def contrast(self, requirement: Requirement, factor: float) -> Summary:
        """Candidate minus `factor` times champion here. Raises Undefined."""
        if self.sliced.takes(requirement):
            return self.sliced.contrast(self.place, requirement, factor)
        metric = requirement.pick(self.metrics)
        candidate, champion = (self._measured(role, requirement) for role in ("candidate", "champion"))
        value = candidate.value - factor * champion.value
        base = None if candidate.base is None or champion.base is None else candidate.base | champion.base
        disagree = None
        first, second = candidate.hits, champion.hits
        shares = metric.paired_share and first is not None and second is not None
        if shares and factor == 1.0 and self.scored.clusters is None:
            disagree = (
                int(np.count_nonzero(first & ~second & candidate.base)),  # type: ignore[operator]
                int(np.count_nonzero(second & ~first & candidate.base)),  # type: ignore[operator]
                int(np.count_nonzero(candidate.base)),  # type: ignore[arg-type]
            )
        return self._reduced(
            metric, value, candidate.psi - factor * champion.psi, candidate, champion, base=base, disagree=disagree
        )

    def _measured(self, role: str, requirement: Requirement) -> Measured:
        metric = requirement.pick(self.metrics)
        named = getattr(metric, "argument", "threshold")
        argument = None if named is None else requirement.argument(named)
        threshold = self.threshold.get(role) if argument is None else float(argument)
        key = (role, metric, threshold)
        if key not in self.measured:
            labels = self.labels
            scores: Any = self._places(role) if getattr(metric, "placed", False) else self.scores[role]
            self.measured[key] = metric.measure(labels, scores, self.weights, threshold)  # type: ignore[arg-type]
        return self.measured[key]

    def _places(self, role: str) -> NDArray[np.float64]:
        """Row numbers, the champion's counted on from the candidate's."""
        rows = np.arange(self.scored.rows) if self.members is None else self.members
        return rows.astype(np.float64) + (self.scored.rows if role == "champion" else 0)

    def decided(self, requirement: Requirement, *, paired: bool, null: float, confidence: float) -> Decision | None:
        """By the metric's own rule, None where it has none."""
        decide = getattr(requirement.pick(self.metrics), "decide", None)
        if decide is None:
            return None
        factor = requirement.limit.factor
        champion = self._measured("champion", requirement) if paired else None
        summed = self.sliced.takes(requirement)
        candidate = self.sliced.bins(self.place) if summed else self._measured("candidate", requirement)
        found: Decision = decide(candidate, champion, factor, self.clusters, null, confidence)
        return found

    def _summary(self, metric: Metric, measured: Measured) -> Summary:
        counts = None if self.scored.clusters is not None else measured.counts
        return self._reduced(
            metric, measured.value, measured.psi, measured, base=measured.base, counts=counts, detail=measured.detail
        )

    def _reduced(
        self, metric: Metric, value: float, psi: NDArray[np.float64], *measured: Measured, base: Any, **known: Any
    ) -> Summary:
        """What is left of influence values when they are summed up."""
        size = max(max(abs(one.value), float(np.abs(one.psi).max())) for one in measured)
        error = spread(psi, clusters=self.clusters)
        hidden = max((one.unseen(psi, self.clusters) for one in measured if hasattr(one, "unseen")), default=0.0)
        if hidden and error.se > 0:
            error = replace(error, se=math.hypot(error.se, math.sqrt(hidden)))
        return Summary(value, error, size, self._units(metric, base), **known)

    def _units(self, metric: Metric, base: NDArray[np.bool_] | None) -> int:
        """The rows or clusters that carry a metric, those of the smaller class where it needs both."""
        groups = [np.ones(self.rows, dtype=bool) if base is None else base]
        if metric.minority and self.labels is not None:
            groups = list(self._groups(metric).values())
        clusters = self.clusters
        return min(
            int(np.count_nonzero(group)) if clusters is None else int(np.unique(clusters[group]).size)
            for group in groups
        )

"""Metrics of independent rows of one weight on all slices, from the sums that an engine makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.estimation.engine import SliceSums, SumEngine
from lockgate.evaluation.estimation.sum_request import ROLES, Cuts, SliceCode, request_sums
from lockgate.evaluation.metrics import agreement
from lockgate.evaluation.metrics.calibration import BinSums
from lockgate.evaluation.metrics.declaration import Agreement, Metric, OneRight, RowLoss, Share
from lockgate.evaluation.metrics.fixes_and_breaks import one_right_detail
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.metric_value import (
    Rare,
    Summary,
    Undefined,
    clipped_beside,
    rare_pair,
    small_sample,
)
from lockgate.stats.influence import Spread, Sums

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NOTHING = Sums(0.0, 0.0, 0.0)
NO_SPREAD = Spread(0.0, 0.0, 0.0, 0)  # where counts or a rule of its own decide, and nobody looks at it


class SummedMetrics:
    """The metrics of all requirements that an engine's sums suffice for. lines: the requirements of each slice. cut: see `Scored.cut`."""

    def __init__(
        self,
        engine: SumEngine,
        lines: Sequence[tuple[SliceCode, Requirement]],
        metrics: Mapping[str, Metric],
        *,
        threshold: Mapping[str, float | None],
        cut: Callable[[str, float | None], float | None] = lambda _, threshold: threshold,
    ) -> None:
        self._metrics, self._threshold, self._cut_of = metrics, threshold, cut
        self._ranges = {role: engine.score_range(role) for role in ROLES}
        self._covered: dict[tuple[str, object, bool], bool] = {}
        self._summaries: dict[tuple[object, ...], Summary] = {}
        covered = [(slice_code, line) for slice_code, line in lines if self.covers(line)]
        self._sums = engine.sums(request_sums(covered, metrics, self.cuts)) if covered else SliceSums()

    def covers(self, line: Requirement) -> bool:
        """Whether sums suffice for a requirement."""
        key = line.subject, line.args, line.limit.relative
        if key not in self._covered:
            self._covered[key] = self._covers(line)
        return self._covered[key]

    def _covers(self, line: Requirement) -> bool:
        metric = line.pick(self._metrics)
        if metric.sums is None or (metric.sums == "bins" and line.limit.relative):
            return False
        for role in ROLES if line.limit.relative or metric.of_both else ROLES[:1]:
            low, high = self._ranges[role] or (math.nan, math.nan)
            if not (math.isfinite(low) and math.isfinite(high)):
                return False
            # Losses and bins are of probabilities; other scores are left to the metric, which refuses them.
            if (metric.sums == "bins" or isinstance(metric.sums, RowLoss)) and not (low >= 0 and high <= 1):
                return False
            if isinstance(metric.sums, Share | OneRight | Agreement) and self._cut(line, role) is None:
                return False
        return True

    def _cut(self, line: Requirement, role: str) -> float | None:
        """The score from which on a row of this role is decided positive."""
        argument = line.argument("threshold")
        return self._cut_of(role, self._threshold.get(role) if argument is None else float(argument))

    def cuts(self, line: Requirement) -> Cuts:
        """Of both roles; None for a champion that is not compared."""
        both = line.limit.relative or line.pick(self._metrics).of_both
        return self._cut(line, "candidate"), self._cut(line, "champion") if both else None

    def measure(self, slice_code: SliceCode, role: str, line: Requirement) -> Summary:
        """One model's metric on a slice. Raises Undefined."""
        key = slice_code, role, line.subject, line.args, line.limit.relative
        if key not in self._summaries:
            self._summaries[key] = self._measure(slice_code, role, line)
        return self._summaries[key]

    def _measure(self, slice_code: SliceCode, role: str, line: Requirement) -> Summary:
        metric = line.pick(self._metrics)
        slicing, code = slice_code
        rows, positives = self.size(slice_code) or (0, 0)
        if isinstance(metric.sums, Share):
            return _share(metric.sums, self._decisions(slice_code, line, role), rows)
        if isinstance(metric.sums, OneRight):
            return _one_right(metric.sums, self._sums.counts[slicing, self.cuts(line)][code])
        if isinstance(metric.sums, Agreement):
            counts = self._decisions(slice_code, line, role)
            value, psi, reach = _of_confusion(metric.sums, counts, rows)
            return _agreed(value, psi, counts, [reach])
        if isinstance(metric.sums, RowLoss):
            moments = self._sums.moments[slicing, metric.name, role]
            sums, detail = moments.sums(code).scaled(small_sample(rows)), dict[str, Any]()
            if metric.sums.clip is not None:
                clipped = self._sums.moments[slicing, metric.name, ("clipped", role)].mean[code]
                detail = metric.sums.clip.detail(round(float(clipped) * rows))
            return _summary(float(moments.mean[code]), sums, rows, units=rows, detail=detail)
        if metric.sums == "bins":
            value = self.bins(slice_code).bins.root_mean_square_gap
            return Summary(value, NO_SPREAD, abs(value), rows)
        if positives in (0, rows):
            raise Undefined("one_class", f"there are no {'positive' if not positives else 'negative'} rows")
        ranks, key = self._sums.ranks[slice_code], (metric.name, role)
        return _summary(ranks.values[key], ranks.own.get(key, _NOTHING), rows, units=min(positives, rows - positives))

    def contrast(self, slice_code: SliceCode, line: Requirement, factor: float) -> Summary:
        """Candidate minus `factor` times champion on a slice, where both are defined."""
        metric = line.pick(self._metrics)
        slicing, code = slice_code
        rows, positives = self.size(slice_code) or (0, 0)
        candidate, champion = (self.measure(slice_code, role, line) for role in ROLES)
        value = candidate.value - factor * champion.value
        size = max(candidate.size, abs(champion.value))
        if isinstance(metric.sums, RowLoss):
            sums = self._sums.moments[slicing, metric.name, factor].sums(code).scaled(small_sample(rows))
            return _summary(value, sums, rows, units=rows, size=size, detail=clipped_beside(champion.detail))
        if isinstance(metric.sums, Agreement):
            table = self._sums.counts[slicing, self.cuts(line)][code]
            both = [_of_confusion(metric.sums, table.sum(axis=axis), rows) for axis in (2, 1)]
            (_, ours, reach), (_, theirs, champion_reach) = both
            psi = np.expand_dims(ours, 2) - factor * np.expand_dims(theirs, 1)
            return _agreed(value, psi, table, [reach, champion_reach])
        if not isinstance(metric.sums, Share):
            sums = self._sums.ranks[slice_code].pairs[metric.name, factor]
            return _summary(value, sums, rows, units=min(positives, rows - positives), size=size)
        table = self._sums.counts[slicing, self.cuts(line)][code]
        if metric.paired_share and factor == 1.0:
            return _disagreement(metric.sums, table, value)
        # Rows of one cell [label, decided by the candidate, by the champion] have one influence: that of both models' cells.
        psi = np.zeros((2, 2, 2))
        for axis, (model, sign) in enumerate(((candidate, 1.0), (champion, -factor))):
            counts = table.sum(axis=2 - axis)
            psi += sign * np.expand_dims(_ratio_influence(metric.sums, counts, model.value, rows), 2 - axis)
        below = np.array(metric.sums.below) > 0
        carries = np.expand_dims(below, 2) | np.expand_dims(below, 1)
        sums, units = Sums.from_influence(psi.ravel(), table.ravel().astype(np.float64)), int(table[carries].sum())
        fewer = round(min(candidate.units, champion.units))  # a model that calls few rows positive is told of by these
        return _summary(value, sums, rows, units=units, size=size, rare=_rare(psi, rows, fewer))

    def bins(self, slice_code: SliceCode) -> BinSums:
        """The bins that the candidate's calibration on a slice is decided by."""
        bins = self._sums.ranks[slice_code].bins
        assert bins is not None  # noqa: S101  # they were requested
        return bins

    def size(self, slice_code: SliceCode) -> tuple[int, int] | None:
        """(rows, positives) of a slice; None where the engine did not count it."""
        slicing, code = slice_code
        if slicing not in self._sums.rows:
            return None
        rows, positives = self._sums.rows[slicing]
        return int(rows[code]), int(positives[code])

    def _decisions(self, slice_code: SliceCode, line: Requirement, role: str) -> Ints:
        """[label, decided] rows of a slice."""
        table = self._sums.counts[slice_code[0], self.cuts(line)][slice_code[1]]
        counts: Ints = table.sum(axis=2 if role == "candidate" else 1)
        return counts


def _summary(
    value: float,
    sums: Sums,
    rows: int,
    *,
    units: int,
    size: float | None = None,
    rare: tuple[Rare, Rare] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Summary:
    # The fourth root of Σψ⁴ is at least the largest |ψ|, which itself was not kept; parts that are pooled by
    # differences may leave a little less than nothing.
    largest = max(abs(value) if size is None else size, max(sums.fourth, 0.0) ** 0.25)
    return Summary(value, sums.spread(rows), largest, units, rare=rare, detail=detail or {})


def _share(share: Share, counts: Ints, rows: int) -> Summary:
    """counts: [label, decided] rows. Raises Undefined where nothing is counted below."""
    above, below = np.array(share.above), np.array(share.below)
    total = float((below * counts).sum())
    if total <= 0:
        raise Undefined("undefined", f"there are no {share.among}")
    value = float((above * counts).sum()) / total
    units = int(counts[below > 0].sum())
    psi = _ratio_influence(share, counts, value, rows)
    sums = Sums.from_influence(psi.ravel(), counts.ravel().astype(np.float64))
    if not share.plain:
        return _summary(value, sums, rows, units=units, rare=_rare(psi, rows, units))
    summary = _summary(value, sums, rows, units=units)
    return Summary(value, summary.error, summary.size, units, counts=(int((above * counts).sum()), units))


def _of_confusion(sums: Agreement, counts: Ints, rows: int) -> tuple[float, Floats, tuple[float, ...]]:
    """As `on_table`, small-sample factor included. counts: [label, decided] rows."""
    value, cells, reach = agreement.on_table(sums, agreement.KINDS, counts)
    return value, cells * small_sample(rows), reach


def _agreed(value: float, psi: Floats, counts: Ints, reaches: Sequence[Sequence[float]]) -> Summary:
    """psi, counts: of each cell of rows, by label first. reaches: of each model, how far its classes move the value."""
    rows, by_label = int(counts.sum()), counts.reshape(2, -1).sum(axis=1).tolist()
    still = [np.ptp(psi[label][counts[label] > 0]) <= 1e-12 * np.abs(psi).max() for label in (0, 1)]
    hidden = max(
        sum(
            agreement.hidden_variance(reach, units)
            for reach, units, constant in zip(model, by_label, still, strict=True)
            if constant
        )
        for model in reaches
    )
    summary = _summary(
        value,
        Sums.from_influence(psi.ravel(), counts.ravel().astype(np.float64)),
        rows,
        units=min(by_label),
        rare=_rare(psi, rows, rows),
    )
    error = summary.error
    return replace(summary, error=replace(error, se=math.hypot(error.se, math.sqrt(hidden)))) if error.se else summary


def _rare(psi: Floats, rows: int, units: int) -> tuple[Rare, Rare]:
    """Those that would move a ratio of which so many rows carry the farthest. psi: influence of a row by cell."""
    share = units / rows / small_sample(rows)
    return rare_pair(units, share * float(-psi.min()), share * float(psi.max()))


def _ratio_influence(share: Share, counts: Ints, value: float, rows: int) -> Floats:
    """[label, decided] influence of each row of a cell, by the delta method."""
    above, below = np.array(share.above), np.array(share.below)
    scale = rows / float((below * counts).sum()) * small_sample(rows)
    return (above - value * below) * scale


def _one_right(sums: OneRight, table: Ints) -> Summary:
    """table: [label, decided by the candidate, by the champion] rows."""
    rows, kinds = int(table.sum()), {"candidate": int(table[0, 0, 1] + table[1, 1, 0])}
    kinds["champion"] = int(table[0, 1, 0] + table[1, 0, 1])
    hits = kinds[sums.right]
    return Summary(hits / rows, NO_SPREAD, 0.0, rows, counts=(hits, rows), detail=one_right_detail(*kinds.values()))


def _disagreement(share: Share, table: Ints, value: float) -> Summary:
    """Of hits on the same rows. table: [label, decided by the candidate, by the champion] rows."""
    judged = [label for label in (0, 1) if any(share.below[label])]
    only_candidate = only_champion = 0
    for label in judged:
        hit = int(share.above[label][1])  # the decision that hits on rows of this label
        only_candidate += int(table[label, hit, 1 - hit])
        only_champion += int(table[label, 1 - hit, hit])
    n = int(table[judged].sum())
    return Summary(value, NO_SPREAD, abs(value), n, disagree=(only_candidate, only_champion, n))

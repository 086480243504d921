"""Count rows, rows by kind, and moments of numbers on every slice at once, for shares and means that need nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.estimation.engine import Moments
from lockgate.evaluation.estimation.from_sums import NO_SPREAD
from lockgate.evaluation.estimation.slice_cells import Members
from lockgate.evaluation.estimation.sum_request import OVERALL, ROLES, SliceCode
from lockgate.evaluation.metrics.declaration import Kinds, Means, Metric
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.uncertainty.metric_value import Summary

_PIECE = 1 << 20  # counting makes wide numbers of narrow ones


class SliceTotals:
    """Sums by slice; but for how many rows there are, only where rows are independent and of one weight: metrics of others are
    measured on their rows. members: slicing, from 1 → the rows of its slices."""

    def __init__(self, scored: Scored, members: Mapping[int, Members]) -> None:
        self._plain = scored.weights is None and scored.clusters is None
        self._all, self._members = scored.rows, members
        self._counts: dict[tuple[int, int], NDArray[np.int64]] = {}
        self._moments: dict[tuple[int, int], Moments] = {}
        self._kept = list[NDArray[Any]]()  # so that no other column is taken for one of them

    def covers(self, metric: Metric) -> bool:
        """Whether sums suffice for one model's value of a metric."""
        return self._plain and not (metric.kinds is None and metric.means is None)

    def compares(self, metric: Metric, factor: float) -> bool:
        """Whether they do for the candidate's value minus `factor` times the champion's."""
        return self._plain and metric.kinds is not None and metric.paired_share and factor == 1.0

    def rows(self, slice_code: SliceCode) -> int:
        """Of a slice, of whatever weight."""
        slicing, code = slice_code
        return self._all if slice_code == OVERALL else int(self._members[slicing].counts[code])

    def measure(self, metric: Metric, slice_code: SliceCode, role: str) -> Summary:
        """One model's share, or its mean. Raises Undefined."""
        if metric.means is not None:
            return self._mean(metric.means, slice_code)
        kinds, rows = self._of(metric, slice_code)
        above, below, detail = kinds.share(role, rows)
        hits, among = (int(rows[kind].sum()) for kind in (above & below, below))
        return Summary(hits / among, NO_SPREAD, 0.0, among, counts=(hits, among), detail=detail)

    def contrast(self, metric: Metric, slice_code: SliceCode) -> Summary:
        """The candidate's share minus the champion's, of the rows that the candidate's is taken of. Raises Undefined."""
        candidate, champion = (self.measure(metric, slice_code, role) for role in ROLES)
        kinds, rows = self._of(metric, slice_code)
        (ours, below, _), (theirs, _, _) = (kinds.share(role, rows) for role in ROLES)
        up, down, among = (int(rows[kind & below].sum()) for kind in (ours & ~theirs, theirs & ~ours, below))
        return Summary(candidate.value - champion.value, NO_SPREAD, 0.0, among, disagree=(up, down, among))

    def _mean(self, means: Means, slice_code: SliceCode) -> Summary:
        slicing, code = slice_code
        key = id(means.values), slicing
        if key not in self._moments:
            self._kept.append(means.values)
            slices, codes = self._coded(slicing)
            self._moments[key] = moments(means.values, codes, slices)
        found = self._moments[key]
        return means.summary(self.rows(slice_code), int(found.rows[code]), float(found.mean[code]), found.sums(code))

    def _of(self, metric: Metric, slice_code: SliceCode) -> tuple[Kinds, NDArray[np.int64]]:
        kinds, (slicing, code) = metric.kinds, slice_code
        assert kinds is not None  # noqa: S101  # it is covered
        key = id(kinds.kinds), slicing
        if key not in self._counts:
            self._kept.append(kinds.kinds)
            slices, codes = self._coded(slicing)
            counts = counted(kinds.kinds, kinds.count, codes=codes, slices=slices)
            self._counts[key] = counts.reshape(slices, kinds.count)
        return kinds, self._counts[key][code]

    def _coded(self, slicing: int) -> tuple[int, NDArray[Any] | None]:
        """(number of its slices, (n,) code of each row, None where all rows are one)."""
        if slicing == OVERALL[0]:
            return 1, None
        members = self._members[slicing]
        return members.labels, members.codes


def counted(
    kinds: NDArray[np.uint8], count: int, *, codes: NDArray[Any] | None = None, slices: int = 1
) -> NDArray[np.int64]:
    """(slices · count,) how many rows are of each kind, in each slice. codes: (n,) of their slices."""
    counts = np.zeros(slices * count, np.int64)
    for start in range(0, kinds.size, _PIECE):
        part = slice(start, start + _PIECE)
        cells: NDArray[Any] = kinds[part] if codes is None else codes[part].astype(np.intp) * count + kinds[part]
        counts += np.bincount(cells, minlength=counts.size)
    return counts


def moments(values: NDArray[np.float64], codes: NDArray[Any] | None, slices: int) -> Moments:
    """Of the numbers of each slice, those that are NaN left out. codes: (n,) of their slices, None where there is one."""

    def parts() -> Iterator[tuple[NDArray[np.float64], NDArray[Any]]]:
        for start in range(0, values.size, _PIECE):
            numbers = values[start : start + _PIECE]
            places = np.zeros(numbers.size, np.uint8) if codes is None else codes[start : start + _PIECE]
            there = ~np.isnan(numbers)
            yield (numbers, places) if there.all() else (numbers[there], places[there])

    rows, mean = (np.zeros(slices) for _ in range(2))
    for _, places in parts():
        rows += np.bincount(places, minlength=slices)
    for _ in range(
        2
    ):  # the second time what rounding left of the first, so that numbers that are all alike deviate from no mean
        mean = mean + sum(np.bincount(at, numbers - mean[at], slices) for numbers, at in parts()) / np.maximum(rows, 1)
    powers = np.zeros((3, slices))
    for numbers, places in parts():
        off = numbers - mean[places]
        square = off * off
        powers += [np.bincount(places, each, slices) for each in (square, square * off, square * square)]
    return Moments(rows, mean, *powers)

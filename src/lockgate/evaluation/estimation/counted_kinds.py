"""Count rows, and rows by kind, on every slice at once, for shares of which nothing else is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.estimation.from_sums import NO_SPREAD
from lockgate.evaluation.estimation.sum_request import OVERALL, ROLES, SliceCode
from lockgate.evaluation.metrics.declaration import Kinds, Metric
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.uncertainty.metric_value import Summary

_PIECE = 1 << 20  # counting makes wide numbers of narrow ones
Codes = Mapping[int, tuple[int, NDArray[Any]]]
"""Slicing, from 1 → (number of its slices, (n,) code of each row)."""


class CountedKinds:
    """Rows by slice; rows of each kind only where they are independent and of one weight: else a metric is measured on its rows."""

    def __init__(self, scored: Scored, codes: Codes) -> None:
        self._plain = scored.weights is None and scored.clusters is None
        self._all, self._codes = scored.rows, codes
        self._rows: dict[int, NDArray[np.int64]] = {}
        self._counts: dict[tuple[int, int], NDArray[np.int64]] = {}
        self._counted = list[NDArray[np.uint8]]()  # kept, so that no other column is taken for one of them

    def covers(self, metric: Metric) -> bool:
        """Whether counts suffice for one model's value of a metric."""
        return self._plain and metric.kinds is not None

    def rows(self, slice_code: SliceCode) -> int:
        """Of a slice, of whatever weight."""
        slicing, code = slice_code
        if slice_code == OVERALL:
            return self._all
        if slicing not in self._rows:
            slices, codes = self._codes[slicing]
            self._rows[slicing] = np.bincount(codes, minlength=slices)
        return int(self._rows[slicing][code])

    def measure(self, metric: Metric, slice_code: SliceCode, role: str) -> Summary:
        """One model's share. Raises Undefined."""
        kinds, rows = self._of(metric, slice_code)
        above, below, detail = kinds.share(role, rows)
        among = int(rows[below].sum())
        counts = int(rows[above & below].sum()), among
        return Summary(counts[0] / among, NO_SPREAD, 0.0, among, counts=counts, detail=detail)

    def contrast(self, metric: Metric, slice_code: SliceCode) -> Summary:
        """The candidate's share minus the champion's, of the rows that the candidate's is taken of. Raises Undefined."""
        kinds, rows = self._of(metric, slice_code)
        (ours, below, _), (theirs, _, _) = (kinds.share(role, rows) for role in ROLES)
        candidate, champion = (self.measure(metric, slice_code, role) for role in ROLES)
        up, down = (int(rows[kind & below].sum()) for kind in (ours & ~theirs, theirs & ~ours))
        among = int(rows[below].sum())
        return Summary(candidate.value - champion.value, NO_SPREAD, 0.0, among, disagree=(up, down, among))

    def _of(self, metric: Metric, slice_code: SliceCode) -> tuple[Kinds, NDArray[np.int64]]:
        kinds, (slicing, code) = metric.kinds, slice_code
        assert kinds is not None  # noqa: S101  # it is covered
        key = id(kinds.kinds), slicing
        if key not in self._counts:
            self._counted.append(kinds.kinds)
            self._counts[key] = self._count(kinds, slicing)
        return kinds, self._counts[key][code]

    def _count(self, kinds: Kinds, slicing: int) -> NDArray[np.int64]:
        """(slices, kinds) rows."""
        if slicing == OVERALL[0]:
            return counted(kinds.kinds, kinds.count)[np.newaxis]
        slices, codes = self._codes[slicing]
        return counted(kinds.kinds, kinds.count, codes=codes, slices=slices).reshape(slices, kinds.count)


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

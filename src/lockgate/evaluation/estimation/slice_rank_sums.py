"""AUC, average precision and calibration of slices, from rows in the order of the candidate's scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.estimation.calibration_sums import bin_sums
from lockgate.evaluation.estimation.engine import RankSums
from lockgate.evaluation.estimation.rank_sums import (
    BLOCK,
    MOST_SLICES,
    MOST_TOGETHER,
    Keys,
    Ranking,
    Slices,
    by_code,
    difference,
    rank,
)
from lockgate.evaluation.estimation.sum_request import OVERALL, ROLES, SliceCode, SumRequest
from lockgate.evaluation.metrics.calibration import BinSums
from lockgate.stats.influence import Sums

Array = NDArray[Any]
Floats = NDArray[np.float64]


# The metrics that `rank` computes.
_RANKED = ("auc", "average_precision")


class RankedSlices:
    """The rows that slices are ranked by, and the ranking of slices that lie together.

    rows: (n,) the rows in the order of the candidate's scores; of them, those numbered below `positives` are so. keys: of each
    role's scores. codes, sizes: by slicing, code of each row, and (rows, positives) of each slice. scores: the candidate's,
    where they are binned and cannot be had from its keys.
    """

    def __init__(
        self,
        request: SumRequest,
        rows: NDArray[np.int64],
        *,
        positives: int,
        keys: Mapping[str, Keys],
        codes: Mapping[int, Array],
        sizes: Mapping[int, tuple[Array, Array]],
        scores: Array | None,
    ) -> None:
        self.request, self.order = request, rows.astype(np.int32)  # half of int64: kept while there are slices to come
        self.codes, self.sizes = codes, sizes
        self.whole = Slices(np.array([rows.size]), np.array([positives]))
        # The class as the lowest bit: of equal scores positives come first, and one integer holds all that ranks need.
        negative = rows >= positives
        self.bits = {}
        for role, by_row in keys.items():
            bits = by_row.take(rows)
            bits <<= np.uint32(1)
            bits |= negative
            self.bits[role] = bits
        self.scores = None if scores is None else scores.take(rows)

    def tasks(self, pool: Executor, slicing: int) -> Iterator[Future[Mapping[SliceCode, RankSums]]]:
        """The ranking of slices that have both classes, large ones alone and first."""
        if not slicing:
            if self.request.bins or 0 < self.whole.positives[0] < self.order.size:
                yield pool.submit(self._rank, None, self.whole, [OVERALL])
            return
        order = pool.submit(self._by_slice, slicing).result()
        rows, positives = (column.astype(np.int64) for column in self.sizes[slicing])
        ends = np.concatenate([[0], np.cumsum(rows)])
        defined = rows > 0 if self.request.bins else (positives > 0) & (positives < rows)
        for low, high in sorted(together(rows), key=lambda codes: -int(rows[slice(*codes)].sum())):
            slice_codes = [
                (slicing, code) if defined[code] and (slicing, code) in self.request.ordered else None
                for code in range(low, high)
            ]
            if any(slice_codes):
                yield pool.submit(
                    self._rank, order[ends[low] : ends[high]], Slices(rows[low:high], positives[low:high]), slice_codes
                )

    def _by_slice(self, slicing: int) -> NDArray[np.int32]:
        codes = np.empty(self.order.size, self.codes[slicing].dtype)
        for low in range(0, self.order.size, BLOCK):  # indices are widened to take by, which costs twice their size
            codes[low : low + BLOCK] = self.codes[slicing].take(self.order[low : low + BLOCK])
        return by_code(codes, self.sizes[slicing][0].size)

    def _rank(
        self, members: NDArray[np.int32] | None, slices: Slices, slice_codes: Sequence[SliceCode | None]
    ) -> Mapping[SliceCode, RankSums]:
        """members: the rows of the slices, one slice after the other, ascending in each; all rows if None."""
        bits = {role: _take(column, members) for role, column in self.bits.items()}
        bins = list[BinSums | None]()
        if self.request.bins:
            bins += bin_sums(bits["candidate"], _take(self.scores, members), slices)
        if not self.request.ranks:
            return {
                slice_code: RankSums({}, {}, {}, of_slice)
                for slice_code, of_slice in zip(slice_codes, bins, strict=True)
                if slice_code is not None
            }
        factors = [(metric, factor) for metric in _RANKED for factor in self.request.factors.get(metric, ())]
        tested = not self.request.tested.isdisjoint(_RANKED)
        rankings = {
            role: rank(
                column, slices, ordered=role == "candidate", sums=tested and role == "candidate", groups=bool(factors)
            )
            for role, column in bits.items()
        }
        own = rankings["candidate"].sums
        pairs = {key: self._difference(rankings, *key, slices) for key in factors}
        return {
            slice_code: RankSums(
                {
                    (metric, role): float(column[number])
                    for role, ranking in rankings.items()
                    for metric, column in ranking.values.items()
                },
                {(metric, "candidate"): sums[number] for metric, sums in own.items()},
                {key: sums[number] for key, sums in pairs.items()},
                of_slice,
            )
            for number, (slice_code, of_slice) in enumerate(zip_longest(slice_codes, bins))
            if slice_code is not None
        }

    def _difference(
        self, rankings: Mapping[str, Ranking], metric: str, factor: float, slices: Slices
    ) -> tuple[Sums, ...]:
        candidate, champion = (rankings[role].psi[metric] for role in ROLES)
        groups: Any = [rankings[role].groups for role in ROLES]
        return difference(candidate, champion, groups, slices, factor)


def _take(column: Any, members: NDArray[np.int32] | None) -> Any:
    # All members are valid: "clip" spares numpy the check, and with it a copy of them.
    return column if column is None or members is None else column.take(members, mode="clip")


def together(rows: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """From and to which slices are ranked at once."""
    low = total = 0
    for code, size in enumerate(rows.tolist()):
        if code > low and (total + size > MOST_TOGETHER or code - low == MOST_SLICES):
            yield low, code
            low, total = code, 0
        total += size
    yield low, rows.size

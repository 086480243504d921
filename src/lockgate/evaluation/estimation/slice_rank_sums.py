"""AUC, average precision and calibration of slices, from rows in the order of the candidate's scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.estimation.calibration_sums import bin_sums
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
from lockgate.evaluation.estimation.sum_request import OVERALL, RANKED, ROLES, Place, Wanted
from lockgate.evaluation.metrics.calibration import BinSums
from lockgate.stats.influence import Sums

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ranked:
    """What is left of a slice when its ranks are gone. values, own: by (metric, role); pairs: by (metric, factor)."""

    values: Mapping[tuple[str, str], float]
    own: Mapping[tuple[str, str], Sums]
    pairs: Mapping[tuple[str, float], Sums]
    bins: BinSums | None = None


class RankedSlices:
    """The rows that slices are ranked by, and the ranking of slices that lie together.

    places: (n,) the rows in the order of the candidate's scores; of them, the first `positives` are so. keys: of each role's
    scores. codes, sizes: by slicing, code of each row, and (rows, positives) of each slice. scores: the candidate's, where its
    keys do not tell them and they are binned.
    """

    def __init__(
        self,
        wanted: Wanted,
        places: NDArray[np.int64],
        *,
        positives: int,
        keys: Mapping[str, Keys],
        codes: Mapping[int, Array],
        sizes: Mapping[int, tuple[Array, Array]],
        scores: Array | None,
    ) -> None:
        self.wanted, self.places = wanted, places.astype(np.int32)  # kept as long as there are slices to come
        self.rows, self.codes, self.sizes = places.size, codes, sizes
        self.whole = Slices(np.array([places.size]), np.array([positives]))
        negative = places >= positives
        self.bits = {}
        for role, each in keys.items():
            bits = each.take(places)
            bits <<= np.uint32(1)
            bits |= negative
            self.bits[role] = bits
        self.scores = None if scores is None else scores.take(places)

    def tasks(self, pool: Executor, name: int) -> Iterator[Future[Mapping[Place, Ranked]]]:
        """The ranking of slices that have both classes, large ones alone and first."""
        if not name:
            if self.wanted.bins or 0 < self.whole.positives[0] < self.rows:
                yield pool.submit(self._rank, None, self.whole, [OVERALL])
            return
        order = pool.submit(self._by_slice, name).result()
        rows, positives = (column.astype(np.int64) for column in self.sizes[name])
        ends = np.concatenate([[0], np.cumsum(rows)])
        told = rows > 0 if self.wanted.bins else (positives > 0) & (positives < rows)
        for low, high in sorted(together(rows), key=lambda ends: -int(rows[slice(*ends)].sum())):
            asked = [
                (name, code) if told[code] and (name, code) in self.wanted.ordered else None
                for code in range(low, high)
            ]
            if any(asked):
                yield pool.submit(
                    self._rank, order[ends[low] : ends[high]], Slices(rows[low:high], positives[low:high]), asked
                )

    def _by_slice(self, name: int) -> NDArray[np.int32]:
        codes = np.empty(self.rows, self.codes[name].dtype)
        for low in range(0, self.rows, BLOCK):  # places are widened to be taken by, which costs twice their size
            codes[low : low + BLOCK] = self.codes[name].take(self.places[low : low + BLOCK])
        return by_code(codes, self.sizes[name][0].size)

    def _rank(
        self, members: NDArray[np.int32] | None, slices: Slices, asked: Sequence[Place | None]
    ) -> Mapping[Place, Ranked]:
        """members: the rows of the slices, one slice after the other, ascending in each; all rows if None."""
        bits = {role: _taken(each, members) for role, each in self.bits.items()}
        bins = list[BinSums | None]()
        if self.wanted.bins:
            bins += bin_sums(bits["candidate"], _taken(self.scores, members), slices)
        if not self.wanted.ranks:
            return {
                place: Ranked({}, {}, {}, binned)
                for place, binned in zip(asked, bins, strict=True)
                if place is not None
            }
        decided = not self.wanted.decided.isdisjoint(RANKED)
        factors = [
            (name, factor) for measure, name in RANKED.items() for factor in self.wanted.factors.get(measure, ())
        ]
        found = {
            role: rank(
                each, slices, ordered=role == "candidate", sums=decided and role == "candidate", groups=bool(factors)
            )
            for role, each in bits.items()
        }
        candidate = found["candidate"]
        own = {"auc": candidate.auc_sums, "average_precision": candidate.average_precision_sums}
        pairs = {key: self._difference(found, f"{key[0]}_psi", slices, key[1]) for key in factors}
        return {
            place: Ranked(
                {(name, role): float(getattr(one, name)[number]) for role, one in found.items() for name in own},
                {(name, "candidate"): sums[number] for name, sums in own.items() if sums},
                {key: sums[number] for key, sums in pairs.items()},
                binned,
            )
            for number, (place, binned) in enumerate(zip_longest(asked, bins))
            if place is not None
        }

    def _difference(self, found: Mapping[str, Ranking], name: str, slices: Slices, factor: float) -> tuple[Sums, ...]:
        one, other = (getattr(found[role], name) for role in ROLES)
        groups: Any = [found[role].groups for role in ROLES]
        return difference(one, other, groups, slices, factor)


def _taken(column: Any, members: NDArray[np.int32] | None) -> Any:
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

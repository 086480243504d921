"""From rows to the sums of every slice, on all threads that are given.

Rows are put in order once: positives first, then by the cell of several slicings together, so that a cell is a run of
rows and a slice is made of runs. Means and shares are summed by run and added up by slice. For ranks and calibration rows
are put in the order of the candidate's scores once, and every slicing takes its slices from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.data.arrow_arrays import narrow
from lockgate.evaluation.estimation.rank_sums import BLOCK, order_keys, sorted_places
from lockgate.evaluation.estimation.segment_sums import Moments, Runs, tables
from lockgate.evaluation.estimation.slice_cells import Rows
from lockgate.evaluation.estimation.slice_rank_sums import Ranked, RankedSlices
from lockgate.evaluation.estimation.sum_request import ROLES, Place, Wanted

Array = NDArray[Any]

_MOST_CELLS = 1 << 17
_ROWS_A_CELL = 8
_BLOCKS_A_TASK = 8
_FEW_ROWS = 300_000


@dataclass(frozen=True)
class Tally:
    """The sums of slices.

    rows: slicing → (rows, positives) of each slice. moments: by (slicing, loss, role or factor). counts: by (slicing, cuts),
    [slice, label, decided by the candidate, by the champion] rows. ranks: by place.
    """

    rows: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    moments: dict[tuple[int, Any, Any], Moments] = field(default_factory=dict)
    counts: dict[tuple[int, Any], NDArray[np.int64]] = field(default_factory=dict)
    ranks: dict[Place, Ranked] = field(default_factory=dict)


def tally(scored: Rows, wanted: Wanted, codes: Mapping[int, tuple[int, Array]], *, threads: int) -> Tally:
    """All that is wanted of `scored`, overall and in the slicings of `codes`.

    codes: slicing, from 1 → (number of its slices, (n,) code of each row). threads: how many may be used.
    """
    return _Work(scored, wanted, codes, threads=threads).run()


class _Work:
    """Rows in their order, and the tally that they come to."""

    def __init__(self, scored: Rows, wanted: Wanted, codes: Mapping[int, tuple[int, Array]], *, threads: int) -> None:
        self.found, self.threads = Tally(), threads if scored.rows >= _FEW_ROWS else 1
        self.rows = scored.rows
        self.slices = {0: 1} | {name: count for name, (count, _) in codes.items()}
        self.wanted = wanted
        self.roles = ROLES if self.wanted.paired else ROLES[:1]
        labels = scored.labels
        assert labels is not None  # noqa: S101  # it qualified
        self.positives = int(np.count_nonzero(labels))
        self.bundles = _bundles(self.slices, self.rows)
        cells = _cells(self.bundles[0], {name: column for name, (_, column) in codes.items()}, self.slices, self.rows)
        cells[~labels] += math.prod(self.slices[name] for name in self.bundles[0])
        order = sorted_places(cells)
        del cells
        self.codes: dict[int, Array] = {0: np.zeros(0, np.uint8)}
        for name, (count, column) in codes.items():
            self.codes[name] = column.astype(narrow(count), copy=False)[order]
        self.keys, self.scores, self.exact = {}, {}, {}
        for role in self.roles:
            given: Any = getattr(scored, role)
            keys = order_keys(given)
            self.keys[role] = keys[order]
            same = np.array_equal(keys.view(np.float32), given)
            self.scores[role] = self.keys[role].view(np.float32) if same else given[order]
            self.exact[role] = same

    def run(self) -> Tally:
        if self.threads == 1:
            self._run(_Inline())
            return self.found
        with ThreadPoolExecutor(self.threads) as pool:
            self._run(pool)
        return self.found

    def _run(self, pool: Executor) -> None:
        places = pool.submit(sorted_places, self.keys["candidate"]) if self.wanted.ordered else None
        for number, bundle in enumerate(self.bundles):
            self._sum(pool, bundle, first=number == 0)
        if places is None:
            return
        told = self.exact["candidate"] or not self.wanted.bins
        ranked = RankedSlices(
            self.wanted,
            places.result(),
            positives=self.positives,
            keys=self.keys,
            codes=self.codes,
            sizes=self.found.rows,
            scores=None if told else self.scores["candidate"],
        )
        del places
        self.keys.clear()  # they would only be in the way of what is to come
        self.scores.clear()
        tasks = [
            task
            for name in dict.fromkeys(name for name, _ in sorted(self.wanted.ordered))
            for task in ranked.tasks(pool, name)
        ]
        for task in tasks:
            self.found.ranks.update(task.result())

    def _sum(self, pool: Executor, bundle: Sequence[int], *, first: bool) -> None:
        """Rows, shares and means of the slicings of a bundle, and of all rows with the first."""
        order = None
        cells = _cells(bundle, self.codes, self.slices, self.rows)
        if not first:
            cells[self.positives :] += math.prod(self.slices[name] for name in bundle)
            order = sorted_places(cells)
            cells = cells[order]
        edge = cells[1:] != cells[:-1]
        edge[self.positives - 1 : self.positives] = True
        edge[BLOCK - 1 :: BLOCK] = True
        starts = np.concatenate([[0], np.flatnonzero(edge) + 1])
        del cells, edge
        lengths = np.diff(starts, append=self.rows).astype(np.float64)
        scores = {role: column if order is None else column[order] for role, column in self.scores.items()}
        step = BLOCK * _BLOCKS_A_TASK
        sums = Runs(self.wanted, scores, starts, self.positives)
        parts = [pool.submit(sums.over, low, min(low + step, self.rows)) for low in range(0, self.rows, step)]
        places = starts if order is None else order[starts]
        positive = np.where(starts < self.positives, lengths, 0.0)
        where = {name: self.codes[name][places] for name in bundle if name}
        if first:
            where[0] = np.zeros(starts.size, np.uint8)
        for name, codes in where.items():
            count = self.slices[name]
            self.found.rows[name] = np.bincount(codes, lengths, count), np.bincount(codes, positive, count)
        found = [part.result() for part in parts]
        for key in sums.variables:
            columns = (np.concatenate(each) for each in zip(*(part.moments[key] for part in found), strict=True))
            moments = Moments(lengths, *columns)
            for name, codes in where.items():
                self.found.moments[name, *key] = moments.pooled(codes, self.slices[name], deviates=sums.deviates(*key))
        for cuts in self.wanted.cuts:
            each = np.concatenate([part.decided[cuts] for part in found], axis=1)
            for name, codes in where.items():
                self.found.counts[name, cuts] = tables(each, codes, self.slices[name], starts < self.positives, lengths)


def _bundles(slices: Mapping[int, int], rows: int) -> list[list[int]]:
    """Slicings whose cells are few beside the rows; the first bundle is the one that rows are ordered by."""
    most = min(_MOST_CELLS, max(1, rows // _ROWS_A_CELL))
    bundles: list[tuple[int, list[int]]] = []
    for name, count in sorted(slices.items(), key=lambda one: -one[1]):
        for place, (cells, names) in enumerate(bundles):
            if cells * count <= most:
                bundles[place] = (cells * count, [*names, name])
                break
        else:
            bundles.append((count, [name]))
    bundles.sort(key=lambda one: -len(one[1]))
    return [names for _, names in bundles]


def _cells(
    bundle: Sequence[int], codes: Mapping[int, Array], slices: Mapping[int, int], rows: int
) -> NDArray[np.uint32]:
    """(n,) which cell of its slicings a row is in."""
    cells = np.zeros(rows, np.uint32)
    for name in bundle:
        if name:
            cells *= np.uint32(slices[name])
            cells += codes[name].astype(np.uint32)
    return cells


class _Inline(Executor):
    """Does at once what it is given."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done

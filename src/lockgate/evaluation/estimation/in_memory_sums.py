"""The engine that sums up rows in memory, on all threads that it may use.

Rows are put in order once: positives first, then by the cell of several slicings together, so that a cell is a run of
rows and a slice is made of runs. Means and shares are summed by run and added up by slice. For ranks and calibration rows
are put in the order of the candidate's scores once, and every slicing takes its slices from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.data.arrow_arrays import narrow
from lockgate.evaluation.estimation.engine import Moments, SliceSums
from lockgate.evaluation.estimation.rank_sums import BLOCK, order_keys, sorted_rows
from lockgate.evaluation.estimation.segment_sums import Segments, decision_tables
from lockgate.evaluation.estimation.slice_rank_sums import RankedSlices
from lockgate.evaluation.estimation.sum_request import ROLES, SumRequest
from lockgate.evaluation.scoring.scored_table import Scored

Array = NDArray[Any]
Codes = Mapping[int, tuple[int, Array]]
"""Slicing, from 1 → (number of its slices, (n,) code of each row)."""

_MOST_ROWS = 1 << 30  # row numbers share an integer with keys: see `rank_sums`
_MOST_CELLS = 1 << 17  # so that tables by cell stay in cache
_ROWS_A_CELL = 8  # with fewer, runs are too short to be worth summing up first
_BLOCKS_A_TASK = 8
_FEW_ROWS = 300_000  # below, starting threads costs more than they save


class InMemoryEngine:
    """Rows in memory, and the slicings in `codes`. threads: how many may be used; sums do not depend on it."""

    def __init__(self, scored: Scored, codes: Codes, *, threads: int) -> None:
        self._scored, self._codes, self._threads = scored, codes, threads
        labels = scored.labels
        plain = scored.weights is None and scored.clusters is None
        self._summable = plain and labels is not None and labels.dtype == bool and 0 < scored.rows < _MOST_ROWS

    def score_range(self, role: str) -> tuple[float, float] | None:
        scores: Array | None = getattr(self._scored, role)
        if not self._summable or scores is None:
            return None
        return float(scores.min()), float(scores.max())

    def sums(self, request: SumRequest) -> SliceSums:
        return _Work(self._scored, request, self._codes, threads=self._threads).run()


class _Work:
    """Rows in their order, and the sums that they come to."""

    def __init__(self, scored: Scored, request: SumRequest, codes: Codes, *, threads: int) -> None:
        self.sums, self.threads = SliceSums(), threads if scored.rows >= _FEW_ROWS else 1
        self.rows = scored.rows
        self.slices = {0: 1} | {slicing: count for slicing, (count, _) in codes.items()}
        self.request = request
        self.roles = ROLES if request.paired else ROLES[:1]
        labels = scored.labels
        assert labels is not None  # noqa: S101  # there was a range of scores
        self.positives = int(np.count_nonzero(labels))
        self.bundles = _bundles(self.slices, self.rows)
        columns = {slicing: column for slicing, (_, column) in codes.items()}
        cells = _cells(self.bundles[0], columns, self.slices, self.rows)
        cells[~labels] += math.prod(self.slices[slicing] for slicing in self.bundles[0])
        order = sorted_rows(cells)
        del cells
        self.codes: dict[int, Array] = {0: np.zeros(0, np.uint8)}
        for slicing, (count, column) in codes.items():
            self.codes[slicing] = column.astype(narrow(count), copy=False)[order]
        self.keys, self.scores, self.exact = {}, {}, {}
        for role in self.roles:
            scores: Any = getattr(scored, role)
            keys = order_keys(scores)
            self.keys[role] = keys[order]
            # Keys that are the bits of the scores stand in for them, in half the memory.
            same = np.array_equal(keys.view(np.float32), scores)
            self.scores[role] = self.keys[role].view(np.float32) if same else scores[order]
            self.exact[role] = same

    def run(self) -> SliceSums:
        if self.threads == 1:
            self._run(_Inline())
            return self.sums
        with ThreadPoolExecutor(self.threads) as pool:
            self._run(pool)
        return self.sums

    def _run(self, pool: Executor) -> None:
        by_score = pool.submit(sorted_rows, self.keys["candidate"]) if self.request.ordered else None
        for number, bundle in enumerate(self.bundles):
            self._sum(pool, bundle, first=number == 0)
        if by_score is None:
            return
        from_keys = self.exact["candidate"] or not self.request.bins
        ranked = RankedSlices(
            self.request,
            by_score.result(),
            positives=self.positives,
            keys=self.keys,
            codes=self.codes,
            sizes=self.sums.rows,
            scores=None if from_keys else self.scores["candidate"],
        )
        del by_score
        self.keys.clear()  # they would only take memory from what is to come
        self.scores.clear()
        tasks = [
            task
            for slicing in dict.fromkeys(slicing for slicing, _ in sorted(self.request.ordered))
            for task in ranked.tasks(pool, slicing)
        ]
        for task in tasks:
            self.sums.ranks.update(task.result())

    def _sum(self, pool: Executor, bundle: Sequence[int], *, first: bool) -> None:
        """Rows, shares and means of the slicings of a bundle, and of all rows with the first."""
        order = None
        cells = _cells(bundle, self.codes, self.slices, self.rows)
        if not first:
            cells[self.positives :] += math.prod(self.slices[slicing] for slicing in bundle)
            order = sorted_rows(cells)
            cells = cells[order]
        # A run ends where the cell changes, where positives end, and with each block, which threads take apart.
        edge = cells[1:] != cells[:-1]
        edge[self.positives - 1 : self.positives] = True
        edge[BLOCK - 1 :: BLOCK] = True
        starts = np.concatenate([[0], np.flatnonzero(edge) + 1])
        del cells, edge
        lengths = np.diff(starts, append=self.rows).astype(np.float64)
        scores = {role: column if order is None else column[order] for role, column in self.scores.items()}
        step = BLOCK * _BLOCKS_A_TASK
        segments = Segments(self.request, scores, starts, self.positives)
        tasks = [pool.submit(segments.over, low, min(low + step, self.rows)) for low in range(0, self.rows, step)]
        first_rows = starts if order is None else order[starts]
        positive = np.where(starts < self.positives, lengths, 0.0)
        codes_of = {slicing: self.codes[slicing][first_rows] for slicing in bundle if slicing}
        if first:
            codes_of[0] = np.zeros(starts.size, np.uint8)
        for slicing, codes in codes_of.items():
            count = self.slices[slicing]
            self.sums.rows[slicing] = np.bincount(codes, lengths, count), np.bincount(codes, positive, count)
        parts = [task.result() for task in tasks]
        for key in segments.variables:
            moments = Moments(lengths, *np.concatenate([part[key] for part in parts], axis=1))
            for slicing, codes in codes_of.items():
                self.sums.moments[slicing, *key] = moments.pooled(
                    codes, self.slices[slicing], deviates=segments.deviates(*key)
                )
        for cuts in self.request.cuts:
            decided = np.concatenate([part[cuts] for part in parts], axis=1)
            for slicing, codes in codes_of.items():
                self.sums.counts[slicing, cuts] = decision_tables(
                    decided, codes, self.slices[slicing], starts < self.positives, lengths
                )


def _bundles(slices: Mapping[int, int], rows: int) -> list[list[int]]:
    """Slicings whose cells are few beside the rows; the first bundle is the one that rows are ordered by."""
    most = min(_MOST_CELLS, max(1, rows // _ROWS_A_CELL))
    bundles: list[tuple[int, list[int]]] = []
    for slicing, count in sorted(slices.items(), key=lambda pair: -pair[1]):
        for index, (cells, slicings) in enumerate(bundles):
            if cells * count <= most:
                bundles[index] = (cells * count, [*slicings, slicing])
                break
        else:
            bundles.append((count, [slicing]))
    bundles.sort(key=lambda bundle: -len(bundle[1]))
    return [slicings for _, slicings in bundles]


def _cells(
    bundle: Sequence[int], codes: Mapping[int, Array], slices: Mapping[int, int], rows: int
) -> NDArray[np.uint32]:
    """(n,) the cell of the bundle's slicings that a row is in."""
    cells = np.zeros(rows, np.uint32)
    for slicing in bundle:
        if slicing:
            cells *= np.uint32(slices[slicing])
            cells += codes[slicing].astype(np.uint32)
    return cells


class _Inline(Executor):
    """Runs each task at once, in this thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done

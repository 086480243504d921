"""Means, spreads and decisions of runs of rows, and of the slices that are made of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.estimation.rank_sums import BLOCK
from lockgate.evaluation.estimation.sum_request import SumRequest

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Three counts of a run share one integer, so that one pass over the rows counts them all: a block has fewer than 2²⁰ rows.
_COUNT_BITS = 20


class Segments:
    """Runs of rows to be summed up; a run lies within one block and one class."""

    def __init__(self, request: SumRequest, scores: Mapping[str, Array], starts: Ints, positives: int) -> None:
        self.request, self.scores, self.starts, self.positives = request, scores, starts, positives
        self.variables = [
            (loss, kind) for loss in request.losses for kind in ("candidate", *self._others(loss), *self._clipped(loss))
        ]  # a role: its own values; a factor: the difference; ("clipped", role): whether a row's is clipped

    def deviates(self, loss: str, kind: Any) -> bool:
        """Whether a requirement needs more than the mean."""
        return kind != "champion" and not isinstance(kind, tuple) and loss in self.request.tested

    def _others(self, loss: str) -> tuple[Any, ...]:
        return ("champion", *sorted(self.request.factors.get(loss, ()))) if self.request.paired else ()

    def _clipped(self, loss: str) -> tuple[tuple[str, str], ...]:
        """Of which roles rows are counted whose probability is clipped."""
        clipped = self.request.losses[loss].clip is not None
        return tuple(("clipped", role) for role in self.scores) if clipped else ()

    def over(self, low: int, high: int) -> dict[Any, Array]:
        """The sums of the runs in the blocks from row `low` to `high`.

        (loss, role or factor) → (4, runs) mean and central sums; cuts → (3, runs) as `_decisions`.
        """
        sums: dict[Any, list[Any]] = {key: [] for key in (*self.variables, *self.request.cuts)}
        for start in range(low, high, BLOCK):
            self._block(start, min(start + BLOCK, high), sums)
        return {key: np.concatenate(blocks, axis=1) for key, blocks in sums.items()}

    def _block(self, low: int, high: int, sums: Mapping[Any, list[Any]]) -> None:
        first, last = np.searchsorted(self.starts, [low, high])
        starts = self.starts[first:last] - low
        lengths = np.diff(starts, append=high - low)
        run = np.repeat(np.arange(starts.size), lengths)
        scores = {role: column[low:high].astype(np.float64) for role, column in self.scores.items()}
        for cuts in self.request.cuts:
            sums[cuts].append(_decisions(scores, cuts, starts))
        # Positives come first, so all but one block have one label, and the loss need not choose by row.
        labels = (
            np.arange(low, high) < self.positives if low < self.positives < high else np.bool_(low < self.positives)
        )
        for loss, row_loss in self.request.losses.items():
            others = self._others(loss)
            values: dict[Any, Any] = {
                role: row_loss.binary(labels, scores[role]) for role in ("candidate", *others[:1])
            }
            for factor in others[1:]:
                off = values["champion"] * factor
                values[factor] = np.subtract(values["candidate"], off, out=off)
            if row_loss.clip is not None:
                values |= {("clipped", role): row_loss.clip.binary(labels, scores[role]) for role in self.scores}
            for kind, column in values.items():
                if not self.deviates(loss, kind):
                    nothing = np.zeros(starts.size)
                    mean = np.add.reduceat(column, starts, dtype=np.float64) / lengths
                    sums[loss, kind].append((mean, nothing, nothing, nothing))
                else:
                    sums[loss, kind].append(_run_moments(column, starts, lengths, run))


def _run_moments(values: Floats, starts: Ints, lengths: Ints, run: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean and central sums of each run; overwrites the values."""
    mean = np.add.reduceat(values, starts) / lengths
    values -= mean[run]
    # What rounding left of the mean: it is added, and its square taken off, so that a constant run has a sum of exactly 0.
    rest = np.add.reduceat(values, starts) / lengths
    square = values * values
    second = np.add.reduceat(square, starts) - lengths * rest * rest
    values *= square
    third = np.add.reduceat(values, starts)
    square *= square
    return mean + rest, np.maximum(second, 0.0), third, np.add.reduceat(square, starts)


def _decisions(scores: Mapping[str, Floats], cuts: Any, starts: Ints) -> Ints:
    """(3, runs): rows decided positive by the candidate, by the champion, by both."""
    candidate = scores["candidate"] >= cuts[0]
    champion = np.zeros_like(candidate) if cuts[1] is None else scores["champion"] >= cuts[1]
    packed = candidate.astype(np.int64)
    packed += champion.astype(np.int64) << _COUNT_BITS
    packed += (candidate & champion).astype(np.int64) << 2 * _COUNT_BITS
    counts = np.add.reduceat(packed, starts)
    low = (1 << _COUNT_BITS) - 1
    return np.stack([counts & low, counts >> _COUNT_BITS & low, counts >> 2 * _COUNT_BITS])


def decision_tables(decided: Ints, codes: Array, slices: int, positive: NDArray[np.bool_], lengths: Floats) -> Ints:
    """[slice, label, decided by the candidate, decided by the champion] rows.

    decided: (3, runs) as `_decisions`. codes: (runs,) slice of each run. positive: (runs,) its label. lengths: (runs,) rows.
    """
    table = np.zeros((slices, 2, 2, 2), np.int64)
    for label, runs in enumerate((~positive, positive)):
        rows, candidate, champion, both = (
            np.bincount(codes[runs], column[runs], slices).astype(np.int64) for column in (lengths, *decided)
        )
        table[:, label, 1, 1], table[:, label, 1, 0] = both, candidate - both
        table[:, label, 0, 1], table[:, label, 0, 0] = champion - both, rows - candidate - champion + both
    return table

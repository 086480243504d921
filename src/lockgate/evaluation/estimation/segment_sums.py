"""Means, spreads and decisions of runs of rows, and of the slices that are made of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.estimation.rank_sums import BLOCK
from lockgate.evaluation.estimation.sum_request import LOSSES, Wanted
from lockgate.stats.influence import Sums

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Per slice: rows, mean, and the sums of the second to fourth powers of what deviates from it."""

    rows: Floats
    mean: Floats
    second: Floats
    third: Floats
    fourth: Floats

    def pooled(self, codes: Array, slices: int, *, deviates: bool) -> Moments:
        """Of the unions of parts of one code; exact where nothing varies. deviates: whether more than the mean is wanted."""

        def total(values: Floats) -> Floats:
            return np.bincount(codes, values, slices).astype(np.float64, copy=False)

        rows = total(self.rows)
        some = np.maximum(rows, 1.0)
        mean = total(self.rows * self.mean) / some
        mean += total(self.rows * (self.mean - mean[codes])) / some
        if not deviates:
            return Moments(rows, mean, *[np.zeros(slices)] * 3)
        off = self.mean - mean[codes]
        square = off * off
        second = total(self.second + self.rows * square)
        third = total(self.third + off * (3 * self.second + self.rows * square))
        fourth = total(self.fourth + 4 * off * self.third + square * (6 * self.second + self.rows * square))
        return Moments(rows, mean, second, third, fourth)

    def sums(self, code: int) -> Sums:
        return Sums(float(self.second[code]), float(self.third[code]), float(self.fourth[code]))


@dataclass(frozen=True)
class Part:
    moments: Mapping[tuple[Any, Any], tuple[Floats, Floats, Floats, Floats]]
    decided: Mapping[Any, NDArray[np.int64]]


class Runs:
    """Sums of each run of rows; a run lies within one block and one class."""

    def __init__(self, wanted: Wanted, scores: Mapping[str, Array], starts: NDArray[np.int64], positives: int) -> None:
        self.wanted, self.scores, self.starts, self.positives = wanted, scores, starts, positives
        self.variables = [
            (loss, kind) for loss in wanted.losses for kind in ("candidate", *self._others(loss))
        ]  # a role: its own values; a factor: the difference

    def deviates(self, loss: Any, kind: Any) -> bool:
        """Whether a line asks for more than the mean."""
        return kind != "champion" and loss in self.wanted.decided

    def _others(self, loss: Any) -> tuple[Any, ...]:
        return ("champion", *sorted(self.wanted.factors.get(loss, ()))) if self.wanted.paired else ()

    def over(self, low: int, high: int) -> Part:
        """Of the runs in the blocks from row `low` to `high`."""
        moments: dict[tuple[Any, Any], list[tuple[Floats, ...]]] = {key: [] for key in self.variables}
        decided: dict[Any, list[NDArray[np.int64]]] = {cuts: [] for cuts in self.wanted.cuts}
        for start in range(low, high, BLOCK):
            self._block(start, min(start + BLOCK, high), moments, decided)
        return Part(
            {key: tuple(map(np.concatenate, zip(*parts, strict=True))) for key, parts in moments.items()},  # type: ignore[misc]
            {cuts: np.concatenate(parts, axis=1) for cuts, parts in decided.items()},
        )

    def _block(self, low: int, high: int, moments: Mapping[Any, Any], decided: Mapping[Any, Any]) -> None:
        first, last = np.searchsorted(self.starts, [low, high])
        starts = self.starts[first:last] - low
        lengths = np.diff(starts, append=high - low)
        run = np.repeat(np.arange(starts.size), lengths)
        scores = {role: column[low:high].astype(np.float64) for role, column in self.scores.items()}
        for cuts in self.wanted.cuts:
            decided[cuts].append(_decisions(scores, cuts, starts))
        labels = (
            np.arange(low, high) < self.positives if low < self.positives < high else np.bool_(low < self.positives)
        )
        for loss in self.wanted.losses:
            others = self._others(loss)
            values = {role: LOSSES[loss](labels, scores[role]) for role in ("candidate", *others[:1])}
            for factor in others[1:]:
                off = values["champion"] * factor
                values[factor] = np.subtract(values["candidate"], off, out=off)
            for kind, column in values.items():
                if not self.deviates(loss, kind):
                    nothing = np.zeros(starts.size)
                    mean = np.add.reduceat(column, starts) / lengths
                    moments[loss, kind].append((mean, nothing, nothing, nothing))
                else:
                    moments[loss, kind].append(_run_moments(column, starts, lengths, run))


def _run_moments(
    values: Floats, starts: NDArray[np.int64], lengths: NDArray[np.int64], run: NDArray[np.int64]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean and central sums of each run; overwrites the values."""
    mean = np.add.reduceat(values, starts) / lengths
    values -= mean[run]
    rest = np.add.reduceat(values, starts) / lengths
    square = values * values
    second = np.add.reduceat(square, starts) - lengths * rest * rest
    values *= square
    third = np.add.reduceat(values, starts)
    square *= square
    return mean + rest, np.maximum(second, 0.0), third, np.add.reduceat(square, starts)


def _decisions(scores: Mapping[str, Floats], cuts: Any, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(3, runs): rows decided positive by the candidate, by the champion, by both; a block has under 2²⁰ rows."""
    first = scores["candidate"] >= cuts[0]
    second = np.zeros_like(first) if cuts[1] is None else scores["champion"] >= cuts[1]
    packed = first.astype(np.int64)
    packed += second.astype(np.int64) << 20
    packed += (first & second).astype(np.int64) << 40
    counts = np.add.reduceat(packed, starts)
    low = (1 << 20) - 1
    return np.stack([counts & low, counts >> 20 & low, counts >> 40])


def tables(
    each: NDArray[np.int64], codes: Array, slices: int, positive: NDArray[np.bool_], lengths: Floats
) -> NDArray[np.int64]:
    """[slice, label, decided by the candidate, decided by the champion] rows."""
    table = np.zeros((slices, 2, 2, 2), np.int64)
    for label, runs in enumerate((~positive, positive)):
        rows, one, two, both = (
            np.bincount(codes[runs], column[runs], slices).astype(np.int64) for column in (lengths, *each)
        )
        table[:, label, 1, 1], table[:, label, 1, 0] = both, one - both
        table[:, label, 0, 1], table[:, label, 0, 0] = two - both, rows - one - two + both
    return table

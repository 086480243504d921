"""The port of an engine: a request for sums goes in, the sums of every slice come out.

`in_memory_sums` is one engine; another one reads rows wherever they are and hands back the same sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.estimation.sum_request import SliceCode, SumRequest
from lockgate.evaluation.metrics.calibration import BinSums
from lockgate.stats.influence import Sums

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Of each slice: rows, mean, and the sums of the second to fourth powers of what deviates from it."""

    rows: Floats
    mean: Floats
    second: Floats
    third: Floats
    fourth: Floats

    def pooled(self, codes: Array, slices: int, *, deviates: bool) -> Moments:
        """Of the unions of parts of one code; exact where nothing varies. deviates: whether more than the mean is needed.

        Source: pairwise update of central moments, Chan, Golub & LeVeque 1979; Pébay 2008 for third and fourth powers.
        """

        def total(values: Floats) -> Floats:
            return np.bincount(codes, values, slices).astype(np.float64, copy=False)

        rows = total(self.rows)
        some = np.maximum(rows, 1.0)
        mean = total(self.rows * self.mean) / some
        # What rounding left of the first mean, so that equal parts come to their own value to the last digit.
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
class RankSums:
    """Sums over the ranks of a slice, which themselves are not kept. values, own: by (metric, role); pairs: by (metric, factor)."""

    values: Mapping[tuple[str, str], float]
    own: Mapping[tuple[str, str], Sums]
    pairs: Mapping[tuple[str, float], Sums]
    bins: BinSums | None = None


@dataclass(frozen=True)
class SliceSums:
    """The sums of all slices.

    rows: slicing → (rows, positives) of each slice. moments: by (slicing, loss, role or factor). counts: by (slicing, cuts),
    [slice, label, decided by the candidate, by the champion] rows. ranks: by slice.
    """

    rows: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    moments: dict[tuple[int, str, Any], Moments] = field(default_factory=dict)
    counts: dict[tuple[int, Any], NDArray[np.int64]] = field(default_factory=dict)
    ranks: dict[SliceCode, RankSums] = field(default_factory=dict)


class SumEngine(Protocol):
    """Independent rows of one weight with binary labels, wherever they are."""

    def score_range(self, role: str) -> tuple[float, float] | None:
        """The smallest and the largest score of a role; NaN where one is missing. None where there is nothing to sum up:
        no scores, or rows that are weighted, clustered or not labelled with two classes."""

    def sums(self, request: SumRequest) -> SliceSums:
        """All that is requested, overall and in the slicings that the engine was made for."""

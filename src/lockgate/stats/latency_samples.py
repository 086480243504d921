"""Latencies of a block: each as it was measured, or counted in narrow bins where millions would not fit in memory.

A failed request is infinite. `Exact` keeps values in order of time. `Folded` knows of each value between which edges it
lies, at most half a permille apart: what is computed of both edges bounds what would be computed of the values, so that
a claim can be tested at the edge that favours it least. The bins are those of float64 itself, its exponent and the
first 11 bits of its mantissa, which numpy counts a hundred million a second of; as fine as a histogram of HdrHistogram
with three significant digits, and finer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lockgate.stats.stationarity import Resemblance

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Span = tuple[float, float]

WIDTH = 2.0**-11  # of a bin, beside its lower edge, at most
LAGS = 1024  # how far apart a folded block compares requests; beyond, blocks are compared with each other
_SHIFT = 52 - 11
_FLOOR = int(np.float64(2.0**-20).view(np.int64)) >> _SHIFT  # a nanosecond, in milliseconds: shorter times share a bin


@dataclass(frozen=True, eq=False)
class Counted:
    """Ascending values, each with how often it occurs. total: the sum of what was counted, before it was binned."""

    values: Floats
    counts: Ints
    total: float

    def __len__(self) -> int:
        return int(self.counts.sum())


Statistic = Callable[[Floats], float] | Callable[[Floats | Counted], float]


@dataclass(frozen=True, eq=False)
class Exact:
    """values: (n,) milliseconds in order of time."""

    values: Floats

    def __len__(self) -> int:
        return len(self.values)

    @property
    def failed(self) -> int:
        return int(np.count_nonzero(np.isinf(self.values)))

    @property
    def total(self) -> float:
        """The sum of all values."""
        return float(self.values.sum())

    @property
    def edges(self) -> tuple[Floats, Floats]:
        """The values, which are their own lower and upper edges."""
        return self.values, self.values

    def over(self, limit: float) -> tuple[int, int]:
        """(how many are certainly above the limit, how many possibly)."""
        count = int(np.count_nonzero(self.values > limit))
        return count, count

    def ranked(self) -> tuple[Floats, Floats, Ints]:
        """Ascending (lower edge, upper edge, how many values are no larger)."""
        values = np.sort(self.values)
        return values, values, np.arange(1, len(values) + 1)

    def folded(self, shares: Iterable[float] = ()) -> Folded:
        """The same values in bins. shares: of which percentiles it must be known how requests above them follow each other."""
        # The bits of a non-negative float64 ascend with it: its upper bits number bins of equal relative width.
        answered = self.values[np.isfinite(self.values)]
        codes = np.maximum((answered + 0.0).view(np.int64) >> _SHIFT, _FLOOR)
        first = int(codes.min()) if len(codes) else _FLOOR
        counts = np.bincount(codes - first).astype(np.uint32)
        return Folded(first, counts, self.failed, self.total, {share: self._resemblance(share) for share in shares})

    def _resemblance(self, share: float) -> Resemblance:
        """Of requests above the block's own percentile: one of the whole run is not known yet."""
        rank = max(1, int(np.ceil(share * len(self.values) - 1e-9)))
        over = (self.values > np.partition(self.values, rank - 1)[rank - 1]).astype(np.float64)
        return Resemblance.from_blocks([over - over.mean()], lags=LAGS)


@dataclass(frozen=True, eq=False)
class Folded:
    """first: the number of the bin that counts[0] counts. total: the exact sum of all values, infinite where one failed.

    resemblance: share of a percentile → how requests above it follow each other, within blocks.
    """

    first: int
    counts: NDArray[np.uint32]
    failed: int
    total: float
    resemblance: Mapping[float, Resemblance] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.counts.sum(dtype=np.int64)) + self.failed

    @property
    def edges(self) -> tuple[Counted, Counted]:
        """The values as if each stood at its lower edge, and as if at its upper one."""
        lows, highs, upto = self.ranked()
        counts = np.diff(upto, prepend=0)
        return Counted(lows, counts, self.total), Counted(highs, counts, self.total)

    def over(self, limit: float) -> tuple[int, int]:
        """(how many are certainly above the limit, how many possibly)."""
        lows, highs, upto = self.ranked()
        below = np.concatenate([[0], upto])
        return tuple(  # type: ignore[return-value]  # two of them
            len(self) - int(below[np.searchsorted(ends, limit, side="right")]) for ends in (lows, highs)
        )

    def ranked(self) -> tuple[Floats, Floats, Ints]:
        """Ascending (lower edge, upper edge, how many values are no larger), of every bin that holds one."""
        places = np.flatnonzero(self.counts)
        codes = places.astype(np.int64) + self.first
        lows = np.where(codes == _FLOOR, 0.0, (codes << _SHIFT).view(np.float64))
        highs = ((codes + 1) << _SHIFT).view(np.float64)
        upto = np.cumsum(self.counts[places], dtype=np.int64)
        if not self.failed:
            return lows, highs, upto
        return np.append(lows, np.inf), np.append(highs, np.inf), np.append(upto, len(self))

    def folded(self, shares: Iterable[float] = ()) -> Folded:
        """Itself."""
        return self


Times = Exact | Folded


def times(block: ArrayLike | Times) -> Times:
    """A block of latencies. Raises ValueError for NaN and for a time below zero."""
    if isinstance(block, Exact | Folded):
        return block
    data = np.asarray(block, dtype=np.float64)
    if np.isnan(data).any() or (data < 0).any():
        raise ValueError("a latency is a time of zero or more, infinite for a failed request")
    return Exact(data)


def pooled(blocks: Sequence[Times]) -> Times:
    """All blocks as one; folded as soon as one of them is."""
    exact = [block.values for block in blocks if isinstance(block, Exact)]
    if len(exact) == len(blocks):
        return Exact(np.concatenate(exact) if exact else np.zeros(0))
    parts = [block.folded() for block in blocks]
    first = min(part.first for part in parts)
    counts = np.zeros(max(part.first + len(part.counts) for part in parts) - first, np.uint32)
    for part in parts:
        counts[part.first - first : part.first - first + len(part.counts)] += part.counts
    shares = set.intersection(*(set(part.resemblance) for part in parts))
    resemblance = {share: Resemblance.pooled(part.resemblance[share] for part in parts) for share in shares}
    return Folded(first, counts, sum(part.failed for part in parts), sum(part.total for part in parts), resemblance)


def spanned(statistic: Statistic, whole: Times) -> Span:
    """Between which two numbers a statistic lies that never falls where a value rises; both are the same where exact."""
    low, high = whole.edges
    least = statistic(low)  # type: ignore[arg-type]  # one that cannot count is never asked of what was folded
    return least, least if high is low else statistic(high)  # type: ignore[arg-type]


def resemblance(blocks: Sequence[Times], *, share: float, threshold: float, level: bool = True) -> Resemblance:
    """How requests above the threshold, the percentile of this share of all blocks, follow each other.

    level: whether blocks that lie above it more often than others count, or each is taken about its own mean. Of a folded block
    it is those above the block's own percentile, about its own mean, and no further apart than LAGS requests. Blocks that
    differ from each other are for `design_effect` to see.
    """
    exact = [block for block in blocks if isinstance(block, Exact)]
    over = [(block.values > threshold).astype(np.float64) for block in exact]
    mean = sum(float(indicator.sum()) for indicator in over) / max(1, sum(map(len, over)))
    centred = [indicator - (mean if level or not len(indicator) else indicator.mean()) for indicator in over]
    parts = [block.resemblance[share] for block in blocks if isinstance(block, Folded)]
    return Resemblance.pooled([Resemblance.from_blocks(centred), *parts])

"""Calibration bins of slices: ten of equal mass each, summed up in the order of the scores.

Bins of different slices overlap, so that rows are summed once by segment between all edges of bins, and a bin is made of
segments.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.estimation.rank_sums import BLOCK, Ints, Keys, Slices, packed
from lockgate.evaluation.metrics.calibration import BINS, Bins, BinSums

Floats = NDArray[np.float64]


def bin_sums(bits: Keys, scores: NDArray[Any] | None, slices: Slices) -> Iterator[BinSums | None]:
    """The bins of each slice, None where it has no rows.

    bits: (rows,) of each row as `rank` takes them, slice by slice, in order. scores: (rows,) probabilities in the same order,
    None where the bits are those of float32 numbers.
    """
    bounds = _bounds(bits, slices)
    # Segments end at the edges of bins and of blocks, of which each is summed in cache.
    inner = np.unique(np.concatenate([bounds.ravel(), np.arange(0, bits.size, BLOCK)]))
    cuts = inner[:-1] if inner.size > 1 else inner
    lengths = np.diff(cuts, append=bits.size).astype(np.float64)
    columns = [_segments(bits, scores, cuts[_between(cuts, low)], low) for low in range(0, bits.size, BLOCK)]
    positives, total, second = (np.concatenate(pieces) for pieces in zip(*columns, strict=True))
    for edges in bounds:
        if edges[-1] == edges[0]:
            yield None
            continue
        edges = np.unique(edges)  # a bin without rows is none
        yield _sums(lengths, positives, total, second, np.searchsorted(cuts, edges))


def _between(cuts: Ints, low: int) -> slice:
    return slice(*np.searchsorted(cuts, [low, low + BLOCK]).tolist())


def _bounds(bits: Keys, slices: Slices) -> Ints:
    """(slices, bins + 1) first rows of the bins: equal scores share one, that of their middle."""
    values, starts, rows = packed(bits, slices, 0), slices.starts[:-1, None], slices.rows[:, None]
    bounds = np.repeat(starts, BINS + 1, axis=1)
    bounds[:, -1:] += rows
    some = slices.rows > 0
    starts, rows, edge = starts[some], rows[some], np.arange(1, BINS)
    # The score at which a tenth ends: its run goes to the bin that the middle of the run lies in, whole. The lowest bit is the
    # class, without it rows of both classes are one run.
    border, class_bit = values[starts + rows * edge // BINS], values.dtype.type(1)
    low = np.searchsorted(values, border & ~class_bit)
    high = np.searchsorted(values, border | class_bit, side="right")
    middle = (high - starts) - (high - low) / 2
    bounds[some, 1:-1] = np.where((middle * (BINS / rows)).astype(np.intp) >= edge, low, high)
    return bounds


def _segments(bits: Keys, scores: NDArray[Any] | None, cuts: Ints, low: int) -> tuple[Floats, Floats, Floats]:
    """Of each segment of a block: positives, the sum of the gaps between label and score, and their squares about the mean."""
    block = bits[low : low + BLOCK]
    labels = (~block & np.uint32(1)).astype(np.float64)
    probabilities = (block >> np.uint32(1)).view(np.float32) if scores is None else scores[low : low + BLOCK]
    gaps, starts = labels - probabilities, cuts - low
    lengths = np.diff(starts, append=block.size)
    total = np.add.reduceat(gaps, starts)
    gaps -= np.repeat(total / lengths, lengths)
    # As `_run_moments`: what rounding left of the mean.
    rest = np.add.reduceat(gaps, starts)
    gaps *= gaps
    second = np.add.reduceat(gaps, starts) - rest * rest / lengths
    return np.add.reduceat(labels, starts), total + rest, np.maximum(second, 0.0)


def _sums(lengths: Floats, positives: Floats, total: Floats, second: Floats, firsts: Ints) -> BinSums:
    """firsts: the first segment of each bin, and the end."""
    parts, starts = slice(firsts[0], firsts[-1]), firsts[:-1] - firsts[0]
    rows, positive, gap = (np.add.reduceat(column[parts], starts) for column in (lengths, positives, total))
    gap /= rows
    off = total[parts] / lengths[parts] - np.repeat(gap, np.diff(firsts))
    squares = np.add.reduceat(second[parts] + lengths[parts] * off * off, starts)
    bins = Bins(rows / rows.sum(), gap, rows.astype(np.int64), rows, (positive == 0) | (positive == rows))
    return BinSums(bins, squares / rows**2)

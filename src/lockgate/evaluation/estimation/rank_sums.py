"""AUC and average precision of slices by one sort a model: values, and sums over the influence of their rows.

What a row contributes depends on its label and on the positives below and up to its score, ties taken together. Between
two scores that positives have, all negatives contribute the same: all that is summed is summed over such runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.stats.influence import Sums

Keys = NDArray[np.uint32]
Ints = NDArray[np.int64]
Counts = NDArray[np.int32]
Floats = NDArray[np.float64]

BLOCK = 1 << 16  # rows whose columns stay in cache while they are worked on
MOST_TOGETHER = (
    1 << 17
)  # rows of small slices that are ranked in one call, which costs as much for few rows as for many
MOST_SLICES = 1 << 14
_RUNS = 1 << 14  # as BLOCK, of the wider columns by run
_INDEX = np.uint64(0xFFFFFFFF)


def order_keys(scores: NDArray[Any]) -> Keys:
    """(n,) integers below 2³¹ in the order of the scores, equal where they are; n < 2³⁰.

    They are the bits of a float32 where these say all and no score is negative, else ranks.
    """
    with np.errstate(over="ignore"):
        single = scores.astype(np.float32)
    if not np.array_equal(single, scores):
        return _ranks(np.argsort(scores), scores)
    single += np.float32(0.0)  # -0.0 is 0.0
    bits = single.view(np.uint32)
    if not single.size or single.min() >= 0:
        return bits
    # Bits of negative floats ascend as the numbers fall: turned around, and below those of positive ones.
    order = sorted_rows(np.where(bits >> np.uint32(31), ~bits, bits | np.uint32(1 << 31)))
    return _ranks(order, single)


def _ranks(order: Ints, scores: NDArray[Any]) -> Keys:
    ordered = scores[order]
    keys = np.empty(scores.size, np.uint32)
    keys[order] = np.cumsum(np.concatenate([[False], ordered[1:] != ordered[:-1]]), dtype=np.uint32)
    return keys


def sorted_rows(keys: Keys) -> Ints:
    """The rows in the order of their keys, then of their numbers; fewer than 2³²."""
    # Key and number in one integer: sorting those is several times faster than argsort, and stable.
    packed = np.arange(keys.size, dtype=np.uint64)
    for low in range(0, keys.size, BLOCK):
        packed[low : low + BLOCK] |= keys[low : low + BLOCK].astype(np.uint64) << np.uint64(32)
    packed.sort()
    packed &= _INDEX
    return packed.view(np.int64)


def by_code(codes: NDArray[np.unsignedinteger[Any]], slices: int) -> NDArray[np.int32]:
    """(n,) the rows slice by slice, ascending in each; n < 2³⁰."""
    shift = int(codes.size).bit_length()
    if shift + (slices - 1).bit_length() > 32:
        return np.argsort(codes, kind="stable").astype(np.int32)
    rows = np.arange(codes.size, dtype=np.uint32)
    for low in range(0, codes.size, BLOCK):
        rows[low : low + BLOCK] |= codes[low : low + BLOCK].astype(np.uint32) << np.uint32(shift)
    rows.sort()
    rows &= np.uint32((1 << shift) - 1)
    return rows.view(np.int32)


@dataclass(frozen=True)
class Slices:
    """Slices that are ranked together: rows and positives of each, at most `MOST_TOGETHER` rows where there are several."""

    rows: Ints
    positives: Ints

    @property
    def alone(self) -> bool:
        return self.rows.size == 1

    @property
    def starts(self) -> Ints:
        """The first row of each, and the end of the last."""
        return np.concatenate([[0], np.cumsum(self.rows)])


@dataclass(frozen=True)
class Ranking:
    """One model's ranks on some slices, by metric.

    values: (slices,). Of influence, empty where it was not requested: psi: of each group of rows that contribute the same;
    sums: of each slice; groups: (rows,) group of each row.
    """

    values: Mapping[str, Floats]
    psi: Mapping[str, Floats] = field(default_factory=dict)
    sums: Mapping[str, tuple[Sums, ...]] = field(default_factory=dict)
    groups: NDArray[np.int32] | None = None


def rank(bits: Keys, slices: Slices, *, ordered: bool, sums: bool, groups: bool) -> Ranking:
    """The ranks of rows that come slice by slice; where a slice lacks a class, its numbers are void.

    bits: (rows,) twice the key of a score, and one more for a negative row. ordered: whether rows are in their order within
    a slice. sums: whether those of influence are needed; groups: what `difference` needs.
    """
    shift = 0 if ordered else int(bits.size).bit_length()
    runs = _ScoreRuns.from_packed(packed(bits, slices, shift), slices, shift)
    ranking = _RankSums(runs, slices, sums=sums, influence=groups).ranking()
    return replace(ranking, groups=runs.groups(ordered=ordered)) if groups else ranking


def difference(
    candidate: Floats, champion: Floats, groups: Sequence[NDArray[np.int32]], slices: Slices, factor: float
) -> tuple[Sums, ...]:
    """Of each slice, sums over ψ(candidate) − factor · ψ(champion), each model's influence by group, on the same rows."""
    # In blocks where there is one slice, so that no array as long as the rows is made; several slices are few rows together.
    total, step = Sums(0.0, 0.0, 0.0), BLOCK if slices.alone else groups[0].size
    for low in range(0, groups[0].size, step):
        first, second = (of_model[low : low + step] for of_model in groups)
        psi = candidate.take(first, mode="clip")
        scaled = champion.take(second, mode="clip")
        if factor != 1.0:
            scaled *= factor
        psi -= scaled
        if not slices.alone:
            return tuple(_by_slice(psi, None, slices.starts))
        total += Sums.from_influence(psi)
    return (total,)


def _by_slice(psi: Floats, counts: Floats | None, starts: Ints) -> Iterator[Sums]:
    square = psi * psi
    counted = square if counts is None else square * counts
    for second, third, fourth in zip(
        *(_reduced(column, starts).tolist() for column in (counted, counted * psi, counted * square)), strict=True
    ):
        yield Sums(second, third, fourth)


def _reduced(values: NDArray[Any], starts: Ints) -> NDArray[Any]:
    """Sums from each start to the next; the last one is the end."""
    sums = np.zeros(starts.size - 1, values.dtype)
    filled = np.flatnonzero(starts[1:] > starts[:-1])
    if filled.size:
        sums[filled] = np.add.reduceat(values, starts[filled])
    return sums


def packed(bits: Keys, slices: Slices, shift: int) -> NDArray[Any]:
    """Slice, key, class and number of each row in one integer, in order; no number where rows are in order."""
    if slices.alone and not shift:
        return bits
    codes = bits.astype(np.uint64)
    if not slices.alone:
        codes |= np.repeat(np.arange(slices.rows.size, dtype=np.uint64) << np.uint64(32), slices.rows)
    if shift:
        codes <<= np.uint64(shift)
        codes |= np.arange(bits.size, dtype=np.uint64)
        codes.sort()
    return codes


@dataclass(frozen=True)
class _ScoreRuns:
    """The scores that positives have, ascending in each slice, then the end of the slice as one more.

    start: the first row of a run, in order. positives, ties: its rows of either class. gap: negatives between it and the
    run before. ends: the place of the first run of each slice, and the end.
    """

    packed: NDArray[Any]
    shift: int
    start: Counts
    positives: Counts
    ties: Counts
    gap: Counts
    ends: Ints

    @classmethod
    def from_packed(cls, packed: NDArray[Any], slices: Slices, shift: int) -> _ScoreRuns:
        positive_rows = _positives(packed, shift)
        move, unit = packed.dtype.type(shift), packed.dtype.type(1)
        key = packed[positive_rows] >> move
        first = np.flatnonzero(np.concatenate([np.ones(min(1, key.size), bool), key[1:] != key[:-1]]))
        start, key = positive_rows[first], key[first]
        positives = np.diff(first, append=positive_rows.size).astype(np.int32)
        del positive_rows, first
        after = start + positives
        key |= unit  # the key that negatives of the same score have: they follow its positives
        tied = np.flatnonzero(packed[np.minimum(after, packed.size - 1)] >> move == key)
        ties = np.zeros(start.size, np.int32)
        last = (key[tied] << move) | ((unit << move) - unit)
        ties[tied] = np.searchsorted(packed, last, side="right") - after[tied]
        ends, whole = _with_ends(start, slices.starts, [positives, ties])
        start, positives, ties = whole
        gap = start.copy()
        gap[1:] -= (start + positives + ties)[:-1]
        return cls(packed, shift, start, positives, ties, gap, ends)

    @cached_property
    def sizes(self) -> tuple[Counts, ...]:
        """Rows of the groups of a run: those of the gap, the positives, and negatives that tie with them, if any do."""
        return (self.gap, self.positives, self.ties) if self.ties.any() else (self.gap, self.positives)

    def groups(self, *, ordered: bool) -> NDArray[np.int32]:
        """(rows,) group of each row as they came; groups are numbered by kind, then by run."""
        group_of, mask, runs = np.empty(self.packed.size, np.int32), np.uint64((1 << self.shift) - 1), self.gap.size
        kinds = np.arange(len(self.sizes), dtype=np.int32) * np.int32(runs)
        for first in range(0, runs, _RUNS):
            part = slice(first, first + _RUNS)
            sizes = np.column_stack([size[part] for size in self.sizes])
            names = np.add.outer(np.arange(first, first + len(sizes), dtype=np.int32), kinds)
            values = np.repeat(names.ravel(), sizes.ravel())
            low = self.start[first] - self.gap[first]
            rows = slice(low, low + values.size)
            if ordered:
                group_of[rows] = values
            else:
                group_of[(self.packed[rows] & mask).view(np.int64)] = values
        return group_of


def _with_ends(start: Counts, edges: Ints, sizes: list[Counts]) -> tuple[Ints, list[Counts]]:
    """(place of the first run of each slice, and the end; starts and sizes with the end of each slice as one more run)."""
    if edges.size == 2:
        ends = np.array([0, start.size + 1])
        return ends, [np.append(start, edges[1:].astype(np.int32)), *(np.append(size, np.int32(0)) for size in sizes)]
    count = np.diff(np.searchsorted(start, edges))
    ends = np.concatenate([[0], np.cumsum(count + 1)])
    run_of = np.arange(start.size) + np.repeat(np.arange(count.size), count)
    whole = [np.zeros(start.size + count.size, np.int32) for _ in range(1 + len(sizes))]
    for into, values in zip(whole, [start, *sizes], strict=True):
        into[run_of] = values
    whole[0][ends[1:] - 1] = edges[1:]
    return ends, whole


def _positives(packed: NDArray[Any], shift: int) -> Counts:
    bit = packed.dtype.type(1 << shift)
    return np.concatenate(
        [
            (np.flatnonzero((packed[low : low + BLOCK] & bit) == 0) + low).astype(np.int32)
            for low in range(0, packed.size, BLOCK)
        ]
    )


class _RankSums:
    """What rows are worth by run: how many of the other class they have passed, and what average precision owes them.

    The formulas are those of `auc` and `average_precision` in metrics/classification, for all rows of a group at once. worth:
    for either metric, by kind of group (gap, positives, ties) and run.
    """

    def __init__(self, runs: _ScoreRuns, slices: Slices, *, sums: bool, influence: bool) -> None:
        self.runs, self.slices, self.sums, self.influence = runs, slices, sums, influence
        self.negatives = slices.rows - slices.positives

    def ranking(self) -> Ranking:
        many, shape = self.slices.rows.size, (len(self.runs.sizes), self.runs.gap.size)
        below, average, carry = np.zeros(many), np.zeros(many), (0.0, 0.0, 0.0)
        worth = (np.empty(shape), np.empty(shape)) if self.influence or self.sums else None
        for block in self._blocks():
            area, precision, carry = self._block(block, carry, worth)
            below += area
            average += precision
        positives = np.maximum(self.slices.positives, 1)
        # `passed` counts a negative below twice and a tie once, so that ties count half.
        auc, average = below / (2.0 * positives * np.maximum(self.negatives, 1)), average / positives
        values = {"auc": auc, "average_precision": average}
        return Ranking(values) if worth is None else Ranking(values, *self._influence(auc, average, worth))

    def _blocks(self) -> Iterator[slice]:
        """So few runs that what is made of them stays in cache; all of them where slices are together."""
        step = _RUNS if self.slices.alone else self.runs.gap.size
        for low in range(0, self.runs.gap.size, step):
            yield slice(low, min(low + step, self.runs.gap.size))

    def _each(self, values: NDArray[Any]) -> Any:
        """A value of each slice for each of its runs; one value where there is one slice."""
        return values[0] if self.slices.alone else np.repeat(values, np.diff(self.runs.ends))

    def _sum(self, values: Floats) -> Any:
        return values.sum() if self.slices.alone else _reduced(values, self.runs.ends)

    def _from_slice(self, running: Floats) -> Floats:
        """A running sum over all runs as one that starts anew with each slice."""
        if not self.slices.alone:
            running -= self._each(np.concatenate([[0.0], running[self.runs.ends[1:-1] - 1]]))
        return running

    def _block(
        self, block: slice, carry: tuple[float, float, float], worth: tuple[Floats, Floats] | None
    ) -> tuple[Any, Any, tuple[float, float, float]]:
        """Fills in what has been passed and what is owed. carry: running sums over the blocks before."""
        positives = self.runs.positives[block].astype(np.float64)
        before = self.runs.start[block] - self._each(self.slices.starts[:-1])
        up_to = np.cumsum(positives)
        up_to += carry[0]
        last = float(up_to[-1])
        below = self._from_slice(up_to) - positives
        at_least = np.maximum(self._each(self.slices.rows) - before, 1)
        precision = (self._each(self.slices.positives) - below) / at_least
        passed = before - below
        passed *= 2
        passed += self.runs.ties[block]
        area, average = self._sum(positives * passed), self._sum(positives * precision)
        if worth is None:
            return area, average, (last, 0.0, 0.0)
        share = positives / at_least
        a1, a2 = np.cumsum(share), np.cumsum(share * precision)
        a1 += carry[1]
        a2 += carry[2]
        carry = last, float(a1[-1]), float(a2[-1])
        a1, a2 = self._from_slice(a1), self._from_slice(a2)
        # Negatives of the gap have passed the positives of all runs before, and are owed a2 up to there; positives are owed
        # precision + a1 − a2; negatives that tie have passed half of their own run besides.
        twice_passed, owed = (of_metric[:, block] for of_metric in worth)
        np.multiply(below, 2, out=twice_passed[0])
        twice_passed[1] = passed
        np.subtract(a2, share * precision, out=owed[0])
        np.subtract(precision + a1, a2, out=owed[1])
        if len(twice_passed) > 2:
            np.add(twice_passed[0], positives, out=twice_passed[2])
            owed[2] = a2
        return area, average, carry

    def _influence(
        self, auc: Floats, average: Floats, worth: tuple[Floats, Floats]
    ) -> tuple[dict[str, Floats], dict[str, tuple[Sums, ...]]]:
        """ψ = factor · worth + shift by kind of group, written over `worth`, with DeLong's factor √(m/(m−1)) of each class."""
        rows, positives, others = (
            np.maximum(count, 1).astype(np.float64)
            for count in (self.slices.rows, self.slices.positives, self.negatives)
        )
        up, down, whole = (
            rows / own * np.sqrt(rows_of / np.maximum(rows_of - 1, 1))
            for own, rows_of in ((positives, positives), (others, others), (positives, rows))
        )
        minus, nothing = -down / (2 * positives), np.zeros_like(up)
        off = down * (1 - auc)
        psi_by_metric, sums_by_metric = dict[str, Floats](), dict[str, tuple[Sums, ...]]()
        for name, psi, factor, shift in (
            ("auc", worth[0], (minus, up / (2 * others), minus), (off, -up * auc, off)),
            ("average_precision", worth[1], (-whole, whole, -whole), (nothing, -whole * average, nothing)),
        ):
            sums = self._scaled(psi, factor, shift)
            if self.sums:
                sums_by_metric[name] = sums
            if self.influence:
                psi_by_metric[name] = psi.ravel()
        return psi_by_metric, sums_by_metric

    def _scaled(self, psi: Floats, factor: Sequence[Floats], shift: Sequence[Floats]) -> tuple[Sums, ...]:
        """Makes influence of what rows are worth, in place, and sums it up by slice where sums are needed."""
        by_slice = [Sums(0.0, 0.0, 0.0)] * self.slices.rows.size
        for kind, sizes in enumerate(self.runs.sizes):
            times, plus = self._each(factor[kind]), self._each(shift[kind])
            for block in self._blocks():
                part = psi[kind, block]
                part *= times
                part += plus
                if self.sums:
                    counts = sizes[block].astype(np.float64)
                    of_block = (
                        [Sums.from_influence(part, counts)]
                        if self.slices.alone
                        else _by_slice(part, counts, self.runs.ends)
                    )
                    by_slice = [so_far + more for so_far, more in zip(by_slice, of_block, strict=True)]
        return tuple(by_slice)

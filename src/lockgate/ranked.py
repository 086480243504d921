"""AUC and average precision of slices by one sort a model: values, and sums over the influence of their rows.

What a row contributes depends on its label and on the positives below and up to its score, ties taken together. Between
two scores that positives have, all negatives contribute the same: all that is summed is summed over such runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.stats.influence import Sums

Keys = NDArray[np.uint32]
Ints = NDArray[np.int64]
Counts = NDArray[np.int32]
Floats = NDArray[np.float64]

BLOCK = 1 << 16
MOST_TOGETHER = 1 << 17
MOST_SLICES = 1 << 14
_INDEX = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)


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
    order = sorted_places(np.where(bits >> np.uint32(31), ~bits, bits | np.uint32(1 << 31)))
    return _ranks(order, single)


def _ranks(order: Ints, scores: NDArray[Any]) -> Keys:
    ordered = scores[order]
    keys = np.empty(scores.size, np.uint32)
    keys[order] = np.cumsum(np.concatenate([[False], ordered[1:] != ordered[:-1]]), dtype=np.uint32)
    return keys


def sorted_places(keys: Keys) -> Ints:
    """The rows in the order of their keys, then of their numbers; fewer than 2³²."""
    packed = keys.astype(np.uint64)
    packed <<= np.uint64(32)
    packed |= np.arange(keys.size, dtype=np.uint64)
    packed.sort()
    packed &= _INDEX
    return packed.view(np.int64)


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
    """One model's ranks on some slices.

    auc, average_precision: (slices,). Of influence, None where not asked: auc_psi, average_precision_psi: of each group of
    rows that contribute the same; groups: (rows,) group of each row.
    """

    auc: Floats
    average_precision: Floats
    auc_psi: Floats | None = None
    average_precision_psi: Floats | None = None
    auc_sums: tuple[Sums, ...] = ()
    average_precision_sums: tuple[Sums, ...] = ()
    groups: NDArray[np.int32] | None = None


def rank(bits: Keys, slices: Slices, *, ordered: bool, sums: bool, groups: bool) -> Ranking:
    """The ranks of rows that come slice by slice; where a slice lacks a class, what it says is void.

    bits: (rows,) twice the key of a score, and one more for a negative row. ordered: whether rows are in their order within
    a slice. sums: whether those of influence are wanted; groups: what `difference` needs.
    """
    shift = 0 if ordered else int(bits.size).bit_length()
    runs = _Runs.of(packed(bits, slices, shift), slices, shift)
    found = _Worth(runs, slices, sums=sums, influence=groups).ranking()
    return Ranking(**found, groups=runs.groups(ordered=ordered) if groups else None)


def difference(
    one: Floats, other: Floats, groups: Sequence[NDArray[np.int32]], slices: Slices, factor: float
) -> tuple[Sums, ...]:
    """Of each slice, sums over ψ(one) − factor · ψ(other), two models' influence by group, on the same rows."""
    total, step = Sums(0.0, 0.0, 0.0), BLOCK if slices.alone else groups[0].size
    for low in range(0, groups[0].size, step):
        first, second = (each[low : low + step] for each in groups)
        psi = one.take(first, mode="clip")
        champion = other.take(second, mode="clip")
        if factor != 1.0:
            champion *= factor
        psi -= champion
        if not slices.alone:
            return tuple(_by_slice(psi, None, slices.starts))
        total += Sums.of(psi)
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
    found = np.zeros(starts.size - 1, values.dtype)
    some = np.flatnonzero(starts[1:] > starts[:-1])
    if some.size:
        found[some] = np.add.reduceat(values, starts[some])
    return found


def packed(bits: Keys, slices: Slices, shift: int) -> NDArray[Any]:
    """Slice, key, class and number of each row in one integer, in order; no number where rows are in order."""
    if slices.alone and not shift:
        return bits
    found = bits.astype(np.uint64)
    if not slices.alone:
        found |= np.repeat(np.arange(slices.rows.size, dtype=np.uint64) << np.uint64(32), slices.rows)
    if shift:
        found <<= np.uint64(shift)
        found |= np.arange(bits.size, dtype=np.uint64)
        found.sort()
    return found


@dataclass(frozen=True)
class _Runs:
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
    def of(cls, packed: NDArray[Any], slices: Slices, shift: int) -> _Runs:
        places = _positives(packed, shift)
        move, one = packed.dtype.type(shift), packed.dtype.type(1)
        key = packed[places] >> move
        first = np.flatnonzero(np.concatenate([np.ones(min(1, key.size), bool), key[1:] != key[:-1]]))
        start, key = places[first], key[first]
        positives = np.diff(first, append=places.size).astype(np.int32)
        del places, first
        after = start + positives
        key |= one
        tied = np.flatnonzero(packed[np.minimum(after, packed.size - 1)] >> move == key)
        ties = np.zeros(start.size, np.int32)
        last = (key[tied] << move) | ((one << move) - one)
        ties[tied] = np.searchsorted(packed, last, side="right") - after[tied]
        edges = slices.starts
        count = _counts(start, edges)
        place = np.arange(start.size) + np.repeat(np.arange(count.size), count)
        ends = np.concatenate([[0], np.cumsum(count + 1)])
        start, positives, ties = (
            _with_ends(values, place, ends[1:] - 1, last)
            for values, last in ((start, edges[1:]), (positives, 0), (ties, 0))
        )
        gap = start.copy()
        gap[1:] -= (start + positives + ties)[:-1]
        return cls(packed, shift, start, positives, ties, gap, ends)

    @property
    def sizes(self) -> Counts:
        """(runs · 3,) rows of each group: those of the gap, the positives, and the negatives that tie with them."""
        return np.column_stack([self.gap, self.positives, self.ties]).ravel()

    def groups(self, *, ordered: bool) -> NDArray[np.int32]:
        """(rows,) group of each row as they came."""
        sizes = self.sizes
        sorted_groups = np.repeat(np.arange(sizes.size, dtype=np.int32), sizes)
        if ordered:
            return sorted_groups
        found, mask = np.empty_like(sorted_groups), np.uint64((1 << self.shift) - 1)
        for low in range(0, found.size, BLOCK):
            block = slice(low, low + BLOCK)
            found[(self.packed[block] & mask).view(np.int64)] = sorted_groups[block]
        return found


def _counts(start: Counts, edges: Ints) -> Ints:
    """How many of the ascending starts lie before each edge and not before the one before."""
    return np.diff(np.searchsorted(start, edges))


def _with_ends(values: Counts, place: Ints, last: Ints, of_last: Any) -> Counts:
    whole = np.empty(values.size + last.size, np.int32)
    whole[place] = values
    whole[last] = of_last
    return whole


def _positives(packed: NDArray[Any], shift: int) -> Counts:
    bit = packed.dtype.type(1 << shift)
    return np.concatenate(
        [
            (np.flatnonzero((packed[low : low + BLOCK] & bit) == 0) + low).astype(np.int32)
            for low in range(0, packed.size, BLOCK)
        ]
    )


class _Worth:
    """What rows are worth by run: how many of the other class they have passed, and what average precision owes them."""

    def __init__(self, runs: _Runs, slices: Slices, *, sums: bool, influence: bool) -> None:
        self.runs, self.slices, self.sums, self.influence = runs, slices, sums, influence
        self.negatives = slices.rows - slices.positives

    def ranking(self) -> dict[str, Any]:
        step = BLOCK if self.slices.alone else self.runs.start.size
        passed, owed = [], []
        below, average, carry = np.zeros(self.slices.rows.size), np.zeros(self.slices.rows.size), (0.0, 0.0, 0.0)
        for low in range(0, self.runs.start.size, step):
            block = slice(low, low + step)
            found, carry = self._block(block, carry)
            below += found[0]
            average += found[1]
            passed.append(found[2])
            owed.append(found[3])
        some = np.maximum(self.slices.positives, 1)
        auc, average = below / (2.0 * some * np.maximum(self.negatives, 1)), average / some
        if not (self.influence or self.sums):
            return {"auc": auc, "average_precision": average}
        return {"auc": auc, "average_precision": average} | self._influence(auc, average, passed, owed)

    def _each(self, values: NDArray[Any]) -> Any:
        """A value of each slice for each of its runs; one value where there is one slice."""
        return values[0] if self.slices.alone else np.repeat(values, np.diff(self.runs.ends), axis=0)

    def _sum(self, values: Floats) -> Any:
        return values.sum() if self.slices.alone else _reduced(values, self.runs.ends)

    def _from_slice(self, running: Floats) -> Floats:
        """A running sum over all runs as one that starts anew with each slice."""
        if not self.slices.alone:
            running -= self._each(np.concatenate([[0.0], running[self.runs.ends[1:-1] - 1]]))
        return running

    def _block(self, block: slice, carry: tuple[float, float, float]) -> tuple[Any, tuple[float, float, float]]:
        positives, ties = self.runs.positives[block].astype(np.float64), self.runs.ties[block]
        before = self.runs.start[block] - self._each(self.slices.starts[:-1])
        up_to = np.cumsum(positives)
        up_to += carry[0]
        last = float(up_to[-1])
        below = self._from_slice(up_to) - positives
        at_least = np.maximum(self._each(self.slices.rows) - before, 1)
        precision = (self._each(self.slices.positives) - below) / at_least
        share = positives / at_least
        passed = 2 * (before - below)
        passed += ties
        area, average = self._sum(positives * passed), self._sum(positives * precision)
        if not (self.influence or self.sums):
            return (area, average, None, None), (last, 0.0, 0.0)
        one, two = np.cumsum(share), np.cumsum(share * precision)
        one += carry[1]
        two += carry[2]
        carry = last, float(one[-1]), float(two[-1])
        one, two = self._from_slice(one), self._from_slice(two)
        below *= 2
        return (
            area,
            average,
            np.column_stack([below, passed, below + positives]),
            np.column_stack([two - share * precision, precision + one - two, two]),
        ), carry

    def _influence(self, auc: Floats, average: Floats, passed: list[Floats], owed: list[Floats]) -> dict[str, Any]:
        """With DeLong's factor for the classes; both in place of what they are made of."""
        rows, some, others = (
            np.maximum(each, 1).astype(np.float64) for each in (self.slices.rows, self.slices.positives, self.negatives)
        )
        up, down, whole = (
            rows / own * np.sqrt(of / np.maximum(of - 1, 1))
            for own, of in ((some, some), (others, others), (some, rows))
        )
        minus, nothing = -down / (2 * some), np.zeros_like(up)
        off = down * (1 - auc)
        found: dict[str, Any] = {}
        for name, blocks, factor, shift in (
            ("auc", passed, (minus, up / (2 * others), minus), (off, -up * auc, off)),
            ("average_precision", owed, (-whole, whole, -whole), (nothing, -whole * average, nothing)),
        ):
            times, plus = self._each(np.column_stack(factor)), self._each(np.column_stack(shift))
            for block in blocks:
                block *= times
                block += plus
            if self.sums:
                found[f"{name}_sums"] = self._sums(blocks)
            if self.influence:
                found[f"{name}_psi"] = np.concatenate(blocks).ravel()
            blocks.clear()
        return found

    def _sums(self, blocks: list[Floats]) -> tuple[Sums, ...]:
        sizes = self.runs.sizes.astype(np.float64)
        if not self.slices.alone:
            return tuple(_by_slice(blocks[0].ravel(), sizes, 3 * self.runs.ends))
        total, done = Sums(0.0, 0.0, 0.0), 0
        for block in blocks:
            total += Sums.of(block.ravel(), sizes[done : done + block.size])
            done += block.size
        return (total,)

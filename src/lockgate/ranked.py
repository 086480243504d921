"""AUC and average precision of one group of rows by one sort a model: values, and sums over the influence of its rows.

Rows come with the positive ones first. What a row contributes depends on its label and on the positives below and up to
its score, ties taken together: `step`, their sum, is the one number a row that two models are compared by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.stats.influence import Sums, dot

Keys = NDArray[np.uint32]
Ints = NDArray[np.int32]
Floats = NDArray[np.float64]

BLOCK = 1 << 16
_LOW = np.uint64(0xFFFFFFFF)


def order_keys(scores: NDArray[Any]) -> Keys:
    """(n,) integers in the order of finite scores, equal where they are: the bits of a float32 where these say all."""
    with np.errstate(over="ignore"):
        single = scores.astype(np.float32)
    if np.array_equal(single, scores):
        single += np.float32(0.0)  # -0.0 is 0.0
        bits = single.view(np.uint32)
        if single.size and single.min() < 0:
            return np.where(bits >> np.uint32(31), ~bits, bits | np.uint32(1 << 31))
        return bits
    order = np.argsort(scores)
    ordered = scores[order]
    keys = np.empty(scores.size, np.uint32)
    new = np.concatenate([[False], ordered[1:] != ordered[:-1]])
    keys[order] = np.cumsum(new, dtype=np.uint32)
    return keys


@dataclass(frozen=True)
class Ranking:
    """One model's ranks on a group of `rows` rows of which the first `positives` are positive; both classes are there.

    steps: (rows,) of each row, None where no other model is compared. passed, gained, reached: what a negative loses of
    average precision, what a positive gains, and twice the negatives that a positive has passed, by step.
    """

    rows: int
    positives: int
    auc: float
    average_precision: float
    auc_sums: Sums
    average_precision_sums: Sums
    steps: Ints | None
    passed: Floats
    gained: Floats
    reached: Ints

    def auc_influence(self, steps: Ints, *, positive: bool) -> Floats:
        """ψ of the AUC for rows of one class."""
        return _auc_influence(self.rows, self.positives, self.auc, self.reached[steps] if positive else steps, positive)

    def average_precision_influence(self, steps: Ints, *, positive: bool) -> Floats:
        """ψ of average precision for rows of one class."""
        known = (self.gained if positive else self.passed)[steps]
        return _average_precision_influence(self.rows, self.positives, self.average_precision, known, positive)


def _auc_influence(rows: int, positives: int, auc: float, places: Ints, positive: bool) -> Floats:
    """With DeLong's factor for the class."""
    own, other = (positives, rows - positives) if positive else (rows - positives, positives)
    scale = rows / own * float(np.sqrt(own / max(own - 1, 1)))
    psi: Floats = places * np.float64(scale / (2 * other))
    if positive:
        psi -= scale * auc
    else:
        np.subtract(scale * (1 - auc), psi, out=psi)
    return psi


def _average_precision_influence(rows: int, positives: int, value: float, psi: Floats, positive: bool) -> Floats:
    """In place of what is known of each row."""
    scale = rows / positives * float(np.sqrt(rows / (rows - 1)))
    if positive:
        psi -= value
    psi *= scale if positive else -scale
    return psi


def rank(keys: Keys, positives: int, *, aligned: bool) -> Ranking:
    """The ranking of a group; 0 < positives < keys.size < 2³⁰. aligned: keep what a second model is compared by."""
    rows = keys.size
    positive, equal, places = _sorted(keys, positives, aligned=aligned)
    upto = np.cumsum(positive, dtype=np.int32)
    step = upto << np.int32(1)
    step -= positive.view(np.int8)
    _join(step, equal, positive, upto)
    steps = None
    if places is not None:
        steps = np.empty(rows, np.int32)
        steps[places] = step
        places = None
    starts = np.flatnonzero(step[1:] != step[:-1])
    starts += 1
    found = _Table(rows, positives, np.concatenate([[0], starts]), step, upto)
    return found.ranking(steps)


def difference(
    one: Ranking, other: Ranking, *, factor: float, auc: bool, average_precision: bool
) -> tuple[Sums | None, Sums | None]:
    """Sums over ψ(one) − factor · ψ(other) of the AUC and of average precision, on the same rows."""
    assert one.steps is not None  # noqa: S101  # both were ranked to be compared
    assert other.steps is not None  # noqa: S101
    sums = {"auc": Sums(0.0, 0.0, 0.0), "average_precision": Sums(0.0, 0.0, 0.0)}
    for low, high, positive in _blocks(one.positives, one.rows):
        first, second = one.steps[low:high], other.steps[low:high]
        for name, wanted in (("auc", auc), ("average_precision", average_precision)):
            if wanted:
                psi = getattr(one, f"{name}_influence")(first, positive=positive)
                champion = getattr(other, f"{name}_influence")(second, positive=positive)
                if factor != 1.0:
                    champion *= factor
                psi -= champion
                sums[name] += Sums.of(psi)
    return sums["auc"] if auc else None, sums["average_precision"] if average_precision else None


def _blocks(positives: int, rows: int) -> Iterator[tuple[int, int, bool]]:
    """(from, to, whether positive) of pieces that stay in cache and hold one class."""
    for first, last, positive in ((0, positives, True), (positives, rows, False)):
        for low in range(first, last, BLOCK):
            yield low, min(low + BLOCK, last), positive


def _sorted(
    keys: Keys, positives: int, *, aligned: bool
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64] | None]:
    """By score ascending: whether positive, whether a score equals the one before, and where the row came from."""
    if aligned:
        packed = keys.astype(np.uint64)
        packed <<= np.uint64(32)
        packed |= np.arange(keys.size, dtype=np.uint64)
        packed.sort()
        places = (packed & _LOW).view(np.int64)
        packed >>= np.uint64(32)
        return places < positives, packed[1:] == packed[:-1], places
    narrow = not keys.max() >> np.uint32(31)
    bits: NDArray[Any] = keys << np.uint32(1) if narrow else keys.astype(np.uint64) << np.uint64(1)
    bits[:positives] |= bits.dtype.type(1)
    bits.sort()
    positive = (bits & bits.dtype.type(1)).astype(np.bool_)
    bits >>= bits.dtype.type(1)
    return positive, bits[1:] == bits[:-1], None


def _join(step: Ints, equal: NDArray[np.bool_], positive: NDArray[np.bool_], upto: Ints) -> None:
    """Give rows of equal scores one step, that of the positives below and up to all of them."""
    edge = np.zeros(step.size + 1, np.bool_)
    edge[1:-1] = equal
    starts = np.flatnonzero(edge[1:] & ~edge[:-1])
    if not starts.size:
        return
    ends = np.flatnonzero(edge[:-1] & ~edge[1:])
    both = upto[starts] - positive[starts] + upto[ends]
    joined = edge[1:] | edge[:-1]
    step[joined] = np.repeat(both, ends - starts + 1)


class _Table:
    """Rows of one step at a time, in the order of scores: their class counts, and what a row of the step is worth."""

    def __init__(self, rows: int, positives: int, starts: NDArray[np.int64], step: Ints, upto: Ints) -> None:
        self.rows, self.positives = rows, positives
        self.starts, self.step, self.upto = starts, step, upto

    def pieces(self) -> Iterator[tuple[Ints, NDArray[np.int64], NDArray[np.int64], Floats, Floats]]:
        """(step, first row, end, positives, negatives) of some steps at a time."""
        for low in range(0, self.starts.size, BLOCK):
            first = self.starts[low : low + BLOCK]
            end = self.starts[low + 1 : low + BLOCK + 1]
            if end.size < first.size:
                end = np.append(end, self.rows)
            step = self.step[first]
            positives = (2 * self.upto[end - 1] - step).astype(np.float64)
            yield step, first, end, positives, (end - first) - positives

    def ranking(self, steps: Ints | None) -> Ranking:
        known = 2 * self.positives + 1 if steps is not None else 0
        passed, gained, reached = np.empty(known), np.empty(known), np.empty(known, np.int32)
        below, average, first_sum, second_sum = 0, 0.0, 0.0, 0.0
        pieces = []
        for step, first, end, positives, negatives in self.pieces():
            at_least = self.rows - first
            precision = (self.positives - (step - positives) / 2) / at_least
            below += int(dot(negatives, step.astype(np.float64)))
            share = positives / at_least
            average += dot(positives, precision)
            one, two = np.cumsum(share), np.cumsum(share * precision)
            one += first_sum
            two += second_sum
            first_sum, second_sum = float(one[-1]), float(two[-1])
            precision += one
            precision -= two
            passes = (first + end - step).astype(np.int32)
            pieces.append((step, passes, positives, negatives, two, precision))
            if steps is not None:
                passed[step], gained[step], reached[step] = two, precision, passes
        auc = 1 - below / (2 * self.positives * (self.rows - self.positives))
        average /= self.positives
        auc_sums = average_sums = Sums(0.0, 0.0, 0.0)
        shape = self.rows, self.positives
        for step, passes, positives, negatives, two, precision in pieces:
            for counts, places, worth, positive in (
                (positives, passes, precision, True),
                (negatives, step, two, False),
            ):
                auc_sums += Sums.of(_auc_influence(*shape, auc, places, positive), counts)
                average_sums += Sums.of(_average_precision_influence(*shape, average, worth, positive), counts)
        return Ranking(
            *shape, auc, average, auc_sums, average_sums, steps=steps, passed=passed, gained=gained, reached=reached
        )

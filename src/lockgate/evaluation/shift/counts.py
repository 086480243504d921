"""Counts of one feature in two data sets, from which every distance follows: the reference whole, the traffic batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data import column_texts
from lockgate.data.arrow_arrays import Array

MOST_VALUES = 1_000  # of a category in the reference: more are no categories
FEWEST = 10  # rows of a value that is named


@dataclass(frozen=True)
class Moved:
    """How far a feature moved. distance: of its values, missing ones apart. words: where they are farthest apart, with the shares of
    the reference and the traffic there. chance: see `stats.two_samples.total_variation`, None of numbers. new: share of the
    traffic's values that the reference lacks, of numbers beyond its range; new_words: which."""

    distance: float
    words: str
    shares: tuple[float, float]
    chance: float | None
    new: float
    new_words: str


@dataclass
class Missing:
    """Rows of a data set, and of those without a value of a feature, by number and by weight. masks: kept where rows weigh unlike."""

    rows: int = 0
    missing_rows: int = 0
    mass: float = 0.0
    missing_mass: float = 0.0
    masks: list[Array] = field(default_factory=list)

    def add(self, missing: Array, weights: Array | None, *, keep: bool) -> None:
        """missing: (n,) bool."""
        self.rows += missing.size
        self.missing_rows += int(missing.sum())
        self.mass += missing.size if weights is None else float(weights.sum())
        self.missing_mass += float(missing.sum() if weights is None else weights[missing].sum())
        if keep:
            self.masks.append(missing)

    @property
    def share(self) -> float:
        return min(self.missing_mass / self.mass, 1.0) if self.mass > 0 else 0.0


class Counts(Protocol):
    """The values of one feature. add: of a batch, of the reference first, of the traffic behind `close`."""

    @property
    def missing(self) -> tuple[Missing, Missing]: ...

    def add(self, column: pa.Array, weights: Array | None, *, keep: bool) -> None: ...

    def close(self) -> None:
        """The reference is whole; what follows is traffic."""

    @property
    def problem(self) -> tuple[str, str] | None:
        """(code, reason) why there is no distance."""

    def moved(self, sizes: tuple[float, float]) -> Moved:
        """sizes: effective rows with a value, of the reference and of the traffic."""


@dataclass(frozen=True)
class Nameless:
    """Counts of a feature whose values the pipeline hides: how far it moved, and not where."""

    counts: Counts

    @property
    def missing(self) -> tuple[Missing, Missing]:
        return self.counts.missing

    @property
    def problem(self) -> tuple[str, str] | None:
        return self.counts.problem

    def add(self, column: pa.Array, weights: Array | None, *, keep: bool) -> None:
        self.counts.add(column, weights, keep=keep)

    def close(self) -> None:
        self.counts.close()

    def moved(self, sizes: tuple[float, float]) -> Moved:
        return replace(self.counts.moved(sizes), words="", new_words="")


class NumberCounts:
    """Masses of the reference's numbers, and of the traffic at and between them: all that the largest difference of shares needs."""

    def __init__(self) -> None:
        self.missing = Missing(), Missing()
        self._values: list[Array] = []
        self._weights: list[Array] = []
        self._closed = self._moments = False
        self.problem: tuple[str, str] | None = None

    def add(self, column: pa.Array, weights: Array | None, *, keep: bool) -> None:
        column = arrays.plain(column)
        if pa.types.is_temporal(column.type):
            self._moments = True
            column = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        values = arrays.to_floats(column)
        absent = np.isnan(values)
        self.missing[self._closed].add(absent, weights, keep=keep)
        present = values[~absent]
        mass = np.ones(present.size) if weights is None else weights[~absent]
        if not self._closed:
            self._values.append(present)
            self._weights.append(mass)
            return
        index = np.searchsorted(self.values, present)
        equal = index < self.values.size
        equal[equal] = self.values[index[equal]] == present[equal]
        np.add.at(self._at, index[equal], mass[equal])
        np.add.at(self._between, index[~equal], mass[~equal])

    def close(self) -> None:
        whole = np.concatenate([*self._values, np.zeros(0)])
        self.values, places = np.unique(whole, return_inverse=True)
        self._mass = np.bincount(places, np.concatenate([*self._weights, np.zeros(0)]), minlength=self.values.size)
        self._values, self._weights = [], []
        self._at, self._between = np.zeros(self.values.size), np.zeros(self.values.size + 1)
        self._closed = True

    def moved(self, sizes: tuple[float, float]) -> Moved:
        total, met = float(self._mass.sum()), float(self._at.sum() + self._between.sum())
        ours = np.cumsum(self._mass) / total
        reached = np.cumsum(self._at + self._between[:-1]) / met
        # Between two numbers of the reference its share stands still, so that the traffic is farthest from it at one of the two.
        before = np.abs((reached - self._at / met) - np.concatenate([[0.0], ours[:-1]]))
        upto = np.abs(reached - ours)
        at = int(np.argmax(np.maximum(before, upto)))
        below = before[at] > upto[at]
        shares = (
            (float(ours[at - 1]) if at else 0.0, float(reached[at] - self._at[at] / met))
            if below
            else (float(ours[at]), float(reached[at]))
        )
        words = f"{'below' if below else 'up to'} {self._text(at)}"
        outside = float(self._between[0]) / met, float(self._between[-1]) / met
        new_words = f"below {self._text(0)} or above {self._text(-1)}"
        return Moved(float(max(before[at], upto[at])), words, shares, None, min(sum(outside), 1.0), new_words)

    def _text(self, at: int) -> str:
        value = float(self.values[at])
        if not self._moments:
            return f"{value:.6g}"
        return str(np.datetime64(int(value), "us").astype("datetime64[s]")).replace("T", " ")


class CategoryCounts:
    """Masses of each category in both data sets; those of the traffic alone together, and the largest of them by name."""

    def __init__(self) -> None:
        self.missing = Missing(), Missing()
        self._mass: tuple[dict[str, float], dict[str, float]] = ({}, {})
        self._rows: dict[str, int] = {}  # of values of the traffic alone, as long as they are few
        self._new = 0.0
        self._closed = False
        self.problem: tuple[str, str] | None = None

    def add(self, column: pa.Array, weights: Array | None, *, keep: bool) -> None:
        column = arrays.plain(column)
        absent = arrays.is_missing(column)
        self.missing[self._closed].add(absent, weights, keep=keep)
        if self.problem is not None:
            return
        encoded = column_texts.texts(column).dictionary_encode(null_encoding="encode")
        codes, names = arrays.to_numpy(encoded.indices), encoded.dictionary.to_pylist()
        mass = np.bincount(codes, weights, minlength=len(names))
        rows = mass if weights is None else np.bincount(codes, minlength=len(names))
        for name, weight, count in zip(names, mass.tolist(), rows.tolist(), strict=True):
            if name is not None:
                self._count(name, weight, int(count))

    def _count(self, name: str, weight: float, count: int) -> None:
        values, met = self._mass
        if not self._closed:
            values[name] = values.get(name, 0.0) + weight
            if len(values) > MOST_VALUES:
                self.problem = "too_many_values", f"it has more than {MOST_VALUES:,} values, which are no categories"
            return
        if name in values:
            met[name] = met.get(name, 0.0) + weight
            return
        self._new += weight
        if name in self._rows or len(self._rows) < 10 * MOST_VALUES:
            self._rows[name] = self._rows.get(name, 0) + count

    def close(self) -> None:
        self._closed = True

    def moved(self, sizes: tuple[float, float]) -> Moved:
        values, met = self._mass
        total, all_met = sum(values.values()), sum(met.values()) + self._new
        ours = np.array([mass / total for mass in values.values()])
        theirs = np.array([met.get(name, 0.0) / all_met for name in values])
        new = min(self._new / all_met, 1.0)
        apart = np.abs(ours - theirs)
        enough = np.maximum(ours * sizes[0], theirs * sizes[1]) >= FEWEST  # a value of fewer rows is not named
        at = int(np.argmax(np.where(enough, apart, -1.0)))
        names = [name for name, rows in sorted(self._rows.items(), key=lambda entry: -entry[1]) if rows >= FEWEST]
        new_words = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        if new > apart[at]:
            words, shares = f"other than in the reference{f' ({new_words})' if new_words else ''}", (0.0, new)
        elif not enough.any():
            words, shares = "", (0.0, 0.0)
        else:
            words, shares = f"equal to {list(values)[at]}", (float(ours[at]), float(theirs[at]))
        chance = _chance(ours, sizes[0], self._shares_met(theirs, new), sizes[1])
        return Moved(min((float(apart.sum()) + new) / 2, 1.0), words, shares, chance, new, new_words)

    def _shares_met(self, theirs: Array, new: float) -> Array:
        """Shares of the traffic, new values one by one as far as they were counted."""
        rows = np.array(list(self._rows.values()), float)
        return np.concatenate([theirs, rows / rows.sum() * new]) if rows.size else theirs


def _chance(ours: Array, n: float, theirs: Array, m: float) -> float:
    """By how much samples of two distributions are farther apart than these on average, at most: half of what each share varies."""
    size = max(ours.size, theirs.size)
    first, second = (np.pad(shares, (0, size - shares.size)) for shares in (ours, theirs))
    variance = first * (1 - first) / max(n, 1) + second * (1 - second) / max(m, 1)
    return float(np.sqrt(variance).sum()) / 2

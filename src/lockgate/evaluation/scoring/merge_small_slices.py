"""Pool small slices into one, chosen by rows and positives alone, never by results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lockgate.data.arrow_arrays import Array
from lockgate.data.slices.names import SliceKey, shown_label

if TYPE_CHECKING:
    from lockgate.data.slices.slice import Slice
    from lockgate.data.slices.spec import SmallSlices
    from lockgate.evaluation.scoring.scored_table import Group, Scored

POOLED = "other"
# Where no number is written: fewer cannot be tested at all (facts: the floors of the tests).
FLOOR_OF_A_CLASS = 10
FLOOR_OF_ROWS = 10
_NAMED, _FEW = 12, 3


@dataclass(frozen=True)
class Pool:
    """One slice made of small ones. members, rows: the labels that went into it, and how many rows each has."""

    name: str
    label: str
    members: tuple[str, ...]
    rows: tuple[int, ...]
    counted_in: str = "rows"

    @property
    def key(self) -> SliceKey:
        return ((self.name, self.label),)

    def __str__(self) -> str:
        """The members, the largest first, as a sentence lists them; of many the first few, since a report lists all."""
        order = sorted(range(len(self.members)), key=lambda index: (-self.rows[index], self.members[index]))
        named = len(order) if len(order) <= _NAMED else _FEW
        listed = [f"{shown_label(self.members[index])} {self.rows[index]:,}" for index in order[:named]]
        more = [f"and {len(order) - named} more"] if len(order) > named else []
        return f"{self.label} pools small slices, with their {self.counted_in}: {', '.join([*listed, *more])}"


def pool_small_slices(scored: Scored, small: SmallSlices) -> tuple[Scored, tuple[Pool, ...]]:
    """The same rows with the small slices of each declaration pooled, and what was pooled.

    Declared values and `where` slices stay as they are, and so does a bin without rows, which is nothing to pool. Where
    neither min_rows nor min_positives is written, the floors of the tests apply.
    """
    if small.below != "merge":
        return scored, ()
    groups: dict[str, Group] = {}
    pools = []
    for declared in scored.slices:
        if not declared.mergeable:
            continue
        labels, codes = scored.codes(declared.name)
        pooled = _small(labels, codes, scored.labels, small) & np.array(
            [declared.judges(label) for label in labels], bool
        )
        if pooled.any():
            groups[declared.name], pool = _pooled(declared, labels, codes, pooled)
            pools.append(replace(pool, counted_in=scored.counted_in))
    return scored.regrouped(groups), tuple(pools)


def _small(labels: tuple[str, ...], codes: Array, classes: Array | None, small: SmallSlices) -> Array:
    """(labels,) bool: has rows, and too few of them."""
    rows = np.bincount(codes, minlength=len(labels))
    too_small = rows < small.min_rows
    if classes is not None and classes.dtype == bool:
        positives = np.bincount(codes[classes], minlength=len(labels))
        too_small |= positives < small.min_positives
        if not small.min_rows and not small.min_positives:
            too_small |= np.minimum(positives, rows - positives) < FLOOR_OF_A_CLASS
    elif not small.min_rows:
        too_small |= rows < FLOOR_OF_ROWS
    return np.asarray(too_small & (rows > 0))


def _pooled(declared: Slice, labels: tuple[str, ...], codes: Array, pooled: Array) -> tuple[Group, Pool]:
    large = [label for label, gone in zip(labels, pooled, strict=True) if not gone]
    name = POOLED
    while name in large:
        name = f"{name} (merged)"
    new_codes = {label: code for code, label in enumerate(large)}
    lookup = np.array([new_codes.get(label, len(large)) for label in labels], np.int32)
    rows = np.bincount(codes, minlength=len(labels))
    gone = np.flatnonzero(pooled)
    pool = Pool(declared.name, name, tuple(labels[code] for code in gone), tuple(int(rows[code]) for code in gone))
    values = None if declared.values is None else tuple(label for label in declared.values if label in new_codes)
    return (replace(declared, values=values), (*large, name), lookup[codes]), pool

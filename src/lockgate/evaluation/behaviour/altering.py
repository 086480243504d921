"""Alter the rows that a model is given: swap, raise, add noise, take a value away. Types and categories stay as they are.

What is drawn depends on the seed, the column and the row's number alone: neither on batches nor on which model is asked.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array
from lockgate.errors import DataError
from lockgate.evaluation.behaviour.alteration import Alteration
from lockgate.evaluation.requirements.requirement import quoted

MOST_VALUES = 1_000  # of a column that is swapped: what holds more is a measure or a name

Ends = tuple[float | None, float | None]


@dataclass
class ColumnFacts:
    """What is to be known of an input before it is altered, over all rows.

    values: the distinct ones in order of appearance, none of them missing; None where they are too many. deviation: of the
    numbers, NaN where there are none. least, most: of the numbers. kind: the type of the column.
    """

    kind: pa.DataType
    values: pa.Array | None
    deviation: float = math.nan
    least: float = math.nan
    most: float = math.nan
    rows: int = 0

    @property
    def flag(self) -> bool:
        """Whether there are two values at most."""
        return self.values is not None and len(self.values) <= 2

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers."""
        return bool(pa.types.is_integer(self.kind))

    @property
    def constant(self) -> bool:
        return self.values is not None and len(self.values) <= 1


def facts_of(batches: Iterable[pa.RecordBatch], names: Sequence[str]) -> dict[str, ColumnFacts]:
    """The facts of inputs, in one pass over the rows that a model is given."""
    counters = {name: _Counter() for name in names}
    for batch in batches:
        for name, counter in counters.items():
            counter.add(batch.column(name))
    return {name: counter.facts() for name, counter in counters.items()}


class _Counter:
    """Distinct values, and sums about the first value, so that large numbers lose no digits."""

    def __init__(self) -> None:
        self._kind: pa.DataType = pa.null()
        self._values: pa.Array | None = None
        self._many = False
        self._rows, self._count, self._shift = 0, 0, math.nan
        self._sum, self._squares = 0.0, 0.0
        self._least, self._most = math.inf, -math.inf

    def add(self, cells: pa.Array) -> None:
        column = _stored(cells)
        self._rows += len(column)
        self._kind = self._kind if pa.types.is_null(cells.type) else cells.type
        if not self._many and not pa.types.is_null(column.type) and not arrays.is_array(column.type):
            here = _present(column).unique()
            self._values = here if self._values is None else pa.concat_arrays([self._values, here]).unique()
            self._many = len(self._values) > MOST_VALUES
        if not is_plain_number(cells.type):
            return
        numbers = arrays.to_floats(column)
        numbers = numbers[np.isfinite(numbers)]
        if numbers.size:
            self._shift = float(numbers[0]) if math.isnan(self._shift) else self._shift
            moved = numbers - self._shift
            self._count += numbers.size
            self._sum += float(moved.sum())
            self._squares += float(np.square(moved).sum())
            self._least, self._most = min(self._least, float(numbers.min())), max(self._most, float(numbers.max()))

    def facts(self) -> ColumnFacts:
        values = pa.nulls(0) if self._values is None else None if self._many else self._values
        if not self._count:
            return ColumnFacts(self._kind, values, rows=self._rows)
        variance = max(self._squares / self._count - (self._sum / self._count) ** 2, 0.0)
        return ColumnFacts(self._kind, values, math.sqrt(variance), self._least, self._most, self._rows)


def _stored(column: Any) -> pa.Array:
    """The values as they are stored, of a column that is held by codes or in an extension type."""
    return column.storage if isinstance(column.type, pa.BaseExtensionType) else arrays.plain(column)


def _present(column: pa.Array) -> pa.Array:
    """The values that are not missing."""
    column = arrays.comparable(column)
    return column.filter(arrays.from_numpy(~arrays.is_missing(column)))


def is_plain_number(kind: pa.DataType) -> bool:
    """Whether numbers of a type can be moved: whole ones, and floats of 32 or 64 bits, none of them categories."""
    return bool(pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind))


@dataclass
class Altering:
    """Alters the batches of one model, in order.

    facts: of the inputs that are altered, by name. ends: input → the least and the largest number that it may hold.
    `altered` says of the rows so far which of them could be altered.
    """

    alteration: Alteration
    facts: Mapping[str, ColumnFacts]
    ends: Mapping[str, Ends]
    seed: int
    _masks: list[Array] = field(default_factory=list, init=False)
    _draws: dict[str, np.random.Generator] = field(default_factory=dict, init=False)

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same batches, altered; the columns keep their names, types and categories."""
        for batch in batches:
            columns, mask = list(batch.columns), np.zeros(batch.num_rows, bool)
            for name in self.facts:
                position = batch.schema.get_field_index(name)
                values, changed = self._altered(name, _stored(columns[position]))
                columns[position] = _as_before(values, columns[position])
                mask |= changed
            self._masks.append(mask)
            yield pa.RecordBatch.from_arrays(columns, schema=batch.schema)

    @property
    def altered(self) -> Array:
        """(n,) bool."""
        return np.concatenate([*self._masks, np.zeros(0, bool)])

    def _altered(self, name: str, column: pa.Array) -> tuple[pa.Array, Array]:
        """(the column altered, (n,) bool: which of its rows could be altered)."""
        there = ~arrays.is_missing(column)
        if self.alteration.way == "drop":
            return pa.nulls(len(column), column.type), there
        if self.alteration.way == "swap":
            return self._swapped(name, column)
        if self.alteration.way == "raise":
            return self._raised(name, column, there)
        return self._with_noise(name, column, there)

    def _swapped(self, name: str, column: pa.Array) -> tuple[pa.Array, Array]:
        """Each of the other values with the same chance: of two, the other one."""
        values = self.facts[name].values
        draw = self._draw(name).random(len(column))
        if values is None or pa.types.is_null(column.type):
            return column, np.zeros(len(column), bool)
        codes = pc.index_in(arrays.comparable(column), value_set=values)
        there = ~arrays.is_missing(codes)
        others = len(values) - 1
        shift = 1 + np.minimum((draw * others).astype(np.int64), others - 1)
        swapped = (np.where(there, arrays.to_numpy(codes), 0) + shift) % len(values)
        return _where(there, values.take(arrays.from_numpy(swapped)), column), there

    def _raised(self, name: str, column: pa.Array, there: Array) -> tuple[pa.Array, Array]:
        """A row that would leave the range of its feature, or of its type, stays as it is, and is not judged."""
        by = self.alteration.amount
        least, most = self._ends(name, column.type)
        numbers = arrays.to_floats(column)
        with np.errstate(invalid="ignore"):
            raised = numbers + by
            inside = there & np.isfinite(numbers) & (raised >= least) & (raised <= most)
        if pa.types.is_integer(column.type):
            step = np.uint64(int(by) % 2**64)  # of any size and sign, it comes back around
            values = _added(np.where(inside, arrays.to_numpy(column), 0), np.where(inside, step, np.uint64(0)))
        else:
            values = np.where(inside, raised, 0.0)
        return _where(inside, arrays.from_numpy(values), column), inside

    def _with_noise(self, name: str, column: pa.Array, there: Array) -> tuple[pa.Array, Array]:
        """Normal noise within the range of the column. 0 stays 0, which often stands for none; whole numbers stay whole.

        Of those a step is rounded up as often as its fraction says, so that its mean is kept.
        """
        steps = self._draw(name).standard_normal(len(column))
        chances = self._draw(f"{name} rounded").random(len(column))
        steps *= self.alteration.amount * self.facts[name].deviation
        facts, (low, high) = self.facts[name], self.ends.get(name, (None, None))
        least, most = (facts.least if low is None else low), (facts.most if high is None else high)
        numbers = arrays.to_floats(column)
        inside = there & np.isfinite(numbers) & (numbers >= least) & (numbers <= most) & (numbers != 0)
        if pa.types.is_integer(column.type):
            exact = np.where(inside, arrays.to_numpy(column), 0)
            whole = np.floor(steps + chances)
            whole = np.where(inside, np.clip(whole, np.ceil(least - numbers), np.floor(most - numbers)), 0.0)
            return _where(inside, arrays.from_numpy(_added(exact, whole)), column), there
        moved = np.clip(np.where(inside, numbers + steps, 0.0), least, most)
        return _where(inside, arrays.from_numpy(moved), column), there

    def _ends(self, name: str, kind: pa.DataType) -> tuple[float, float]:
        """Between which numbers an altered one lies: of its feature, and of its type."""
        low, high = self.ends.get(name, (None, None))
        least, most = -math.inf, math.inf
        if pa.types.is_integer(kind):
            numbers = np.iinfo(str(kind))
            least, most = float(numbers.min), np.nextafter(float(numbers.max), 0.0)
        return (least if low is None else max(low, least)), (most if high is None else min(high, most))

    def _draw(self, purpose: str) -> np.random.Generator:
        """One stream for each purpose, so that what a row draws does not depend on how rows are cut into batches."""
        if purpose not in self._draws:
            key = hashlib.sha256(f"{self.alteration} {purpose}".encode()).digest()[:8]
            self._draws[purpose] = np.random.default_rng([self.seed, int.from_bytes(key, "big")])
        return self._draws[purpose]


def _added(values: Array, steps: Array) -> Array:
    """Whole numbers and whole steps, whose sums lie in the range of their type."""
    added: Array = values + steps.astype(np.int64).astype(values.dtype)  # unsigned ones come back around
    return added


def _where(mask: Array, values: pa.Array, column: pa.Array) -> pa.Array:
    """The values where the mask says so, the column elsewhere, in the column's type."""
    return pc.if_else(arrays.from_numpy(mask), values.cast(column.type), column)


def _as_before(values: pa.Array, column: Any) -> pa.Array:
    """Values as the column that they come from holds them: by its categories, in its extension type."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, values)
    if not pa.types.is_dictionary(kind):
        return values
    codes = pc.index_in(values, value_set=column.dictionary).cast(kind.index_type)
    return pa.DictionaryArray.from_arrays(codes, column.dictionary, ordered=kind.ordered)


def moved_by_noise(facts: Mapping[str, ColumnFacts]) -> dict[str, ColumnFacts]:
    """The inputs that noise alters: numbers that vary, but for flags."""
    return {name: each for name, each in facts.items() if each.deviation > 0 and not (each.whole and each.flag)}


def inputs_of(alteration: Alteration, facts: Mapping[str, ColumnFacts], *, data: str) -> dict[str, ColumnFacts]:
    """The inputs that are altered, with their facts, of those that the column feeds, or of all for noise.

    Raises DataError where altering them would change nothing, or cannot be done.
    """
    if alteration.way == "noise":
        moving = moved_by_noise(facts)
        if not moving:
            raise DataError(
                f"data {data!r}: {alteration} moves columns of numbers, and the model is given none that varies",
                remedy="leave the line out, or alter a column by swap= or drop=",
            )
        return moving
    for each in facts.values():
        _refuse(alteration, each, data=data)
    return dict(facts)


def _refuse(alteration: Alteration, facts: ColumnFacts, *, data: str) -> None:
    kind, column = facts.kind, f"data {data!r}: column {alteration.column!r}"
    if alteration.way != "drop" and arrays.is_array(kind):
        raise DataError(
            f"{column} is {arrays.type_text(kind)}, and {alteration.way}= is for single values",
            remedy=f"write drop={quoted(alteration.column)}, or leave the line out",
        )
    if alteration.way in ("swap", "raise") and facts.constant:
        held = (
            "no value"
            if facts.values is None or not len(facts.values)
            else f"one value in all of its {facts.rows:,} rows"
        )
        raise DataError(
            f"{column} holds {held}, so that {alteration} shows nothing",
            remedy="judge on data in which it varies, or leave the line out",
        )
    if alteration.way == "swap" and facts.values is None:
        raise DataError(
            f"{column} holds more than {MOST_VALUES:,} different values, and swap= is for columns of few",
            remedy=f"write raise={quoted(alteration.column)} or noise=1% where it is a measure",
        )
    if alteration.way != "raise":
        return
    if not is_plain_number(kind):
        raise DataError(
            f"{column} is {arrays.type_text(kind)}, and raise= adds to whole numbers and floats",
            remedy=f"write swap={quoted(alteration.column)} for a column of few values",
        )
    if facts.whole and alteration.amount != int(alteration.amount):
        raise DataError(
            f"{column} holds whole numbers, and by={alteration.amount:g} would make others of them",
            remedy="write a whole number as by=",
        )

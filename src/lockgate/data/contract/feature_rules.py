"""The rules of one feature, applied to its column batch by batch: type, range, values, missing values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array
from lockgate.data.class_labels import class_text
from lockgate.data.column_texts import texts
from lockgate.data.contract.breach import FIRST_ROWS, Breach, range_words
from lockgate.data.contract.feature_spec import FeatureSpec, FeatureType
from lockgate.data.dataset import Dataset
from lockgate.data.untyped import is_missing_text, parsed_number, parsed_truth

_Ids = Callable[[Array], list[str]]


@dataclass
class Offenders:
    """How many cells break a rule, and the first rows of them."""

    cells: int = 0
    rows: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def add(self, broken: Array, before: int, ids: _Ids) -> None:
        """broken: (n,) bool, of a batch behind `before` rows."""
        self.cells += int(broken.sum())
        room = FIRST_ROWS - len(self.rows)
        if room > 0 and broken.any():
            here = np.flatnonzero(broken)[:room]
            self.rows += (here + before + 1).tolist()
            self.ids += ids(here)


@dataclass
class Check:
    """The rules of a feature, and what broke them so far. untyped: whether its cells are texts whose type is guessed."""

    spec: FeatureSpec
    feature: str
    column: str
    untyped: bool
    offenders: dict[str, Offenders] = field(default_factory=dict)

    def add(self, column: pa.Array, before: int, ids: _Ids) -> None:
        as_numbers = self.spec.range is not None or self.spec.type not in (None, "string")
        cells = _Cells(arrays.plain(column), untyped=self.untyped, as_numbers=as_numbers)
        for rule, broken in self._broken(cells):
            self.offenders.setdefault(rule, Offenders()).add(broken, before, ids)

    def breaches(self, dataset: Dataset, rows: int) -> Iterator[Breach]:
        for rule, offenders in self.offenders.items():
            too_many = rule != "nulls" or offenders.cells > (self.spec.nulls or 0.0) * rows
            if offenders.cells and too_many:
                yield Breach(
                    dataset.name, self.feature, self.column, rule, self._allowed(rule), offenders.cells, rows,
                    tuple(offenders.rows), tuple(offenders.ids), dataset.row(offenders.rows[0]),
                )  # fmt: skip

    def _broken(self, cells: _Cells) -> Iterator[tuple[str, Array]]:
        spec, misfit = self.spec, np.zeros(len(cells.missing), bool)
        if spec.nulls is not None:
            yield "nulls", cells.missing
        if spec.type is not None:
            misfit = cells.misfits(spec.type) & ~cells.missing
            yield "type", misfit
        if spec.range is not None:
            low, high = spec.range
            values = cells.numbers
            outside = np.isnan(values)
            outside |= False if low is None else values < low
            outside |= False if high is None else values > high
            yield "range", outside & ~cells.missing & ~misfit
        if spec.values is not None:
            yield "values", ~cells.among({class_text(value) for value in spec.values}) & ~cells.missing & ~misfit

    def _allowed(self, rule: str) -> str:
        spec = self.spec
        if rule == "range" and spec.range is not None:
            return range_words(*spec.range)
        if rule == "values" and spec.values is not None:
            listed = ", ".join(class_text(value) for value in spec.values[:6])
            return f"one of {listed}{', …' if len(spec.values) > 6 else ''}"
        if rule == "nulls":
            return f"at most {100 * (spec.nulls or 0.0):g} % may be"
        return f"{'an' if spec.type == 'integer' else 'a'} {spec.type}"


def checks_of(spec: FeatureSpec, feature: str, column: str, *, untyped: bool) -> list[Check]:
    """What is to be looked at in a column; nothing where the contract only says that it is there."""
    asks = any(rule is not None for rule in (spec.type, spec.range, spec.values, spec.nulls))
    return [Check(spec, feature, column, untyped)] if asks else []


class _Cells:
    """The cells of a column in one batch."""

    def __init__(self, column: pa.Array, *, untyped: bool, as_numbers: bool) -> None:
        """as_numbers: whether a text such as NA stands for a missing value."""
        self._column, self._untyped = column, untyped
        self._texts = untyped and arrays.is_text(column.type)
        self.missing: Array = arrays.is_missing(column)
        if self._texts and as_numbers:
            self.missing = self.missing | self._each(is_missing_text)

    @cached_property
    def _distinct(self) -> tuple[list[str | None], Array]:
        """(the distinct texts of the column, None for what is missing; which of them stands in each cell)."""
        values = self._column.dictionary_encode(null_encoding="encode")
        return values.dictionary.to_pylist(), arrays.to_numpy(values.indices)

    def _each(self, holds: Callable[[str], bool]) -> Array:
        """(n,) bool: of each distinct text whether it holds; False of what is missing."""
        distinct, cells = self._distinct
        return np.array([text is not None and holds(text) for text in distinct], bool)[cells]

    @cached_property
    def numbers(self) -> Array:
        """(n,) float64, NaN for what is no number."""
        kind = self._column.type
        if arrays.is_number(kind):
            return arrays.to_floats(self._column)
        if not self._texts:
            return np.full(len(self._column), np.nan)
        distinct, cells = self._distinct
        numbers = [None if text is None else parsed_number(text) for text in distinct]
        return np.array(numbers, float)[cells]  # NaN of None

    def misfits(self, kind: FeatureType) -> Array:
        """(n,) bool: of another type."""
        of_type = {
            "float": self._are_float,
            "integer": self._are_integer,
            "boolean": self._are_boolean,
            "string": self._are_string,
            "datetime": self._are_datetime,
        }
        return ~np.asarray(of_type[kind](), bool)

    def _all(self, *, holds: bool) -> Array:
        return np.full(len(self._column), holds)

    def _are_float(self) -> Array:
        return ~np.isnan(self.numbers) if self._texts else self._all(holds=arrays.is_number(self._column.type))

    def _are_integer(self) -> Array:
        if pa.types.is_integer(self._column.type):
            return self._all(holds=True)
        numbers = self.numbers
        return np.asarray(np.isfinite(numbers) & (numbers == np.trunc(numbers)), bool)

    def _are_boolean(self) -> Array:
        kind = self._column.type
        if self._texts:
            return self._each(lambda text: parsed_truth(text) is not None)
        if self._untyped and pa.types.is_integer(kind):  # 0 and 1 of CSV, as for a model whose signature says boolean
            return np.isin(self.numbers, (0, 1))
        return self._all(holds=pa.types.is_boolean(kind))

    def _are_string(self) -> Array:
        return self._all(holds=self._untyped or arrays.is_text(self._column.type))

    def _are_datetime(self) -> Array:
        kind = self._column.type
        if self._untyped and arrays.is_text(kind):
            return self._each(_is_moment)
        return self._all(holds=pa.types.is_timestamp(kind) or pa.types.is_date(kind))

    def among(self, allowed: set[str]) -> Array:
        """(n,) bool: whether the value, as a pipeline writes it, is one of these."""
        if not arrays.has_text(self._column.type):
            return self._all(holds=False)
        members: Array = arrays.to_numpy(pc.is_in(texts(self._column), pa.array(sorted(allowed), pa.string())))
        return members


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text.strip())
    except ValueError:
        return False
    return True

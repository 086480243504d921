"""Make Arrow columns of Python values, of a type that also fits the values before them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data import arrow_arrays as arrays
from lockgate.data.formats import widened
from lockgate.data.recordings.records import Row, typed_cells
from lockgate.errors import DataError

_WHOLE = range(-(2**63), 2**63)


def as_table(rows: Sequence[Row], types: dict[str, pa.DataType]) -> pa.RecordBatch:
    """The rows as columns; `types` are widened by what they hold, and columns that no row before had are added.

    Raises DataError where a column holds values of different kinds.
    """
    names = dict.fromkeys((*types, *(name for row in rows for name in row)))
    columns = {name: _column(name, typed_cells([row.get(name) for row in rows])) for name in names}
    for name, column in columns.items():
        kind = widened(types.get(name, column.type), column.type)
        if kind is None:
            raise _mixed(name, types[name], column.type)
        types[name] = kind
    return fitted(columns, types, len(rows))


def fitted(columns: Mapping[str, pa.Array], types: Mapping[str, pa.DataType], rows: int) -> pa.RecordBatch:
    """Columns in the order and the types given, those that are not there without values."""
    cells = [columns[name].cast(kind) if name in columns else pa.nulls(rows, kind) for name, kind in types.items()]
    return pa.RecordBatch.from_arrays(cells, names=list(types))


def _column(name: str, values: list[Any]) -> pa.Array:
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return pa.nulls(len(values))
    missing = np.array([value is None for value in values], bool)
    if kinds <= {str}:
        column = arrays.from_texts(["" if value is None else value for value in values])
    elif kinds == {bool}:
        column = arrays.from_numpy(np.array([bool(value) for value in values]))
    elif kinds <= {int, float}:
        fits = kinds == {int} and all(value is None or value in _WHOLE for value in values)
        column = arrays.from_numpy(_numbers(values, np.int64 if fits else np.float64))
    else:
        try:
            return pa.array(values, from_pandas=False)
        except (pa.ArrowException, OverflowError):
            raise DataError(
                f"column {name!r} holds {_words(kinds)}", remedy="name by its path a value of one type"
            ) from None
    return pc.if_else(arrays.from_numpy(missing), pa.nulls(1, column.type)[0], column) if missing.any() else column


def _numbers(values: Iterable[Any], kind: type) -> Any:
    try:
        return np.array([0 if value is None else kind(value) for value in values], kind)
    except OverflowError:
        raise DataError(
            "a number is larger than 64 bits hold, also as a fraction", remedy="look for a broken record"
        ) from None


def _words(kinds: Iterable[type]) -> str:
    names = {str: "texts", int: "numbers", float: "numbers", bool: "true or false", list: "lists", dict: "objects"}
    return " and ".join(sorted({names.get(kind, kind.__name__) for kind in kinds}))


def _mixed(name: str, before: pa.DataType, now: pa.DataType) -> DataError:
    kinds = f"{arrays.type_text(before)} in records before, {arrays.type_text(now)}"
    return DataError(f"column {name!r} holds {kinds}", remedy="name by its path a value of one type")

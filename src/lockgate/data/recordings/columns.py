"""Make Arrow columns of Python values, of a type that also fits the values before them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data import arrow_arrays as arrays
from lockgate.data.formats import widened
from lockgate.data.recordings.records import Cell, Row, typed_cells
from lockgate.data.untyped import parsed_number
from lockgate.errors import DataError

_WHOLE = range(-(2**63), 2**63)
_WORDS = {
    str: "texts", int: "numbers", float: "numbers", bool: "true or false", list: "lists", dict: "objects", bytes: "bytes",
}  # fmt: skip


def as_table(rows: Sequence[Row], types: dict[str, pa.DataType]) -> pa.RecordBatch:
    """The rows as columns; `types` are widened by what they hold, and columns that no row before had are added.

    Raises DataError where a column holds values of different kinds.
    """
    kinds = dict(types)
    columns = {}
    for name in _names(rows, types):
        before = types.get(name, pa.null())
        column = columns[name] = _column(name, _values(name, rows, before))
        kind = widened(column.type if name not in types else before, column.type)
        if kind is None:
            raise _mixed(name, before, column.type)
        kinds[name] = kind
    types.update(kinds)
    return fitted(columns, types, len(rows))


def misfits(rows: Sequence[Row], types: Mapping[str, pa.DataType]) -> dict[int, str]:
    """Row → what is wrong with it, of those that hold a value of another kind than others of its column.

    The kind of a column is that of `types`, where rows before had values; else that of most of these.
    """
    faults: dict[int, str] = {}
    for name in _names(rows, types):
        before = types.get(name, pa.null())
        kinds = [_kind(value) for value in _values(name, rows, before)]
        usual = _kind_of_type(before) or next(iter(Counter(filter(None, kinds)).most_common(1)), ("",))[0]
        for number, kind in enumerate(kinds):
            if kind not in (None, usual):
                faults.setdefault(number, f"column {name!r} holds {kind}, and {usual} elsewhere")
    return faults


def _names(rows: Sequence[Row], types: Mapping[str, pa.DataType]) -> list[str]:
    return list(dict.fromkeys((*types, *(name for row in rows for name in row))))


def _values(name: str, rows: Sequence[Row], before: pa.DataType) -> list[Any]:
    """The values of a column. Cells of CSV are numbers where all of them are some, or where rows before had numbers."""
    values = [row.get(name) for row in rows]
    if not any(type(value) is Cell for value in values):
        return values
    if arrays.is_number(before):
        values = [_parsed(value) if type(value) is Cell else value for value in values]
    elif not arrays.is_text(before):
        values = typed_cells(values)
    return [str(value) or None if type(value) is Cell else value for value in values]


def _parsed(cell: Cell) -> Any:
    number = parsed_number(cell)
    return cell if number is None else number


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
            if len({_WORDS.get(kind) for kind in kinds}) > 1:  # Arrow takes true among numbers for 1
                raise pa.ArrowInvalid(name)
            return pa.array(values, from_pandas=False)
        except (pa.ArrowException, OverflowError):
            raise DataError(
                f"column {name!r} holds {_words(kinds)}", remedy="name by its path a value of one type"
            ) from None
    return pc.if_else(arrays.from_numpy(missing), pa.nulls(1, column.type)[0], column) if missing.any() else column


def _numbers(values: Iterable[Any], kind: type) -> Any:
    try:
        return np.array([0 if value is None else kind(value) for value in values], kind)
    except OverflowError:  # as Arrow reads a whole number that is larger than any float
        floats = [value if isinstance(value, float) else float(str(value or 0)) for value in values]
        return np.array(floats, kind)


def _words(kinds: Iterable[type]) -> str:
    return " and ".join(sorted({_WORDS.get(kind, kind.__name__) for kind in kinds}))


def _kind(value: Any) -> str | None:
    """In words; None of no value."""
    return None if value is None else _words([type(value)])


def _kind_of_type(kind: pa.DataType) -> str | None:
    """The same of values of a type; None of one that is not known yet."""
    names = {str: arrays.is_text, int: arrays.is_number, bool: pa.types.is_boolean, bytes: pa.types.is_binary,
             list: pa.types.is_list, dict: pa.types.is_struct}  # fmt: skip
    return next((_WORDS[name] for name, is_kind in names.items() if is_kind(kind)), None)


def _mixed(name: str, before: pa.DataType, now: pa.DataType) -> DataError:
    kinds = f"{arrays.type_text(before)} in records before, {arrays.type_text(now)}"
    return DataError(f"column {name!r} holds {kinds}", remedy="name by its path a value of one type")

"""Give texts of a CSV file the type that a model's signature names, exactly, or say which row does not have it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array

# What pandas and Arrow take for missing in a column that is not of texts.
_MISSING = frozenset(
    ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
     "NULL", "NaN", "None", "n/a", "nan", "null"]
)  # fmt: skip
_TRUTH = {
    "1": True,
    "true": True,
    "True": True,
    "TRUE": True,
    "0": False,
    "false": False,
    "False": False,
    "FALSE": False,
}
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE)
NUMERIC = ("integer", "long", "float", "double")


class Misfit(ValueError):
    """A text is not of the type. row: which of the column, from 0."""

    def __init__(self, column: str, row: int) -> None:
        super().__init__(column, row)
        self.column, self.row = column, row


def retypes(kind: pa.DataType, signed: object) -> bool:
    """Whether a column that seems to be of that type is read anew for a signature that says `signed`, from its texts."""
    if signed == "string":
        return not arrays.is_text(kind)
    if signed == "boolean":
        return not pa.types.is_boolean(kind)
    return signed in NUMERIC and arrays.is_text(kind)


def as_signed(name: str, texts: pa.Array, signed: object) -> pa.Array:
    """Texts as the type that a signature calls string, boolean, integer, long, float or double. Raises Misfit.

    Numbers are whole ones where all of them are, else float64: the model's own process casts them to the last bit.
    """
    if signed == "string":
        return texts
    if signed == "boolean":
        values, missing = _parsed(name, texts, _TRUTH.__getitem__)
        column = arrays.from_numpy(np.array(values, bool))
    else:
        values, missing = _parsed(name, texts, _number)
        whole = all(isinstance(value, int) for value in values)
        column = arrays.from_numpy(np.array(values, np.int64 if whole else np.float64))
    rows = arrays.to_numpy(texts.dictionary_encode(null_encoding="encode").indices)
    column, absent = column.take(arrays.from_numpy(rows)), missing[rows]
    return pc.if_else(arrays.from_numpy(absent), pa.nulls(1, column.type)[0], column) if absent.any() else column


def looks(values: Iterable[str | None]) -> str | None:
    """`long`, `double` or `boolean` where all texts look so, as a column of CSV would be read; None for texts."""
    present = [text for text in values if text is not None and text not in _MISSING]
    if not present:
        return None
    if all(_WHOLE.fullmatch(text) for text in present):
        return "long"
    if all(_NUMBER.fullmatch(text) for text in present):
        return "double"
    return "boolean" if all(text in _TRUTH for text in present) else None


def retyped(batch: pa.RecordBatch, name: str, kind: str | None) -> pa.RecordBatch:
    """The batch with a column of texts as the type that `looks` names; as it is where that is None."""
    if kind is None:
        return batch
    column = as_signed(name, batch.column(name), kind)
    column = column.cast("float64") if kind == "double" else column
    return batch.set_column(batch.schema.get_field_index(name), name, column)


def is_missing_text(text: str) -> bool:
    """Whether a cell of CSV stands for a missing value in a column that is not of texts."""
    return text.strip() in _MISSING


def parsed_number(text: str) -> int | float | None:
    """A cell of CSV as a number; None for what is none."""
    try:
        return _number(text.strip())
    except ValueError:
        return None


def parsed_truth(text: str) -> bool | None:
    """A cell of CSV as true or false; None for what is neither."""
    return _TRUTH.get(text.strip())


def _parsed(name: str, texts: pa.Array, parse: Callable[[str], Any]) -> tuple[list[Any], Array]:
    """(the value of each distinct text, 0 for what is missing; which are missing). Raises Misfit."""
    encoded = texts.dictionary_encode(null_encoding="encode")
    values, missing = [], []
    for code, text in enumerate(encoded.dictionary.to_pylist()):
        stripped = "" if text is None else text.strip()
        missing.append(stripped in _MISSING)
        try:
            values.append(0 if missing[-1] else parse(stripped))
        except (KeyError, ValueError):
            raise Misfit(name, int((arrays.to_numpy(encoded.indices) == code).argmax())) from None
    return values, np.array(missing, bool)


def _number(text: str) -> int | float:
    if _WHOLE.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    raise ValueError

"""Bring the cells of two data sets into one form, so that equal values have equal hashes however their files spell them.

`1`, `1.0` and `"1"`, a text and a category, a moment and its text, 0.1 in double and in single precision, an empty cell and
a null: a row that went through CSV, Parquet or JSON on its way into a training set is still the same row.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array
from lockgate.data.overlap.cell_hashes import MISSING, cell_hashes, mixed
from lockgate.data.time_window import moments_of

_NOTHING = ("", "NA", "N/A", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None")  # as pandas reads and writes it
_WHOLE = r"^-?\d{1,18}$"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_FEW = 0.5  # distinct texts a row, up to which they are hashed once each


class Form(Enum):
    """What cells of a column are compared as. The names of HALF and SINGLE are the coarser precision of the two sides."""

    NUMBER = "number"
    SINGLE = "single"
    HALF = "half"
    TEXT = "text"
    NUMBER_OR_TEXT = "number or text"
    MOMENT = "moment"
    STORED = "stored"


_PRECISIONS = {Form.SINGLE: "f4", Form.HALF: "f2"}


def common_form(first: pa.DataType, second: pa.DataType) -> Form:
    """The form in which the cells of two types can be equal."""
    kinds = [arrays.plain_type(kind) for kind in (first, second)]
    kinds = [kind for kind in kinds if not pa.types.is_null(kind)] or kinds[:1]
    numbers = [arrays.is_number(kind) or pa.types.is_boolean(kind) for kind in kinds]
    texts = [arrays.is_text(kind) for kind in kinds]
    dated = [pa.types.is_date(kind) or pa.types.is_timestamp(kind) for kind in kinds]
    if all(numbers):
        return _precision(kinds)
    if all(texts):
        return Form.TEXT
    if all(number or text for number, text in zip(numbers, texts, strict=True)):
        return Form.NUMBER_OR_TEXT
    plain = all(any(each) for each in zip(numbers, texts, dated, strict=True))
    return Form.MOMENT if any(dated) and plain else Form.STORED


def _precision(kinds: list[pa.DataType]) -> Form:
    if any(pa.types.is_float16(kind) for kind in kinds):
        return Form.HALF
    return Form.SINGLE if any(pa.types.is_float32(kind) for kind in kinds) else Form.NUMBER


def hashes_in_form(column: pa.Array, form: Form) -> Array:
    """(n,) uint64 of the cells. Raises ValueError where one cannot be read as a moment that the other side holds."""
    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), MISSING)
    if pa.types.is_dictionary(kind):
        return _by_code(column, form)
    if form is Form.STORED:
        return cell_hashes(arrays.plain(column))
    if form is Form.MOMENT:
        moments = moments_of(column)
        return np.where(moments.missing, MISSING, mixed(moments.values.view(np.uint64)))
    if not arrays.is_text(kind):
        return _number_hashes(column, _PRECISIONS.get(form))
    distinct = column.dictionary_encode()
    if len(distinct.dictionary) <= _FEW * len(column):
        return _by_code(distinct, form)
    return _text_hashes(column, numbers=form is Form.NUMBER_OR_TEXT)


def _by_code(column: pa.DictionaryArray, form: Form) -> Array:
    """Of values that are stored by codes: each of them once."""
    if not len(column.dictionary):
        return np.full(len(column), MISSING)
    values, missing = column.dictionary, arrays.is_missing(column.indices)
    of_texts = arrays.is_text(values.type) and form in (Form.TEXT, Form.NUMBER_OR_TEXT)
    hashes = _text_hashes(values, numbers=form is Form.NUMBER_OR_TEXT) if of_texts else hashes_in_form(values, form)
    if not missing.any():
        return hashes[arrays.to_numpy(column.indices)]
    return np.where(missing, MISSING, hashes[np.where(missing, 0, arrays.to_numpy(column.indices))])


def _text_hashes(column: pa.Array, *, numbers: bool) -> Array:
    """Of texts without spaces around them. numbers: those that read as a number or a truth value are hashed as such."""
    texts = pc.utf8_trim_whitespace(column.cast(pa.large_string()))
    missing = arrays.to_numpy(
        pc.is_in(texts, value_set=arrays.from_texts(_NOTHING).cast(pa.large_string()))
    ) | arrays.is_missing(texts)
    hashes = np.where(missing, MISSING, cell_hashes(texts))
    if numbers:
        for pattern, read in ((_NUMBER, pa.float64()), (_WHOLE, pa.int64()), (r"(?i)^(true|false)$", pa.bool_())):
            matches = pc.match_substring_regex(texts, pattern).fill_null(False)  # noqa: FBT003
            places = np.flatnonzero(arrays.to_numpy(matches))
            if places.size:
                written = pc.replace_substring_regex(texts.filter(matches), r"^\+", "")
                hashes[places] = _number_hashes(written.cast(read), None)
    return hashes


def _number_hashes(column: pa.Array, precision: str | None) -> Array:
    """Whole numbers by their value, true as 1, others in single precision: what a text of nine digits keeps of them.

    precision: to which all are rounded first, because the other side holds no more.
    """
    kind = column.type
    missing = arrays.is_missing(column)
    if pa.types.is_boolean(kind):
        column, kind = column.cast(pa.uint8()), pa.uint8()
    if pa.types.is_integer(kind) and precision is None:
        hashes = mixed(arrays.to_numpy(column).astype(np.int64).view(np.uint64))
        return np.where(missing, MISSING, hashes) if missing.any() else hashes
    values = arrays.to_floats(column)
    with np.errstate(over="ignore", invalid="ignore"):
        if precision is not None:
            values = values.astype(precision).astype(np.float64)
        whole = (values == np.floor(values)) & (np.abs(values) < 2.0**63)
        coded = ~values.astype(np.float32).astype(np.float64).view(np.uint64)
        if whole.any():
            coded = np.where(whole, np.where(whole, values, 0.0).astype(np.int64).view(np.uint64), coded)
    hashes = mixed(coded)
    return np.where(missing, MISSING, hashes) if missing.any() else hashes

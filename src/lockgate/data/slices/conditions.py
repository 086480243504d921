"""Compare the values of a column with a number, text or date."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
}


def compared(column: pa.Array, key: str, value: Any) -> Array | None:
    """(n,) bool: `column key value`, None where such a column is not compared with such a value.

    The result for missing values is undefined.
    """
    compare = _COMPARE[key]
    if pa.types.is_null(column.type):
        return np.zeros(len(column), bool)
    if arrays.is_number(column.type) or pa.types.is_boolean(column.type):
        if isinstance(value, bool | int | float):
            decimal = pa.types.is_decimal(column.type)
            return np.asarray(compare(arrays.to_floats(column) if decimal else arrays.to_numpy(column), value), bool)
    elif pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        moment = _microseconds(value)
        if moment is not None:
            return np.asarray(compare(arrays.to_numpy(column.cast(pa.timestamp("us"), safe=False)), moment), bool)
    elif isinstance(value, str) and arrays.is_text(column.type):
        encoded = column.dictionary_encode(null_encoding="encode")
        answers = np.array([text is not None and compare(text, value) for text in encoded.dictionary.to_pylist()], bool)
        return answers[arrays.to_numpy(encoded.indices)]
    return None


def is_moment(value: Any) -> bool:
    """Whether a value is a date or moment, or a text that says one."""
    return _microseconds(value) is not None


def _microseconds(value: Any) -> int | None:
    """A date or moment as microseconds since 1970, by UTC where no zone is given; None for what is neither."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    if not isinstance(moment, datetime):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

"""The values of a column as texts that name them: ids, clusters, queries and slices are read so, one spelling a value."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array

_EMPTY_FRACTION = re.compile(r"(:\d\d(?:\.\d*[1-9])?)(?:\.?0+)(?=\D|$)")
_EXACT = {16: 2.0**11, 32: 2.0**24, 64: 2.0**53}


def hashed(names: Sequence[str], salt: bytes) -> list[str]:
    """16 hex digits of sha256(salt + name) each, as ids are hashed."""
    return [hashlib.sha256(salt + name.encode()).hexdigest()[:16] for name in names]


def texts(column: pa.Array) -> pa.Array:
    """(n,) strings, null for what is missing: texts as they are, `1001` of 1001, 1001.0 and a decimal 1001.00, `0` of -0.0.

    Raises ArrowException where the type has no text: see `arrow_arrays.has_text`.
    """
    kind = column.type
    if pa.types.is_floating(kind):
        return _of_floats(column)
    plain = column.cast(pa.string())
    if pa.types.is_decimal(kind):
        return _each(plain, _of_decimal)
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        return _each(plain, _without_empty_fraction)
    return plain


def may_have_collapsed(column: pa.Array) -> Array:
    """(n,) bool: a whole number so large that a float of its width holds its neighbours as the same."""
    if not pa.types.is_floating(column.type):
        return np.zeros(len(column), bool)
    values = arrays.to_floats(column)
    large = np.isfinite(values) & (np.abs(values) > _EXACT[column.type.bit_width]) & (values == np.trunc(values))
    return np.asarray(large, bool)


def _of_floats(column: pa.Array) -> pa.Array:
    values = arrays.to_floats(column)
    missing = arrays.is_missing(column)
    whole = (values == np.trunc(values)) & (np.abs(values) <= 2.0**53) & ~missing
    if (whole | missing).all():
        numbers = arrays.from_numpy(np.where(whole, values, 0.0).astype(np.int64)).cast(pa.string())
    else:
        narrow = arrays.to_numpy(column)  # 0.1 of 32 bits is written 0.1
        numbers = arrays.from_texts(
            [str(int(value)) if is_whole else str(value) for value, is_whole in zip(narrow, whole, strict=True)]
        )
    return pc.if_else(arrays.from_numpy(missing), pa.nulls(1, pa.string())[0], numbers) if missing.any() else numbers


def _each(column: pa.Array, spelled: Callable[[str], str]) -> pa.Array:
    """The same texts in another spelling, each distinct one spelled once."""
    encoded = column.dictionary_encode()
    dictionary = arrays.from_texts([spelled(text) for text in encoded.dictionary.to_pylist()])
    return dictionary.take(encoded.indices)


def _of_decimal(text: str) -> str:
    plain = format(Decimal(text), "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in ("-0", "") else plain


def _without_empty_fraction(text: str) -> str:
    """`10:00:00` of `10:00:00.000000`, also before a zone."""
    return _EMPTY_FRACTION.sub(r"\1", text, count=1)

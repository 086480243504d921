"""Arrow arrays as numpy arrays and back, by their buffers.

pyarrow's own ways (`to_numpy`, `pa.array`, `pa.scalar`) import pandas, which costs a fresh process more than its work.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Array = np.ndarray[Any, np.dtype[Any]]


def whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The column as one array."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.nulls(0, column.type)])


def to_numpy(column: pa.Array) -> Array:
    """The values of a column of numbers, bools or timestamps as they are stored; a null stands for anything."""
    if pa.types.is_boolean(column.type):
        return to_numpy(column.cast(pa.uint8())).view(np.bool_)
    width = column.type.bit_width // 8
    kind = "f" if pa.types.is_floating(column.type) else "u" if pa.types.is_unsigned_integer(column.type) else "i"
    data = column.buffers()[1]
    if data is None or len(column) == 0:
        return np.zeros(len(column), f"{kind}{width}")
    return np.frombuffer(data, f"{kind}{width}")[column.offset : column.offset + len(column)]


def is_missing(column: pa.Array) -> Array:
    """(n,) bool: null, or NaN."""
    return to_numpy(column.is_null(nan_is_null=pa.types.is_floating(column.type)))


def to_floats(column: pa.Array) -> Array:
    """A column of numbers as float64 with NaN for what is missing; of a decimal the nearest, as Python has it."""
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.string())  # Arrow makes 0.30000000000000004 of the number itself
    values = to_numpy(column.cast(pa.float64(), safe=False))
    if not column.null_count:
        return values
    return np.where(is_missing(column), np.nan, values)


def narrow(codes: int) -> type[np.unsignedinteger[Any]]:
    """The type of fewest bytes that holds so many codes, from 0 on."""
    return np.uint8 if codes <= 1 << 8 else np.uint16 if codes <= 1 << 16 else np.uint32


def as_floats(column: pa.Array) -> Array:
    """As `to_floats`, but float32 stays what it is, and is no copy where nothing is missing."""
    kind = column.type
    if column.null_count or not (pa.types.is_float32(kind) or pa.types.is_float64(kind)):
        return to_floats(column)
    return to_numpy(column)


def from_numpy(values: Array) -> pa.Array:
    """A numeric or bool array as an Arrow array without nulls; numbers are not copied."""
    if values.dtype == np.bool_:
        return pa.Array.from_buffers(
            pa.bool_(), len(values), [None, pa.py_buffer(np.packbits(values, bitorder="little"))], 0
        )
    contiguous = np.ascontiguousarray(values)
    return pa.Array.from_buffers(_ARROW[values.dtype.str[1:]](), len(values), [None, pa.py_buffer(contiguous)], 0)


def firsts(codes: Array) -> Array:
    """The first row of each code, for whole numbers from 0 in order of appearance."""
    return np.flatnonzero(np.diff(np.maximum.accumulate(codes), prepend=-1)) if codes.size else np.zeros(0, np.int64)


def to_matrix(column: pa.Array, width: int) -> Array:
    """(n, width) float64 of lists of that many numbers each, none of them missing."""
    return to_numpy(column.flatten()).reshape(-1, width)


def from_matrix(values: Array) -> pa.Array:
    """(n, width) numbers as an Arrow array of lists of that many."""
    return pa.FixedSizeListArray.from_arrays(from_numpy(values.reshape(-1)), values.shape[1])


def from_texts(texts: Sequence[str]) -> pa.Array:
    """Texts as an Arrow string array without nulls."""
    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    return pa.Array.from_buffers(
        pa.string(), len(encoded), [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))], 0
    )


def from_fixed_width(joined: str, width: int) -> pa.Array:
    """ASCII texts of one width, given as one text, as an Arrow string array."""
    offsets = np.arange(0, len(joined) + 1, width).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(joined.encode())]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers, 0)


def plain(column: pa.Array) -> pa.Array:
    """The values, of a column that is stored by codes, and those of an extension type as it stores them; a UUID as text."""
    if isinstance(column.type, pa.BaseExtensionType):
        return _uuid_texts(column.storage) if column.type.extension_name == "arrow.uuid" else column.storage
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _uuid_texts(column: pa.Array) -> pa.Array:
    texts = from_texts(["" if value is None else str(UUID(bytes=value)) for value in column.to_pylist()])
    if not column.null_count:
        return texts
    return pc.if_else(column.is_null(), pa.nulls(1, pa.string())[0], texts)


def comparable(column: Any) -> Any:
    """The values as they are, but half floats and narrow decimals, of which Arrow tells none from another, in wider types."""
    kind = column.type
    if pa.types.is_decimal(kind) and kind.bit_width < 128:
        return column.cast(pa.decimal128(kind.precision, kind.scale))
    return column.cast(pa.float32()) if pa.types.is_float16(kind) else column


def encoded(column: pa.Array) -> pa.DictionaryArray:
    """The values by codes, those that are missing too."""
    return comparable(column).dictionary_encode(null_encoding="encode")


def distinct(column: Any) -> list[Any]:
    """The distinct values of a column, in order of appearance, without those that are missing."""
    return [value for value in comparable(column).unique().to_pylist() if value is not None and value == value]


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values, of a column that is stored by codes."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def type_text(kind: pa.DataType) -> str:
    """A type as messages name it, however it is laid out, cut where it is long."""
    text = re.sub(r"\blarge_|_view\b", "", str(kind))
    return text if len(text) <= 80 else f"{text[:79]}…"


def is_number(kind: pa.DataType) -> bool:
    """Whether a type is of numbers; true and false are none."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is of texts, however they are laid out."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_array(kind: pa.DataType) -> bool:
    """Whether a cell of a type may be large: lists, tensors, bytes."""
    kind = getattr(kind, "storage_type", kind)
    return bool(pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def is_class(kind: pa.DataType) -> bool:
    """Whether the values of a type can be classes: no moments, no bytes, no lists."""
    return not (pa.types.is_temporal(kind) or pa.types.is_nested(kind) or is_bytes(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether a type holds bytes, of whatever layout."""
    layouts = (
        pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view,
    )  # fmt: skip
    return any(is_layout(kind) for is_layout in layouts)


def has_text(kind: pa.DataType) -> bool:
    """Whether the values of a type can be written as texts that name them: no bytes, no lists."""
    spoken = pa.types.is_null(kind) or pa.types.is_boolean(kind) or pa.types.is_temporal(kind)
    return bool(spoken or is_number(kind) or is_text(kind))


_ARROW = {
    "i1": pa.int8, "i2": pa.int16, "i4": pa.int32, "i8": pa.int64,
    "u1": pa.uint8, "u2": pa.uint16, "u4": pa.uint32, "u8": pa.uint64,
    "f4": pa.float32, "f8": pa.float64,
}  # fmt: skip

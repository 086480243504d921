"""Hash the cells of a column: 64 bits each, the same on every machine and in every run."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array

MISSING = np.uint64(0xD6E8FEB86659FD93)
ODD = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(int(ODD), -1, 1 << 64))
_LONG = 64  # bytes a value on average from which each is hashed by itself, so that no powers as long are held


def row_hashes(columns: list[Array], rows: int) -> Array:
    """(n,) uint64 of rows, from the hashes of their cells, column by column in an order of theirs."""
    total = np.zeros(rows, np.uint64)
    for cells in columns:
        total = mixed(total * ODD + cells)
    return total


def cell_hashes(column: pa.Array) -> Array:
    """(n,) uint64: equal values have equal numbers. −0.0 is 0.0, any NaN is missing."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        codes = np.where(arrays.is_missing(column.indices), 0, arrays.to_numpy(column.indices))
        values = (
            _dictionary_hashed(column.dictionary)[codes] if len(column.dictionary) else np.full(len(column), MISSING)
        )
    elif pa.types.is_null(kind):
        return np.full(len(column), MISSING)
    elif (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or (pa.types.is_temporal(kind) and not pa.types.is_interval(kind))
    ):
        values = mixed(arrays.to_numpy(column).astype(np.int64).view(np.uint64))
    elif pa.types.is_floating(kind):
        values = mixed((arrays.to_numpy(column).astype(np.float64) + 0.0).view(np.uint64))
    elif arrays.is_text(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        if column.nbytes <= _LONG * len(column):
            column = column.dictionary_encode()
            return cell_hashes(column) if len(column.dictionary) else np.full(len(column), MISSING)
        values = _bytes_hashed(column.cast(pa.large_binary()))
    elif pa.types.is_struct(kind):
        values = np.zeros(len(column), np.uint64)
        for part in column.flatten():
            values = mixed(values * ODD + cell_hashes(part))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        values = _lists_hashed(column)
    else:
        values = np.array([_digest(repr(value).encode()) for value in column.to_pylist()], np.uint64)
    missing = arrays.is_missing(column)
    return np.where(missing, MISSING, values) if missing.any() else values


def _dictionary_hashed(values: pa.Array) -> Array:
    kind = values.type
    if arrays.is_text(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _bytes_hashed(values.cast(pa.large_binary()))
    return cell_hashes(values)


def _lists_hashed(column: pa.Array) -> Array:
    if pa.types.is_fixed_size_list(column.type):
        width = column.type.list_size
        column = column.cast(pa.large_list(column.type.value_type)) if column.null_count else column
        if pa.types.is_fixed_size_list(column.type):
            return _segments(cell_hashes(column.flatten()), np.arange(len(column) + 1) * width)
    lengths = np.where(arrays.is_missing(column), 0, arrays.to_numpy(column.value_lengths()))
    ends = np.concatenate([[0], np.cumsum(lengths.astype(np.int64))])
    return _segments(cell_hashes(column.flatten()), ends)


def _bytes_hashed(column: pa.Array) -> Array:
    _, offsets, data = column.buffers()
    if not len(column):
        return np.zeros(0, np.uint64)
    ends = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    if ends[-1] - ends[0] > _LONG * len(column):
        view = memoryview(data)
        return np.array([_digest(view[start:end]) for start, end in pairwise(ends.tolist())], np.uint64)
    content = np.frombuffer(data or b"", np.uint8)[ends[0] : ends[-1]]
    return _segments(_BYTES[content], ends - ends[0])


def _segments(elements: Array, ends: Array) -> Array:
    """(n,) uint64 of the elements from ends[i] to ends[i + 1], in their order: a polynomial in an odd number, modulo 2^64."""
    powers = np.full(len(elements) + 1, ODD)
    inverses = np.full(len(elements) + 1, _INVERSE)
    powers[0] = inverses[0] = 1
    np.multiply.accumulate(powers, out=powers)
    np.multiply.accumulate(inverses, out=inverses)
    sums = np.zeros(len(elements) + 1, np.uint64)
    np.cumsum(elements * powers[:-1], out=sums[1:])
    lengths = np.diff(ends).astype(np.uint64)
    return mixed((sums[ends[1:]] - sums[ends[:-1]]) * inverses[ends[:-1]] + lengths * MISSING)


def mixed(values: Array) -> Array:
    """The finalizer of SplitMix64: every bit depends on all."""
    values = values ^ (values >> np.uint64(30))
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def _digest(data: Any) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


_BYTES = mixed(np.arange(256, dtype=np.uint64))

"""JSON lines: one object a line; a key that a line lacks is a missing value; nested values are passed through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from lockgate.data import arrow_arrays as arrays
from lockgate.data.formats import NOTHING, Contents, DataFile, cut, reading, widened
from lockgate.data.formats.encoding import refuse_nul, refuse_other_bytes, refuse_other_encodings
from lockgate.data.stored_columns import stored
from lockgate.errors import DataError

_BLOCK_BYTES = 2 << 20


def scan(file: DataFile) -> Contents:
    """The types over the whole file. Raises DataError, which names the line."""
    refuse_other_bytes(file)
    types: dict[str, pa.DataType] = {}
    rows = 0
    for first_line, block in _blocks(file):
        table = _parsed(file, block, first_line)
        rows += table.num_rows
        for field in table.schema:
            field_type = _texts_stay(field.type)
            before = types.get(field.name, field_type)
            kind = widened(before, field_type)
            if kind is None:
                raise _mixed(
                    file, field.name, f"{before} at first, and {field_type} somewhere from line {first_line} on"
                )
            types[field.name] = kind
    if rows == 1 and _is_of_columns(types):
        raise file.broken(
            "is one JSON object of columns",
            remedy="write one object a line; in pandas to_json(…, orient='records', lines=True)",
        )
    return Contents(pa.schema(list(types.items())), rows)


def _is_of_columns(types: dict[str, pa.DataType]) -> bool:
    """Whether the only object of a file is a frame as pandas writes it by default, or with orient='split'."""
    if types.keys() == {"columns", "index", "data"}:
        return True
    if not types or not all(pa.types.is_struct(kind) for kind in types.values()):
        return False
    rows = {tuple(field.name for field in kind) for kind in types.values()}
    return len(rows) == 1 and (len(types) > 1 or next(iter(rows))[:1] == ("0",))


def read(file: DataFile, schema: pa.Schema, *, rows: int, as_stored: pa.Schema = NOTHING) -> Iterator[pa.RecordBatch]:
    """The columns of the schema in its types, and others as they are stored. Raises DataError, which names the line.

    A column of fractions, or of numbers that 64 bits do not hold, is stored as what its numbers look like: `0.5`, `1` of
    1.0, every digit of twenty.
    """
    exact = [field.name for field in as_stored if pa.types.is_floating(field.type)]
    plain = [field for field in as_stored if field.name not in exact]
    parsed = pa.schema([*schema, *(field for field in plain if field.name not in schema.names)])
    names = [*schema.names, *(stored(field.name) for field in plain), *map(stored, exact)]
    for first_line, block in _blocks(file):
        table = _parsed(file, block, first_line, parsed)
        columns = [table.column(name) for name in (*schema.names, *(field.name for field in plain))]
        columns += [_numbers_as_texts(file, block, name, table.num_rows) for name in exact]
        yield from cut(iter(pa.Table.from_arrays(columns, names=names).to_batches()), rows)


def _numbers_as_texts(file: DataFile, block: bytes, name: str, rows: int) -> pa.Array:
    """(n,) strings: one spelling of each number of a column, none of its digits lost."""
    decoder = json.JSONDecoder(parse_int=_spelled, parse_float=_spelled)
    lines = [line for line in block.decode().split("\n") if line.strip()]
    values = [decoder.decode(line).get(name) for line in lines]
    if len(values) != rows:
        raise file.broken("holds several objects in a line", remedy="write one JSON object a line")
    texts = arrays.from_texts([value or "" for value in values])
    missing = np.array([value is None for value in values], bool)
    return pc.if_else(arrays.from_numpy(missing), pa.nulls(1, pa.string())[0], texts)


def _spelled(text: str) -> str:
    """`1` of 1, 1.0 and 1e0; a fraction as Python writes it where that is the same number."""
    if text.isdecimal() or (text == repr(float(text)) and "e" not in text and not text.endswith(".0")):
        return text
    number = Decimal(text)
    if number.adjusted() < 400 and number == number.to_integral_value():
        return str(int(number))
    short = repr(float(text))
    return short if short not in ("inf", "-inf") and Decimal(short) == number else text


def _blocks(file: DataFile) -> Iterator[tuple[int, bytes]]:
    """(number of the first line, whole lines), none of them blank throughout."""
    line, rest = 1, b""
    with reading(file), file.stream() as stream:
        while chunk := stream.read(_BLOCK_BYTES):
            if line == 1 and not rest:
                refuse_other_encodings(file, chunk)
            head, newline, tail = chunk.rpartition(b"\n")
            if not newline:
                rest += chunk
                continue
            block, rest = rest + head + newline, tail
            if block.strip():
                yield line, block
            line += block.count(b"\n")
        if rest.strip():
            yield line, rest


def _parsed(file: DataFile, block: bytes, first_line: int, schema: pa.Schema | None = None) -> pa.Table:
    try:
        block.decode()
        options = pyarrow.json.ParseOptions(
            explicit_schema=schema, unexpected_field_behavior="ignore" if schema else "infer"
        )
        for size in (1 << 20, len(block) + 1):
            try:
                return pyarrow.json.read_json(
                    pa.BufferReader(block), pyarrow.json.ReadOptions(block_size=size), options
                )
            except pa.ArrowInvalid as error:
                if "straddling" not in str(error):
                    raise
        raise AssertionError("a block is not longer than itself")
    except (pa.ArrowException, UnicodeError) as error:
        raise _explained(file, block, first_line) from error


def _explained(file: DataFile, block: bytes, first_line: int) -> DataError:
    """Name the line at fault, by reading the block again line by line."""
    kinds: dict[str, str] = {}
    for number, line in enumerate(block.split(b"\n"), first_line):
        if not line.strip():
            continue
        refuse_nul(file, line, number)
        try:
            value = json.loads(line.decode(), object_pairs_hook=_object, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            cause = error.msg if isinstance(error, json.JSONDecodeError) else _unquoted(error)
            return file.broken(f"line {number} is not JSON ({cause})", remedy="write one JSON object a line")
        if not isinstance(value, dict):
            return file.broken(f"line {number} is {_kind(value)}", remedy="write one JSON object a line")
        for key, each in value.items():
            if each is not None and kinds.setdefault(key, _kind(each)) != _kind(each):
                return _mixed(file, key, f"{kinds[key]} before line {number} and {_kind(each)} there")
    return file.broken(
        f"lines from {first_line} on hold values whose types do not fit together", remedy="write one type a key"
    )


def _mixed(file: DataFile, key: str, problem: str) -> DataError:
    return file.broken(f"column {key!r} holds {problem}", remedy="write one type a key, or null")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


def _no_number(_text: str) -> Any:
    raise ValueError("NaN and Infinity are no JSON; null is")


def _unquoted(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "not UTF-8"
    return "nested too deep" if isinstance(error, RecursionError) else str(error)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names = {int: "a number", float: "a number", str: "a text", list: "a list", dict: "an object"}
    return names[type(value)]


def _texts_stay(kind: pa.DataType) -> pa.DataType:
    """JSON has no dates: a text that looks like one is a text."""
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_texts_stay(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _texts_stay(field.type)) for field in kind])
    return kind

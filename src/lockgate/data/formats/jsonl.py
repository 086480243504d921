"""JSON lines: one object a line; a key that a line lacks is a missing value; nested values are passed through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.json

from lockgate.data.formats import Contents, DataFile, cut, reading, widened
from lockgate.errors import DataError

_BLOCK_BYTES = 2 << 20


def scan(file: DataFile) -> Contents:
    """The types over the whole file. Raises DataError, which names the line."""
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
    return Contents(pa.schema(list(types.items())), rows)


def read(file: DataFile, schema: pa.Schema, *, rows: int) -> Iterator[pa.RecordBatch]:
    """The columns of the schema in its types. Raises DataError, which names the line."""
    for first_line, block in _blocks(file):
        table = _parsed(file, block, first_line, schema)
        yield from cut(iter(table.select(schema.names).to_batches()), rows)


def _blocks(file: DataFile) -> Iterator[tuple[int, bytes]]:
    """(number of the first line, whole lines), none of them blank throughout."""
    line, rest = 1, b""
    with reading(file), file.stream() as stream:
        while chunk := stream.read(_BLOCK_BYTES):
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

"""JSON lines: one object a line, or in a `.json` document one array of objects.

A key that an object lacks is a missing value; nested values are passed through.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from lockgate.data import arrow_arrays as arrays
from lockgate.data.formats import NOTHING, Contents, DataFile, cut, widened
from lockgate.data.formats.encoding import refuse_nul, refuse_other_bytes
from lockgate.data.formats.json_blocks import REMEDY, Block, blocks, is_document, kind_text
from lockgate.data.stored_columns import stored
from lockgate.errors import DataError

_NULL_FIRST = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r]*null")
_NULL_LATER = re.compile(rb"\n[ \t\r]*null")  # a pattern that begins with ^ would be tried at every byte


def scan(file: DataFile) -> Contents:
    """The types over the whole file. Raises DataError, which names the line."""
    refuse_other_bytes(file)
    types: dict[str, pa.DataType] = {}
    values: Counter[str] = Counter()
    rows = 0
    for block in blocks(file):
        table = _parsed(file, block)
        rows += table.num_rows
        for field in table.schema:
            field_type = _texts_stay(field.type)
            before = types.get(field.name, field_type)
            kind = widened(before, field_type)
            if kind is None:
                raise _mixed(
                    file, field.name, f"{before} at first, and {field_type} somewhere from {block.where(0)} on"
                )
            types[field.name] = kind
            values[field.name] += table.num_rows - table.column(field.name).null_count
    if rows == 1:
        _refuse_frame(file, table)
    return Contents(
        pa.schema(list(types.items())), rows, usual=frozenset(name for name in types if 2 * values[name] > rows)
    )


def _refuse_frame(file: DataFile, row: pa.Table) -> None:
    """Refuse the only object of a file where it is no row: a frame as pandas writes it, or what holds rows."""
    inside = [
        field.name for field in row.schema if pa.types.is_list(field.type) and pa.types.is_struct(field.type.value_type)
    ]
    if _is_of_columns(row.schema) or (is_document(file) and _is_of_lists(row)):
        problem = "is one JSON object of columns"
    elif is_document(file) and inside:
        problem = f"is one JSON object, with objects under {inside[0]!r}"
    else:
        return
    raise file.broken(problem, remedy="write one object a row; in pandas to_json(…, orient='records')")


def _is_of_columns(schema: pa.Schema) -> bool:
    """Whether an object is a frame as pandas writes it by default, or with orient='split' or 'index'."""
    if set(schema.names) == {"columns", "index", "data"}:
        return True
    if not schema.names or not all(pa.types.is_struct(kind) for kind in schema.types):
        return False
    rows = {tuple(field.name for field in kind) for kind in schema.types}
    return len(rows) == 1 and (len(schema) > 1 or next(iter(rows))[:1] == ("0",))


def _is_of_lists(row: pa.Table) -> bool:
    """Whether an object holds several lists of one length, and nothing else."""
    if len(row.schema) < 2 or not all(pa.types.is_list(kind) for kind in row.schema.types):
        return False
    lengths = {pc.list_value_length(column)[0].as_py() for column in row.columns}
    return len(lengths) == 1 and (lengths.pop() or 0) > 1


def read(file: DataFile, schema: pa.Schema, *, rows: int, as_stored: pa.Schema = NOTHING) -> Iterator[pa.RecordBatch]:
    """The columns of the schema in its types, and others as they are stored. Raises DataError, which names the line.

    A column of fractions, or of numbers that 64 bits do not hold, is stored as what its numbers look like: `0.5`, `1` of
    1.0, every digit of twenty.
    """
    exact = [field.name for field in as_stored if pa.types.is_floating(field.type)]
    plain = [field for field in as_stored if field.name not in exact]
    parsed = pa.schema([*schema, *(field for field in plain if field.name not in schema.names)])
    names = [*schema.names, *(stored(field.name) for field in plain), *map(stored, exact)]
    for block in blocks(file):
        table = _parsed(file, block, parsed)
        columns = [table.column(name) for name in (*schema.names, *(field.name for field in plain))]
        columns += [_numbers_as_texts(file, block.lines, name, table.num_rows) for name in exact]
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


def parsed(lines: bytes, schema: pa.Schema | None = None) -> pa.Table:
    """Lines of one object each, with the types of the schema and nothing beside it. Raises ArrowException, UnicodeError."""
    lines.decode()
    if _NULL_FIRST.match(lines) or _NULL_LATER.search(lines):  # pyarrow takes it for a row, or ends the process
        raise pa.ArrowInvalid("null")
    options = pyarrow.json.ParseOptions(
        explicit_schema=schema, unexpected_field_behavior="ignore" if schema else "infer"
    )
    for size in (1 << 20, len(lines) + 1):
        try:
            return pyarrow.json.read_json(pa.BufferReader(lines), pyarrow.json.ReadOptions(block_size=size), options)
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error):
                raise
    raise AssertionError("a block is not longer than itself")


def _parsed(file: DataFile, block: Block, schema: pa.Schema | None = None) -> pa.Table:
    try:
        return parsed(block.lines, schema)
    except (pa.ArrowException, UnicodeError) as error:
        raise explained(file, block) from error


def explained(file: DataFile, block: Block) -> DataError:
    """Name the line at fault, by reading the block again line by line."""
    kinds: dict[str, str] = {}
    for index, line in enumerate(block.lines.split(b"\n")):
        if not line.strip():
            continue
        refuse_nul(file, line, block.first + index)
        where = block.where(index)
        try:
            value = json.loads(line.decode(), object_pairs_hook=_object, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            cause = error.msg if isinstance(error, json.JSONDecodeError) else _unquoted(error)
            if getattr(error, "pos", 0) >= len(line.rstrip()) and index < block.lines.count(b"\n"):
                return file.broken(f"{where} ends before its JSON does", remedy=REMEDY)
            return file.broken(f"{where} is not JSON ({cause})", remedy=REMEDY)
        if not isinstance(value, dict):
            return file.broken(f"{where} is {kind_text(value)}", remedy=REMEDY)
        for key, each in value.items():
            if each is not None and kinds.setdefault(key, kind_text(each)) != kind_text(each):
                return _mixed(file, key, f"{kinds[key]} before {where} and {kind_text(each)} there")
    return file.broken(
        f"what stands from {block.where(0)} on holds values whose types do not fit together",
        remedy="write one type a key",
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


def _texts_stay(kind: pa.DataType) -> pa.DataType:
    """JSON has no dates: a text that looks like one is a text."""
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_texts_stay(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _texts_stay(field.type)) for field in kind])
    return kind

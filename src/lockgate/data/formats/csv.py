"""CSV files: comma separated (`.tsv`: by tabs), UTF-8, a header line; an empty cell is a missing value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from lockgate.data import arrow_arrays as arrays
from lockgate.data.formats import NOTHING, UNREADABLE, Contents, DataFile, cut, no_column_twice, reading
from lockgate.data.formats.csv_damage import refuse_damage
from lockgate.data.formats.encoding import refuse_other_bytes
from lockgate.data.stored_columns import stored
from lockgate.errors import DataError

_BLOCK_BYTES = 2 << 20  # the longest row that can be read
_MISFIT = re.compile(r"In CSV column #(\d+): .*conversion error")
_ABOVE = "remove what stands above the line of column names"
_RAGGED = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")


def scan(file: DataFile) -> Contents:
    """The types over the whole file: a column with one text among its numbers is a column of texts. Raises DataError.

    The first block suggests the types; where a later cell does not fit, that column alone is read whole. A file without a
    header, as Spark leaves one for a part without rows, has no columns that others lack.
    """
    refuse_other_bytes(file)
    refuse_damage(file)
    types: dict[str, pa.DataType] = {}
    while True:
        names: list[str] = []
        try:
            with file.stream() as stream, _open(file, stream, types) as reader:
                names = reader.schema.names
                no_column_twice(file, names)
                rows = sum(batch.num_rows for batch in reader)
                return Contents(_of_texts(file, reader.schema), rows)
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                return Contents(NOTHING, 0, usual=frozenset())
            misfit = _MISFIT.search(str(error))
            if misfit is None or not names or names[int(misfit[1])] in types:
                raise _explained(file, error) from error
            name = names[int(misfit[1])]
            with reading(file):
                types[name] = _type_of(file, name)
        except UNREADABLE:
            with reading(file):
                raise


def read(file: DataFile, schema: pa.Schema, *, rows: int, as_stored: pa.Schema = NOTHING) -> Iterator[pa.RecordBatch]:
    """The columns of the schema in its types, and others as the texts that stand in the file. Raises DataError.

    A column of texts is both; another one that is wanted in both ways is read twice, all else in one pass.
    """
    types = {field.name: field.type for field in schema}
    both = [name for name in as_stored.names if not pa.types.is_string(types.get(name, pa.string()))]
    single = {name: pa.string() for name in as_stored.names if name not in both}
    batches = _batches(file, types | single, rows)
    if both:
        again = _batches(file, dict.fromkeys(both, pa.string()), rows)
        batches = (_joined(batch, copy) for batch, copy in zip(batches, again, strict=True))
    order = list(types | single)
    for batch in batches:
        columns = [batch.column(index) for index in range(len(types))]
        columns += [batch.column(order.index(name)) for name in single]
        columns += [batch.column(len(order) + index) for index in range(len(both))]
        names = [*schema.names, *(stored(name) for name in (*single, *both))]
        yield pa.RecordBatch.from_arrays(columns, names=names)


def _batches(file: DataFile, types: dict[str, pa.DataType], rows: int) -> Iterator[pa.RecordBatch]:
    with reading(file), file.stream() as stream, _open(file, stream, types, columns=list(types)) as reader:
        yield from cut((_without_empty_texts(batch) for batch in reader), rows)


def _joined(batch: pa.RecordBatch, other: pa.RecordBatch) -> pa.RecordBatch:
    columns = [*batch.columns, *other.columns]
    return pa.RecordBatch.from_arrays(columns, names=[str(index) for index in range(len(columns))])


def _open(
    file: DataFile, stream: pa.NativeFile, types: dict[str, pa.DataType], *, columns: list[str] | None = None
) -> Any:
    return pyarrow.csv.open_csv(stream, **_options(file, types, columns))


def _options(file: DataFile, types: dict[str, pa.DataType], columns: list[str] | None) -> dict[str, Any]:
    return {
        # Without threads an error knows its row.
        "read_options": pyarrow.csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False),
        "parse_options": pyarrow.csv.ParseOptions(delimiter=file.delimiter, newlines_in_values=True),
        # In a column of texts `NA` is Namibia, in a column of numbers it is missing.
        "convert_options": pyarrow.csv.ConvertOptions(
            column_types=types, include_columns=columns, strings_can_be_null=False
        ),
    }


def _type_of(file: DataFile, name: str) -> pa.DataType:
    with file.stream() as stream:
        return pyarrow.csv.read_csv(stream, **_options(file, {}, [name])).schema.field(name).type


def _of_texts(file: DataFile, schema: pa.Schema) -> pa.Schema:
    """The schema, unless a column holds bytes that are no text."""
    for field in schema:
        if pa.types.is_binary(field.type):
            raise file.broken(
                f"column {field.name!r} is not UTF-8 text",
                remedy="convert the file, for example with iconv -f latin1 -t utf-8",
            )
    return schema


def _without_empty_texts(batch: pa.RecordBatch) -> pa.RecordBatch:
    empty, missing = arrays.from_texts([""])[0], pa.nulls(1, pa.string())[0]
    return pa.RecordBatch.from_arrays(
        [
            pc.if_else(pc.equal(column, empty), missing, column) if pa.types.is_string(column.type) else column
            for column in batch.columns
        ],
        schema=batch.schema,
    )


def header_problem(line: str, delimiter: str) -> tuple[str, str] | None:
    """(problem, remedy) of a first line that is a comment, Excel's mark, or one cell that holds what separates cells elsewhere;
    None of another one. It is a header where the rows below fit it."""
    if line.startswith(("sep=", '"sep=', "#")):
        return "line 1 is no header: it is a comment, or the mark of a separator", _ABOVE
    if delimiter in line or not re.search("[;,\t|]", line):
        return None
    return (
        f"seems to use another separator: in .{'tsv' if delimiter == chr(9) else 'csv'} cells are separated by "
        f"{'tabs' if delimiter == chr(9) else 'commas'}",
        "write it with commas, and numbers with a point; with tabs name it .tsv",
    )


def _first_line(file: DataFile) -> str:
    with reading(file), file.stream() as stream:
        head: bytes = stream.read(1 << 16)
    return head.decode("utf-8-sig", "replace").lstrip().splitlines()[0]


def _explained(file: DataFile, error: Exception) -> DataError:
    ragged = _RAGGED.search(str(error))
    if ragged:
        line, expected, actual = ragged.groups()
        wrong = header_problem(_first_line(file), file.delimiter) if int(actual) > int(expected) else None
        if wrong is None and (line, expected) == ("2", "1"):
            wrong = (f"line 1 is no header: it has one cell, and row 2 has {actual}", _ABOVE)
        if wrong is not None:
            return file.broken(wrong[0], remedy=wrong[1])
        return file.broken(
            f"row {line} (the header is row 1) has {actual} cells where {expected} are expected",
            remedy="quote cells that hold a comma, or correct the row",
        )
    if "straddl" in str(error):
        return file.broken(
            f"has a row of more than {_BLOCK_BYTES >> 20} MiB",
            remedy="look for a quote that is opened and never closed",
        )
    try:
        with reading(file):
            raise error
    except DataError as explained:
        return explained

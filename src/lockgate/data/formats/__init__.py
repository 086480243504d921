"""File formats that data arrives in, one file each; here is what they share.

A source looks at a file once, whole (`scan`), and then reads it in batches by a schema that may be that of several
files (`read`). Whatever is wrong with a file becomes a DataError that names it and holds nothing of its rows.
"""

from __future__ import annotations

import gzip
import importlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data.locate import CODECS, file_format
from lockgate.errors import DataError

NOTHING = pa.schema([])
UNREADABLE = (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeError)  # what libraries raise of a file


@dataclass(frozen=True, eq=False)
class DataFile:
    """One file; `name` is what people read. constants: column → the value that its path or a table's log says all rows
    have, an array of one. kept: (n,) bool, the rows that a table's log has not deleted; None where all count."""

    path: Path
    name: str
    constants: Mapping[str, pa.Array] = field(default_factory=dict)
    kept: arrays.Array | None = None

    @property
    def codec(self) -> str | None:
        return CODECS.get(self.path.suffix.lower())

    @property
    def format(self) -> str | None:
        """parquet | csv | jsonl by the name's end, a codec's left out; None where it is none of them."""
        return file_format(self.path.name)

    @property
    def delimiter(self) -> str:
        """What separates the cells of a CSV file."""
        return "\t" if ".tsv" in self.path.name.lower()[-8:] else ","

    def count(self, contents: Contents) -> int:
        """How many of its rows count."""
        return contents.rows - (0 if self.kept is None else int((~self.kept).sum()))

    def stream(self) -> pa.NativeFile:
        """The bytes, decompressed."""
        if self.codec == "gzip":  # Python's own takes zeros behind the last member for padding, as gzip does
            return pa.PythonFile(gzip.open(self.path), mode="r")
        return pa.input_stream(str(self.path), compression=self.codec)

    def broken(self, problem: str, *, remedy: str | None = None) -> DataError:
        return DataError(f"{self.name}: {problem}", remedy=remedy)


@dataclass(frozen=True)
class Contents:
    """What a file holds: the types over all of its rows, and how many there are.

    index: columns that a pandas frame kept as its index, as the file itself says. usual: columns that most rows have, where
    a row may lack some; all of them where None.
    """

    schema: pa.Schema
    rows: int
    index: tuple[str, ...] = ()
    usual: frozenset[str] | None = None


class Source(Protocol):
    """One file format."""

    def scan(self, file: DataFile) -> Contents:
        """Read the file to its end. Raises DataError."""

    def read(
        self, file: DataFile, schema: pa.Schema, *, rows: int, as_stored: pa.Schema = NOTHING
    ) -> Iterator[pa.RecordBatch]:
        """The columns of the schema, with its types, at most `rows` rows at a time, in the file's order.

        as_stored: columns, with their types over all files, that are also read as the file stores them and follow under
        the name `stored(name)`: texts in CSV, no number rounded in JSON lines, the file's own type in Parquet.
        """


def source_of(file: DataFile) -> Source:
    """The source for a file whose format is known. Raises DataError for a log of requests, whose columns nobody named."""
    if file.format == "har":
        raise file.broken("is a log of requests, not of rows", remedy="name the columns by their paths: `columns`")
    return cast(Source, importlib.import_module(f"lockgate.data.formats.{file.format}"))


@contextmanager
def reading(file: DataFile) -> Iterator[None]:
    """Whatever the libraries raise while a file is read, as a DataError without the rows that they like to quote."""
    try:
        yield
    except (*UNREADABLE, OverflowError) as error:
        cause = str(error).splitlines()[0].split(": invalid value")[0] if str(error) else type(error).__name__
        raise file.broken(
            f"cannot be read as {file.format}{f' in {file.codec}' if file.codec else ''} ({cause})",
            remedy="write the file again, or correct the end of its name if it is something else",
        ) from error


def no_column_twice(file: DataFile, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise file.broken(
            f"has columns of the same name: {', '.join(twice)}", remedy="give each column a name of its own"
        )


def without_views(schema: pa.Schema) -> pa.Schema:
    """The schema with plain texts and bytes in place of views on them, which few functions of Arrow take."""
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    return pa.schema([field.with_type(plain.get(field.type, field.type)) for field in schema])


def widened(first: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    """The type that holds both without loss of meaning (null → any, whole → float number); None where there is none.

    A category and plain values are plain values.
    """
    if first == right:
        return first
    if pa.types.is_dictionary(first) != pa.types.is_dictionary(right):
        return (
            widened(getattr(first, "value_type", first), right)
            if pa.types.is_dictionary(first)
            else widened(right, first)
        )
    if pa.types.is_struct(first) and pa.types.is_struct(right):
        return _widened_struct(first, right)
    if pa.types.is_list(first) and pa.types.is_list(right):
        element = widened(first.value_type, right.value_type)
        return None if element is None else pa.list_(element)
    try:
        return pa.unify_schemas([pa.schema([("", first)]), pa.schema([("", right)])], promote_options="permissive")[
            0
        ].type
    except pa.ArrowException:
        return None


def _widened_struct(first: pa.StructType, right: pa.StructType) -> pa.DataType | None:
    fields = {each.name: each.type for each in first}
    for each in right:
        kind = widened(fields.get(each.name, each.type), each.type)
        if kind is None:
            return None
        fields[each.name] = kind
    return pa.struct(list(fields.items()))


def cut(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows, at most `rows` at a time, no batch empty."""
    for batch in batches:
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)

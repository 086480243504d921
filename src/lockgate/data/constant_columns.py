"""Give the rows of a file what its path or a table's log says of them: columns of one value, rows that are deleted."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data import arrow_arrays as arrays
from lockgate.data.formats import Contents, DataFile, source_of
from lockgate.errors import DataError


def read_rows(file: DataFile, contents: Contents, schema: pa.Schema, *, rows: int) -> Iterator[pa.RecordBatch]:
    """The columns of the schema of the rows that count: the file's own, those of its path or table, else missing.

    Raises DataError where the file and its path contradict each other.
    """
    stored = pa.schema([field for field in schema if field.name in contents.schema.names])
    if file.kept is None and len(stored) == len(schema) and not file.constants.keys() & set(schema.names):
        yield from source_of(file).read(file, schema, rows=rows)
        return
    before = 0
    for count, batch in _stored(file, contents, stored, rows):
        columns = []
        for field in schema:
            constant = file.constants.get(field.name)
            if batch is not None and field.name in stored.names:
                columns.append(batch.column(field.name))
                if constant is not None:
                    _refuse_contradiction(file, field.name, columns[-1], constant, before)
            elif constant is not None:
                columns.append(constant.take(pa.nulls(count, pa.int64()).fill_null(0)).cast(field.type))
            else:
                columns.append(pa.nulls(count, field.type))
        whole = pa.RecordBatch.from_arrays(columns, schema=schema)
        if file.kept is not None:
            whole = whole.filter(arrays.from_numpy(file.kept[before : before + count]))
        before += count
        if whole.num_rows:
            yield whole


def _stored(
    file: DataFile, contents: Contents, stored: pa.Schema, rows: int
) -> Iterator[tuple[int, pa.RecordBatch | None]]:
    """(number of rows, the columns that the file itself has of them)."""
    if stored.names:
        for batch in source_of(file).read(file, stored, rows=rows):
            yield batch.num_rows, batch
        return
    for start in range(0, contents.rows, rows):
        yield min(rows, contents.rows - start), None


def _refuse_contradiction(file: DataFile, name: str, column: pa.Array, constant: pa.Array, before: int) -> None:
    values = arrays.plain(column)
    try:
        expected = constant.cast(values.type)
        same = (
            pc.fill_null(pc.equal(values, expected[0]), fill_value=False)
            if not constant.null_count
            else values.is_null()
        )
    except (pa.ArrowException, NotImplementedError):
        same = pa.nulls(len(values), pa.bool_()).fill_null(fill_value=False)
    wrong = (~arrays.to_numpy(same.cast(pa.bool_()))).nonzero()[0]
    if wrong.size:
        raise DataError(
            f"{file.name}: column {name!r} of row {before + int(wrong[0]) + 1:,} is not what the folder's name says of it",
            remedy="drop the column from the files, or move the file to where it belongs",
        )

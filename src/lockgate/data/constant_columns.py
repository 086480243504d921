"""Give the rows of a file what its path or a table's log says of them: columns of one value, rows that are deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data import arrow_arrays as arrays
from lockgate.data.column_texts import texts
from lockgate.data.formats import Contents, DataFile, source_of
from lockgate.data.stored_columns import stored
from lockgate.errors import DataError


def read_rows(
    file: DataFile, contents: Contents, typed: pa.Schema, as_stored: pa.Schema, *, rows: int
) -> Iterator[pa.RecordBatch]:
    """The columns of both schemas of the rows that count: the file's own, those of its path or table, else missing.

    as_stored: of columns that follow as they are stored: see `formats.Source.read`. Raises DataError where the file and
    its path contradict each other.
    """
    own = [pa.schema([field for field in each if field.name in contents.schema.names]) for each in (typed, as_stored)]
    wanted = {field.name for field in (*typed, *as_stored)}
    if file.kept is None and own == [typed, as_stored] and not file.constants.keys() & wanted:
        yield from source_of(file).read(file, typed, rows=rows, as_stored=as_stored)
        return
    fields = [*((field.name, field) for field in typed), *((stored(field.name), field) for field in as_stored)]
    before = 0
    for count, batch in _own_columns(file, contents, own[0], own[1], rows):
        columns = []
        for name, field in fields:
            constant = file.constants.get(field.name)
            if batch is not None and name in batch.schema.names:
                columns.append(batch.column(name))
                if constant is not None:
                    _refuse_contradiction(file, field.name, columns[-1], constant, before)
            elif constant is not None:
                columns.append(constant.take(arrays.from_numpy(np.zeros(count, np.int64))).cast(field.type))
            else:
                columns.append(pa.nulls(count, field.type))
        whole = pa.RecordBatch.from_arrays(columns, names=[name for name, _ in fields])
        if file.kept is not None:
            whole = whole.filter(arrays.from_numpy(file.kept[before : before + count]))
        before += count
        if whole.num_rows:
            yield whole


def refuse_same_values(files: Iterable[DataFile], schema: pa.Schema) -> None:
    """Refuse folders of different texts whose files cannot tell them apart: 1 in the files of `k=01` and of `k=1`.

    schema: the columns that files themselves have. Raises DataError, whose message follows the path of the data set.
    """
    first: dict[tuple[str, str], tuple[str, DataFile]] = {}
    for file in files:
        for name, constant in file.constants.items():
            if name not in schema.names or constant.null_count:
                continue
            text = constant[0].as_py()
            before, where = first.setdefault((name, _as_in_files(constant, schema.field(name).type)), (text, file))
            if before != text:
                raise DataError(
                    f"has folders {name}={before} and {name}={text}, of {where.name} and {file.name}, and column {name!r} of "
                    "the files holds both as one value",
                    remedy="drop the column from the files: the folders then tell the rows apart; or give one value one folder",
                )


def _as_in_files(constant: pa.Array, kind: pa.DataType) -> str:
    """The text of what a column of files holds where a folder's value agrees with it."""
    kind = arrays.plain_type(kind)
    for each in (pa.int64(),) if arrays.is_text(kind) else (kind, pa.int64()):
        with suppress(pa.ArrowException):
            return str(texts(constant.cast(each))[0].as_py())
    return str(constant[0].as_py())


def _own_columns(
    file: DataFile, contents: Contents, typed: pa.Schema, as_stored: pa.Schema, rows: int
) -> Iterator[tuple[int, pa.RecordBatch | None]]:
    """(number of rows, the columns that the file itself has of them)."""
    if typed.names or as_stored.names:
        for batch in source_of(file).read(file, typed, rows=rows, as_stored=as_stored):
            yield batch.num_rows, batch
        return
    for start in range(0, contents.rows, rows):
        yield min(rows, contents.rows - start), None


def _refuse_contradiction(file: DataFile, name: str, column: pa.Array, constant: pa.Array, before: int) -> None:
    values = arrays.plain(column)
    with suppress(pa.ArrowException):  # `01` in a folder's name and `1` in a file are no contradiction
        values, constant = values.cast(pa.int64()), constant.cast(pa.int64())
    try:
        expected = constant.cast(values.type)
        same = values.is_null() if constant.null_count else pc.equal(values, expected[0])
    except (pa.ArrowException, NotImplementedError):
        same = arrays.from_numpy(np.zeros(len(values), bool))
    wrong = (arrays.is_missing(same) | ~arrays.to_numpy(same)).nonzero()[0]
    if wrong.size:
        raise DataError(
            f"{file.name}: column {name!r} of row {before + int(wrong[0]) + 1:,} is not what the folder's name says of it",
            remedy="drop the column from the files, or move the file to where it belongs",
        )

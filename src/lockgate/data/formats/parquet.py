"""Parquet files."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from lockgate.data import arrow_arrays as arrays
from lockgate.data.formats import NOTHING, Contents, DataFile, cut, no_column_twice, reading, without_views
from lockgate.data.stored_columns import stored
from lockgate.errors import DataError


def scan(file: DataFile) -> Contents:
    """The types and the number of rows, from the end of the file. Raises DataError."""
    with _opened(file) as parquet:
        schema = without_views(parquet.schema_arrow)
        no_column_twice(file, schema.names)
        with reading(file):
            _refuse_contradictions(file, parquet.metadata)
            _refuse_other_schema(file, parquet)
        return Contents(schema, parquet.metadata.num_rows, index=_index(parquet.schema_arrow))


def _index(schema: pa.Schema) -> tuple[str, ...]:
    """The columns that pandas wrote of a frame's index."""
    try:
        columns = (schema.pandas_metadata or {}).get("index_columns", ())
    except (ValueError, AttributeError):  # other writers put what they like under the key
        return ()
    return tuple(name for name in columns if isinstance(name, str))


def read(file: DataFile, schema: pa.Schema, *, rows: int, as_stored: pa.Schema = NOTHING) -> Iterator[pa.RecordBatch]:
    """The columns of the schema in its types, others in the file's. Raises DataError, also amid a broken file."""
    with _opened(file) as parquet, reading(file):
        batches = parquet.iter_batches(batch_size=rows, columns=list({*schema.names, *as_stored.names}))
        count = 0
        for batch in cut((_typed(_valid(batch), schema, as_stored) for batch in batches), rows):
            count += batch.num_rows
            yield batch
        if count != parquet.metadata.num_rows:
            raise _contradiction(file, f"holds {count:,} rows where its own footer says {parquet.metadata.num_rows:,}")


def _refuse_contradictions(file: DataFile, footer: pq.FileMetaData) -> None:
    """Refuse a footer that counts other rows than its groups do. Chunks of columns are not looked at: pyarrow ends the
    process where one of theirs is broken."""
    total = sum(footer.row_group(number).num_rows for number in range(footer.num_row_groups))
    if total != footer.num_rows:
        raise _contradiction(file, f"says that it has {footer.num_rows:,} rows, and {total:,} in its groups")


def _refuse_other_schema(file: DataFile, parquet: pq.ParquetFile) -> None:
    """Refuse columns of other names or kinds than the schema says that Arrow's writers put beside Parquet's own.

    Where they differ in number a tool has left columns out and kept that schema: nothing can be compared.
    """
    encoded = (parquet.metadata.metadata or {}).get(b"ARROW:schema")
    if encoded is None:
        return
    try:
        written = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(encoded)))
    except (ValueError, OSError, pa.ArrowException):
        return
    if len(written) != len(parquet.schema_arrow):
        return
    for before, now in zip(written, parquet.schema_arrow, strict=True):
        if before.name != now.name:
            raise _contradiction(
                file, f"calls a column {now.name!r} in one of its schemas, and {before.name!r} in the other"
            )
        kinds = _kind(before.type), _kind(now.type)
        if None not in kinds and kinds[0] != kinds[1]:
            raise _contradiction(
                file, f"has column {now.name!r} as {now.type} in one of its schemas, and as {before.type} in the other"
            )


def _kind(kind: pa.DataType) -> str | None:
    """What a type is whatever its width or unit, which writers may change; None where it is not compared."""
    kind = arrays.plain_type(kind)
    if arrays.is_text(kind) or pa.types.is_string_view(kind):
        return "text"
    if pa.types.is_floating(kind):
        return str(kind)
    checks = {
        "whole": pa.types.is_integer, "bool": pa.types.is_boolean, "time": pa.types.is_timestamp, "date": pa.types.is_date,
        "bytes": lambda each: pa.types.is_binary(each) or pa.types.is_large_binary(each) or pa.types.is_binary_view(each),
        "struct": pa.types.is_struct, "decimal": pa.types.is_decimal,
    }  # fmt: skip
    return next((name for name, check in checks.items() if check(kind)), None)


def _contradiction(file: DataFile, problem: str) -> DataError:
    return file.broken(problem, remedy="write it anew: it was changed or cut short")


def _valid(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch; raises ArrowInvalid where a column of texts holds bytes that are none."""
    for column in batch.columns:
        if arrays.is_text(arrays.plain_type(column.type)):
            column.validate(full=True)
    return batch


def _typed(batch: pa.RecordBatch, schema: pa.Schema, as_stored: pa.Schema) -> pa.RecordBatch:
    typed = batch.select(schema.names).cast(schema)
    if not as_stored.names:
        return typed
    columns = [*typed.columns, *(batch.column(name) for name in as_stored.names)]
    return pa.RecordBatch.from_arrays(columns, names=[*schema.names, *map(stored, as_stored.names)])


def _opened(file: DataFile) -> pq.ParquetFile:
    if file.codec:
        raise file.broken("is a compressed Parquet file", remedy="decompress it: Parquet compresses its pages itself")
    with reading(file):
        return pq.ParquetFile(str(file.path), buffer_size=1 << 20, pre_buffer=False, page_checksum_verification=True)

"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from lockgate.data.formats import Contents, DataFile, cut, no_column_twice, reading


def scan(file: DataFile) -> Contents:
    """The types and the number of rows, from the end of the file. Raises DataError."""
    with _opened(file) as parquet:
        schema = parquet.schema_arrow.remove_metadata()
        no_column_twice(file, schema.names)
        return Contents(schema, parquet.metadata.num_rows, index=_index(parquet.schema_arrow))


def _index(schema: pa.Schema) -> tuple[str, ...]:
    """The columns that pandas wrote of a frame's index."""
    try:
        columns = (schema.pandas_metadata or {}).get("index_columns", ())
    except (ValueError, AttributeError):  # other writers put what they like under the key
        return ()
    return tuple(name for name in columns if isinstance(name, str))


def read(file: DataFile, schema: pa.Schema, *, rows: int) -> Iterator[pa.RecordBatch]:
    """The columns of the schema in its types. Raises DataError, also in the middle of a broken file."""
    with _opened(file) as parquet, reading(file):
        batches = parquet.iter_batches(batch_size=rows, columns=schema.names)
        count = 0
        for batch in cut((batch.select(schema.names).cast(schema) for batch in batches), rows):
            count += batch.num_rows
            yield batch
        if count != parquet.metadata.num_rows:
            raise file.broken(
                f"holds {count:,} rows where its own footer says {parquet.metadata.num_rows:,}",
                remedy="write it anew: it was changed or cut short",
            )


def _opened(file: DataFile) -> pq.ParquetFile:
    if file.codec:
        raise file.broken("is a compressed Parquet file", remedy="decompress it: Parquet compresses its pages itself")
    with reading(file):
        return pq.ParquetFile(str(file.path), buffer_size=1 << 20, pre_buffer=False)

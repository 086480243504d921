"""Hand the rows of a data set over to a program: all of them in one Parquet file, in the order of `Dataset.batches`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lockgate.data import arrow_arrays as arrays
from lockgate.data.column_texts import hashed, texts
from lockgate.data.dataset import Dataset
from lockgate.errors import DataError


def hand_over(dataset: Dataset, path: Path, *, without: Collection[str] = (), salt: bytes | None = None) -> int:
    """Write the rows, as `last` keeps them, with every column that the data has, label and weight too, but for those in
    `without`; return how many. salt: of the hashes that stand in place of values that `hash` hides; None where the program shows
    none of them.

    Row number n of the file, from 0, is `dataset.row(n + 1)`. Raises DataError.
    """
    columns = [name for name in dataset.columns if name not in without]
    rows, writer = 0, None
    try:
        for batch in map(dataset.typed, dataset.batches(columns)):
            for name in () if salt is None else dataset.spec.hash:
                batch = _with_hashes(batch, name, salt or b"") if name in columns else batch
            writer = writer or pq.ParquetWriter(path, batch.schema)
            writer.write_batch(batch)
            rows += batch.num_rows
        writer = writer or pq.ParquetWriter(path, pa.schema([dataset.schema.field(name) for name in columns]))
    finally:
        if writer is not None:
            writer.close()
    return rows


def _with_hashes(batch: pa.RecordBatch, name: str, salt: bytes) -> pa.RecordBatch:
    """Raises DataError where the column has no texts to hash."""
    values = arrays.plain(batch.column(name))
    if not arrays.has_text(values.type):
        raise DataError(
            f"column {name!r} holds {arrays.type_text(values.type)}, of which there is no hash",
            remedy="write it into `drop`",
        )
    encoded = texts(values).dictionary_encode()
    hashes = pa.DictionaryArray.from_arrays(
        encoded.indices, arrays.from_texts(hashed(encoded.dictionary.to_pylist(), salt))
    )
    return batch.set_column(batch.schema.get_field_index(name), name, hashes.cast(pa.string()))

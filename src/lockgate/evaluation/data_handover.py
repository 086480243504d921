"""Hand the rows of a data set over to a program: all of them in one Parquet file, in the order of `Dataset.batches`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lockgate.data.dataset import Dataset


def hand_over(dataset: Dataset, path: Path, *, without: Collection[str] = ()) -> int:
    """Write the rows, as `last` keeps them, with every column that the data has, label and weight too, but for those in
    `without`; return how many.

    Row number n of the file, from 0, is `dataset.row(n + 1)`. Raises DataError.
    """
    columns = [name for name in dataset.columns if name not in without]
    rows, writer = 0, None
    try:
        for batch in map(dataset.typed, dataset.batches(columns)):
            writer = writer or pq.ParquetWriter(path, batch.schema)
            writer.write_batch(batch)
            rows += batch.num_rows
        writer = writer or pq.ParquetWriter(path, pa.schema([dataset.schema.field(name) for name in columns]))
    finally:
        if writer is not None:
            writer.close()
    return rows

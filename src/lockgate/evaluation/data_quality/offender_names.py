"""Name the rows that offend: by their ids, hashed unless the data keeps them, else by their numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import numpy as np
import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data.column_texts import texts
from lockgate.data.dataset import Dataset
from lockgate.data.stored_columns import stored


def offender_names(dataset: Dataset, rows: Collection[int], *, salt: bytes) -> dict[int, str]:
    """Number of a row, from 0 in the order of `Dataset.batches` → what the evidence calls it.

    A hashed id is that of the scored table: hex of sha256(salt + id). A row whose id is missing is named by its number.
    """
    names = {row: dataset.row(row + 1) for row in rows}
    column = dataset.spec.id
    if column is None or not rows:
        return names
    wanted_rows, before = np.array(sorted(rows)), 0
    for batch in dataset.batches([stored(column)]):
        inside = wanted_rows[(wanted_rows >= before) & (wanted_rows < before + batch.num_rows)]
        ids = texts(arrays.plain(batch.column(0)).take(pa.array(inside - before)))
        for row, text in zip(inside.tolist(), ids.to_pylist(), strict=True):
            if text is not None:
                names[row] = text if dataset.spec.keep_ids else hashlib.sha256(salt + text.encode()).hexdigest()
        before += batch.num_rows
    return names

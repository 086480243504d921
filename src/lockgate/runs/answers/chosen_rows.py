"""Some rows of a data set in memory, to be sent to a model more than once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.arrow_arrays import Array
    from lockgate.data.dataset import Dataset

_BYTES = 256 * 2**20
_PEEKED = 64


def rows_that_fit(dataset: Dataset, columns: Sequence[str], *, least: int, most: int) -> int:
    """How many rows fit into memory by the size of the first, within bounds; fewer where there are no more."""
    first = next(iter(dataset.batches(columns, rows=_PEEKED)), None)
    size = 0 if first is None or not first.num_rows else first.nbytes // first.num_rows
    return min(dataset.count(), most, max(least, _BYTES // max(size, 1)))


def chosen_rows(dataset: Dataset, columns: Sequence[str], chosen: Array) -> pa.Table:
    """These columns of the rows with these numbers, in order, as models get them."""
    import pyarrow as pa

    return pa.Table.from_batches(chosen_batches(dataset, columns, chosen)).unify_dictionaries().combine_chunks()


def chosen_batches(dataset: Dataset, columns: Sequence[str], chosen: Array) -> Iterator[pa.RecordBatch]:
    """The same batch by batch, one for each batch that is read, whether or not any of its rows is chosen."""
    import numpy as np

    from lockgate.data import arrow_arrays as arrays
    from lockgate.evaluation.scoring.categories import batches_with_categories
    from lockgate.evaluation.scoring.dataset_scores import batch_rows

    before = 0
    for rows in batches_with_categories(dataset, columns, rows=batch_rows(dataset, columns)):
        first, last = np.searchsorted(chosen, [before, before + rows.num_rows])
        yield rows.take(arrays.from_numpy(chosen[first:last] - before))
        before += rows.num_rows

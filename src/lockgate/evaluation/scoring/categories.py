"""Give dictionary columns one set of categories over all batches, in the order in which pandas would read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data.stored_columns import is_stored

if TYPE_CHECKING:
    from lockgate.data.dataset import Dataset


def batches_with_categories(
    dataset: Dataset, columns: Sequence[str] | None = None, *, rows: int = 65_536
) -> Iterator[pa.RecordBatch]:
    """`Dataset.batches`, with the same dictionary in every batch of a column.

    Models that were trained on pandas categories compare them with those that they get: a batch, and one row of it too,
    needs the categories of the whole data. They are the values of all files and row groups, each where it comes first.
    """
    names = dataset.columns if columns is None else columns
    typed = [name for name in names if not is_stored(name)]
    encoded = [name for name in typed if pa.types.is_dictionary(dataset.schema.field(name).type)]
    if not encoded:
        yield from dataset.batches(columns, rows=rows)
        return
    shared = dict(zip(encoded, _dictionaries(dataset.batches(encoded, rows=rows), len(encoded)), strict=True))
    for batch in dataset.batches(columns, rows=rows):
        arrays = [
            recoded(column, shared[name]) if name in shared else column
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        ]
        fields = [field.with_type(array.type) for field, array in zip(batch.schema, arrays, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _dictionaries(batches: Iterable[pa.RecordBatch], count: int) -> list[pa.Array]:
    """The dictionary of each column over all batches."""
    dictionaries: list[pa.Array | None] = [None] * count
    last: list[pa.Array | None] = [None] * count
    for batch in batches:
        for position, column in enumerate(batch.columns):
            new, before, latest = column.dictionary, dictionaries[position], last[position]
            if latest is not None and latest.equals(new):
                continue
            last[position] = new
            dictionaries[position] = (new if before is None else pa.concat_arrays([before, new])).unique().drop_null()
    return [pa.array([]) if each is None else each for each in dictionaries]


def recoded(column: pa.Array, dictionary: pa.Array) -> pa.Array:
    """The column with another dictionary, which holds all of its values; whether it is ordered is kept."""
    if column.dictionary.equals(dictionary):
        return column
    codes = pc.index_in(column.dictionary, value_set=dictionary).take(column.indices)
    return pa.DictionaryArray.from_arrays(codes, dictionary, ordered=column.type.ordered)

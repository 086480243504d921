"""Group rows by cluster, query and slice."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array
from lockgate.data.column_texts import hashed
from lockgate.data.dataset import Dataset
from lockgate.data.slices.names import MISSING
from lockgate.data.slices.slice import Slice
from lockgate.data.stored_columns import stored
from lockgate.errors import DataError
from lockgate.evaluation.scoring.column import SingleColumn


class Codes(SingleColumn):
    """Which rows belong together, as whole numbers in order of appearance, so that no user's name is stored."""

    def __init__(self, dataset: Dataset, column: str, purpose: str, *, remedy: str) -> None:
        super().__init__(dataset, column, purpose, remedy=remedy, as_stored=True)
        self._codes = _Distinct()

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        self._codes.add(self._texts(self._plain(batch, before)).dictionary_encode(null_encoding="encode"))

    def done(self) -> pa.Array:
        self._refuse_missing()
        return arrays.from_numpy(self.all())

    def all(self) -> Array:
        return self._codes.all().astype(np.int32)


class SliceLabels:
    """The label that a slice declaration gives to each row.

    hidden: columns whose values are called by hashes, made with the salt; those that the declaration names itself stay.
    """

    def __init__(self, dataset: Dataset, declared: Slice, *, hidden: Collection[str], salt: bytes) -> None:
        self.purpose = f"column of slice {declared.name!r}"
        self._salt = salt if declared.kind == "values" and declared.columns[0] in hidden else None
        self.needs = tuple(
            stored(name) if declared.names_by(name, _type_of(dataset, name)) else name for name in declared.columns
        )
        self._dataset, self._declared = dataset, declared
        self._codes = _Distinct()

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        with _speaking_of(self._dataset, self._declared):
            columns = [batch.column(name) for name in self.needs]
            renamed = pa.RecordBatch.from_arrays(columns, names=list(self._declared.columns))
            self._codes.add(self._named(self._declared.assign(renamed)))
        most, count = self._declared.most, len(self._codes.distinct)
        if most is not None and count > most:
            rows = before + batch.num_rows
            raise DataError(
                f"data {self._dataset.name!r}: slice {self._declared.name!r}: column {self._declared.columns[0]!r} has {count:,} values "
                f"in the first {rows:,} rows, and at most {most:,} are judged",
                remedy="declare bins or quantiles of a number, the values that matter, or a larger max: each is judged alone",
            )

    def _named(self, labels: pa.DictionaryArray) -> pa.DictionaryArray:
        """The labels as people may see them."""
        if self._salt is None:
            return labels
        names: list[str] = labels.dictionary.to_pylist()
        shown = [name if name == MISSING else text for name, text in zip(names, hashed(names, self._salt), strict=True)]
        return pa.DictionaryArray.from_arrays(labels.indices, arrays.from_texts(shown))

    def done(self) -> pa.Array:
        texts = [str(text) for text in self._codes.distinct]
        return pa.DictionaryArray.from_arrays(arrays.from_numpy(self._codes.all()), arrays.from_texts(texts))


class QuantileLabels:
    """The bin of each row, which is known when all rows are; quantiles are of queries where there are any."""

    def __init__(self, dataset: Dataset, declared: Slice, queries: Codes | None) -> None:
        self.purpose, self.needs = f"column of slice {declared.name!r}", declared.columns
        self._dataset, self._declared, self._queries = dataset, declared, queries
        self._numbers: list[Array] = []

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        with _speaking_of(self._dataset, self._declared):
            self._numbers.append(self._declared.numbers(batch))

    def done(self) -> pa.Array:
        numbers = np.concatenate([*self._numbers, np.zeros(0)])
        among = None if self._queries is None else numbers[arrays.firsts(self._queries.all())]
        return self._declared.cut(numbers, among=among)


def _type_of(dataset: Dataset, column: str) -> pa.DataType:
    """null where the data have no such column, which is refused later."""
    return dataset.schema.field(column).type if column in dataset.columns else pa.null()


@contextmanager
def _speaking_of(dataset: Dataset, declared: Slice) -> Iterator[None]:
    try:
        yield
    except (DataError, pa.ArrowException) as error:
        message = error.message if isinstance(error, DataError) else f"slice {declared.name!r}: cannot be read as text"
        remedy = error.remedy if isinstance(error, DataError) else "store the column as UTF-8 text"
        raise DataError(f"data {dataset.name!r}: {message}", remedy=remedy) from error


class _Distinct:
    """Dictionary arrays under one dictionary, in order of appearance."""

    def __init__(self) -> None:
        self.distinct: dict[Any, int] = {}
        self._codes: list[Array] = []

    def add(self, encoded: pa.DictionaryArray) -> None:
        texts = encoded.dictionary.to_pylist()
        lookup = [self.distinct.setdefault(text, len(self.distinct)) for text in texts]
        codes, narrow = arrays.to_numpy(encoded.indices), arrays.narrow(len(self.distinct))
        unchanged = lookup == list(range(len(lookup)))
        self._codes.append(codes.astype(narrow) if unchanged else np.array(lookup, narrow)[codes])

    def all(self) -> Array:
        """(n,) codes, in no more bytes than they need."""
        return np.concatenate([*self._codes, np.zeros(0, np.uint8)])

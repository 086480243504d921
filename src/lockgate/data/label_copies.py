"""Columns that say the same as the label in every row: whoever is given one is given the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lockgate.data import arrow_arrays as arrays

if TYPE_CHECKING:
    from lockgate.data.dataset import Dataset

LEAST_ROWS = 20  # a fair coin equals a label of two classes on so many rows with a probability of 2 in a million
_FIRST_ROWS = 4096


def label_copies(dataset: Dataset, columns: Sequence[str], *, numbers: bool) -> tuple[str, ...]:
    """Which of these columns equal the label row by row. numbers: as numbers; else by any one-to-one renaming of classes.

    Few rows are read where no column does. Below `LEAST_ROWS`, or where the label never changes, none is said to.
    """
    label = dataset.spec.label
    suspects = {name: (_EqualNumbers() if numbers else _Renaming()) for name in columns if name != label}
    if label is None or label not in dataset.columns or not suspects:
        return ()
    first = next(dataset.batches([label, *suspects], rows=_FIRST_ROWS), None)
    if first is None:
        return ()
    _drop_unequal(suspects, label, first)
    if not suspects:
        return ()
    suspects = {name: type(check)() for name, check in suspects.items()}
    rows = 0
    for batch in dataset.batches([label, *suspects]):
        rows += batch.num_rows
        _drop_unequal(suspects, label, batch)
        if not suspects:
            return ()
    return tuple(name for name, check in suspects.items() if rows >= LEAST_ROWS and check.varies(rows))


def _drop_unequal(suspects: dict[str, _EqualNumbers | _Renaming], label: str, batch: pa.RecordBatch) -> None:
    truth = arrays.plain(batch.column(label))
    for name in list(suspects):
        if not suspects[name].add(truth, arrays.plain(batch.column(name))):
            del suspects[name]


class _EqualNumbers:
    """Whether two columns hold the same numbers."""

    def __init__(self) -> None:
        self._low, self._high = np.inf, -np.inf

    def add(self, label: pa.Array, column: pa.Array) -> bool:
        if not (arrays.is_number(label.type) and arrays.is_number(column.type)):
            return False
        truth, values = arrays.as_floats(label), arrays.as_floats(column)
        if truth.size:
            self._low, self._high = min(self._low, truth.min()), max(self._high, truth.max())
        if np.float32 in (truth.dtype, values.dtype):  # a copy in single precision is a copy
            truth, values = truth.astype(np.float32), values.astype(np.float32)
        return bool(np.array_equal(truth, values))

    def varies(self, rows: int) -> bool:
        return bool(self._low < self._high)


class _Renaming:
    """Whether each class of the label stands beside one value of the column alone, and the other way round."""

    def __init__(self) -> None:
        self._names: dict[Any, Any] = {}
        self._classes: dict[Any, Any] = {}

    def add(self, label: pa.Array, column: pa.Array) -> bool:
        if pa.types.is_nested(column.type) or not arrays.is_class(label.type):
            return False
        truth, values = map(arrays.encoded, (label, column))
        count = max(1, len(values.dictionary))
        pairs = np.unique(arrays.to_numpy(truth.indices).astype(np.int64) * count + arrays.to_numpy(values.indices))
        if len(pairs) > max(len(truth.dictionary), 1):
            return False
        classes, names = truth.dictionary.to_pylist(), values.dictionary.to_pylist()
        return all(self._agrees(classes[pair // count], names[pair % count]) for pair in pairs.tolist())

    def _agrees(self, label: Any, name: Any) -> bool:
        return bool(self._names.setdefault(label, name) == name and self._classes.setdefault(name, label) == label)

    def varies(self, rows: int) -> bool:
        """Also whether some class has several rows: where each has one, anything would be a copy."""
        return 1 < len(self._names) < rows

"""A column of the data on its way into the scored table, and the rows of it that are at fault."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from lockgate.data.arrow_arrays import Array
from lockgate.data.dataset import Dataset
from lockgate.errors import DataError


class Column(Protocol):
    @property
    def purpose(self) -> str: ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Data columns."""

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        """Take one batch; `before` rows came earlier."""

    def done(self) -> pa.Array | pa.ChunkedArray:
        """All values. Raises DataError."""


class RowFaults:
    """Rows at fault: how many, and which is the first."""

    def __init__(self, dataset: Dataset, purpose: str, column: str) -> None:
        self._dataset, self._purpose, self._column = dataset, purpose, column
        self._count = self._first = 0

    def add(self, mask: Array, before: int) -> None:
        here = int(mask.sum())
        if here and not self._count:
            self._first = before + int(mask.argmax()) + 1
        self._count += here

    def refuse(self, problem: str, *, remedy: str) -> None:
        if self._count:
            rows = "1 row" if self._count == 1 else f"{self._count:,} rows"
            first = self._dataset.row(self._first)
            raise wrong(
                self._dataset, self._purpose, self._column,
                f"{problem} in {rows}: {first}" if self._count == 1 else f"{problem} in {rows}, the first is {first}",
                remedy=remedy,
            )  # fmt: skip


def texts_of(dataset: Dataset, purpose: str, name: str, column: pa.Array) -> pa.Array:
    """As text. Raises DataError for a type that has none."""
    try:
        return column.cast(pa.string())
    except pa.ArrowException as error:
        raise wrong(
            dataset, purpose, name, f"holds {column.type}, which has no text", remedy="store it as a number or a text"
        ) from error


def wrong(dataset: Dataset, purpose: str, column: str, problem: str, *, remedy: str) -> DataError:
    """The refusal of a column, by the role that the data gives it and by its name."""
    return DataError(
        f"data {dataset.name!r}: the {purpose} (column {column!r} of {dataset.redacted_path}) {problem}", remedy=remedy
    )

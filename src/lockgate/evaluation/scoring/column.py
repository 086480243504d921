"""A column of the data on its way into the scored table, and the rows of it that are at fault."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data import column_texts
from lockgate.data.arrow_arrays import Array
from lockgate.data.dataset import Dataset
from lockgate.data.stored_columns import column_of, stored
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


class SingleColumn:
    """What is made of one data column, in which no value may be missing, unless a request may lack its answer."""

    def __init__(
        self,
        dataset: Dataset,
        column: str,
        purpose: str,
        *,
        remedy: str,
        as_stored: bool = False,
        may_lack: bool = False,
    ) -> None:
        self.purpose, self.needs = purpose, (stored(column) if as_stored else column,)
        self._dataset, self._remedy, self._may_lack = dataset, remedy, may_lack
        self._missing = RowFaults(dataset, purpose, column)

    def _plain(self, batch: pa.RecordBatch, before: int) -> pa.Array:
        """The values of a batch; those that are missing are noted."""
        column = arrays.plain(batch.column(self.needs[0]))
        self._missing.add(arrays.is_missing(column), before)
        return column

    def _texts(self, column: pa.Array) -> pa.Array:
        """The values as text. Raises DataError for a type that has none, and for numbers that may have become the same."""
        if column_texts.may_have_collapsed(column).any():
            raise self._wrong(
                f"holds {arrays.type_text(column.type)} with whole numbers so large that different ones may have become the same",
                remedy="store it as whole numbers or as texts",
            )
        try:
            return column_texts.texts(column)
        except pa.ArrowException as error:
            raise self._wrong(
                f"holds {arrays.type_text(column.type)}, which has no text", remedy="store it as a number or a text"
            ) from error

    def _refuse_missing(self) -> None:
        if not self._may_lack:
            self._missing.refuse("is missing", remedy=self._remedy)

    def _wrong(self, problem: str, *, remedy: str | None = None) -> DataError:
        return wrong(self._dataset, self.purpose, column_of(self.needs[0]), problem, remedy=remedy or self._remedy)


def wrong(dataset: Dataset, purpose: str, column: str, problem: str, *, remedy: str) -> DataError:
    """The refusal of a column, by the role that the data gives it and by its name."""
    return DataError(
        f"data {dataset.name!r}: the {purpose} (column {column!r} of {dataset.redacted_path}) {problem}", remedy=remedy
    )

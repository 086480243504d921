"""Rows that are in memory already, as a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lockgate.data.column_guess import without
from lockgate.data.dataset import INDEX_COLUMN, Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.stored_columns import column_of
from lockgate.hashing import sha256

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.formats import DataFile
    from lockgate.data.overlap.seen_rows import SeenRows


class TableDataset(Dataset):
    """Rows that are in memory already. The path of the spec is only a name."""

    def __init__(
        self,
        table: pa.Table,
        spec: DatasetSpec,
        *,
        name: str = "table",
        find_seen: Callable[[Dataset], SeenRows] | None = None,
    ) -> None:
        super().__init__(name, spec, Path(), find_seen=find_seen)
        self._table = table

    @property
    def version(self) -> None:
        return None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the rows as a stream of Arrow."""
        import pyarrow as pa

        stream = pa.BufferOutputStream()
        with pa.ipc.new_stream(stream, self.schema) as writer:
            writer.write_table(self._table.replace_schema_metadata(None).combine_chunks())
        return sha256(stream.getvalue().to_pybytes())

    @property
    def origin(self) -> Mapping[str, str]:
        return {}

    @property
    def _files(self) -> tuple[DataFile, ...]:
        return ()

    @cached_property
    def schema(self) -> pa.Schema:
        return without(self._table.schema.remove_metadata(), self.spec.drop)

    @property
    def index_columns(self) -> tuple[str, ...]:
        return tuple(name for name in self.columns if INDEX_COLUMN.fullmatch(name))

    @property
    def partition_columns(self) -> tuple[str, ...]:
        return ()

    def untyped(self, column: str) -> bool:
        return False

    @property
    def _rows(self) -> int:
        return int(self._table.num_rows)

    def _read(self, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        parts = [self._table.column(column_of(name)) for name in columns]
        yield from type(self._table).from_arrays(parts, names=columns).to_batches(max_chunksize=rows)

    def _place(self, number: int) -> str:
        return f"row {number:,}"

"""Lift the records of files into flat columns, once, as Parquet files that are read like any others.

A column whose type widens begins a new file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lockgate.data import arrow_arrays as arrays
from lockgate.data.formats import DataFile
from lockgate.data.recordings.columns import as_table
from lockgate.data.recordings.readers import Batch, RecordReader
from lockgate.data.recordings.record_count import RecordCount

_GROUP_ROWS = 1 << 17
Watch = Callable[[Path, str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Lifted:
    """The rows of a recording. files: in the order of the records; origins: (file, how many rows each record gives).

    kept: (n,) bool, which of all those rows are used; None where all are.
    """

    files: tuple[DataFile, ...]
    recording: RecordCount
    origins: tuple[tuple[DataFile, arrays.Array], ...]
    kept: arrays.Array | None = None

    def where(self, row: int) -> str:
        """Which record a row that is used is of, counted from 1, and of which file."""
        row = row if self.kept is None else int(np.flatnonzero(self.kept)[row - 1]) + 1
        for file, counts in self.origins:
            if row <= (total := int(counts.sum())):
                record = int(np.searchsorted(np.cumsum(counts), row)) + 1
                return f"record {record:,} of {file.name}"
            row -= total
        return f"row {row:,}"


def lift(files: Iterable[DataFile], reader: RecordReader, folder: Path, watch: Watch) -> Lifted:
    """The rows that a reader makes of the records of files. folder: where they are written to.

    Raises DataError, whose message follows the path of the data set or names a file.
    """
    written: list[DataFile] = []
    origins = []
    for file in files:
        counts = [np.zeros(0, np.int64)]
        with watch(file.path, file.name):
            batches = _noting(reader.batches(file), counts)
            written += write_rows(batches, folder, first=len(written), file=file)
        origins.append((file, np.concatenate(counts)))
    if not written:
        nothing = as_table([], reader.types)
        written = write_rows([nothing], folder, first=0, file=file)
    reader.refuse_nothing()
    return Lifted(tuple(written), reader.recording, tuple(origins))


def _noting(batches: Iterable[Batch], counts: list[arrays.Array]) -> Iterator[pa.RecordBatch]:
    for batch, rows in batches:
        counts.append(rows)
        yield batch


def write_rows(batches: Iterable[pa.RecordBatch], folder: Path, *, first: int, file: DataFile) -> list[DataFile]:
    """Files of one schema each, with what the path of the recorded file says of all of its rows."""
    written: list[DataFile] = []
    writer: pq.ParquetWriter | None = None
    held: list[pa.RecordBatch] = []
    try:
        for batch in batches:
            if writer is None or batch.schema != writer.schema:
                _flush(writer, held)
                path = folder / f"rows-{first + len(written):06}.parquet"
                writer = pq.ParquetWriter(path, batch.schema, compression="none", use_dictionary=False)
                written.append(DataFile(path, file.name, file.constants))
            held.append(batch)
            if sum(each.num_rows for each in held) >= _GROUP_ROWS:
                _write_held(writer, held)
    finally:
        _flush(writer, held)
    return written


def _write_held(writer: pq.ParquetWriter, held: list[pa.RecordBatch]) -> None:
    if held:
        writer.write_table(pa.Table.from_batches(held), row_group_size=_GROUP_ROWS)
        held.clear()


def _flush(writer: pq.ParquetWriter | None, held: list[pa.RecordBatch]) -> None:
    if writer is not None:
        _write_held(writer, held)
        writer.close()

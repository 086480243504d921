"""Lift the records of files into flat columns, once, as Parquet files that are read like any others.

A block of records is read at once where it is of the types seen so far (`arrow_records.py`), else one record at a time
(`records.py`), from which the types are learnt. A column whose type widens begins a new file.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lockgate.data import arrow_arrays as arrays
from lockgate.data.constant_columns import read_rows
from lockgate.data.formats import DataFile, source_of
from lockgate.data.formats.json_blocks import Block
from lockgate.data.formats.jsonl import explained
from lockgate.data.recordings import arrow_records
from lockgate.data.recordings.columns import as_table, fitted
from lockgate.data.recordings.documents import json_records
from lockgate.data.recordings.path import Key, RecordPath, parse_path
from lockgate.data.recordings.recording import Recording
from lockgate.data.recordings.records import Damaged, Row, RowPaths
from lockgate.errors import DataError

if TYPE_CHECKING:
    from lockgate.data.dataset_spec import DatasetSpec

_GROUP_ROWS = 1 << 17
_LEARNT_RECORDS = 256
Batch = tuple[pa.RecordBatch, arrays.Array]  # rows, and how many of them each record gives
Watch = Callable[[Path, str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Lifted:
    """The rows of a recording. files: in the order of the records; origins: (file, how many rows each record gives)."""

    files: tuple[DataFile, ...]
    recording: Recording
    origins: tuple[tuple[DataFile, arrays.Array], ...]

    def where(self, row: int) -> str:
        """Which record a row is of, counted from 1, and of which file."""
        for file, counts in self.origins:
            if row <= (total := int(counts.sum())):
                record = int(np.searchsorted(np.cumsum(counts), row)) + 1
                return f"record {record:,} of {file.name}"
            row -= total
        return f"row {row:,}"


def lift_spec(spec: DatasetSpec, files: Iterable[DataFile], scratch: Path, watch: Watch) -> Lifted:
    """As `lift`, what an entry of `data:` says; into a folder of its own below the scratch."""
    scratch.mkdir(parents=True, exist_ok=True)
    columns = {name: parse_path(text) for name, text in spec.columns.items()}
    folder = Path(tempfile.mkdtemp(prefix="recording-", dir=scratch))
    return lift(files, columns, folder, watch, texts=names_of_rows(spec))


def names_of_rows(spec: DatasetSpec) -> set[str]:
    """The columns that name something: rows, what they belong together by, the values of slices."""
    named = {spec.id, spec.cluster, spec.query} - {None}
    return {str(name) for name in named} | {str(entry.column) for entry in spec.slices if entry.column is not None}


def lift(
    files: Iterable[DataFile],
    columns: Mapping[str, RecordPath],
    folder: Path,
    watch: Watch,
    *,
    texts: Collection[str] = (),
) -> Lifted:
    """The rows of the records of files, whose columns are at these paths. folder: where they are written to.

    texts: columns that name something, whose cells of CSV are read as they stand there. Raises DataError, whose message
    follows the path of the data set or names a file.
    """
    reader = _Reader(columns, texts)
    written: list[DataFile] = []
    origins = []
    for file in files:
        counts = [np.zeros(0, np.int64)]
        with watch(file.path, file.name):
            batches = _noting(reader.batches(file), counts)
            written += _write(batches, folder, first=len(written), file=file)
        origins.append((file, np.concatenate(counts)))
    if not written:
        nothing = as_table([], reader.types)
        written = _write([nothing], folder, first=0, file=file)
    reader.refuse_dead_ends()
    return Lifted(tuple(written), reader.recording, tuple(origins))


def _noting(batches: Iterable[Batch], counts: list[arrays.Array]) -> Iterator[pa.RecordBatch]:
    for batch, rows in batches:
        counts.append(rows)
        yield batch


def _write(batches: Iterable[pa.RecordBatch], folder: Path, *, first: int, file: DataFile) -> list[DataFile]:
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


class _Reader:
    """Reads files with what was learnt of the types of those before."""

    def __init__(self, columns: Mapping[str, RecordPath], texts: Collection[str]) -> None:
        self.columns, self.root = columns, arrow_records.branched(columns)
        self.paths = RowPaths(columns)
        self.texts = {columns[name].steps for name in texts if name in columns}
        self.types: dict[str, pa.DataType] = dict.fromkeys(columns, pa.null())
        self.recording = Recording()

    def batches(self, file: DataFile) -> Iterator[Batch]:
        """The rows of a file. Raises DataError."""
        if file.format in ("jsonl", "har"):
            for block in json_records(file):
                yield self._counted(file, block.lines, partial(_parsed, file, block))
            return
        for batch in self._rows(file):
            yield self._counted(file, batch, batch.to_pylist)

    def refuse_dead_ends(self) -> None:
        """Raise DataError where no record has what a path leads to, or none could be decoded."""
        used = self.recording.records - sum(self.recording.unused.values())
        if self.recording.records and not used:
            raise DataError(
                f"has {self.recording.records:,} records, and no row in them{self.recording.example}",
                remedy="correct the paths of `columns`",
            )
        for name, kind in self.types.items():
            if pa.types.is_null(kind):
                raise DataError(
                    f"has nothing at {self.columns[name].text}, the path of column {name!r}, in any of "
                    f"{self.recording.records:,} records",
                    remedy="correct the path",
                )

    def _rows(self, file: DataFile) -> Iterator[pa.RecordBatch]:
        """The columns of a table that the paths begin with; cells of CSV are texts where something is decoded in them."""
        source = source_of(file)
        contents = source.scan(file)
        begins = {path.steps[0].name: path for path in self.columns.values() if isinstance(path.steps[0], Key)}
        own = {each.name: each.type for each in contents.schema} | {
            name: constant.type for name, constant in file.constants.items()
        }
        as_text = {steps[0] for steps in self.texts if len(steps) == 1} if file.format == "csv" else set()
        schema = pa.schema(
            [(name, pa.string() if Key(name) in as_text else own[name]) for name in begins if name in own]
        )
        if not schema.names:
            raise file.broken(
                f"has none of the columns that `columns` begins with; its columns are {', '.join(list(own)[:40])}",
                remedy="correct the paths",
            )
        yield from read_rows(file, contents, schema, pa.schema([]), rows=1 << 14)

    def _counted(self, file: DataFile, block: bytes | pa.RecordBatch, records: Callable[[], list[Any]]) -> Batch:
        if all(map(pa.types.is_null, self.types.values())):
            self._learn(block)
        batch = self._at_once(block) or self._one_by_one(file, records())
        self.recording.records += len(batch[1])
        self.recording.unused["empty"] += int((batch[1] == 0).sum())
        return batch

    def _learn(self, block: bytes | pa.RecordBatch) -> None:
        """Take the types from the first records, so that the others can be read at once; what is wrong there is found again."""
        with suppress(DataError, Damaged, ValueError, AttributeError):
            first: list[Any] = (
                [json.loads(line) for line in islice(io.BytesIO(block), _LEARNT_RECORDS)]
                if isinstance(block, bytes)
                else block.slice(0, _LEARNT_RECORDS).to_pylist()
            )
            as_table([row for record in first for row in self.paths.rows(record)], self.types)

    def _at_once(self, block: bytes | pa.RecordBatch) -> Batch | None:
        """The rows of all records, where they are of the types learnt; None where they are to be read one at a time."""
        read: Any = arrow_records.from_lines if isinstance(block, bytes) else arrow_records.from_batch
        try:
            columns, counts = read(block, self.root, self.types)
        except arrow_records.Unfit:
            return None
        return fitted(columns, self.types, int(counts.sum())), counts

    def _one_by_one(self, file: DataFile, records: Iterable[Any]) -> Batch:
        rows: list[Row] = []
        counts = []
        for number, record in enumerate(records, self.recording.records + 1):
            before = len(rows)
            try:
                rows += self.paths.rows(record)
            except Damaged as damage:
                self.recording.unused["damaged"] += 1
                self.recording.unused["empty"] -= 1
                self.recording.example = self.recording.example or f": {damage} (record {number:,})"
            counts.append(len(rows) - before)
        try:
            return as_table(rows, self.types), np.array(counts, np.int64)
        except DataError as error:
            raise file.broken(error.message, remedy=error.remedy) from error


def _parsed(file: DataFile, block: Block) -> list[Any]:
    """The objects of a block. Raises DataError, which names the line that is none."""
    try:
        records = [json.loads(line) for line in block.lines.split(b"\n") if line.strip()]
    except (ValueError, RecursionError) as error:
        raise explained(file, block) from error
    if not all(isinstance(record, dict) for record in records):
        raise explained(file, block)
    return records

"""Read the records of files as rows, block by block."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data.constant_columns import read_rows
from lockgate.data.formats import DataFile, source_of
from lockgate.data.formats.json_blocks import Block
from lockgate.data.formats.jsonl import explained
from lockgate.data.recordings import arrow_records
from lockgate.data.recordings.columns import as_table, fitted, misfits
from lockgate.data.recordings.documents import json_records
from lockgate.data.recordings.path import Key, RecordPath
from lockgate.data.recordings.record_count import RecordCount
from lockgate.data.recordings.records import Row, RowPaths, Unused
from lockgate.errors import DataError

_LEARNT_RECORDS = 256
Batch = tuple[pa.RecordBatch, arrays.Array]  # rows, and how many of them each record gives


class RecordReader:
    """Reads files, one record at a time, with what was learnt of the types of those before.

    rows: the rows of a record; it raises Unused. columns: those of the rows that paths lead to. begins: the columns of a
    table that it looks at; all where None. texts: columns of CSV whose cells are taken as they stand there.
    """

    def __init__(
        self,
        rows: Callable[[Mapping[str, Any]], list[Row]],
        columns: Mapping[str, RecordPath],
        *,
        begins: Collection[str] | None = None,
        texts: Collection[str] = (),
    ) -> None:
        self.rows, self.columns, self.begins, self.texts = rows, columns, begins, texts
        self.types: dict[str, pa.DataType] = {}
        self.recording = RecordCount()

    def batches(self, file: DataFile) -> Iterator[Batch]:
        """The rows of a file. Raises DataError."""
        if file.format in ("jsonl", "har"):
            for block in json_records(file):
                yield self._counted(file, block.lines, partial(_parsed, file, block))
            return
        for batch in self._rows(file):
            yield self._counted(file, batch, batch.to_pylist)

    def refuse_nothing(self) -> None:
        """Raise DataError where records give no row, or none of them has what a path leads to."""
        used = self.recording.records - sum(self.recording.unused.values())
        if self.recording.records and not used:
            raise DataError(
                f"has {self.recording.records:,} records, and no row in them{self.recording.example}",
                remedy="correct `format`, or the paths of `columns`",
            )
        for name, path in self.columns.items():
            if self.recording.records and pa.types.is_null(self.types.get(name, pa.null())):
                raise DataError(
                    f"has nothing at {path.text}, the path of column {name!r}, in any of {self.recording.records:,} records",
                    remedy="correct the path",
                )

    def _rows(self, file: DataFile) -> Iterator[pa.RecordBatch]:
        """The columns of a table that the paths begin with; cells of CSV are texts where something is decoded in them."""
        source = source_of(file)
        contents = source.scan(file)
        own = {each.name: each.type for each in contents.schema} | {
            name: constant.type for name, constant in file.constants.items()
        }
        texts = self.texts if file.format == "csv" else ()
        names = [name for name in own if self.begins is None or name in self.begins]
        if not names:
            raise file.broken(
                f"has none of the columns that `columns` begins with; its columns are {', '.join(list(own)[:40])}",
                remedy="correct the paths",
            )
        schema = pa.schema([(name, pa.string() if name in texts else own[name]) for name in names])
        yield from read_rows(file, contents, schema, pa.schema([]), rows=1 << 14)

    def _counted(self, file: DataFile, block: bytes | pa.RecordBatch, records: Callable[[], list[Any]]) -> Batch:
        batch = self._at_once(block) or self._one_by_one(file, records())
        self.recording.records += len(batch[1])
        self.recording.unused["empty"] += int((batch[1] == 0).sum())
        return self._of_this_half(batch)

    def _of_this_half(self, batch: Batch) -> Batch:
        """The rows that the records of this half give; all where there is no other."""
        return batch

    def _at_once(self, block: bytes | pa.RecordBatch) -> Batch | None:
        """The rows of all records of a block, where they can be read so."""
        return None

    def _one_by_one(self, file: DataFile, records: Iterable[Any]) -> Batch:
        rows: list[Row] = []
        counts = []
        for number, record in enumerate(records, self.recording.records + 1):
            before = len(rows)
            try:
                rows += self.rows(record)
            except Unused as fault:
                self.recording.note(fault.reason, f": {fault} (record {number:,})" if str(fault) else "")
            counts.append(len(rows) - before)
            if counts[-1] and isinstance(share := rows[-1].get("sampling_fraction"), float):
                self.recording.note_sample(share)
        try:
            return self._table(rows, np.array(counts, np.int64))
        except UnicodeError as error:
            raise file.broken(
                "holds a text that is no Unicode, half of a pair of surrogates", remedy="write it anew"
            ) from error
        except DataError as error:
            raise file.broken(error.message, remedy=error.remedy) from error

    def _table(self, rows: list[Row], counts: arrays.Array) -> Batch:
        """The rows of records, but of those of which a value is of another kind than its column. Raises DataError."""
        try:
            return as_table(rows, self.types), counts
        except DataError:
            faults = misfits(rows, self.types)
            if not faults:
                raise
        owners = np.repeat(np.arange(len(counts)), counts)
        damaged = {int(owners[row]): fault for row, fault in reversed(faults.items())}
        for record, fault in sorted(damaged.items()):
            self.recording.note("damaged", f": {fault} (record {self.recording.records + record + 1:,})")
        kept = [row for row, owner in zip(rows, owners.tolist(), strict=True) if owner not in damaged]
        return as_table(kept, self.types), np.where(np.isin(np.arange(len(counts)), list(damaged)), 0, counts)


class PathReader(RecordReader):
    """Reads columns by their paths: many records at once where all are of the types seen so far.

    texts: columns that name something. content: columns of which a record has one where it is of this half of a recording,
    whose other half lies in the same files.
    """

    def __init__(
        self, columns: Mapping[str, RecordPath], texts: Collection[str] = (), *, content: Collection[str] = ()
    ) -> None:
        first = [path.steps[0] for path in columns.values()]
        whole = {columns[name].steps for name in texts if name in columns}
        super().__init__(
            RowPaths(columns).rows,
            columns,
            begins={step.name for step in first if isinstance(step, Key)},
            texts={steps[0].name for steps in whole if len(steps) == 1 and isinstance(steps[0], Key)},
        )
        self.root, self.content = arrow_records.branched(columns), content
        self.types = dict.fromkeys(columns, pa.null())

    def _of_this_half(self, batch: Batch) -> Batch:
        if not self.content:
            return batch
        rows, counts = batch
        there = np.zeros(rows.num_rows, bool)
        for name in self.content:
            there |= ~arrays.is_missing(rows.column(name))
        owners = np.repeat(np.arange(len(counts)), counts)
        return rows.filter(arrays.from_numpy(there)), np.bincount(owners[there], minlength=len(counts))

    def _at_once(self, block: bytes | pa.RecordBatch) -> Batch | None:
        if all(map(pa.types.is_null, self.types.values())):
            self._learn(block)
        read: Any = arrow_records.from_lines if isinstance(block, bytes) else arrow_records.from_batch
        try:
            columns, counts = read(block, self.root, self.types)
        except arrow_records.Unfit:
            return None
        return fitted(columns, self.types, int(counts.sum())), counts

    def _learn(self, block: bytes | pa.RecordBatch) -> None:
        """Take the types from the first records, so that the others can be read at once; what is wrong there is found again."""
        with suppress(DataError, ValueError, AttributeError):
            first: list[Any] = (
                [json.loads(line) for line in islice(io.BytesIO(block), _LEARNT_RECORDS)]
                if isinstance(block, bytes)
                else block.slice(0, _LEARNT_RECORDS).to_pylist()
            )
            as_table([row for record in first for row in self.rows(record)], self.types)


def _parsed(file: DataFile, block: Block) -> list[Any]:
    """The objects of a block. Raises DataError, which names the line that is none."""
    try:
        records = [json.loads(line) for line in block.lines.split(b"\n") if line.strip()]
    except (ValueError, RecursionError) as error:
        raise explained(file, block) from error
    if not all(isinstance(record, dict) for record in records):
        raise explained(file, block)
    return records

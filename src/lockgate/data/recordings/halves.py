"""Put requests and answers that were recorded apart together by the id of the request, and drop what is there twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lockgate.data import arrow_arrays as arrays
from lockgate.data import column_texts
from lockgate.data.formats import DataFile
from lockgate.data.recordings.lift import Lifted, write_rows
from lockgate.data.time_window import moments_of
from lockgate.errors import DataError

_ROWS = 1 << 16


@dataclass(frozen=True)
class Lateness:
    """From when on an answer is too late. request, answer: the columns of their times."""

    request: str
    answer: str
    within: timedelta


def unrepeated(lifted: Lifted, key: str) -> Lifted:
    """The rows of one id once: the first of equal ones, none of those that differ. Raises DataError."""
    texts = pa.concat_arrays([_texts(table.column(key)) for table in _tables(lifted, [key])])
    encoded = texts.dictionary_encode()
    codes = arrays.to_numpy(pc.fill_null(encoded.indices, -1)).astype(np.int64)
    counts = np.bincount(codes + 1, minlength=len(encoded.dictionary) + 1)
    counts[0] = 0
    suspects = np.flatnonzero(counts[codes + 1] > 1)
    if not suspects.size:
        return lifted
    kept = np.ones(len(codes), bool)
    contents = _contents(lifted, suspects)
    groups: dict[int, list[int]] = {}
    for position, row in enumerate(suspects):
        groups.setdefault(int(codes[row]), []).append(position)
    for positions in groups.values():
        same = len({contents[position] for position in positions}) == 1
        kept[suspects[positions[1:] if same else positions]] = False
        lifted.recording.unused["repeated" if same else "contradictory"] += len(positions) - same
    return _keeping(lifted, kept)


def joined(
    requests: Lifted, answers: Lifted, *, by: tuple[str, str], folder: Path, lateness: Lateness | None
) -> Lifted:
    """The requests with the columns of their answers, missing where there is none or it came too late.

    by: the columns of the id of a request in both. Raises DataError, whose message follows the path of the data set.
    """
    requests, answers = unrepeated(requests, by[0]), unrepeated(answers, by[1])
    table = pa.concat_tables(list(_tables(answers)), promote_options="permissive").combine_chunks()
    ids = _texts(table.column(by[1]))
    columns = [name for name in table.column_names if name != by[1]]
    schemas = [pq.read_schema(file.path) for file in requests.files]
    if twice := sorted({name for schema in schemas for name in schema.names}.intersection(columns)):
        raise DataError(f"has column {twice[0]!r} in requests and in answers", remedy="give one of them another name")
    used, recording = np.zeros(len(ids), bool), requests.recording

    def batches(file: DataFile) -> Iterator[pa.RecordBatch]:
        for batch in _batches(file):
            places = pc.index_in(_texts(batch.column(by[0])), value_set=ids, skip_nulls=True)
            answered = ~arrays.is_missing(places)
            used[arrays.to_numpy(places)[answered]] = True
            recording.unused["unanswered"] += int((~answered).sum())
            if lateness is not None:
                late = answered & _late(batch, table.take(places), lateness)
                recording.unused["late"] += int(late.sum())
                places = pc.if_else(arrays.from_numpy(late), pa.nulls(1, places.type)[0], places)
            cells = table.select(columns).take(places).combine_chunks()
            values = [*batch.columns, *(arrays.whole(cells.column(name)) for name in columns)]
            yield pa.RecordBatch.from_arrays(values, names=[*batch.schema.names, *columns])

    written: list[DataFile] = []
    for file in requests.files:
        written += write_rows(batches(file), folder, first=len(written), file=file)
    if not written:
        schema = pa.schema([*schemas[0], *table.select(columns).schema])
        nothing = pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], names=schema.names)
        written = write_rows([nothing], folder, first=0, file=requests.files[0])
    for reason in ("damaged", "truncated", "repeated", "contradictory"):
        recording.unused[reason] += answers.recording.unused[reason]
    recording.unused["unasked"] += int((~used).sum())
    return replace(requests, files=tuple(written))


def _late(requests: pa.RecordBatch, answers: pa.Table, lateness: Lateness) -> arrays.Array:
    requested, answered = (
        moments_of(arrays.whole(column))
        for column in (requests.column(lateness.request), answers.column(lateness.answer))
    )
    waited = answered.values.astype(np.int64) - requested.values.astype(np.int64)
    late: arrays.Array = (waited > lateness.within / timedelta(microseconds=1)) & ~requested.missing & ~answered.missing
    return late


def _texts(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    whole = arrays.plain(arrays.whole(column))
    if not arrays.has_text(whole.type) or column_texts.may_have_collapsed(whole).any():
        raise DataError(
            f"has ids of requests that are {arrays.type_text(whole.type)}",
            remedy="name a column of texts or whole numbers",
        )
    return column_texts.texts(whole).cast(pa.string())


def _batches(file: DataFile) -> Iterator[pa.RecordBatch]:
    before = 0
    with pq.ParquetFile(file.path) as parquet:
        for batch in parquet.iter_batches(batch_size=_ROWS):
            kept = (
                batch if file.kept is None else batch.filter(arrays.from_numpy(file.kept[before : before + len(batch)]))
            )
            before += len(batch)
            if len(kept):
                yield kept


def _tables(lifted: Lifted, columns: list[str] | None = None) -> Iterator[pa.Table]:
    for file in lifted.files:
        table = pq.ParquetFile(file.path).read(columns)
        yield table if file.kept is None else table.filter(arrays.from_numpy(file.kept))


def _contents(lifted: Lifted, rows: arrays.Array) -> list[str]:
    """What stands in these rows, as texts that are equal where they are."""
    contents: list[str] = []
    before = 0
    for file in lifted.files:
        with pq.ParquetFile(file.path) as parquet:
            for batch in parquet.iter_batches(batch_size=_ROWS):
                here = rows[(rows >= before) & (rows < before + len(batch))] - before
                contents += map(repr, batch.take(arrays.from_numpy(here)).to_pylist())
                before += len(batch)
    return contents


def _keeping(lifted: Lifted, kept: arrays.Array) -> Lifted:
    files, before = [], 0
    for file in lifted.files:
        rows = pq.read_metadata(file.path).num_rows
        files.append(replace(file, kept=kept[before : before + rows]))
        before += rows
    return replace(lifted, files=tuple(files), kept=kept)

"""The file of a scored table: Parquet, whose bytes depend on the rows alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lockgate.data import arrow_arrays as arrays
from lockgate.data.slices.spec import is_fixed
from lockgate.evidence.run_folder import replacing

SCHEMA = "lockgate/scored/v1"
CLASSES = "lockgate.classes"
ANSWERS = "lockgate.answers"
_GROUP_ROWS = 1 << 17  # of a Parquet row group; part of the bytes that are hashed


def write_scored(
    path: Path,
    batches: Iterable[pa.RecordBatch],
    *,
    classes: Sequence[str] = (),
    answers: Mapping[str, str] | None = None,
) -> None:
    """Write a scored table, at least one batch of it, whole or not at all; equal rows make equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, mode=0o600) as file:
        write_table(file, batches, classes, answers or {})
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_table(
    sink: Any, batches: Iterable[pa.RecordBatch], classes: Sequence[str], answers: Mapping[str, str]
) -> None:
    """Row groups of one size and texts without dictionaries of their own: the bytes depend on the rows alone."""
    groups = _groups(_decoded(batch) for batch in batches)
    first = next(groups)
    schema = first.schema
    texts = [name for name in schema.names if not is_fixed(name)]
    fixed = any(pa.types.is_fixed_size_list(kind) for kind in schema.types)  # which is in no other place of the file
    with pq.ParquetWriter(
        sink, schema, compression="zstd", use_dictionary=texts, write_statistics=False, store_schema=fixed
    ) as writer:
        writer.add_key_value_metadata({"lockgate.schema": SCHEMA})
        if classes:
            writer.add_key_value_metadata({CLASSES: json.dumps(list(classes), ensure_ascii=False)})
        if answers:
            writer.add_key_value_metadata({ANSWERS: json.dumps(dict(answers))})
        for group in chain([first], groups):
            writer.write_table(group.cast(schema), row_group_size=_GROUP_ROWS)


def _decoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([arrays.plain(column) for column in batch.columns], names=batch.schema.names)


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows in tables of exactly `_GROUP_ROWS`, the last one of what is left, empty only where there are none."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        while sum(each.num_rows for each in waiting) > _GROUP_ROWS:
            joined = pa.Table.from_batches(waiting)
            yield joined.slice(0, _GROUP_ROWS).combine_chunks()
            waiting = joined.slice(_GROUP_ROWS).to_batches()
    yield pa.Table.from_batches(waiting).combine_chunks()


def batches_of(table: pa.Table) -> list[pa.RecordBatch]:
    """At least one."""
    return table.to_batches(max_chunksize=_GROUP_ROWS) or [
        pa.RecordBatch.from_arrays([arrays.whole(column) for column in table.columns], names=table.column_names)
    ]

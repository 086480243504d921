"""The scored table: what both models answer about the same rows, built once for each data set of a run."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lockgate import hashing as digests
from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array
from lockgate.data.class_labels import label_classes
from lockgate.data.dataset import Dataset, TableDataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.slices.slice import Slice, resolved
from lockgate.data.slices.spec import FIXED_COLUMNS, is_fixed
from lockgate.errors import DataError, ModelFault
from lockgate.evaluation.scoring.categories import batches_with_categories
from lockgate.evaluation.scoring.concurrent_scoring import in_lockstep
from lockgate.evaluation.scoring.row_columns import checked_rows
from lockgate.models.model import Task

Scorer = Callable[[Iterator[pa.RecordBatch]], Iterator[Array | Mapping[str, Array]]]
Group = tuple[Slice, tuple[str, ...], Array]

SCHEMA = "lockgate/scored/v1"
_CLASSES = "lockgate.classes"
ROLES = ("candidate", "champion")
_GROUP_ROWS = 1 << 17  # of a Parquet row group; part of the bytes that are hashed
_ROWS_OF_ARRAYS = 256  # of 224 × 224 pixels in colour and single precision 150 MB
_BATCH_CELLS = 1 << 19  # rows × columns: wide data goes to the models in shorter batches


def _view(name: str) -> cached_property[Array | None]:
    """A column of the scored table, read at first use."""
    return cached_property(lambda scored: scored._values(name))


class Scored:
    """The scored table: `id, label, weight, cluster, query, candidate, champion` as far as they exist, then `candidate:iou`
    and the like, the row metrics of each model, then one label a slice declaration that reads
    columns; crossings follow from those.

    Views are read at first use. labels: (n,) bool for a binary task, true where positive; float64 for a
    regression or a ranking; with several `classes` int32, the place of the row's class among them. candidate, champion:
    (n,) float64, NaN where a replayed request failed; with several classes (n, classes), or (n,) places of those answered.
    weights: (n,) float64. clusters, queries: (n,) int32, rows of one number belong together. Each is None where the data
    has none. counted_in: of what its rows are.
    """

    labels = _view("label")
    candidate = _view("candidate")
    champion = _view("champion")
    weights = _view("weight")
    clusters = _view("cluster")
    queries = _view("query")

    def __init__(
        self,
        columns: Callable[[str], pa.Array | None],
        *,
        rows: int,
        sha256: Callable[[], str],
        slices: Sequence[Slice],
        classes: Sequence[str] = (),
        counted_in: str = "rows",
    ) -> None:
        self._column, self.counted_in = columns, counted_in
        self._sha256 = sha256
        self.rows = rows
        self.classes = tuple(classes)
        self.slices = resolved(slices)
        self._codes: dict[str, tuple[tuple[str, ...], Array]] = {}
        self._per_row: dict[tuple[str, str], Array] = {}

    @classmethod
    def open(cls, path: Path, *, slices: Sequence[Slice] = ()) -> Scored:
        """A table that `write_scored` wrote. Raises DataError where it is none, or lacks a slice."""
        try:
            with pq.ParquetFile(str(path)) as file:
                names, rows = file.schema_arrow.names, file.metadata.num_rows
                classes = json.loads((file.metadata.metadata or {}).get(_CLASSES.encode(), b"[]"))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path} is not a scored table", remedy="run the pipeline again") from error
        lacking = [declared.name for declared in slices if declared.columns and declared.name not in names]
        if lacking:
            raise DataError(f"{path} has no slice {lacking[0]!r}", remedy="run the pipeline again")

        def column(name: str) -> pa.Array | None:
            if name not in names:
                return None
            with pq.ParquetFile(str(path), read_dictionary=None if is_fixed(name) else [name]) as file:
                return file.read([name]).column(name)

        return cls(column, rows=rows, sha256=lambda: digests.sha256_file(path), slices=slices, classes=classes)

    @classmethod
    def from_table(
        cls,
        table: pa.Table,
        spec: DatasetSpec,
        *,
        task: Task,
        positive: Any,
        classes: Sequence[str] = (),
        salt: bytes = b"",
    ) -> Scored:
        """A table whose scores are known: `spec.scores`, else its columns `candidate` and, if there, `champion`.

        classes: of a multiclass task, those of the label where they are not given. The columns that `spec` names are
        checked like those of a file; its path is not read. Raises DataError.
        """
        if spec.scores is None:
            spec = spec.model_copy(update={"scores": {role: role for role in ROLES if role in table.column_names}})
        dataset = TableDataset(table, spec)
        if task == "multiclass" and not classes:
            classes = label_classes(dataset)
        checked = _check_rows(dataset, task=task, positive=positive, salt=salt, classes=classes)
        stored = checked.table

        def sha256() -> str:
            sink = pa.BufferOutputStream()
            _write(sink, _batches(stored), checked.classes)
            return digests.sha256(sink.getvalue())

        return cls(
            lambda name: stored.column(name) if name in stored.column_names else None,
            rows=checked.rows, sha256=sha256, slices=checked.slices, classes=checked.classes,
        )  # fmt: skip

    @cached_property
    def sha256(self) -> str:
        """Of the file's bytes, or of those that the table would have as a file."""
        return self._sha256()

    def per_row(self, role: str, name: str) -> Array:
        """(n,) float64, a row metric of that model; NaN where it gave none."""
        if (role, name) not in self._per_row:
            values = self._values(f"{role}:{name}")
            self._per_row[role, name] = np.full(self.rows, np.nan) if values is None else values
        return self._per_row[role, name]

    def codes(self, name: str) -> tuple[tuple[str, ...], Array]:
        """(labels, (n,) whole numbers, indices into them) of a slice: each row has one label.

        The order is `Slice.order`: declared values first, also those that no row has, then what else was found, sorted.
        """
        if name not in self._codes:
            self._codes[name] = self._coded(next(declared for declared in self.slices if declared.name == name))
        return self._codes[name]

    def regrouped(self, groups: Mapping[str, Group]) -> Scored:
        """The same rows with other labels for some slices: name → (slice, labels, (n,) indices into them)."""
        _ = (self.labels, self.candidate, self.champion, self.weights, self.clusters)  # read once, for both
        view = copy(self)
        view.slices = tuple(
            groups[declared.name][0] if declared.name in groups else declared for declared in self.slices
        )
        view._codes = self._codes | {name: (labels, codes) for name, (_, labels, codes) in groups.items()}
        return view

    def _coded(self, declared: Slice) -> tuple[tuple[str, ...], Array]:
        if declared.parts:
            return declared.combine([self.codes(part.name) for part in declared.parts])
        column = self._column(declared.name)
        assert column is not None  # noqa: S101  # `open` checked it
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        present = dict.fromkeys(text for chunk in chunks for text in chunk.dictionary.to_pylist())
        labels = declared.order(present)
        index = {label: code for code, label in enumerate(labels)}
        codes = np.empty(self.rows, arrays.narrow(len(labels)))
        start = 0
        for chunk in chunks:
            lookup = np.array([index[text] for text in chunk.dictionary.to_pylist()], codes.dtype)
            codes[start : start + len(chunk)] = lookup[arrays.to_numpy(chunk.indices)]
            start += len(chunk)
        return labels, codes

    def _values(self, name: str) -> Array | None:
        column = self._column(name)
        if column is None:
            return None
        whole = arrays.whole(column)
        nested = pa.types.is_nested(whole.type)
        return arrays.to_matrix(whole, len(self.classes)) if nested else arrays.to_numpy(whole)


def build_scored(
    dataset: Dataset,
    *,
    scorers: Mapping[str, Scorer],
    task: Task,
    positive: Any,
    salt: bytes,
    path: Path,
    classes: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    may_fail: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Scored:
    """Check the data, score its rows by the models, write the scored table, and open it.

    scorers: role → the model's scores of each batch, or name → one float a row, the scores under the empty name; the roles
    run at the same time, each in a thread. The data's own columns are checked whole before any model runs; where
    `data.*.scores` names columns, none does. classes: of a multiclass task, in the order of the scores. columns: what
    models get, all by default. may_fail: NaN stands for a request that failed, as a replay needs; else it is refused.
    progress: (rows done, rows). Without rows no model runs.
    Raises DataError, ModelFault, and whatever a scorer raises.
    """
    checked = _check_rows(dataset, task=task, positive=positive, salt=salt, classes=classes)
    if not dataset.spec.scores:
        scores = _score_rows(
            dataset, scorers, checked.rows, columns=columns, may_fail=may_fail, whole=bool(classes), progress=progress
        )
        checked.columns.update(scores)
    write_scored(path, _batches(checked.table), classes=checked.classes)
    return Scored.open(path, slices=dataset.slices)


def write_scored(path: Path, batches: Iterable[pa.RecordBatch], *, classes: Sequence[str] = ()) -> None:
    """Write a scored table, at least one batch of it, whole or not at all; equal rows make equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            _write(file, batches, classes)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@dataclass(frozen=True)
class _CheckedRows:
    """The columns of the scored table that are known so far."""

    rows: int
    columns: dict[str, pa.Array | pa.ChunkedArray]
    slices: tuple[Slice, ...]
    classes: Sequence[str]

    @property
    def table(self) -> pa.Table:
        order = [name for name in FIXED_COLUMNS if name in self.columns]
        order += sorted(name for name in self.columns if is_fixed(name) and name not in FIXED_COLUMNS)
        order += [declared.name for declared in self.slices if declared.columns]
        return pa.Table.from_arrays([self.columns[name] for name in order], names=order)


def _check_rows(dataset: Dataset, *, task: Task, positive: Any, salt: bytes, classes: Sequence[str]) -> _CheckedRows:
    scores = {str(role): column for role, column in (dataset.spec.scores or {}).items()}
    rows, columns = checked_rows(dataset, task=task, positive=positive, salt=salt, scores=scores, classes=classes)
    return _CheckedRows(rows, columns, dataset.slices, classes)


def _score_rows(
    dataset: Dataset,
    scorers: Mapping[str, Scorer],
    rows: int,
    *,
    columns: Sequence[str] | None,
    may_fail: bool,
    whole: bool,
    progress: Callable[[int, int], None] | None,
) -> dict[str, pa.Array]:
    scores: dict[str, Array] = {} if rows else {role: np.zeros(0) for role in scorers}
    sizes: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in batches_with_categories(dataset, columns, rows=_batch_rows(dataset, columns)):
            sizes.append(batch.num_rows)
            yield batch

    done = 0
    if rows and scorers:
        with closing(in_lockstep(batches(), scorers)) as answers:
            for number, answer in enumerate(answers):
                if done + sizes[number] > rows:
                    break
                for name, values in _columns(answer):
                    if name not in scores:
                        scores[name] = np.full((rows, *values.shape[1:]), np.nan)
                    scores[name][done : done + sizes[number]] = _checked_scores(
                        name, values, sizes[number], done, may_fail=may_fail or name not in scorers
                    )
                done += sizes[number]
                if progress is not None:
                    progress(done, rows)
        if done != rows or done != sum(sizes):
            raise DataError(
                f"data {dataset.name!r}: {dataset.redacted_path} changed while it was read",
                remedy="run again when nobody writes to it",
            )
    return {name: _column(values, whole=whole and not may_fail and name in scorers) for name, values in scores.items()}


def _batch_rows(dataset: Dataset, columns: Sequence[str] | None) -> int:
    """How many rows a batch has; few where cells may be images or other arrays."""
    kinds = [dataset.schema.field(name).type for name in dataset.columns if columns is None or name in columns]
    if any(arrays.is_array(kind) for kind in kinds):
        return _ROWS_OF_ARRAYS
    return min(65_536, max(1_024, _BATCH_CELLS // max(1, len(dataset.columns if columns is None else columns))))


def _column(scores: Array, *, whole: bool) -> pa.Array:
    """Scores as a column of the table. whole: they are indices of classes."""
    if scores.ndim == 2:
        return arrays.from_matrix(scores)
    return arrays.from_numpy(scores.astype(np.int32) if whole else scores)


def _columns(answers: Mapping[str, Array | Mapping[str, Array]]) -> Iterator[tuple[str, Array]]:
    """(column of the scored table, its values) of what the models answered."""
    for role, answer in answers.items():
        if isinstance(answer, Mapping):
            yield from ((f"{role}:{name}" if name else role, values) for name, values in answer.items())
        else:
            yield role, answer


def _checked_scores(role: str, scores: Array, rows: int, before: int, *, may_fail: bool) -> Array:
    if scores.shape[:1] != (rows,):
        raise ModelFault(
            f"the {role} answered {scores.shape[0] if scores.ndim else 0:,} scores for {rows:,} rows",
            remedy="a model gives one answer for each row, in order",
        )
    broken: Array = ~np.isfinite(scores)
    if not broken.any():
        return scores
    if may_fail:
        return np.where(broken, np.nan, scores)
    broken = np.asarray(broken.reshape(rows, -1).any(axis=1))
    raise ModelFault(
        f"the {role}'s scores are NaN or infinite in {int(broken.sum()):,} of rows {before + 1:,} to {before + rows:,}, "
        f"first in row {before + int(broken.argmax()) + 1:,}",
        remedy="look at the model's answer for that row; a missing feature is the usual cause",
    )


def _write(sink: Any, batches: Iterable[pa.RecordBatch], classes: Sequence[str]) -> None:
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
            writer.add_key_value_metadata({_CLASSES: json.dumps(list(classes), ensure_ascii=False)})
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


def _batches(table: pa.Table) -> list[pa.RecordBatch]:
    """At least one."""
    return table.to_batches(max_chunksize=_GROUP_ROWS) or [
        pa.RecordBatch.from_arrays([arrays.whole(column) for column in table.columns], names=table.column_names)
    ]

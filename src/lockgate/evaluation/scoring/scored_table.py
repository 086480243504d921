"""The scored table: what both models answer about the same rows, built once for each data set of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lockgate import hashing as digests
from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array
from lockgate.data.class_labels import label_classes
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.slices.slice import Slice, resolved
from lockgate.data.slices.spec import FIXED_COLUMNS, TIME, is_fixed
from lockgate.data.table_dataset import TableDataset
from lockgate.errors import DataError
from lockgate.evaluation.scoring.dataset_scores import Scorer, score_rows
from lockgate.evaluation.scoring.row_columns import checked_rows
from lockgate.evaluation.scoring.scored_file import ANSWERS, CLASSES, batches_of, write_scored, write_table
from lockgate.evaluation.shadow.answer_pairs import AnswerForm
from lockgate.models.answers.answer_reader import AnswerReader
from lockgate.models.model import Task

Group = tuple[Slice, tuple[str, ...], Array]

ROLES = ("candidate", "champion")
ROW = "row"
"""Row metric of the candidate's in a table of some rows of the data: which one it is, from 0."""


def _stored(name: str) -> cached_property[pa.Array | None]:
    """A column of the scored table as it is stored, read at first use."""
    return cached_property(lambda scored: None if (column := scored._column(name)) is None else arrays.whole(column))


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
    has none. ids: (n,) texts, hashes unless the data keep their ids. times: (n,) microseconds since 1970, null where a request has
    none; kept where labels are to come later. counted_in: of what its rows are. answers: role → what its scores are made of, as far as a threshold must know
    it: `labels`, `float16` or `float32`. unrepeatable: role → how its answers differed when rows were sent again. recorded:
    role → how it is known who gave its answers, of those that lie in the data (`parity.recording`).
    traffic: where rows were asked in random order until lines were decided, of how many there are (`shadow.early`); the rows then
    are in that order. copies: of a table in memory, how many copies of some rows all of them are.
    """

    labels = _view("label")
    candidate = _view("candidate")
    champion = _view("champion")
    weights = _view("weight")
    clusters = _view("cluster")
    queries = _view("query")
    ids = _stored("id")
    times = _stored(TIME)

    def __init__(
        self,
        columns: Callable[[str], pa.Array | None],
        *,
        rows: int,
        sha256: Callable[[], str],
        slices: Sequence[Slice],
        classes: Sequence[str] = (),
        counted_in: str = "rows",
        answers: Mapping[str, str] | None = None,
    ) -> None:
        self._column, self.counted_in, self.answers = columns, counted_in, dict(answers or {})
        self.copies = 1
        self.unrepeatable: Mapping[str, Mapping[str, Any]] = {}
        self.recorded: dict[str, dict[str, Any]] = {}
        self.traffic: Mapping[str, Any] = {}
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
                more = file.metadata.metadata or {}
                classes = json.loads(more.get(CLASSES.encode(), b"[]"))
                answers = json.loads(more.get(ANSWERS.encode(), b"{}"))
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

        return cls(
            column, rows=rows, sha256=lambda: digests.sha256_file(path), slices=slices, classes=classes, answers=answers
        )

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
        readers: Mapping[str, AnswerReader] | None = None,
    ) -> Scored:
        """A table whose scores are known: `spec.scores`, else its columns `candidate` and, if there, `champion`.

        classes: of a multiclass task, those of the label where they are not given. readers: role → what says what its
        column holds, of a binary task. The columns that `spec` names are checked like those of a file; its path is not
        read. Raises DataError.
        """
        if spec.scores is None:
            spec = spec.model_copy(update={"scores": {role: role for role in ROLES if role in table.column_names}})
        dataset = TableDataset(table, spec)
        if task == "multiclass" and not classes:
            classes = label_classes(dataset)
        readers = readers or {}
        checked = _check_rows(dataset, task=task, positive=positive, salt=salt, classes=classes, readers=readers)
        stored, answers = checked.table, answer_forms(readers)

        def sha256() -> str:
            sink = pa.BufferOutputStream()
            write_table(sink, batches_of(stored), checked.classes, answers)
            return digests.sha256(sink.getvalue())

        scored = cls(
            lambda name: stored.column(name) if name in stored.column_names else None,
            rows=checked.rows, sha256=sha256, slices=checked.slices, classes=checked.classes, answers=answers,
        )  # fmt: skip
        scored.copies = dataset.copies
        return scored

    @property
    def row_numbers(self) -> Array:
        """(n,) which row of the data each is, from 1: not in their order where they were asked in another one."""
        numbers = self.per_row("candidate", ROW)
        return np.where(np.isnan(numbers), np.arange(self.rows), numbers).astype(np.int64) + 1

    @cached_property
    def sha256(self) -> str:
        """Of the file's bytes, or of those that the table would have as a file."""
        return self._sha256()

    def cut(self, role: str, threshold: float | None) -> float | None:
        """The number from which on a stored score of that role is decided positive where its model's threshold is this.

        A score is compared in its own precision, as `scores >= threshold` is in numpy; of labels it is the positive one.
        """
        form = self.answers.get(role)
        if form == "labels":
            return 0.5
        return threshold if form is None or threshold is None else float(np.dtype(form).type(threshold))

    def kind_of_answers(self, role: str) -> Literal["scores", "labels"]:
        """What the answers of that role's model are."""
        return "labels" if self.answers.get(role) == "labels" else "scores"

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

    def of_rows(self, rows: Array) -> Scored:
        """Some of the rows, in the order in which they are named. rows: (k,) numbers."""
        view, places = copy(self), arrays.from_numpy(rows)

        def column(name: str) -> pa.Array | None:
            values = self._column(name)
            return None if values is None else values.take(places)

        for name in ("ids", "times"):
            view.__dict__.pop(name, None)
        view._column, view.rows = column, rows.size
        for name in ("labels", "candidate", "champion", "weights", "clusters", "queries"):
            values = getattr(self, name)
            setattr(view, name, None if values is None else values[rows])
        view._per_row = {key: values[rows] for key, values in self._per_row.items()}
        view._per_row["candidate", ROW] = (self.row_numbers[rows] - 1).astype(np.float64)
        view._codes = {
            declared.name: (labels, codes[rows])
            for declared in self.slices
            for labels, codes in [self.codes(declared.name)]
        }
        return view

    def exchanged(self) -> Scored:
        """The same rows, each model in the other's place."""
        view = copy(self)
        view.candidate, view.champion = self.champion, self.candidate
        other = dict(zip(ROLES, reversed(ROLES), strict=True))
        view.answers = {other[role]: form for role, form in self.answers.items()}
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
    readers: Mapping[str, AnswerReader] | None = None,
    columns: Sequence[str] | None = None,
    may_fail: bool = False,
    timed: bool = False,
    forms: Collection[AnswerForm] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Scored:
    """Check the data, score its rows by the models, write the scored table, and open it.

    scorers: role → the model's scores of each batch, or name → one float a row, the scores under the empty name; the roles
    run at the same time, each in a thread. The data's own columns are checked whole before any model runs; what
    `data.*.scores` names lies there already. classes: of a multiclass task, in the order of the scores. readers: role →
    what makes scores of what its scorer answered, once all is there, or of its column in the data. columns: what models
    get, all by default. may_fail: NaN stands for a request that failed, as a replay needs; else it is refused.
    timed: with the time of each row, where the data name one. forms: as of `checked_rows`. progress: (rows done, rows). Without rows no model runs.
    Raises DataError, ModelFault, and whatever a scorer raises.
    """
    readers = readers or {}
    checked = _check_rows(
        dataset, task=task, positive=positive, salt=salt, classes=classes, readers=readers, may_fail=may_fail, timed=timed,
        forms=forms,
    )  # fmt: skip
    if answering := {role: scorer for role, scorer in scorers.items() if dataset.spec.asks(role)}:
        for role in answering.keys() & readers.keys():
            readers[role].expect(checked.label_values)
        values = score_rows(dataset, answering, checked.rows, columns=columns, may_fail=may_fail, progress=progress)
        for name in list(values):
            scores = readers[name].finish(values.pop(name)) if name in readers else values.pop(name)
            checked.columns[name] = _column(scores, whole=bool(classes) and not may_fail and name in answering)
    write_scored(path, batches_of(checked.table), classes=checked.classes, answers=answer_forms(readers))
    return Scored.open(path, slices=dataset.slices)


@dataclass(frozen=True)
class _CheckedRows:
    """The columns of the scored table that are known so far."""

    rows: int
    columns: dict[str, pa.Array | pa.ChunkedArray]
    slices: tuple[Slice, ...]
    classes: Sequence[str]
    label_values: tuple[Any, ...] | None

    @property
    def table(self) -> pa.Table:
        return table_of(self.columns, self.slices)


def table_of(columns: Mapping[str, pa.Array | pa.ChunkedArray], slices: Sequence[Slice]) -> pa.Table:
    """Columns of the scored table in the order of its file."""
    order = [name for name in FIXED_COLUMNS if name in columns]
    order += sorted(name for name in columns if is_fixed(name) and name not in FIXED_COLUMNS)
    order += [declared.name for declared in slices if declared.columns]
    return pa.Table.from_arrays([columns[name] for name in order], names=order)


def _check_rows(dataset: Dataset, *, classes: Sequence[str], **how: Any) -> _CheckedRows:
    """The columns that the data itself says. how: the rest of what `checked_rows` takes."""
    scores = {str(role): column for role, column in (dataset.spec.scores or {}).items()}
    rows, columns, label_values = checked_rows(dataset, scores=scores, classes=classes, **how)
    return _CheckedRows(rows, columns, dataset.slices, classes, label_values)


def _column(scores: Array, *, whole: bool) -> pa.Array:
    """Scores as a column of the table. whole: they are indices of classes."""
    if scores.ndim == 2:
        return arrays.from_matrix(scores)
    return arrays.from_numpy(scores.astype(np.int32) if whole else scores)


def answer_forms(readers: Mapping[str, AnswerReader]) -> dict[str, str]:
    """Role → `labels`, or the precision of its scores where it is less than that of a float64."""
    forms = {role: "labels" if reader.holds_labels else reader.precision for role, reader in readers.items()}
    return {role: form for role, form in sorted(forms.items()) if form is not None}

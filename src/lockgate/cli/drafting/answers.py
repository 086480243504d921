"""Let a version answer rows of the data, in its box, and decide how a pipeline reads what it answers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pyarrow as pa

from lockgate.cli.drafting.columns import MOST_ROWS, first_batches
from lockgate.cli.drafting.gate_lines import RowTime
from lockgate.cli.drafting.registered import Registered
from lockgate.data import arrow_arrays as arrays
from lockgate.data import remote
from lockgate.data.class_labels import in_order, plain_number
from lockgate.data.dataset import Dataset
from lockgate.data.overlap.not_in import NotIn
from lockgate.errors import LockgateError, UsageError
from lockgate.evaluation.case import Case
from lockgate.evaluation.provenance.complete import Provenance
from lockgate.evaluation.provenance.subjects import COMPLETE
from lockgate.evaluation.scoring.categories import batches_with_categories
from lockgate.models.answers.answer_reader import AnswerReader, description
from lockgate.models.input_check import selected
from lockgate.models.input_plan import InputPlan
from lockgate.models.model import LoadPlan, Model, Output, ScoreReading
from lockgate.pipeline.pipeline import Pipeline
from lockgate.runs.case_builder import CaseBuilder, temporary_case
from lockgate.runs.training.logged import logged_training_data
from lockgate.runs.training.seen_rows import TrainingRows

_FIRST, _MOST = 50, 50_000  # rows: that show how long the others take, and that are sent
_SECONDS = 15.0  # for all rows, about
_PATIENCE_S = 60.0  # for one answer; a run has more
_REQUESTS, _WARMUP, _PROBES, _PROBES_S = (
    30,
    5,
    5,
    6.0,
)  # so that no single busy moment of the machine says how fast a version is


@dataclass(frozen=True)
class Reading:
    """What a version answered, as a pipeline reads it.

    output: what the pipeline has to say of the answer, labels_only: whether they are classes without scores. table: truth,
    slices and scores of the rows that were sent. scores: the column of the scores, or one for each class. classes: of
    several. positive: the label that scores speak for, of two. row_time: of requests of one row, None where some failed.
    lacks: what whoever logged the version left out that the gate `signature` asks for, if anything. carried: the facts of its
    origin that it has. sampled: why not all rows
    were sent; nothing where they were. columns: that it is given. overlap: (rows that are in the training data that its run logged, all
    rows); None where nothing is read of these here.
    """

    task: str
    output: Output
    labels_only: bool
    table: pa.Table
    scores: str | Mapping[str, str]
    classes: tuple[str, ...]
    positive: Any
    row_time: RowTime | None
    lacks: str | None = None
    carried: frozenset[str] = frozenset()
    sampled: str = ""
    columns: tuple[str, ...] = ()
    overlap: tuple[int, int] | None = None


def ask(pipeline: Pipeline, newest: Registered, *, task: str | None, environ: Mapping[str, str]) -> Reading:
    """Start the version as a run of the pipeline would, and let it answer. task: None to tell it from the answers.

    Raises LockgateError where it does not answer rows of the data, or what it answers cannot be read.
    """
    with temporary_case(pipeline, newest.registry, newest.version.version, environ=environ) as builder:
        case = builder.case
        dataset = case.dataset(next(iter(pipeline.data)))
        plan = builder.inputs.checked_plan(case.candidate, dataset)
        reading = _Asked(pipeline, dataset, case, plan).reading(task)
        return replace(reading, columns=tuple(plan.sources), overlap=_in_training_data(builder, dataset))


def _in_training_data(builder: CaseBuilder, dataset: Dataset) -> tuple[int, int] | None:
    """As `overlap` of a reading. Data elsewhere are not fetched for a draft."""
    pipeline, candidate = builder.pipeline, builder.case.candidate
    logged = logged_training_data(candidate.facts, pipeline.root)
    if not logged.files or logged.unread or any(remote.is_url(remote.local(path)) for path, _ in logged.files):
        return None
    spec = dataset.spec.model_copy(update={"not_in": (NotIn(training=True),)})
    rows = TrainingRows(pipeline, builder.inputs, lambda: candidate, builder.scratch / "training")
    try:
        overlap = rows.find(Dataset(dataset.name, spec, pipeline.root))
    except LockgateError:
        return None
    return overlap.rows - overlap.kept, overlap.rows


def sampled_words(sent: int, rows: int, affordable: int) -> str:
    """Why no more rows were sent: for the time that they take, or since so many are enough."""
    if sent >= rows:
        return ""
    return f"as many as it answers in about {_SECONDS:g} s" if affordable < _MOST else "as many as are asked at most"


@dataclass(frozen=True)
class _Asked:
    pipeline: Pipeline
    dataset: Dataset
    case: Case
    plan: InputPlan

    def reading(self, task: str | None) -> Reading:
        model: Any = self.case.candidate.model  # in a process, as a draft says nothing else
        model.timeout_s = _PATIENCE_S
        inputs = self._rows(self.plan.sources, categories=True)
        first, seconds = self._first(model, inputs)
        share = int(min(_MOST, _FIRST * _SECONDS / max(seconds, 1e-3)))
        chosen = np.unique(np.linspace(0, inputs.num_rows - 1, min(share, inputs.num_rows)).astype(int))
        if self.dataset.spec.query is not None:  # whole queries
            chosen = np.arange(len(chosen))
        sent, truth = inputs.take(chosen), self._rows(self._columns, categories=False).take(chosen)
        labels = [plain_number(value) for value in arrays.distinct(truth.column(str(self.dataset.spec.label)))]
        task = task or likely_task(self.pipeline.task, first, labels)
        answers, faults = dict[str | None, list[pa.RecordBatch]](), list[LockgateError]()
        for output, need_scores in _outputs(task):
            try:
                if output.method not in answers:
                    answers[output.method] = list(model.predict(self._batches(sent), method=output.method))
                table, scores, classes = self._read(answers[output.method], output, task, labels, truth, need_scores)
            except LockgateError as error:
                faults.append(error)
                continue
            return Reading(
                task,
                output,
                task == "binary" and not need_scores,
                table,
                scores,
                classes,
                self.pipeline.positive,
                self._row_time(model, sent),
                self._lacks,
                self._carried,
                sampled_words(len(chosen), inputs.num_rows, share),
            )
        raise faults[-1]

    @property
    def _lacks(self) -> str | None:
        facts = self.case.candidate.facts
        return "signature" if not facts.signature else "input example" if facts.input_example is None else None

    @property
    def _carried(self) -> frozenset[str]:
        facts = Provenance(self.case.candidate.facts).collect(COMPLETE, needed=COMPLETE)
        return frozenset(subject for subject, fact in facts.items() if fact.count)

    @property
    def _columns(self) -> list[str]:
        spec = self.dataset.spec
        named = (spec.label, spec.weight, spec.cluster, spec.query, *(entry.column for entry in spec.slices))
        return [name for name in dict.fromkeys(named) if name is not None]

    def _rows(self, columns: Sequence[str], *, categories: bool) -> pa.Table:
        typed = map(self.dataset.typed, self.dataset.batches(columns))
        source = batches_with_categories(self.dataset, columns) if categories else typed
        batches = first_batches(source, MOST_ROWS)
        if not any(batch.num_rows for batch in batches):
            raise UsageError(f"data {self.dataset.name!r} has no rows to send", remedy="give data with rows")
        return pa.Table.from_batches(batches)

    def _batches(self, table: pa.Table) -> Iterator[pa.RecordBatch]:
        return selected(self.plan, table.combine_chunks().to_batches(), self.dataset)

    def _first(self, model: Model, inputs: pa.Table) -> tuple[pa.RecordBatch, float]:
        """The answer to a few rows, and how many seconds it took without what the very first one takes."""
        for rows in (1, _FIRST):
            began = time.monotonic()
            answer = next(iter(model.predict(self._batches(inputs.slice(0, rows)))))
        return answer, time.monotonic() - began

    def _read(
        self,
        answers: Sequence[pa.RecordBatch],
        output: Output,
        task: str,
        labels: Sequence[Any],
        truth: pa.Table,
        need: bool,
    ) -> tuple[pa.Table, str | dict[str, str], tuple[str, ...]]:
        """(the table with scores, their columns, the classes of several)."""
        classes = (self.pipeline.classes or in_order(labels)) if task == "multiclass" else ()
        kind = cast("Any", task)
        reader = AnswerReader(ScoreReading(output, kind, self.pipeline.positive, need_scores=need, classes=classes))
        reader.expect(labels)
        values, before = [], 0
        for answer in answers:
            values.append(reader.read(answer, rows_before=before))
            before += answer.num_rows
        scores = reader.finish(np.concatenate(values))
        if task != "multiclass":
            table, name = _with(truth, "score", arrays.from_numpy(scores))
            return table, name, ()
        if scores.ndim == 1:
            table, name = _with(truth, "score", pa.array([classes[int(index)] for index in scores]))
            return table, name, classes
        names, table = dict[str, str](), truth
        for index, each in enumerate(classes):
            table, names[each] = _with(
                table, f"score {index}", arrays.from_numpy(np.ascontiguousarray(scores[:, index]))
            )
        return table, names, classes

    def _row_time(self, model: Model, rows: pa.Table) -> RowTime | None:
        batch, began = next(self._batches(rows.slice(0, _REQUESTS))), time.monotonic()
        spent, p95 = list[float](), list[float]()
        while len(p95) < _PROBES and (not p95 or time.monotonic() - began < _PROBES_S):
            before = model.usage().cpu_seconds
            drive = model.drive(LoadPlan(requests=_REQUESTS, warmup=_WARMUP), batch)
            after = model.usage().cpu_seconds
            p95.append(float(np.quantile(drive.latency_ms, 0.95, method="inverted_cdf")))
            spent.append(0.0 if before is None or after is None else 1000 * (after - before) / (_REQUESTS + _WARMUP))
        return RowTime(min(spent), min(p95)) if np.isfinite(min(p95)) else None


def likely_task(guess: str, answer: pa.RecordBatch, labels: Sequence[Any]) -> str:
    """What a model is for by what it answers; guess: by the labels, of which few whole numbers may be classes or amounts."""
    estimator = description(answer).get("estimator")
    numbers = all(isinstance(label, int | float) for label in labels)
    if estimator == "regressor" and numbers:
        return "regression"
    if estimator == "classifier" or guess == "ranking":
        return ("multiclass" if len(labels) > 2 else "binary") if guess == "regression" else guess
    if answer.num_columns > 1:
        return "multiclass" if len(labels) > 2 and guess == "regression" else guess
    column = arrays.plain(answer.column(0))
    amounts = pa.types.is_floating(column.type) and bool(np.mod(arrays.to_floats(column), 1).any())
    return "regression" if guess == "multiclass" and numbers and amounts else guess


def _outputs(task: str) -> list[tuple[Output, bool]]:
    """Ways to read an answer, in order: (part of it, whether it must be a score)."""
    plain, probabilities = Output(), Output(method="predict_proba")
    if task == "binary":
        return [(plain, True), (probabilities, True), (plain, False)]
    if task == "multiclass":  # what is decided is enough
        return [(plain, False), (probabilities, True)]
    return [(plain, True)]


def _with(table: pa.Table, name: str, values: pa.Array) -> tuple[pa.Table, str]:
    """The table with a column more, and how that is called."""
    while name in table.column_names:
        name += "_"
    return table.append_column(name, values), name

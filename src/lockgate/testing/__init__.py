"""Run one gate exactly as `gate run` would, on scores that you have: to try, test and benchmark gates."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import ValidationError

from lockgate.data.arrow_arrays import from_numpy, to_floats, whole
from lockgate.data.class_labels import class_text
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.overlap.seen_rows import Reference, SeenRows, find_seen_rows
from lockgate.data.table_dataset import TableDataset
from lockgate.errors import UsageError
from lockgate.evaluation.behaviour.alteration import WAYS, Alteration, alteration_of, problems
from lockgate.evaluation.behaviour.answers import ALTERED
from lockgate.evaluation.case import Case, Contender
from lockgate.evaluation.requirements.grammar import RequirementError, parse
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.scored_table import ROW, Scored
from lockgate.evaluation.shadow.early import asking_order
from lockgate.evaluation.shadow.self_comparison import sampled_requests
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.run_folder import RunFolder
from lockgate.gates.gate import Gate, gate_class
from lockgate.models.answers.answer_reader import AnswerReader
from lockgate.models.class_scores import class_indices
from lockgate.models.model import Output, ScoreReading
from lockgate.pipeline.pipeline import Pipeline
from lockgate.pipeline.requirement_checks import LineChecks
from lockgate.registries.ports import ModelVersion, VersionFacts
from lockgate.runs.run import PipelineRun, now
from lockgate.testing.tables import arrow_table, task_of

_DATA, _TRAINING, _TRAFFIC = "table", "the training rows", "traffic"
Scores = Mapping[str, str | Mapping[str, str]]


def run_gate(
    kind: str,
    *,
    table: Any = None,
    scores: Scores | None = None,
    require: Sequence[str | Mapping[str, Any] | Requirement] = (),
    slices: Sequence[Any] = (),
    task: str | None = None,
    positive: Any = 1,
    classes: Sequence[Any] = (),
    threshold: float | None = 0.5,
    label: str = "label",
    cluster: str | None = None,
    weight: str | None = None,
    query: str | None = None,
    time: str | None = None,
    small_slices: Mapping[str, Any] | None = None,
    altered: Mapping[str, Mapping[str, str]] | None = None,
    champion_twice: tuple[str, str] | None = None,
    not_in: Any = None,
    max_seen: float | None = None,
    traffic: Any = None,
    **fields: Any,
) -> GateResult:
    """The result of one gate of `kind` on a table.

    table: a pandas or Arrow table with the columns `label`, `candidate` and, if there is one, `champion`; other columns
    are for slices. scores: {candidate: column, champion: column} where they are called otherwise, or
    {candidate: {class: column, …}}. slices: entries as in `data.*.slices`. task: binary, multiclass, regression or ranking;
    where it is left out, that of the requirements, else of the scores and the label. classes: of task multiclass, else
    those of the label. query: the column that says which rows of a ranking belong to one query. time: the one that says when rows
    were recorded, for `after_training`. altered: for gate behaviour, how rows are altered → {candidate: column, champion: column}
    of the scores of the altered rows, or of their classes, as {"swap=sex": {"candidate": "swapped"}}. champion_twice: for `a_a` of
    gate shadow, the columns of the champion's two further scores of each row. not_in, max_seen: as of data in a pipeline; a table
    of the rows that the candidate was trained on, which are recognised by all its columns but those with a role here. traffic: for
    gate shift, a table of the rows that models meet; a column `candidate` is needed for lines on metrics alone. fields: of the gate. For a gate that replays requests, or alters rows, a missing score is one that was not answered.
    Raises UsageError for an unknown kind, a field that does not fit, a line that the table cannot answer or a table
    without the columns; what a gate raises itself becomes its verdict, as in a run.
    """
    fields |= {} if traffic is None else {"traffic": _TRAFFIC}
    gate, arrow = _gate(kind, require, fields), arrow_table(table)
    answers = {_alteration(text): columns for text, columns in (altered or {}).items()}
    columns = {"label": label, "cluster": cluster, "weight": weight, "query": query, "time": time}
    more: dict[str, Any] = {"slices": tuple(slices), "small_slices": dict(small_slices or {})}
    more |= {} if not_in is None else {"not_in": {"path": _TRAINING}}
    more |= {} if max_seen is None else {"max_seen": max_seen}
    spec = _spec(arrow, scores, columns, more, answered=traffic is None or gate.uses_models)
    class_names = tuple(class_text(name) for name in classes)
    task = task or _inferred_task(gate, spec, arrow, several=bool(classes), label=label)
    data = {_DATA: spec} if traffic is None else {_DATA: spec, _TRAFFIC: DatasetSpec(path=_TRAFFIC)}
    pipeline = _pipeline(gate, data, task=task, classes=class_names, positive=positive, threshold=threshold)
    _refuse(pipeline)
    with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
        training = None if not_in is None else TableDataset(arrow_table(not_in), DatasetSpec(path=_TRAINING))
        return _TableRun(
            pipeline, arrow, threshold, _needs_scores(gate), Path(scratch), answers, training, champion_twice,
            None if traffic is None else TableDataset(arrow_table(traffic), pipeline.data[_TRAFFIC], name=_TRAFFIC),
        ).run()  # fmt: skip


def _gate(kind: str, require: Sequence[Any], fields: Mapping[str, Any]) -> Gate:
    cls = gate_class(kind, root=Path.cwd())
    values: dict[str, Any] = {"gate": kind, **fields}
    if require:
        values["require"] = tuple(require)
    if "data" in cls.model_fields:
        values["data"] = _DATA
    try:
        gate = cls.model_validate(values)
    except ValidationError as refusal:
        raise UsageError(f"gate {kind}: {_first(refusal)}") from refusal
    return gate


def _first(refusal: ValidationError) -> str:
    error = refusal.errors(include_url=False)[0]
    path = ".".join(str(part) for part in error["loc"])
    message = error.get("ctx", {}).get("error", error["msg"])
    return f"{path}: {message}" if path else str(message)


def _spec(
    arrow: pa.Table,
    scores: Scores | None,
    columns: Mapping[str, str | None],
    more: Mapping[str, Any],
    *,
    answered: bool,
) -> DatasetSpec:
    """The table as data of a pipeline. answered: whether the candidate's scores must be there. Raises UsageError for columns that it lacks; the label may be one of those."""
    names = arrow.schema.names
    roles = dict(scores) if scores else {role: role for role in ("candidate", "champion") if role in names}
    if answered and "candidate" not in roles:
        raise UsageError("the table has no column 'candidate'", remedy="name it with scores={'candidate': column}")
    named = {key: name for key, name in columns.items() if key != "label" or name in names}
    scored = [name for role in roles.values() for name in ([role] if isinstance(role, str) else role.values())]
    missing = [name for name in (*scored, *named.values()) if name is not None and name not in names]
    if missing:
        raise UsageError(f"the table has no column {missing[0]!r}; it has {', '.join(names)}")
    try:
        return DatasetSpec.model_validate({"path": "table", "scores": roles or None, **named, **more})
    except ValidationError as refusal:
        raise UsageError(f"table: {_first(refusal)}") from refusal


def _inferred_task(gate: Gate, spec: DatasetSpec, arrow: pa.Table, *, several: bool, label: str) -> str:
    """The only one of which all requirements are, else that of the scores and the label."""
    subjects = [gate.subjects.get(line.subject) for line in gate.lines]
    tasks = [set(subject.tasks) for subject in subjects if subject is not None and subject.tasks]
    possible = set.intersection(*tasks) if tasks else set()
    if several or any(not isinstance(role, str) for role in (spec.scores or {}).values()):
        possible &= {"multiclass"}
    return possible.pop() if len(possible) == 1 else task_of(arrow, label)


def _pipeline(gate: Gate, data: dict[str, DatasetSpec], **fields: Any) -> Pipeline:
    """The pipeline that the gate and its table would be, as `gate check` looks at one."""
    return Pipeline.model_construct(model="table", gates=(gate,), data=data, **fields)


def _refuse(pipeline: Pipeline) -> None:
    """Raise UsageError with what `gate check` would say of the gate, of all that a table decides.

    Whether there is a champion is left open, as before a first promotion; scores are held against a threshold only where they are
    no labels, which nobody has looked at yet; nobody signs.
    """
    (gate,), spec = pipeline.gates, pipeline.data[_DATA]
    undecided = frozenset({("champion",), ("threshold",), ("signoff",)})
    checks = LineChecks(pipeline, gate, f"gate {gate.title}", _DATA, undecided, data_words="the table")
    messages = [message for line in gate.lines for message in checks.complaints(line)]
    if not messages:
        # Of altered rows, and of those that may not be asked, the answers are given too, so that a model need not be there.
        altered = any(way in subject.args for subject in gate.subjects.values() for way in WAYS)
        asks = altered or gate.stops_early
        answered = spec.model_copy(update={"scores": None}) if asks else spec
        messages = [
            message
            for _, message in gate.complaints(pipeline.model_copy(update={"data": {**pipeline.data, _DATA: answered}}))
        ]
    if messages:
        raise UsageError("\n".join(dict.fromkeys(messages)))


def _needs_scores(gate: Gate) -> bool:
    """Whether a line of the gate ranks or weighs scores, so that class labels will not do."""
    subjects = (gate.subjects.get(line.subject) for line in gate.lines)
    return any(subject is not None and subject.ranks for subject in subjects)


@dataclass(frozen=True)
class _TableRun:
    """A run of one gate in whose case everything is already scored. training: the rows that `not_in` names. traffic: what
    gate shift compares the table with."""

    pipeline: Pipeline
    arrow: pa.Table
    threshold: float | None
    need_scores: bool
    folder: Path
    altered: Mapping[Alteration, Mapping[str, str]]
    training: TableDataset | None
    champion_twice: tuple[str, str] | None
    traffic: TableDataset | None

    @cached_property
    def dataset(self) -> TableDataset:
        return TableDataset(self.arrow, self.spec, find_seen=None if self.training is None else self._find_seen)

    @cached_property
    def rows(self) -> pa.Table:
        """Those by which the gate judges: all that the candidate was not trained on. Raises DataError."""
        overlap = self.dataset.seen_rows
        return self.arrow if overlap is None else self.arrow.filter(from_numpy(overlap.unseen))

    def _find_seen(self, dataset: Dataset) -> SeenRows:
        assert self.training is not None  # noqa: S101  # nobody looks else
        left_out = {*dataset.spec.roles, *self.training.index_columns}
        columns = tuple(name for name in self.training.columns if name not in left_out)
        return find_seen_rows(dataset, [Reference(self.training, columns)])

    @property
    def spec(self) -> DatasetSpec:
        return self.pipeline.data[_DATA]

    def run(self) -> GateResult:
        run = PipelineRun(
            pipeline=self.pipeline,
            case=self._case(),
            folder=RunFolder(self.folder),
            nonce="",
            started_at=now(),
            circumstances={},
        )
        run.run_gates()
        return run.results[0]

    def _case(self) -> Case:
        scored = list[Scored]()

        def score(_: str) -> Scored:
            scored[:] = [self._scored()]
            return scored[0]

        return Case(
            candidate=_silent_candidate(self.folder) if self.spec.time or self.traffic else _contender("candidate"),
            champion=_contender("champion") if "champion" in (self.spec.scores or {}) else None,
            task=self.pipeline.task,
            folder=self.folder,
            seed=0,
            datasets=tuple(self.pipeline.data),
            input_plan=_no_model,
            dataset=lambda name: self.traffic if self.traffic is not None and name == _TRAFFIC else self.dataset,
            scored=score,
            notes=lambda: tuple(note for table in scored for note in _copied(table)),
            replayed=lambda _: self._replayed(),
            altered=lambda _, alteration, with_champion: self._altered(alteration, score("").classes),
            replayed_until=lambda _, __, decided: self._replayed_until(decided),
            champion_twice=lambda _, requests: self._twice(requests, score("").classes),
            sample=_no_model,
            threshold=lambda _: self.threshold,
        )

    def _scored(self) -> Scored:
        return Scored.from_table(
            self.rows,
            self.spec,
            task=self.pipeline.task,
            positive=self.pipeline.positive,
            classes=self.pipeline.classes,
            readers=self._readers(),
        )

    def _readers(self) -> dict[str, AnswerReader]:
        """What says whether a column holds scores or labels of two classes, as `gate run` does of recorded scores."""
        if self.pipeline.task != "binary":
            return {}
        readings = {
            role: ScoreReading(Output(), "binary", self.pipeline.positive, self.need_scores, threshold=self.threshold)
            for role in self.spec.scores or {}
        }
        return {role: AnswerReader(reading, may_fail=True, recorded=role) for role, reading in readings.items()}

    def _altered(self, alteration: Alteration, classes: tuple[str, ...]) -> Scored:
        """The scores of altered rows, as the columns of the table hold them; of several classes the predicted one."""
        if alteration not in self.altered:
            known = ", ".join(map(str, self.altered)) or "none"
            raise UsageError(
                f"the table has no scores of rows altered by {alteration}; given with altered=: {known}",
                remedy=f"give altered={{{str(alteration)!r}: {{'candidate': column}}}}",
            )
        columns = {f"candidate:{ALTERED}": from_numpy(np.ones(self.rows.num_rows))}
        for role, name in self.altered[alteration].items():
            columns[role] = from_numpy(self._numbers(name, classes))
        return Scored(columns.get, rows=self.rows.num_rows, sha256=lambda: "", slices=())

    def _twice(self, requests: int, classes: tuple[str, ...]) -> Scored:
        """The champion's two further scores of some rows, in the place of both models' (`runs.answers.champion_twice`)."""
        if self.champion_twice is None:
            raise UsageError(
                "the table has no two further scores of the champion",
                remedy="name them: champion_twice=(column, column)",
            )
        rows = sampled_requests(self.rows.num_rows, requests, 0)
        columns = {f"candidate:{ROW}": from_numpy(rows.astype(np.float64))}
        for role, name in zip(("champion", "candidate"), self.champion_twice, strict=True):
            columns[role] = from_numpy(self._numbers(name, classes)[rows])
        return Scored(columns.get, rows=rows.size, sha256=lambda: "", slices=(), classes=classes)

    def _replayed_until(self, decided: Callable[[Scored], bool]) -> Scored:
        """The same in the order in which models would be asked, as far as it takes."""
        whole = self._replayed()
        order = asking_order(whole, 0)
        for look in order.looks:
            scored = whole.of_rows(order.rows[:look])
            scored.traffic = order.traffic.to_json()
            if look == whole.rows or decided(scored):
                return scored
        whole.traffic = order.traffic.to_json()
        return whole

    def _numbers(self, name: str, classes: tuple[str, ...]) -> NDArray[Any]:
        """(n,) the scores of a column, NaN where there is none; of several classes the place of each. Raises UsageError."""
        if name not in self.rows.column_names:
            raise UsageError(f"the table has no column {name!r}; it has {', '.join(self.rows.column_names)}")
        column = whole(self.rows.column(name))
        if not classes:
            return to_floats(column)
        indices = class_indices(column, classes)
        return np.where(indices < 0, np.nan, indices)

    def _replayed(self) -> Scored:
        """The same, where a missing score is a request that was not answered; of several classes each must be there."""
        if self.pipeline.task == "multiclass":
            return self._scored()
        table, scores = self.rows, dict[str, Any]()
        for role, name in (self.spec.scores or {}).items():
            column = whole(table.column(name))
            assert isinstance(name, str)  # noqa: S101  # replays are of one score
            if pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_null(column.type):
                scores[role] = to_floats(column)
                filled = from_numpy(np.nan_to_num(scores[role]))
                table = table.set_column(table.schema.get_field_index(name), name, filled)
        scored = Scored.from_table(table, self.spec, task=self.pipeline.task, positive=self.pipeline.positive)
        for attribute, values in scores.items():
            setattr(scored, attribute, values)
        return scored


def _copied(table: Scored) -> tuple[str, ...]:
    """That all rows are copies of some, which are no more evidence than these; single rows of scores repeat by nature."""
    times = f"every row is there {table.copies} times, so that {table.rows:,} say no more than {table.rows // table.copies:,}"
    return (times,) if table.copies > 1 else ()


def _alteration(text: str) -> Alteration:
    """Of the text between the parentheses of a line: `swap=sex`. Raises UsageError."""
    try:
        line = parse(f"changed_rate({text}) <= 0.5")
    except RequirementError as error:
        raise UsageError(f"altered: {error}") from error
    for problem in problems(line, WAYS):
        raise UsageError(f"altered: {problem}")
    return alteration_of(line)


def _contender(role: Any) -> Contender:
    return Contender(role, ModelVersion("table", role), fetch=_no_files, read=_no_version, start=_no_model)


def _silent_candidate(folder: Path) -> Contender:
    """One whose metadata say nothing: when rows were recorded is compared with the training rows alone, and traffic by all columns."""
    version = ModelVersion("table", "candidate")
    facts = VersionFacts(version, folder, None, None, (), (), None, None, None, {}, (), {})
    return Contender("candidate", version, fetch=lambda: folder, read=lambda _: facts, start=_no_model)


def _refusal(lacks: str) -> Any:
    def refuse(*_: Any) -> Any:
        raise UsageError(f"a table of scores has no {lacks}", remedy="run this gate with gate run")

    return refuse


_no_files, _no_version, _no_model = map(_refusal, ("model files", "registered version", "model"))

"""Ask one gate exactly as `gate run` would, on scores that are already known: to try, test and benchmark gates."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockgate.data.class_labels import class_text
from lockgate.errors import UsageError
from lockgate.evaluation.case import Case, Contender
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evidence.evidence import GateResult
from lockgate.gates.gate import gate_class
from lockgate.registries.ports import ModelVersion, VersionFacts

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.evaluation.scoring.scored_table import Scored

_DATA = "table"


def run_gate(
    kind: str,
    *,
    table: Any = None,
    scores: Mapping[str, str | Mapping[str, str]] | None = None,
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
    small_slices: Mapping[str, Any] | None = None,
    **fields: Any,
) -> GateResult:
    """The result of one gate of `kind` on a table.

    table: a pandas or Arrow table whose columns `label`, `candidate` and, if there, `champion` hold what is known; other
    columns are for slices. scores: {candidate: column, champion: column} where they are called otherwise, or
    {candidate: {class: column, …}}. slices: entries as in `data.*.slices`. task: binary, multiclass, regression or ranking;
    told from the lines, else from the scores and the label, where it is left out. classes: of task multiclass, else those
    of the label. query: the column that says which rows of a ranking belong to one query.
    fields: of the gate. For a gate that replays requests, a missing score is a request that was not answered.
    Raises UsageError for an unknown kind, a field that does not fit, a line that the table cannot answer or a table
    without the columns; what a gate raises itself becomes its verdict, as in a run.
    """
    with tempfile.TemporaryDirectory(prefix="lockgate-") as scratch:
        gate = _gate(kind, require, fields)
        case = _Known(
            table,
            scores=scores,
            slices=slices,
            task=task,
            positive=positive,
            classes=classes,
            threshold=threshold,
            label=label,
            cluster=cluster,
            weight=weight,
            query=query,
            small_slices=small_slices,
            folder=Path(scratch),
        )
        case.fit(gate)
        return case.ask(gate)


def _gate(kind: str, require: Sequence[Any], fields: Mapping[str, Any]) -> Any:
    from pydantic import ValidationError

    cls = gate_class(kind, root=Path.cwd())
    given: dict[str, Any] = {"gate": kind, **fields}
    if require:
        given["require"] = tuple(require)
    if "data" in cls.model_fields:
        given["data"] = _DATA
    try:
        gate = cls.model_validate(given)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in wrong["loc"])
        raise UsageError(f"gate {kind}: {place}: {wrong['msg'].removeprefix('Value error, ')}") from error
    for line in gate.lines:
        if gate.subjects and line.subject not in gate.subjects:
            raise UsageError(f"gate {kind} has no subject {line.subject!r}; known: {', '.join(gate.subjects)}")
    return gate


class _Known:
    """A case in which everything is already scored."""

    def __init__(
        self,
        table: Any,
        *,
        scores: Mapping[str, str | Mapping[str, str]] | None,
        slices: Sequence[Any],
        task: str | None,
        positive: Any,
        classes: Sequence[Any],
        threshold: float | None,
        label: str,
        cluster: str | None,
        weight: str | None,
        query: str | None,
        small_slices: Mapping[str, Any] | None,
        folder: Path,
    ) -> None:
        from lockgate.data.dataset import DatasetSpec

        self.arrow = _arrow(table)
        names = self.arrow.schema.names
        roles = dict(scores) if scores else {role: role for role in ("candidate", "champion") if role in names}
        if "candidate" not in roles:
            raise UsageError("the table has no column 'candidate'", remedy="name it with scores={'candidate': column}")
        columns = [name for given in roles.values() for name in ([given] if isinstance(given, str) else given.values())]
        lacking = [name for name in (*columns, cluster, weight, query) if name is not None and name not in names]
        if lacking:
            raise UsageError(f"the table has no column {lacking[0]!r}; it has {', '.join(names)}")
        self.positive, self.threshold_, self.folder = positive, threshold, folder
        self.classes = tuple(class_text(name) for name in classes)
        self.several = bool(classes) or any(not isinstance(given, str) for given in roles.values())
        self.spec = DatasetSpec.model_validate(
            {
                "path": "table",
                "label": label if label in names else None,
                "cluster": cluster,
                "weight": weight,
                "query": query,
                "slices": tuple(slices),
                "scores": roles,
                "small_slices": dict(small_slices or {}),
            }
        )
        self.task = task
        self.label = label
        self.champion = "champion" in roles

    def fit(self, gate: Any) -> None:
        """Take the gate's task where none was named. Raises UsageError for a line that the table cannot answer."""
        declared = [spec.slice_name for spec in self.spec.slices]
        for line in gate.lines:
            subject = gate.subjects.get(line.subject)
            needs = set() if subject is None else set(subject.needs)
            if "label" in needs and self.spec.label is None:
                raise UsageError(f"{str(line)!r} needs labels, and the table has no column {self.label!r}")
            if "query" in needs and self.spec.query is None:
                raise UsageError(f"{str(line)!r} is judged by query; name the column of queries with query=")
            if line.scope.kind == "overall":
                continue
            if subject is not None and not {"label", "score"} & needs:
                raise UsageError(f"{str(line)!r}: {subject.name} is not measured by slice; leave the scope out")
            named = [name for name, _ in line.scope.cell] or ([line.scope.name] if line.scope.name else [])
            for name in named if declared else named or ["each slice"]:
                if name not in declared:
                    known = ", ".join(declared) or "none"
                    raise UsageError(f"{str(line)!r}: no slice is called {name!r}; declared with slices=: {known}")
        told = [set(of.tasks) for line in gate.lines if (of := gate.subjects.get(line.subject)) and of.tasks]
        possible = set.intersection(*told) if told else set()
        if self.several:
            possible &= {"multiclass"}
        self.task = self.task or (possible.pop() if len(possible) == 1 else _task(self.arrow, self.label))

    def ask(self, gate: Any) -> GateResult:
        from lockgate.evidence.run_folder import RunFolder
        from lockgate.pipeline.model import Pipeline
        from lockgate.runs.run import PipelineRun, now

        known: dict[str, Any] = {"model": "table", "task": self.task, "gates": (gate,), "data": {_DATA: self.spec}}
        pipeline = Pipeline.model_construct(**known)
        asking = PipelineRun(
            pipeline=pipeline,
            case=self._case(),
            folder=RunFolder(self.folder),
            nonce="",
            started_at=now(),
            circumstances={},
        )
        asking.run_gates()
        return asking.results[0]

    def _case(self) -> Case:
        from lockgate.data.dataset import TableDataset

        dataset = TableDataset(self.arrow, self.spec)
        return Case(
            candidate=_contender("candidate"),
            champion=_contender("champion") if self.champion else None,
            task=self.task or "",
            folder=self.folder,
            seed=0,
            datasets=(_DATA,),
            inputs={},
            open_dataset=lambda _: dataset,
            score=lambda _: self._scored(),
            replay=lambda _: self._replayed(),
            sample=_no_model,
            threshold=lambda _: self.threshold_,
        )

    def _scored(self) -> Scored:
        from lockgate.evaluation.scoring.scored_table import Scored

        task: Any = self.task
        return Scored.from_table(self.arrow, self.spec, task=task, positive=self.positive, classes=self.classes)

    def _replayed(self) -> Scored:
        """The same, where a missing score is a request that was not answered; of several classes each must be there."""
        if self.task == "multiclass":
            return self._scored()
        import numpy as np
        import pyarrow as pa

        from lockgate.data.arrow_arrays import from_numpy, to_floats, whole
        from lockgate.evaluation.scoring.scored_table import Scored

        table, given = self.arrow, dict[str, Any]()
        for role, name in (self.spec.scores or {}).items():
            column = whole(table.column(name))
            assert isinstance(name, str)  # noqa: S101  # replays are of one score
            if pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_null(column.type):
                given[role] = to_floats(column)
                filled = from_numpy(np.nan_to_num(given[role]))
                table = table.set_column(table.schema.get_field_index(name), name, filled)
        task: Any = self.task
        scored = Scored.from_table(table, self.spec, task=task, positive=self.positive)
        for asked, values in given.items():
            setattr(scored, asked, values)
        return scored


def _arrow(table: Any) -> pa.Table:
    import pyarrow as pa

    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if hasattr(table, "to_dict") and hasattr(table, "columns"):
        return pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    if isinstance(table, Mapping):
        return pa.table(dict(table))
    raise UsageError(f"table is {type(table).__name__}", remedy="give a pandas or Arrow table, or a dict of columns")


def _task(table: pa.Table, label: str) -> str:
    if label not in table.schema.names:
        return "binary"
    kind = str(table.schema.field(label).type)
    if kind in ("float", "double", "halffloat"):
        return "binary" if set(table.column(label).unique().to_pylist()) <= {0.0, 1.0} else "regression"
    return "binary"


def _contender(role: Any) -> Contender:
    return Contender(role, ModelVersion("table", role), fetch=_no_files, read=_no_facts, start=_no_model)


def _no_files() -> Path:
    raise UsageError("a table of scores has no model files", remedy="ask this gate with gate run")


def _no_facts(_: Path) -> VersionFacts:
    raise UsageError("a table of scores has no registered version", remedy="ask this gate with gate run")


def _no_model(*_: Any) -> Any:
    raise UsageError("a table of scores has no model to ask", remedy="ask this gate with gate run")

"""Check the requirement lines of a gate against what the pipeline can give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.slices.names import meant
from lockgate.data.slices.slice import Slice
from lockgate.data.slices.spec import SliceSpec
from lockgate.errors import guess
from lockgate.evaluation.estimation.estimate import CONFIDENCE
from lockgate.evaluation.requirements import satisfiability
from lockgate.evaluation.requirements.requirement import Requirement, Scope
from lockgate.evaluation.requirements.subject import Subject, compares
from lockgate.gates.gate import Gate
from lockgate.pipeline.gate_draft import Complaints, GateDraft
from lockgate.pipeline.pipeline import Pipeline
from lockgate.pipeline.yaml_reader import Complaint, Node, NodePath


class RequirementChecks:
    """The requirement lines of one gate as they stand in a file, compared with what the pipeline can give."""

    def __init__(
        self, tree: Node, pipeline: Pipeline, draft: GateDraft, cls: type[Gate], refused: set[NodePath]
    ) -> None:
        data = tree.child("data")
        self.declared = list(data.value) if data is not None and isinstance(data.value, dict) else []
        self.draft, self.refused, self.cls = draft, refused, cls
        name = draft.text("data") or (self.declared[0] if len(self.declared) == 1 else None)
        self.checks = LineChecks(pipeline, draft.gate or cls, draft.title, name, frozenset(refused))

    def complaints(self) -> Complaints:
        yield from self._data()
        for path, node, line in self._lines():
            for message in self.checks.complaints(line):
                yield path, Complaint(node.at, message)

    def _lines(self) -> Sequence[tuple[NodePath, Node, Requirement]]:
        """The lines of the gate; of its default ones, where there is no champion, those that can do without, if any can."""
        lines = list(self.draft.lines())
        if self.checks.champion or self.draft.node.child("require") is not None:
            return lines
        subjects = self.checks.subjects
        return [entry for entry in lines if not compares(entry[2], subjects.get(entry[2].subject))] or lines

    def _data(self) -> Complaints:
        name, declared = self.draft.text("data"), ", ".join(self.declared) or "none"
        if not self.checks.takes_data or ("data",) in self.refused:
            return
        if name is not None and name not in self.declared:
            message = f"no data is called {name!r}; declared: {declared}{guess(name, self.declared)}"
            yield (*self.draft.path, "data"), Complaint(self.draft.node.reach("data").at, message)
        elif name is None and len(self.declared) != 1 and not self._data_required and self._needs_rows():
            message = f"{self.draft.title} does not say on which data; write data: one of those declared ({declared})"
            yield self.draft.path, Complaint(self.draft.node.at, message)

    @property
    def _data_required(self) -> bool:
        return bool(self.cls.model_fields["data"].is_required())

    def _needs_rows(self) -> bool:
        subjects = [self.checks.subjects.get(line.subject) for _, _, line in self.draft.lines()]
        return any(subject is not None and subject.of_rows for subject in subjects)


@dataclass(frozen=True)
class LineChecks:
    """What is in the way of a requirement line: what no data could satisfy, and what the pipeline or the table does not give.

    gate: with its fields where they are right, else its class. data_name: of the data that it measures on, None where that is not
    known. refused: parts of the pipeline of which nothing is concluded. data_words: what sentences call the data; its name else.
    """

    pipeline: Pipeline
    gate: Gate | type[Gate]
    title: str
    data_name: str | None
    refused: frozenset[NodePath] = frozenset()
    data_words: str = ""

    @cached_property
    def subjects(self) -> Mapping[str, Subject]:
        return self.gate.subjects

    @property
    def takes_data(self) -> bool:
        return "data" in (self.gate if isinstance(self.gate, type) else type(self.gate)).model_fields

    @property
    def champion(self) -> bool:
        return self.pipeline.has_champion or ("champion",) in self.refused

    @property
    def dataset(self) -> DatasetSpec | None:
        return self.pipeline.data.get(self.data_name or "")

    @property
    def data_accepted(self) -> bool:
        return not self.refused & {("data",), ("data", self.data_name or "")}

    @property
    def where(self) -> str:
        return self.data_words or f"data.{self.data_name}"

    def complaints(self, line: Requirement) -> Iterator[str]:
        """Each with what to write."""
        subject = self.subjects.get(line.subject)
        if subject is not None and ("task",) not in self.refused:
            subject = subject.in_task(self.pipeline.task)
        if subject is None:
            if ("per_row",) not in self.refused:
                subjects = ", ".join(sorted(self.subjects)) or "none"
                yield f"{self.title} knows no {line.subject!r}; known: {subjects}{guess(line.subject, self.subjects)}"
            return
        yield from self._arguments(line, subject)
        yield from self._needs(line, subject)
        yield from self._scope(line, subject)
        yield from self._gap(line, subject)
        if subject.counted and (line.claim or line.confidence):
            key = "claim" if line.claim else "confidence"
            yield f"{str(line)!r}: {subject.name} is counted and decided exactly; leave {key} out"
        if line.limit.percent and subject.bounds != (0, 1):
            yield f"{str(line)!r}: {subject.name} is no share; write the limit without %"
        if line.if_inconclusive and ("signoff",) not in self.refused and not self.pipeline.signed:
            yield (
                f"{str(line)!r}: if_inconclusive: ask needs somebody who can accept it, and nobody signs here; "
                "leave it out, or write signoff with require: {owners: 1}"
            )
        if "champion" in subject.needs and not self.champion and not line.limit.relative:
            yield (
                f"{str(line)!r}: {subject.name} compares with a champion, and there is none here; "
                "give the pipeline champion: {alias: production, else: none}"
            )
        yield from satisfiability.refusals(line, subject, champion=self.champion, confidence=CONFIDENCE)

    def _arguments(self, line: Requirement, subject: Subject) -> Iterator[str]:
        yield from subject.misfits(line)
        for name in set(subject.args) & set(subject.needs) - {"threshold"}:
            if not line.args:
                example = replace(line, args=((name, 0.9),))
                yield f"{str(line)!r}: {subject.name} needs {name}; write for example {str(example)!r}"

    def _needs(self, line: Requirement, subject: Subject) -> Iterator[str]:
        text, task = repr(str(line)), self.pipeline.task
        if ("task",) not in self.refused and subject.tasks and task not in subject.tasks:
            yield f"{text}: {subject.name} is for task {' or '.join(subject.tasks)}, and this one is {task}"
            return
        if (
            "threshold" in subject.needs
            and self.pipeline.threshold is None
            and ("threshold",) not in self.refused
            and line.argument("threshold") is None
        ):
            yield (
                f"{text}: {subject.name} needs a threshold, and there is none; write threshold: 0.5 in the pipeline"
                + (f", or {subject.name}(threshold=0.5)" if "threshold" in subject.args else "")
            )
        if self.dataset is not None and self.data_accepted:
            yield from self._columns(line, subject, self.dataset)

    def _columns(self, line: Requirement, subject: Subject, dataset: DatasetSpec) -> Iterator[str]:
        """Columns of the data that the line needs and that are not named."""
        text, where = repr(str(line)), self.where
        if "label" in subject.needs and dataset.label is None:
            yield f"{text}: {subject.name} needs labels, and {where} names no label column"
        if "query" in subject.needs and dataset.query is None:
            yield f"{text}: {subject.name} is judged by query, and {where} names no query column; write query: there"
        scores = dataset.scores or {}
        labels_only = [role for role, columns in scores.items() if isinstance(columns, str)]
        if self.pipeline.task == "multiclass" and {"label", "score"} <= set(subject.needs) and labels_only:
            yield (
                f"{text}: {subject.name} needs a score of each class, and {where}.scores.{labels_only[0]} "
                f"names one column of labels; write {labels_only[0]}: {{class: column, …}}"
            )
        named = dataset.scores is None or "champion" in scores or ("champion",) in self.refused
        if not named and compares(line, subject):
            yield f"{text} compares with a champion, and {where}.scores names no column of its scores"

    def _scope(self, line: Requirement, subject: Subject) -> Iterator[str]:
        scope, text = line.scope, repr(str(line))
        if subject.each:
            yield from _scope_of_each(line, subject)
            return
        if scope.kind == "overall" or not self.data_accepted:
            return
        if not self.takes_data or not subject.of_rows:
            yield f"{text}: {subject.name} is not measured by slice; leave the scope out"
            return
        if self.dataset is None:
            return
        slices, where = self._slices(self.dataset), self.where
        if self.dataset.small_slices.below == "merge" and not self.gate.by_group:
            yield f"{text}: {where} pools small slices, which {self.title} does not; write below: watch or block"
        if not self.gate.by_group:
            for name, spec in slices.items():
                if spec.cross is not None and (scope.kind == "each_slice" or scope.name == name):
                    yield f"{text}: {name!r} of {where} is crossed, which {self.title} does not judge"
        if scope.kind == "each_slice":
            if not slices:
                yield f"{text}: {where} declares no slices; write slices: there, or leave the scope out"
            return
        for name, value in scope.cell or ((scope.name or "", None),):
            if name not in slices:
                declared = ", ".join(slices) or "none"
                yield f"{text}: {where} has no slice {name!r}; declared: {declared}{guess(name, slices)}"
            elif scope.kind == "slice" and slices[name].where is None:
                yield f"{text}: {name!r} has several values; write each {name} or {name}=value"
            elif value is not None:
                yield from self._value(slices[name], value, text)

    @staticmethod
    def _slices(dataset: DatasetSpec) -> dict[str, SliceSpec]:
        return {spec.slice_name: spec for spec in dataset.slices if spec.find is None}

    def _gap(self, line: Requirement, subject: Subject) -> Iterator[str]:
        text = repr(str(line))
        if line.gap is None or not self.data_accepted:
            return
        if not self.gate.by_group or not subject.of_rows:
            yield f"{text}: {self.title} does not compare the slices of {subject.name}; leave `gap over` out"
            return
        if self.dataset is None:
            return
        slices = self._slices(self.dataset)
        if line.gap not in slices:
            declared = ", ".join(slices) or "none"
            yield f"{text}: {self.where} has no slice {line.gap!r}; declared: {declared}{guess(line.gap, slices)}"
        elif len(slices[line.gap].values or (1, 2)) < 2:
            yield f"{text}: the slice {line.gap!r} has one value, and a gap needs two"

    def _value(self, spec: SliceSpec, value: str, text: str) -> Iterator[str]:
        if spec.cross is not None:
            cell = " & ".join(f"{name}=…" for name in spec.cross)
            yield f"{text}: {spec.slice_name!r} is a crossing; write {cell}"
        elif spec.quantiles is not None:
            yield (
                f"{text}: the bins of {spec.slice_name!r} are not known before the data is read; "
                f"write each {spec.slice_name}, or declare bins"
            )
        values = Slice.from_spec(spec).values
        if values is not None and meant(value, values) is None:
            declared = ", ".join(values)
            yield (
                f"{text}: the slice {spec.slice_name!r} has no value {value!r}; declared: {declared}{guess(value, values)}"
            )


def _scope_of_each(line: Requirement, subject: Subject) -> Iterator[str]:
    """What to write where a line does not say of which of the things it is that have such a value each."""
    scope, each = line.scope, subject.each
    if (scope.kind == "each" and scope.name == each) or [name for name, _ in scope.cell] == [each]:
        return
    example = str(replace(line, scope=Scope("each", name=each)))
    yield f"{str(line)!r}: {subject.name} is measured of each {each}; write {example!r}, or on {each}=NAME"

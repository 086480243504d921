"""What is in the way of the lines that labels which come later are to decide."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from lockgate.evaluation.labelling.late_labels import LateLabels
from lockgate.evaluation.leaks.subject import NAME
from lockgate.evaluation.out_of_time import SUBJECT
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.pipeline.gate_draft import Complaints, GateDraft
from lockgate.pipeline.labelling.labelled_pipeline import labelled_pipeline
from lockgate.pipeline.pipeline import Pipeline
from lockgate.pipeline.requirement_checks import LineChecks
from lockgate.pipeline.yaml_reader import Complaint, NodePath

_NOT_BY_LABELS = (SUBJECT.name, NAME)  # which ask for more than labels and answers


@dataclass(frozen=True)
class LateLabelChecks:
    """`labels:` of one gate, compared with what the pipeline can give. titles: those of all gates."""

    pipeline: Pipeline
    draft: GateDraft
    titles: Collection[str]
    refused: frozenset[NodePath]

    def complaints(self) -> Complaints:
        gate = self.draft.gate
        labels, name = None if gate is None else gate.late_labels, self._data
        if gate is None or labels is None or name is None or self.refused & {("data",), ("data", name), ("task",)}:
            return
        for message in self._misfits(labels, name):
            yield self._complaint(("labels",), message)
        if self.pipeline.task == "ranking":
            return
        for number, line in enumerate(labels.require):
            for message in self._of_line(line):
                yield self._complaint(("labels", "require", number), message)
        if not self.refused:
            for path, message in self._judging.gates[0].complaints(self._judging):
                yield self._complaint(("labels", *path), message)

    def _misfits(self, labels: LateLabels, name: str) -> list[str]:
        data, messages = self.pipeline.data[name], []
        if self.pipeline.task == "ranking":
            messages.append("labels judge requests one by one, and a ranking is judged by whole queries; leave it out")
        if data.id is None:
            messages.append(f"labels are joined by id, and data.{name} names no column of one; write id: there")
        if labels.matured is not None and data.time is None:
            messages.append(
                f"matured needs the time of each request, and data.{name} names no column of it; write time: there"
            )
        if self.pipeline.task == "binary" and self.pipeline.threshold is None and ("threshold",) not in self.refused:
            messages.append(
                "labels may exist for one decision alone, and without a threshold nobody knows what was decided; "
                "write threshold: 0.5 in the pipeline"
            )
        title = self._judging.gates[0].title
        if title in self.titles:
            messages.append(f"what labels say stands under {title!r}, and a gate has that name; give it another")
        return messages

    def _of_line(self, line: Requirement) -> list[str]:
        subject = self._lines.subjects.get(line.subject)
        if line.subject in _NOT_BY_LABELS:
            return [
                f"{str(line)!r}: {line.subject} is not measured by labels that came later; write it into a metrics gate"
            ]
        needs = set() if subject is None else set(subject.in_task(self.pipeline.task).needs)
        if self.pipeline.task == "multiclass" and {"label", "score"} <= needs:
            return [
                f"{str(line)!r}: {line.subject} needs a score of each class, and of replayed requests the class that was decided "
                "is kept; write a metric of decisions, such as accuracy"
            ]
        return list(self._lines.complaints(line))

    @cached_property
    def _judging(self) -> Pipeline:
        assert self.draft.gate is not None  # noqa: S101  # `complaints` has looked
        return labelled_pipeline(self.pipeline, self.draft.gate)

    @cached_property
    def _lines(self) -> LineChecks:
        gate = self._judging.gates[0]
        return LineChecks(self._judging, gate, f"{self.draft.title} by labels", self._data, self.refused)

    @property
    def _data(self) -> str | None:
        name = None if self.draft.gate is None else self.pipeline.data_of(self.draft.gate)
        return name if name in self.pipeline.data else None

    def _complaint(self, path: NodePath, message: str) -> tuple[NodePath, Complaint]:
        return (*self.draft.path, *path), Complaint(self.draft.node.reach(*path).at, message)

"""The metrics gate: how good the candidate is on labelled data, overall and on every slice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, PrivateAttr, StringConstraints

from lockgate.errors import GateBroken, LockgateError
from lockgate.evaluation import out_of_time
from lockgate.evaluation.case import Case
from lockgate.evaluation.leaks import subject as leaks
from lockgate.evaluation.metrics import catalog, custom, multiclass_arguments, ranking_subjects
from lockgate.evaluation.metrics.catalog import SUBJECTS
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject, by_name
from lockgate.evaluation.scoring import row_metrics
from lockgate.evaluation.scoring.row_metrics import RowMetric
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.gate import Context, Findings, Gate, PipelineView

if TYPE_CHECKING:
    from lockgate.evaluation.estimation.estimate import Estimate
    from lockgate.evaluation.metrics.declaration import Metric
    from lockgate.evaluation.scoring.scored_table import Scored

_NO_FUNCTIONS = "a function of one's own measures rows, and a ranking is judged by query; leave it out"
_BESIDE = by_name(out_of_time.SUBJECT, leaks.SUBJECT)  # subjects that are no metric of two models' rows
FunctionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.\-]*$")]


class _Subjects:
    """The metrics of the catalog, and those that a gate's own functions bring."""

    def __get__(self, gate: Metrics | None, _: type[Gate]) -> Mapping[str, Subject]:
        return {**SUBJECTS, **_BESIDE} if gate is None else gate.all_subjects


class Metrics(Gate):
    """Metrics of `data`, compared with a number, or with the champion on the same rows."""

    subjects: ClassVar[Any] = _Subjects()
    uses_models: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True
    by_group: ClassVar[bool] = True
    requirement_sets: ClassVar[Mapping[str, tuple[str, ...]]] = {"after_training": ("rows_in_training_time <= 0",)}

    gate: Literal["metrics"] = "metrics"
    data: str = Field(description="Name of the labelled data to measure on.")
    functions: dict[FunctionName, custom.Function] = Field(
        default_factory=dict, description="Metrics of one's own, by the name that requirements use."
    )

    _by_row: Mapping[str, RowMetric] = PrivateAttr(default_factory=dict)

    @property
    def all_subjects(self) -> Mapping[str, Subject]:
        by_row = {name: metric.subject(name) for name, metric in self._by_row.items()}
        return {**by_row, **SUBJECTS, **_BESIDE, **custom.subjects(self.functions)}

    @property
    def own_functions(self) -> Mapping[str, custom.Function]:
        return self.functions

    def with_row_metrics(self, metrics: Mapping[str, RowMetric]) -> Gate:
        gate = self.model_copy()
        gate._by_row = dict(metrics)
        return gate

    def complaints(self, pipeline: PipelineView) -> Iterable[tuple[tuple[str | int, ...], str]]:
        data = pipeline.data.get(self.data)
        yield from custom.complaints(self.functions, SUBJECTS, None if data is None else data.weight)
        if pipeline.task == ranking_subjects.TASK:
            yield from ((("functions", name), f"functions: {name}: {_NO_FUNCTIONS}") for name in self.functions)
        for name in pipeline.per_row:
            if name in SUBJECTS or name in self.functions:
                yield (), f"per_row: {name} is a metric here already; give yours a name of its own"
        for number, line in enumerate(self.lines):
            messages: list[str] = []
            if pipeline.task == ranking_subjects.TASK and line.subject in ranking_subjects.BY_NAME:
                messages += ranking_subjects.out_of_range(line)
            if pipeline.task == "multiclass":
                messages += multiclass_arguments.complaints(line, pipeline.classes)
            if line.subject == out_of_time.SUBJECT.name and data is not None and data.time is None:
                messages.append(
                    f"{str(line)!r} compares times; name the column that says when a row was recorded: data.{self.data}.time"
                )
            if line.subject == leaks.NAME:
                recorded = data is not None and bool(data.scores)
                decided = pipeline.threshold is not None
                messages += leaks.complaints(line, pipeline.task, decided=decided, recorded=recorded, data=self.data)
            if line.subject in pipeline.per_row and line.subject not in SUBJECTS:
                messages += (f"per_row: {line.subject} {reason}" for reason in self._no_row_metrics(pipeline))
            yield from ((("require", number), message) for message in messages)

    def _no_row_metrics(self, pipeline: PipelineView) -> Iterator[str]:
        """Why no row metric can be run beside a model of this pipeline."""
        data = pipeline.data.get(self.data)
        if pipeline.task == ranking_subjects.TASK:
            yield "measures rows, and a ranking is judged by query; leave it out"
        if pipeline.target != "process":
            yield "is run in a process of ours, and target: names a server; write target: process"
        if data is not None and data.scores:
            yield f"is run beside a model, and data.{self.data}.scores says that no model answers; write it as functions: of the gate"

    def origins(self, root: Path) -> Mapping[str, str]:
        return custom.origins(self.functions, root)

    def check(self, case: Case) -> Findings:
        from lockgate.evaluation.evaluate import evaluate
        from lockgate.evaluation.pictures.confusions import worst_class
        from lockgate.evaluation.pictures.of_labelled import pictures
        from lockgate.evaluation.score_direction import wrong_direction
        from lockgate.evaluation.threshold_range import thresholds_outside
        from lockgate.evaluation.weak_slices import find_weak_slices

        requirements = self.requirements_for(case)
        if not requirements:
            return
        lines = [line for _, line in requirements]
        subjects = {line.subject for line in lines}
        scored = of_rows = case.scored(self.data)
        if scored.unrepeatable:
            yield Context({"unrepeatable": scored.unrepeatable})
        threshold = {role: case.threshold(role) for role in ("candidate", "champion")}
        if case.task == "binary" and (outside := thresholds_outside(scored, lines, self.subjects, threshold)):
            yield Context({"threshold_outside": outside})
        small = case.dataset(self.data).spec.small_slices
        metrics = catalog.of_lines(() if scored.classes else lines)
        if scored.classes:
            from lockgate.evaluation.metrics import multiclass

            metrics |= multiclass.metrics([line for line in lines if line.subject in SUBJECTS], scored.classes)
        losses = None
        if case.task == ranking_subjects.TASK:
            from lockgate.evaluation.metrics.ranking import ByQuery

            if subjects & self.functions.keys():
                raise GateBroken(_NO_FUNCTIONS)
            queries = ByQuery(scored)
            scored, metrics = queries.rows, queries.metrics(lines)
            losses = queries.losses
            yield Context({"queries": scored.rows})
        own_metrics, contexts = self._own_metrics(case, scored, subjects)
        metrics |= own_metrics
        yield from contexts
        times = [
            out_of_time.count_rows_in_training_time(name, line, case.dataset(self.data), case)
            for name, line in requirements
            if line.subject == out_of_time.SUBJECT.name
        ]
        gains = self._column_gains(case, scored, requirements, threshold)
        judged = evaluate(
            self.title, scored, requirements, metrics, self.subjects, threshold=threshold, small=small,
            counted=[*times, *gains],
        )  # fmt: skip
        timed = {estimate.requirement for estimate in times}
        findings = [out_of_time.with_training_time(each) if each.requirement in timed else each for each in judged]
        ranks = any(self._ranks(name) for name in subjects)
        compared = any(self.needs_champion(line) for line in lines)
        turned = wrong_direction(of_rows, compared=compared) if ranks else None
        failed = any(finding.verdict is Verdict.FAIL for finding in findings)
        yield from findings if turned is None else self._with_direction(findings, turned)
        if turned is not None and not failed:  # a fail stands as it is
            raise turned
        if not gains and compared and (note := self._own_columns(case, scored, threshold)) is not None:
            yield Context({"own_columns": note})
        weak_slices = find_weak_slices(scored, case.dataset(self.data).spec, threshold=threshold, losses=losses)
        if weak_slices is not None:
            yield Context(weak_slices.note)
            yield weak_slices.table(self.title)
        if (worst := worst_class(scored)) is not None:
            yield Context({"worst_class": worst})
        if case.task != ranking_subjects.TASK:
            yield from pictures(self.title, scored, subjects, threshold)

    def _with_direction(self, findings: list[Finding], turned: GateBroken) -> Iterator[Finding]:
        """The findings; those that failed by the class for which scores speak say so, and what to write."""
        for finding in findings:
            by_class = finding.verdict is Verdict.FAIL and self._ranks(finding.subject) and not finding.remedy
            yield replace(finding, remedy=f"{turned.message}; {turned.remedy}") if by_class else finding

    def _ranks(self, name: str) -> bool:
        """Whether a metric of ours compares scores with the label, so that it matters which class they speak for."""
        return name == leaks.NAME or (name in SUBJECTS and {"label", "score"} <= set(SUBJECTS[name].needs))

    def _column_gains(
        self,
        case: Case,
        scored: Scored,
        requirements: Sequence[tuple[str, Requirement]],
        threshold: Mapping[str, float | None],
    ) -> list[Estimate]:
        """The estimates of the lines on what a single column brings, for which the candidate is asked again."""
        from lockgate.evaluation.leaks.column_gain import LINE_PERMUTATIONS, gain_estimate

        lines = [(name, line) for name, line in requirements if line.subject == leaks.NAME]
        if not lines:
            return []
        permuted = case.permuted(self.data, LINE_PERMUTATIONS)
        return [
            gain_estimate(name, line, scored, permuted, task=case.task, threshold=threshold) for name, line in lines
        ]

    def _own_columns(self, case: Case, scored: Scored, threshold: Mapping[str, float | None]) -> dict[str, Any] | None:
        """What columns bring that only the candidate is given, where no line asks; None where that is not looked at."""
        from lockgate.evaluation.leaks.column_gain import diagnosis

        if case.champion is None or case.task not in leaks.DEFAULT_METRIC or case.dataset(self.data).spec.scores:
            return None
        if scored.labels is None or scored.champion is None:
            return None
        try:
            permuted = case.permuted(self.data, 1)
        except LockgateError as error:  # a diagnosis stops nobody
            return {"not_looked_at": error.message}
        if not permuted.columns:
            return None
        return diagnosis(scored, permuted, task=case.task, threshold=threshold)

    def _own_metrics(self, case: Case, scored: Scored, subjects: set[str]) -> tuple[dict[str, Metric], list[Context]]:
        """The metrics of the project's functions and of those run beside the model, and where their code comes from."""
        metrics: dict[str, Metric] = {}
        contexts: list[Context] = []
        if functions := {name: function for name, function in self.functions.items() if name in subjects}:
            dataset = case.dataset(self.data)
            own_metrics, origins = custom.metrics(functions, scored, dataset, root=dataset.root, seed=case.seed)
            metrics |= own_metrics
            contexts.append(Context({"functions": origins}))
        if by_row := {name: metric for name, metric in self._by_row.items() if name in subjects}:
            metrics |= row_metrics.metrics(by_row, scored)
            digests = case.row_functions()
            contexts.append(Context({"per_row": {name: digests[name] for name in by_row}}))
        return metrics, contexts

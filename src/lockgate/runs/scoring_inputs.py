"""Columns, classes, thresholds and row functions with which a pipeline's models score its data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import tee
from typing import TYPE_CHECKING, Any

from lockgate.data.contract.declared import declared_contract
from lockgate.data.contract.feature_contract import FeatureContract
from lockgate.data.slices.slice import Slice
from lockgate.errors import DataError, GateBroken, ModelFault
from lockgate.evaluation.scoring import row_metrics
from lockgate.evidence.run_folder import salt
from lockgate.models.input_check import selected, with_texts
from lockgate.models.input_plan import SLICE, InputPlan, InputPlanner, InputSource
from lockgate.pipeline.pipeline import Pipeline, TagThreshold

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.dataset import Dataset
    from lockgate.evaluation.case import Contender
    from lockgate.evaluation.requirements.subject import Subject
    from lockgate.evaluation.shadow.answer_pairs import AnswerForm
    from lockgate.models.model import ScoreReading
    from lockgate.models.row_functions import RowFunctionPlan


@dataclass(frozen=True)
class ScoringInputs:
    """What a pipeline's data and gates need of the models, and what the models need of the data.

    contenders: the versions of the run. unsigned: role → what its model was given, of models that were asked so far whose
    signature names no columns.
    orders: role → data set → the columns that fill its inputs without names, in order.
    copies: (data set, columns) → those of the columns that say the same as its label, as far as they were compared.
    """

    pipeline: Pipeline
    contenders: Callable[[], Sequence[Contender]] = tuple
    unsigned: dict[str, InputPlan] = field(default_factory=dict, init=False)
    copies: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = field(default_factory=dict, init=False)
    orders: dict[str, dict[str, list[str]]] = field(default_factory=dict, init=False)

    @cached_property
    def sources(self) -> Mapping[str, InputSource]:
        """Input of a model → the data columns that feed it, as the pipeline says."""
        return {name: spec.source for name, spec in self.pipeline.inputs.items()}

    def contract(self) -> FeatureContract:
        """What the pipeline says of features, with the salt that hashes ids elsewhere. Raises DataError."""
        pipeline = self.pipeline
        declared = declared_contract(pipeline.features, pipeline.features_from, pipeline.root)
        return replace(declared, salt=salt(pipeline.root))

    @cached_property
    def roles(self) -> Mapping[str, str]:
        """Column → what it is in the pipeline's data, where that is no feature: the same in every data set."""
        roles: dict[str, str] = {}
        for spec in self.pipeline.data.values():
            roles = spec.roles | roles
        for spec in self.pipeline.data.values():
            for declared in map(Slice.from_spec, spec.slices):
                roles = dict.fromkeys(declared.columns, SLICE) | roles
        for metric in self.pipeline.per_row.values():
            roles = dict.fromkeys(metric.columns, "read by per_row") | roles
        return roles

    def plan(self, contender: Contender, dataset: Dataset) -> InputPlan:
        """What the model is given of each row. It is loaded for that only where it has no signature."""
        signature = (contender.facts.signature or {}).get("inputs")
        outside = dict.fromkeys(dataset.partition_columns, "partition") | dict.fromkeys(dataset.index_columns, "index")
        planner = InputPlanner(
            {field.name: field.type for field in dataset.schema},
            outside | dict(self.roles),
            self.sources,
        )
        plan = planner.plan(signature, None if signature else contender.model.load().fitted)
        return with_texts(plan, signature, dataset)

    def checked_plan(self, contender: Contender, dataset: Dataset) -> InputPlan:
        """As `plan`. Raises DataError where rows of the data cannot become inputs of the model."""
        plan = self.plan(contender, dataset)
        if plan.problems:
            raise DataError(
                f"data {dataset.name!r} does not fit the {contender.role}: {'; '.join(plan.problems)}",
                remedy=plan.remedy,
            )
        heard = any(gate.gate == "signature" and gate.severity == "block" for gate in self.pipeline.gates)
        leak = None if heard else self._leak(contender.role, plan, dataset)
        if leak is not None:
            raise DataError(
                f"leak: {leak}, and a model that is given the truth passes every metric",
                remedy="train and log the model without that column",
            )
        if plan.by_place:
            self._need_one_order(contender, plan)
            self._need_order_of_other_data(contender.role, plan, dataset)
        if (plan.unsigned or plan.by_place) and not self.sources:
            self.unsigned.setdefault(contender.role, plan)
        return plan

    def _need_one_order(self, contender: Contender, plan: InputPlan) -> None:
        """Raise DataError where a model of the run names the columns in another order than the data have them."""
        placed = [column.column for column in plan.columns]
        for other in (contender, *self.contenders()):
            names = _ordered_names(other)
            if sorted(names) == sorted(placed) and list(names) != placed:
                raise DataError(
                    f"the signature of the {contender.role} names no columns, so their order decides, and there are two: "
                    f"the data have {', '.join(placed[:20])}, the {other.role} was trained on {', '.join(names[:20])}",
                    remedy=f"write inputs: [{', '.join(names)}], in the order in which the {contender.role} was trained",
                )

    def _need_order_of_other_data(self, role: str, plan: InputPlan, dataset: Dataset) -> None:
        """Raise DataError where a column is another input of the model than in another data set."""
        columns = [column.column for column in plan.columns]
        for name, before in self.orders.setdefault(role, {}).items():
            input_of = {column: number for number, column in enumerate(before)}
            if any(input_of.get(column, number) != number for number, column in enumerate(columns)):
                raise DataError(
                    f"the signature of the {role} names no columns, so their order decides, and there are two: data "
                    f"{name!r} have {', '.join(before[:20])}, data {dataset.name!r} have {', '.join(columns[:20])}",
                    remedy=f"write inputs: [{', '.join(before)}], in the order in which the {role} was trained",
                )
        self.orders[role].setdefault(dataset.name, columns)

    def _leak(self, role: str, plan: InputPlan, dataset: Dataset) -> str | None:
        """Which input is the label, by its name, or of a model without a signature by what it says in every row."""
        from lockgate.data.label_copies import label_copies

        if dataset.spec.label is None:
            return None
        label = next((column.name for column in plan.columns if self.roles.get(column.column) == "label"), None)
        if label is not None:
            return f"input {label} of the {role}'s signature is the label of data {dataset.name!r}"
        if not plan.unsigned:
            return None
        key = (dataset.name, plan.sources)
        if key not in self.copies:
            features = [column.column for column in plan.columns if column.decode is None]
            self.copies[key] = label_copies(dataset, features, numbers=self.pipeline.task in ("regression", "ranking"))
        names = ", ".join(column.name for column in plan.columns if column.column in self.copies[key])
        return (
            f"{names}, which the {role} is given, is a copy of the label of data {dataset.name!r} in every row"
            if names
            else None
        )

    @cached_property
    def row_function_digests(self) -> Mapping[str, str]:
        """Row metric → SHA-256 of its file, read once a run: what was hashed is what is run."""
        return row_metrics.file_digests(self.pipeline.per_row, self.pipeline.root)

    def row_functions(self, dataset: Dataset) -> RowFunctionPlan | None:
        """The row metrics that requirements on the data need from beside the models; None where they need none."""
        subjects = self._subjects(dataset.name)
        metrics = {name: metric for name, metric in self.pipeline.per_row.items() if name in subjects}
        if not metrics:
            return None
        return row_metrics.plan_functions(
            metrics,
            self.row_function_digests,
            root=self.pipeline.root,
            answer=any(
                subject is None or ("score" in subject.needs and name not in metrics)
                for name, subject in subjects.items()
            ),
            label=dataset.spec.label,
        )

    def _subjects(self, data: str) -> dict[str, Subject | None]:
        """Subjects of all requirements on a data set; for a gate that declares none, None under the gate's name."""
        subjects: dict[str, Subject | None] = {}
        for gate in self.pipeline.gates:
            if self.pipeline.data_of(gate) == data:
                subjects |= {line.subject: gate.subjects.get(line.subject) for line in gate.lines}
                subjects |= {} if gate.subjects else {gate.title: None}
        return subjects

    def awaits_labels(self, data: str) -> bool:
        """Whether labels that come later are to judge the rows of a data set, for which it matters when these were."""
        return any(gate.late_labels is not None and self.pipeline.data_of(gate) == data for gate in self.pipeline.gates)

    def need_scores(self, data: str, role: str) -> bool:
        """Whether a requirement on the data ranks or weighs the role's scores, so that class labels will not do.

        The champion's are those of lines alone that compare with it.
        """
        return any(
            subject is not None
            and subject.name not in self.pipeline.per_row
            and subject.in_task(self.pipeline.task).ranks
            for gate in self.pipeline.gates
            if self.pipeline.data_of(gate) == data
            for line in gate.lines
            if role != "champion" or gate.needs_champion(line)
            for subject in (gate.subjects.get(line.subject),)
        )

    def answer_forms(self, data: str) -> frozenset[AnswerForm]:
        """How recorded texts of a data set are compared, as far as lines ask for it."""
        from lockgate.evaluation.shadow.matches import MATCH_RATE, form_of

        if self.pipeline.task != "text":
            return frozenset()
        gates = [gate for gate in self.pipeline.gates if self.pipeline.data_of(gate) == data]
        return frozenset(form_of(line) for gate in gates for line in gate.lines if line.subject == MATCH_RATE.name)

    def reading(
        self,
        data: str,
        role: str,
        *,
        threshold: float | None,
        classes: tuple[str, ...],
        replayed: bool,
        recorded: str | None,
    ) -> ScoreReading:
        """How the answers of a role are read. recorded: the column of the data that holds them, None where a model answers.

        Requests of several classes are compared by what is decided: scores are not needed there.
        """
        from lockgate.models.model import Output, ScoreReading

        task = self.pipeline.task
        output = Output() if self.pipeline.output is None else self.pipeline.output.of(role)
        if recorded is not None:
            output = replace(output, column=recorded if output.column == recorded else None, method=None)
        return ScoreReading(
            output,
            task,
            self.pipeline.positive,
            need_scores=self.need_scores(data, role) and not (replayed and task == "multiclass"),
            classes=classes,
            in_order=bool(self.pipeline.classes),
            threshold=threshold,
        )

    def feed(
        self,
        score: Callable[[Iterator[Any]], Iterator[Any]],
        dataset: Dataset,
        plan: InputPlan,
        row_functions: RowFunctionPlan | None = None,
    ) -> Callable[[Iterator[Any]], Iterator[Any]]:
        """`score`, but of batches of the data: the model gets its own columns of them, under its own names."""

        def inputs(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            if row_functions is None:
                return selected(plan, batches, dataset)
            own, data = tee(batches)
            columns = selected(plan, own, dataset)
            return (row_functions.extend(each, data=batch) for each, batch in zip(columns, data, strict=True))

        def scores(batches: Iterator[Any]) -> Iterator[Any]:
            try:
                yield from score(inputs(batches))
            except ModelFault as fault:
                if plan.unsigned and fault.alive:
                    raise _unsigned(fault, plan) from fault
                raise

        return scores

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said once in a run of models that were asked though no signature names their columns."""
        placed: dict[tuple[str, ...], list[str]] = {}
        for role, plan in self.unsigned.items():
            if plan.by_place:
                placed.setdefault(tuple(column.column for column in plan.columns), []).append(f"the {role}")
        return (
            *(f"the {role} {_note(plan)}" for role, plan in self.unsigned.items() if not plan.by_place),
            *(_order_note(names, roles) for names, roles in placed.items()),
        )

    def classes(self, dataset: Dataset) -> tuple[str, ...]:
        """The classes of a multiclass task, in the order of its scores; none of any other."""
        from lockgate.data.class_labels import label_classes

        if self.pipeline.task != "multiclass":
            return ()
        return self.pipeline.classes or label_classes(dataset)

    def label_values(self, dataset: Dataset) -> tuple[Any, ...] | None:
        """The two values of a label, by which answers that are class labels are told; None where there is no such label."""
        from lockgate.evaluation.scoring.label_columns import label_values

        if self.pipeline.task != "binary" or dataset.spec.label is None:
            return None
        return label_values(dataset, dataset.spec.label, positive=self.pipeline.positive)

    def threshold(self, contender: Contender | None) -> float | None:
        """The threshold of a model's scores; a tag's only where there is a model. Raises GateBroken for a tag without it."""
        threshold = self.pipeline.threshold
        if not isinstance(threshold, TagThreshold):
            return threshold
        if contender is None:
            return None
        text = contender.version.tags.get(threshold.tag)
        try:
            return float(str(text))
        except ValueError:
            raise GateBroken(
                f"the {contender.role}, {contender.version}, has no number in its tag {threshold.tag!r}"
                + ("" if text is None else f" but {text[:40]!r}"),
                remedy=f"set the tag {threshold.tag} on the version, or write a number as threshold",
            ) from None

    def sample(self, contender: Contender, dataset: Dataset | None, rows: int) -> pa.RecordBatch:
        """Up to that many rows to send to a model: of the data, or of the version's input example where that is None."""
        from lockgate.evaluation.scoring.categories import batches_with_categories
        from lockgate.models.input_example import read_example

        if dataset is None:
            path = contender.facts.input_example
            if path is None:
                raise DataError(
                    f"{contender.version} has no input example",
                    remedy="log the model with input_example=…, or name data",
                )
            with contender.own():
                return read_example(path, contender.facts.signature).slice(0, rows)
        plan = self.checked_plan(contender, dataset)
        batch = next(batches_with_categories(dataset, plan.sources, rows=rows), None)
        if batch is None or batch.num_rows == 0:
            raise DataError(f"data {dataset.name!r} has no rows to send", remedy="give data with rows")
        return next(selected(plan, [batch.slice(0, rows)], dataset))


def _ordered_names(contender: Contender) -> tuple[str, ...]:
    """The features of a version in its own order: of its signature, else of its model where that was started."""
    columns = (contender.facts.signature or {}).get("inputs") or ()
    names = tuple(str(column["name"]) for column in columns if column.get("name") is not None)
    if len(names) > 1:
        return names
    loaded = contender.load_facts(None)
    fitted = None if loaded is None else loaded.fitted
    return () if fitted is None else fitted.names or ()


def _unsigned(fault: ModelFault, plan: InputPlan) -> ModelFault:
    """The fault of a model that may have wanted other columns than it was given."""
    maybe = [name for name, role in plan.left_out.items() if role == SLICE]
    remedy = f"it {_note(plan, maybe)}" + (f"; else {fault.remedy}" if fault.remedy else "")
    return ModelFault(fault.message, remedy=remedy, stderr=fault.stderr, alive=fault.alive)


def _order_note(names: Sequence[str], roles: Sequence[str]) -> str:
    """What models were given whose signatures name none of several columns."""
    listed = ", ".join(names) if len(names) <= 5 else f"{names[0]}, {names[1]}, …, {names[-1]} ({len(names)} columns)"
    have, were, they = ("has", "was", "it was") if len(roles) == 1 else ("have", "were", "they were")
    return (
        f"{' and '.join(roles)} {have} a signature without names and {were} given {listed}, in the order of the data; "
        f"if {they} trained in another order, list the columns under inputs:"
    )


def _note(plan: InputPlan, maybe: Sequence[str] = ()) -> str:
    """What a model without a signature was given, and how to say it for good; to be read behind its role.

    maybe: columns that it may lack.
    """
    names = [column.column for column in plan.columns]
    listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    others = ", ".join(f"{name or repr(name)} ({role})" for name, role in list(plan.left_out.items())[:20])
    return (
        f"has no signature and was given {listed}{f', not {others}' if others else ''}: "
        f"log it with signature=infer_signature(…), or write inputs: [{', '.join([listed, *maybe])}]"
    )

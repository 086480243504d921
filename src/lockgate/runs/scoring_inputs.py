"""Columns, classes, thresholds and row functions with which a pipeline's models score its data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lockgate.errors import DataError, GateBroken
from lockgate.evaluation.scoring import row_metrics
from lockgate.pipeline.pipeline import Pipeline, TagThreshold

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.dataset import Dataset
    from lockgate.evaluation.case import Contender
    from lockgate.evaluation.requirements.subject import Subject
    from lockgate.models.row_functions import RowFunctionPlan


@dataclass(frozen=True)
class ScoringInputs:
    """What a pipeline's data and gates need of the models, and what the models need of the data."""

    pipeline: Pipeline

    @cached_property
    def renamed(self) -> Mapping[str, str]:
        """Signature column → data column, where the pipeline names one."""
        return {name: spec.column for name, spec in self.pipeline.inputs.items()}

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

    def need_scores(self, data: str) -> bool:
        """Whether a requirement on the data ranks or weighs scores, so that class labels will not do."""
        return any(
            subject is not None
            and subject.name not in self.pipeline.per_row
            and {"label", "score"} <= (needs := set(subject.in_task(self.pipeline.task).needs))
            and "threshold" not in needs
            for subject in self._subjects(data).values()
        )

    def feed(
        self, score: Callable[[Iterator[Any]], Iterator[Any]], row_functions: RowFunctionPlan | None = None
    ) -> Callable[[Iterator[Any]], Iterator[Any]]:
        """`score`, but of batches of the data: their columns get the names that the signature has for them."""
        if row_functions is not None:
            return lambda batches: score(row_functions.extend(self.rename(batch), data=batch) for batch in batches)
        return (lambda batches: score(map(self.rename, batches))) if self.renamed else score

    def rename(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with a copy of each renamed data column under the signature's name, in place of one of that name."""
        import pyarrow as pa

        names = list(batch.schema.names)
        columns = dict(zip(names, batch.columns, strict=True))
        for name, source in self.renamed.items():
            if name != source and source in names:
                columns.pop(name, None)
                columns[name] = batch.column(source)
        return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    def columns(self, dataset: Dataset, contenders: Sequence[Contender]) -> list[str] | None:
        """The data columns that the models' signatures name; None (all of them) where one has no named signature."""
        columns: dict[str, None] = {}
        for contender in contenders:
            inputs = (contender.facts.signature or {}).get("inputs") or ()
            if not inputs or any(not column.get("name") for column in inputs):
                return None
            for column in inputs:
                source = self.renamed.get(str(column["name"]), str(column["name"]))
                if source in dataset.columns:
                    columns[source] = None
                elif column.get("required", True):
                    dataset.need({source: f"input {column['name']} of the {contender.role}'s signature"})
        return list(columns)

    def classes(self, dataset: Dataset) -> tuple[str, ...]:
        """The classes of a multiclass task, in the order of its scores; none of any other."""
        from lockgate.data.class_labels import label_classes

        if self.pipeline.task != "multiclass":
            return ()
        return self.pipeline.classes or label_classes(dataset)

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
        from lockgate.models.input_example import read_example

        if dataset is None:
            path = contender.facts.input_example
            if path is None:
                raise DataError(
                    f"{contender.version} has no input example",
                    remedy="log the model with input_example=…, or name data",
                )
            return read_example(path, contender.facts.signature).slice(0, rows)
        batch = next(dataset.batches(self.columns(dataset, [contender]), rows=rows), None)
        if batch is None or batch.num_rows == 0:
            raise DataError(f"data {dataset.name!r} has no rows to send", remedy="give data with rows")
        return self.rename(batch.slice(0, rows))

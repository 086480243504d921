"""Row metrics: one float a row, computed beside the model, so that images never enter the scored table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from lockgate.config import Config
from lockgate.errors import GateBroken
from lockgate.evaluation.requirements.subject import Subject
from lockgate.models.row_functions import RowFunction, RowFunctionPlan, RunsRowFunctions
from lockgate.plugins import ProjectFile

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.arrow_arrays import Array
    from lockgate.evaluation.metrics.declaration import DeclaredBounds, Metric
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.models.answers.answer_reader import AnswerReader
    from lockgate.models.model import Model

_FUNCTION = r"^[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*$"


class RowMetric(Config):
    """What a pipeline says of a function of (inputs, answer, labels) that answers one float for each row of a batch."""

    function: str = Field(
        pattern=_FUNCTION,
        description="Where the function is: `./file.py:name` below the project's root. It runs beside the model.",
    )
    better: Literal["higher", "lower"] | None = Field(
        description="Which way is better; `null` where the requirement alone says so."
    )
    columns: tuple[str, ...] = Field(
        default=(), description="Columns of the data that its inputs hold besides those that the model is given."
    )
    read: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), description="Files and folders that it may read in its box, and the model may not."
    )
    bounds: tuple[float | None, float | None] = Field(
        default=(None, None),
        description="Least and largest value of a row, such as `[0, 1]` or `[0, null]`; needed for a factor of the "
        "champion.",
    )
    unit: str = Field(default="", description="What stands behind its numbers in reports, such as `dB`.")

    def subject(self, name: str) -> Subject:
        return Subject(name, self.better, unit=self.unit, bounds=self.bounds, needs=("score",), proportion=False)

    def file(self, root: Path) -> ProjectFile:
        return ProjectFile(self.function, root, "per_row")


def _by_name(value: Any) -> Any:
    """`file.py:name` alone is one metric of that name."""
    return {value.rpartition(":")[2]: {"function": value, "better": None}} if isinstance(value, str) else value


Names = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.\-]*$")]
RowMetrics = Annotated[
    dict[Names, RowMetric],
    BeforeValidator(
        _by_name,
        json_schema_input_type=Annotated[str, StringConstraints(pattern=_FUNCTION)] | dict[Names, RowMetric],
    ),
]


def file_digests(metrics: Mapping[str, RowMetric], root: Path) -> dict[str, str]:
    """name → SHA-256 of its file, nothing of it run. Raises UsageError."""
    return {name: metric.file(root).digest for name, metric in metrics.items()}


def plan_functions(
    metrics: Mapping[str, RowMetric], digests: Mapping[str, str], *, root: Path, answer: bool, label: str | None
) -> RowFunctionPlan:
    """What those metrics need. digests: name → SHA-256 of its file, as `file_digests` says. Raises UsageError."""
    functions = tuple(
        RowFunction(name, str(metric.file(root).path), metric.function.rpartition(":")[2], digests[name])
        for name, metric in metrics.items()
    )
    columns = tuple(dict.fromkeys(column for metric in metrics.values() for column in metric.columns))
    return RowFunctionPlan(functions, answer, label, columns)


def row_scorer(
    model: Model, plan: RowFunctionPlan, reader: AnswerReader
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[dict[str, Array]]]:
    """What `build_scored` calls: of each batch, name → one float a row; under the empty name what `reader` reads, if needed.

    Raises GateBroken where the model answers somewhere else.
    """
    if not isinstance(model, RunsRowFunctions):
        raise GateBroken(
            "per_row runs beside a model, and this one answers from a server", remedy="write target: process"
        )
    runner = model

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[dict[str, Array]]:
        row = 0
        for answer in runner.predict_with_functions(batches, plan, method=reader.reading.output.method):
            own, columns = plan.split(answer)
            if own is not None:
                columns[""] = reader.read(own, rows_before=row)
            yield columns
            row += answer.num_rows

    return score


def metrics(declared: Mapping[str, RowMetric], scored: Scored) -> dict[str, Metric]:
    """The mean of each: weighted and paired as the built-in means are; without a value where a row has none."""
    import numpy as np

    from lockgate.evaluation.metrics.declaration import Metric, check_bounds, limits
    from lockgate.evaluation.uncertainty.metric_value import MetricValue, Undefined, mean_of

    def metric(name: str, bounds: DeclaredBounds) -> Metric:
        def mean(role: str, rows: Any, weights: Any) -> MetricValue:
            if not rows.size:
                raise Undefined("no_rows", "there are no rows")
            values = scored.per_row(role, name)[rows]
            lacking = rows[~np.isfinite(values)]
            if lacking.size:
                raise Undefined(
                    "not_finite",
                    f"{name} of the {role} is NaN or infinite in {lacking.size:,} rows, first in row {int(lacking[0]) + 1:,}",
                )
            check_bounds(name, role, values, bounds)
            return mean_of(values, weights)

        return Metric(name, "skew", measure_rows=mean, bounds=limits(bounds))

    return {name: metric(name, each.bounds) for name, each in declared.items()}

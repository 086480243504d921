"""Metrics of one float a row that are run beside the model, so that images never enter the scored table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import BeforeValidator, Field, StringConstraints

from lockgate.config import Config
from lockgate.errors import GateBroken
from lockgate.evaluation.requirements.subject import Subject
from lockgate.models.output import score_of
from lockgate.plugins import ProjectFile

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.arrow_arrays import Array
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.evaluation.uncertainty.metric import Metric
    from lockgate.models.model import Model, Output

_FUNCTION = r"^[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*$"
_LABEL = "lockgate:label"
_COLUMN = "lockgate:column:"
_ANSWER = "per_row:"


class RowMetric(Config):
    """What a pipeline says of a function of (inputs, answer, labels) that answers one float for each row of a batch.

    function: `./file.py:name` below the project's root. better: which way, None where the line alone says. columns: of
    the data, which the inputs get besides the model's own.
    """

    function: str = Field(pattern=_FUNCTION)
    better: Literal["higher", "lower"] | None
    columns: tuple[str, ...] = ()
    bounds: tuple[float | None, float | None] = (None, None)
    unit: str = ""

    def subject(self, name: str) -> Subject:
        return Subject(name, self.better, unit=self.unit, bounds=self.bounds, needs=("score",), proportion=False)

    def file(self, root: Path) -> ProjectFile:
        return ProjectFile(self.function, root, "per_row")


def _named(value: Any) -> Any:
    """`file.py:name` alone is one metric of that name."""
    return {value.rpartition(":")[2]: {"function": value, "better": None}} if isinstance(value, str) else value


Names = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.\-]*$")]
RowMetrics = Annotated[
    dict[Names, RowMetric],
    BeforeValidator(
        _named,
        json_schema_input_type=Annotated[str, StringConstraints(pattern=_FUNCTION)] | dict[Names, RowMetric],
    ),
]


@dataclass(frozen=True)
class RowFunction:
    """Where the code of a metric lies; sha256: of the file's bytes, without which it is not run."""

    name: str
    file: str
    attribute: str
    sha256: str


@dataclass(frozen=True)
class Beside:
    """What is run beside a model on each batch. answer: whether its answer is wanted too.

    label: the data's column of labels, given as it stands in the data. columns: those that the inputs get besides.
    """

    functions: tuple[RowFunction, ...]
    answer: bool
    label: str | None
    columns: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns of the data."""
        return tuple(dict.fromkeys([*self.columns, *([self.label] if self.label else [])]))

    @property
    def header(self) -> dict[str, Any]:
        """As JSON, for whoever answers: which columns of a batch are not the model's."""
        return {
            "functions": [asdict(function) for function in self.functions],
            "answer": self.answer,
            "label": _LABEL,
            "columns": {_COLUMN + name: name for name in self.columns},
            "prefix": _ANSWER,
        }

    def fed(self, data: pa.RecordBatch, inputs: pa.RecordBatch) -> pa.RecordBatch:
        """The model's inputs, and under names of our own what else is read of the same rows of the data."""
        import pyarrow as pa

        more = {_COLUMN + name: data.column(name) for name in self.columns}
        if self.label is not None:
            more[_LABEL] = data.column(self.label)
        return pa.RecordBatch.from_arrays([*inputs.columns, *more.values()], names=[*inputs.schema.names, *more])


@runtime_checkable
class AnswersBeside(Protocol):
    """A model beside which functions can be run."""

    def predict_beside(
        self, batches: Iterable[pa.RecordBatch], beside: Beside, *, method: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """As `Model.predict`, of batches that `Beside.fed` made; a column `per_row:<name>` for each function.

        Raises ModelFault, which names the row, where a function breaks.
        """


def origins(metrics: Mapping[str, RowMetric], root: Path) -> dict[str, str]:
    """name → SHA-256 of its file, nothing of it run. Raises UsageError."""
    return {name: metric.file(root).digest for name, metric in metrics.items()}


def beside(
    metrics: Mapping[str, RowMetric], known: Mapping[str, str], *, root: Path, answer: bool, label: str | None
) -> Beside:
    """What those metrics need. known: name → SHA-256 of its file, as `origins` says. Raises UsageError."""
    functions = tuple(
        RowFunction(name, str(metric.file(root).path), metric.function.rpartition(":")[2], known[name])
        for name, metric in metrics.items()
    )
    columns = tuple(dict.fromkeys(column for metric in metrics.values() for column in metric.columns))
    return Beside(functions, answer, label, columns)


def ask(
    model: Model, what: Beside, *, spec: Output, **told: Any
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[dict[str, Array]]]:
    """What `build_scored` asks for: of each batch, name → one float a row; under the empty name the scores, if wanted.

    told: as `score_of` takes it. Raises GateBroken where the model answers somewhere else.
    """
    if not isinstance(model, AnswersBeside):
        raise GateBroken(
            "per_row runs beside a model, and this one answers from a server", remedy="write target: process"
        )
    asked = model

    def answers(batches: Iterator[pa.RecordBatch]) -> Iterator[dict[str, Array]]:
        row = 0
        for answer in asked.predict_beside(batches, what, method=spec.method):
            rest, found = _split(answer, what)
            if rest is not None:
                found[""] = score_of(rest, spec=spec, rows_before=row, **told)
            yield found
            row += answer.num_rows

    return answers


def _split(answer: pa.RecordBatch, what: Beside) -> tuple[pa.RecordBatch | None, dict[str, Array]]:
    """(the model's own answer where it is wanted, name → one float a row)."""
    import pyarrow as pa

    from lockgate.data import arrow_arrays as arrays

    own = {_ANSWER + each.name: each.name for each in what.functions}
    found = {name: arrays.to_floats(answer.column(column)) for column, name in own.items()}
    if not what.answer:
        return None, found
    rest = [name for name in answer.schema.names if name not in own]
    return pa.RecordBatch.from_arrays([answer.column(name) for name in rest], names=rest), found


def metrics(names: Iterable[str], scored: Scored) -> dict[str, Metric]:
    """The mean of each: exact, weighted and paired as the built-in means are; without a value where a row has none."""
    import numpy as np

    from lockgate.evaluation.uncertainty.custom_rule import OwnMetric, placed
    from lockgate.evaluation.uncertainty.metric import Measured, Undefined, mean_of

    def metric(name: str) -> Metric:
        def mean(labels: Any, scores: Any, weights: Any, threshold: float | None) -> Measured:
            if not scores.size:
                raise Undefined("no_rows", "there are no rows")
            role, rows = placed(scores, scored.rows)
            values = scored.per_row(role, name)[rows]
            lacking = rows[~np.isfinite(values)]
            if lacking.size:
                raise Undefined(
                    "not_finite",
                    f"{name} of the {role} is NaN or infinite in {lacking.size:,} rows, first in row {int(lacking[0]) + 1:,}",
                )
            return mean_of(values, weights)

        return OwnMetric(name, mean, "skew", placed=True)

    return {name: metric(name) for name in names}

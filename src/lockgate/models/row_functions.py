"""Functions that a process beside the model's runs on every batch and its answer: one float for each row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.arrow_arrays import Array

# No column of a data set or of an answer begins like these, so that what travels with a batch cannot hide one of them.
_LABEL = "lockgate:label"
_COLUMN = "lockgate:column:"
_VALUES = "per_row:"


@dataclass(frozen=True)
class RowFunction:
    """Where the code of a row metric lies. sha256: of the file's bytes; a file with other bytes is not run."""

    name: str
    file: str
    attribute: str
    sha256: str


@dataclass(frozen=True)
class RowFunctionPlan:
    """The functions to run beside a model on each batch. answer: whether the model's own answer is needed too.

    label: the data's column of labels, passed as it stands in the data. columns: of the data, added to the inputs.
    """

    functions: tuple[RowFunction, ...]
    answer: bool
    label: str | None
    columns: tuple[str, ...]

    @property
    def data_columns(self) -> tuple[str, ...]:
        """Columns of the data that the functions read."""
        return tuple(dict.fromkeys([*self.columns, *([self.label] if self.label else [])]))

    @property
    def header(self) -> dict[str, Any]:
        """The plan as JSON for `model_host`: which functions to run, and which columns of a batch are not the model's."""
        return {
            "functions": [asdict(function) for function in self.functions],
            "answer": self.answer,
            "label": _LABEL,
            "columns": {_COLUMN + name: name for name in self.columns},
            "prefix": _VALUES,
        }

    def extend(self, inputs: pa.RecordBatch, *, data: pa.RecordBatch) -> pa.RecordBatch:
        """The model's inputs, and under reserved names the label and the columns of the same rows of the data."""
        import pyarrow as pa

        extra = {_COLUMN + name: data.column(name) for name in self.columns}
        if self.label is not None:
            extra[_LABEL] = data.column(self.label)
        fields = [*inputs.schema, *(pa.field(name, column.type) for name, column in extra.items())]
        return pa.RecordBatch.from_arrays(
            [*inputs.columns, *extra.values()], schema=pa.schema(fields, inputs.schema.metadata)
        )

    def inputs(self, extended: pa.RecordBatch) -> pa.RecordBatch:
        """The model's inputs of a batch that `extend` made."""
        names = [name for name in extended.schema.names if name != _LABEL and not name.startswith(_COLUMN)]
        return extended.select(names)

    def split(self, answer: pa.RecordBatch) -> tuple[pa.RecordBatch | None, dict[str, Array]]:
        """(the model's own answer, None where it is not needed; function's name → (n,) float64) of an answer."""
        import pyarrow as pa

        from lockgate.data import arrow_arrays

        names = {_VALUES + function.name: function.name for function in self.functions}
        values = {name: arrow_arrays.to_floats(answer.column(column)) for column, name in names.items()}
        if not self.answer:
            return None, values
        rest = [column for column in answer.schema.names if column not in names]
        own = pa.RecordBatch.from_arrays([answer.column(column) for column in rest], names=rest)
        return own.replace_schema_metadata(answer.schema.metadata), values


@runtime_checkable
class RunsRowFunctions(Protocol):
    """A model beside which functions can be run."""

    def predict_with_functions(
        self, batches: Iterable[pa.RecordBatch], plan: RowFunctionPlan, *, method: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """As `Model.predict`, of batches that `RowFunctionPlan.extend` made; its answers are read by `split`.

        Raises ModelFault, which names the row, where a function breaks.
        """

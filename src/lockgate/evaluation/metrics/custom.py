"""Metrics of a project's own: Python functions of (labels, scores, rows), named beside the requirements on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from lockgate import plugins
from lockgate.config import Config
from lockgate.errors import GateBroken, UsageError
from lockgate.evaluation.requirements.subject import Subject
from lockgate.plugins import ProjectFile

if TYPE_CHECKING:
    from lockgate.data.dataset import Dataset
    from lockgate.evaluation.metrics.declaration import Metric
    from lockgate.evaluation.scoring.scored_table import Scored

Columns = Mapping[str, Any]
Compute = Callable[[Any, Any, Columns], Any]


class Function(Config):
    """A function as a pipeline declares it: where it is, which way is better, and which columns it reads.

    It is called with labels (bool, or float for a regression), one model's scores and `rows`, the named columns of the
    data; all are numpy arrays of the same rows. It answers one number, or with `per_row` one for each row.
    """

    function: str = Field(
        pattern=r"^([^:]+\.py:[A-Za-z_][A-Za-z0-9_]*|[A-Za-z_][A-Za-z0-9_\-]*)$",
        description="Where the function is: `./file.py:name` below the project's root, or an entry point of the group "
        "`lockgate.metrics`.",
    )
    better: Literal["higher", "lower"] = Field(description="Which way is better; there is no default.")
    per_row: bool = Field(
        default=False,
        description="Whether it answers one number for each row, whose mean is taken, instead of one for all rows.",
    )
    columns: tuple[str, ...] = Field(
        default=(), description="Columns of the data that it gets as `rows`, such as `[amount]`."
    )
    bounds: tuple[float | None, float | None] = Field(
        default=(None, None),
        description="Least and largest value that it can have, such as `[0, 1]` or `[0, null]`; needed for a factor of "
        "the champion.",
    )
    unit: str = Field(default="", description="What stands behind its numbers in reports, such as `EUR`.")

    def subject(self, name: str) -> Subject:
        return Subject(
            name, self.better, unit=self.unit, bounds=self.bounds, needs=("label", "score"), proportion=False
        )

    @property
    def in_file(self) -> bool:
        """Whether a file of the project holds it; else an installed package does."""
        return ProjectFile.named_by(self.function)

    def origin(self, root: Path) -> str:
        """SHA-256 of its file below the root, or its package and version. Raises UsageError."""
        if self.in_file:
            return ProjectFile(self.function, root, "function").digest
        return plugins.distribution(plugins.METRICS, self.function)

    def load(self, root: Path) -> tuple[Compute, str]:
        """(the function, its `origin`). Raises UsageError."""
        if self.in_file:
            compute, origin = ProjectFile(self.function, root, "function").load()
        else:
            compute, origin = plugins.load(plugins.METRICS, self.function), self.origin(root)
        if not callable(compute):
            raise UsageError(f"function {self.function!r} cannot be called: it is of type {type(compute).__name__}")
        return compute, origin


def subjects(functions: Mapping[str, Function]) -> dict[str, Subject]:
    return {name: function.subject(name) for name, function in functions.items()}


def origins(functions: Mapping[str, Function], root: Path) -> dict[str, str]:
    """name → what its function comes from, nothing of it run. Raises UsageError."""
    return {name: function.origin(root) for name, function in functions.items()}


def complaints(
    functions: Mapping[str, Function], built_in: Mapping[str, Subject], weight: str | None
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Messages on functions that cannot be accepted, each with its path below the gate. weight: the data's column of weights."""
    for name, function in functions.items():
        if name in built_in:
            yield ("functions", name), f"functions: {name} is a metric already; give yours a name of its own"
        problem = None if function.in_file else plugins.refusal(plugins.METRICS, function.function)
        if problem is not None:
            yield ("functions", name, "function"), f"functions: {problem}; a file is named as ./file.py:function"
        if weight is not None and not function.per_row and weight not in function.columns:
            yield (
                ("functions", name),
                f"functions: the data is weighted by {weight!r}, and {name} does not read it; "
                f"write columns: [{weight}], or per_row: true",
            )


def metrics(
    functions: Mapping[str, Function], scored: Scored, dataset: Dataset, *, root: Path, seed: int
) -> tuple[dict[str, Metric], dict[str, str]]:
    """(the metrics by name, name → what its function came from).

    seed: of resampling; the same rows are drawn for both models. Raises UsageError, DataError, GateBroken.
    """
    from lockgate.evaluation.uncertainty.bootstrap import BoundFunction, function_metric

    loaded = {name: function.load(root) for name, function in functions.items()}
    names = dict.fromkeys(column for function in functions.values() for column in function.columns)
    columns = _columns(dataset, list(names), scored.rows)
    by_name = {
        name: function_metric(
            name,
            BoundFunction(loaded[name][0], scored, {column: columns[column] for column in function.columns}),
            per_row=function.per_row,
            bounds=function.bounds,
            seed=seed,
        )
        for name, function in functions.items()
    }
    return by_name, {name: origin for name, (_, origin) in loaded.items()}


def _columns(dataset: Dataset, names: list[str], rows: int) -> dict[str, Any]:
    """Each column as one array: numbers as float64 with NaN for what is missing, all else as Python values."""
    import numpy as np
    import pyarrow as pa

    from lockgate.data import arrow_arrays

    if not names:
        return {}
    batches = list(dataset.batches(names))
    columns: dict[str, Any] = {}
    for index, name in enumerate(names):
        parts = [batch.column(index) for batch in batches]
        kind = parts[0].type if parts else pa.null()
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            columns[name] = np.concatenate([arrow_arrays.to_floats(part) for part in parts])
        else:
            columns[name] = np.array([value for part in parts for value in part.to_pylist()] or [], dtype=object)
        if columns[name].shape != (rows,):
            raise GateBroken(f"column {name!r} has {columns[name].size:,} rows, and {rows:,} were scored")
    return columns

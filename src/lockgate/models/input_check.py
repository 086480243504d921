"""Whether rows of the data become inputs of a model: their types, and for tensors the shapes of the first rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from lockgate.errors import DataError
from lockgate.models.input_plan import InputPlan, ModelInput
from lockgate.models.model_host import WHOLE, BadInput, fit_column, lacks_values, missing_values, tensors
from lockgate.models.safe_text import with_columns
from lockgate.models.signature_diff import Column, fits, named, properties

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.dataset import Dataset
    from lockgate.data.untyped import Misfit

_ROWS = 1000  # of which the shapes are looked at


def misfits(signature: Sequence[Column], plan: InputPlan, dataset: Dataset) -> list[str]:
    """Why the types of a plan's columns cannot become what the signature says, beside the plan's own problems."""
    if has_tensors(signature):
        return _tensor_misfits(signature, plan, dataset)
    columns = named(signature)
    texts = _kinds([column for column in plan.columns if column.signed is not None], dataset)
    problems = []
    for column in plan.columns:
        declared, kind = columns.get(column.name), texts.get(column, dataset.schema.field(column.column).type)
        if isinstance(kind, DataError):
            problems.append(f"{_said(column)}: {kind.message}")
        elif declared is not None and not fits(declared, kind):
            problems.append(f"{_said(column)} is {declared['type']}, in the data it is {kind}")
    return problems


def refusals(signature: Sequence[Column], plan: InputPlan, dataset: Dataset) -> dict[str, str | None]:
    """Problem → its remedy, of columns whose type fits and whose values the model's own process would refuse.

    Columns of which the type alone says that none is refused are not read. Raises DataError.
    """
    if has_tensors(signature) or properties(signature) is not None:
        return {}
    declared = {name: str(column["type"]) for name, column in named(signature).items() if column.get("type")}
    types = {field.name: field.type for field in dataset.schema}
    taken = [
        _Fit(column, kind, types[column.column])
        for column in plan.columns
        if (kind := declared.get(column.name)) is not None
        and (column.signed is not None or fits({"type": kind}, types[column.column]))
    ]
    checks = [each for each in taken if each.error is None and not each.is_sure]
    before = 0
    for batch in dataset.batches(list(dict.fromkeys(each.column.source for each in checks))) if checks else ():
        for check in checks:
            check.add(batch, before)
        before += batch.num_rows
    refused = [(each.column, each.error) for each in taken if each.error is not None]
    return {f"{_said(column)}: {error}": error.remedy for column, error in refused}


class _Fit:
    """One column as the model's own process would take it. error: why it would not."""

    def __init__(self, column: ModelInput, kind: str, stored: pa.DataType) -> None:
        """kind: the signature's type; stored: the type in the data, by which alone it may be refused."""
        import pyarrow as pa

        self.column = column
        self.error: BadInput | None = None
        self._kind, self._stored, self._missing = kind, stored, 0
        if column.signed is None:
            self._fit(pa.array([], stored), 0)

    @property
    def is_sure(self) -> bool:
        """Whether no value of the type is refused."""
        import pyarrow as pa

        if self._kind == "double":
            return bool(pa.types.is_floating(self._stored))
        return self._kind not in (*WHOLE, "float", "datetime", "binary")

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        """Take a batch of the data, of which there were `before` rows so far."""
        from lockgate.data.untyped import Misfit

        try:
            values = self.column.of(batch)
        except Misfit:  # said where types are compared
            return
        missing = missing_values(values) if self._kind in WHOLE else 0
        if missing:
            self._missing += missing
            self.error = lacks_values(self.column.column, self._missing, self._kind)
        elif self.error is None:
            self._fit(values, before)

    def _fit(self, values: pa.Array, before: int) -> None:
        try:
            fit_column(self.column.column, values, SimpleNamespace(type=SimpleNamespace(name=self._kind)))
        except BadInput as error:
            self.error = BadInput(error.sentence(before), remedy=error.remedy)


def _said(column: ModelInput) -> str:
    """The input as a problem begins, with the column of the data where it has another name."""
    return f"input {column.name}" + (f" (from {column.column})" if column.column != column.name else "")


def never_missing(signature: Sequence[Column] | None, names: Iterable[str]) -> bool:
    """Whether one of these inputs has a type of the signature that has no missing value, so that no row without it is taken."""
    declared = named(signature) if signature else {}
    return any(declared[name].get("type") in WHOLE for name in names if name in declared)


def in_order(problems: Sequence[str], signature: Sequence[Column]) -> list[str]:
    """The problems of named inputs in the order of the signature; what is of no single input comes last."""
    starts = [f"input {name}" for name in named(signature)]
    return sorted(
        problems,
        key=lambda problem: next(
            (i for i, start in enumerate(starts) if problem.startswith((f"{start} ", f"{start}:"))), len(starts)
        ),
    )


def with_texts(plan: InputPlan, signature: Sequence[Column] | None, dataset: Dataset) -> InputPlan:
    """The plan with those columns read as texts of which the signature says another type than they seem to have.

    Data of one type a column are as they are: only CSV holds texts alone.
    """
    if not signature or has_tensors(signature):
        return plan
    from lockgate.data.untyped import retypes

    types = {name: column.get("type") for name, column in (properties(signature) or named(signature)).items()}
    columns = [
        replace(column, signed=str(types[column.name]))
        if column.name in types
        and dataset.untyped(column.column)
        and retypes(dataset.schema.field(column.column).type, types[column.name])
        else column
        for column in plan.columns
    ]
    return replace(plan, columns=tuple(columns))


def selected(plan: InputPlan, batches: Iterable[pa.RecordBatch], dataset: Dataset) -> Iterator[pa.RecordBatch]:
    """The model's columns of batches of the data. Raises DataError, which names column and row of a text that does not fit."""
    from lockgate.data.untyped import Misfit

    before = 0
    for batch in batches:
        try:
            yield with_columns(plan.select(batch), dataset.columns)
        except Misfit as misfit:
            raise _misfit(misfit, plan, dataset, before=before) from None
        before += batch.num_rows


def _kinds(columns: Sequence[ModelInput], dataset: Dataset) -> dict[ModelInput, pa.DataType | DataError]:
    """What all texts of each column become, or which of them does not; in one pass over the data."""
    import pyarrow as pa

    from lockgate.data.untyped import Misfit

    kinds: dict[ModelInput, pa.DataType | DataError] = dict.fromkeys(columns, pa.null())
    before = 0
    for batch in dataset.batches(list(dict.fromkeys(column.source for column in columns))) if columns else ():
        for column, kind in kinds.items():
            if isinstance(kind, DataError):
                continue
            try:
                here = column.of(batch).type
                kinds[column] = here if pa.types.is_null(kind) or pa.types.is_floating(here) else kind
            except Misfit as misfit:
                kinds[column] = _misfit(misfit, InputPlan((column,)), dataset, before=before)
        before += batch.num_rows
    return kinds


def _misfit(misfit: Misfit, plan: InputPlan, dataset: Dataset, *, before: int) -> DataError:
    column = next(each for each in plan.columns if each.column == misfit.column and each.signed is not None)
    return DataError(
        f"column {column.column!r} of {dataset.redacted_path} is no {column.signed} in "
        f"{dataset.row(before + misfit.row + 1)}, and the signature says {column.signed}",
        remedy="correct the cell, or leave it empty where it is missing",
    )


def has_tensors(signature: Sequence[Column] | None) -> bool:
    """Whether inputs are arrays."""
    return bool(signature) and any(column.get("type") == "tensor" for column in signature or ())


def tensor_specs(signature: Sequence[Column]) -> list[Any]:
    """The tensors of a registry's JSON as `model_host.tensors` takes them: name, type and shape."""
    return [
        SimpleNamespace(
            name=column.get("name"),
            type=column.get("tensor-spec", {}).get("dtype"),
            shape=tuple(column.get("tensor-spec", {}).get("shape") or ()),
        )
        for column in signature
    ]


def _tensor_misfits(signature: Sequence[Column], plan: InputPlan, dataset: Dataset) -> list[str]:
    if plan.problems:
        return []
    batch = next(dataset.batches(plan.sources, rows=_ROWS), None)
    if batch is None:
        return []
    try:
        tensors(plan.select(batch), tensor_specs(signature))
    except BadInput as error:
        return [error.sentence()]
    except ImportError:  # what decodes images lies beside the model, which says so if it does not
        return []
    return []

"""Which columns of the data a model is given, in which order, and what is wrong where they do not fit its signature."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lockgate.data.stored_columns import stored
from lockgate.models.signature_diff import (
    Column,
    fits,
    is_encoded,
    is_list,
    named,
    properties,
    required,
    storage_of,
    tensor_cells,
    tensor_holds,
    tensor_shape,
    tensor_words,
)
from lockgate.text import counted

if TYPE_CHECKING:
    import pyarrow as pa

TENSOR, DECODE = b"lockgate:tensor", b"lockgate:decode"  # metadata of a field, which model_host reads
SLICE = "slice"
LEAK = "leak: "  # what a problem begins with where a model was fitted on the truth
_REFUSED = ("label", "recorded score")  # roles of columns that hold the truth, or an answer: never an input
_ONLY_IF_NAMED = (SLICE, "read by per_row", "index", "partition")  # roles of columns that may be features besides


@dataclass(frozen=True)
class InputSource:
    """What `inputs:` says of one input: the data columns that feed it, and how their cells are decoded."""

    columns: tuple[str, ...]
    decode: str | None = None


@dataclass(frozen=True)
class ModelInput:
    """A column that a model is given. name: for the model; column: of the data; tensor: of which it is a part.
    signed: the type in which its cells, which are texts, are read; None where the data say the type."""

    name: str
    column: str
    decode: str | None = None
    tensor: str | None = None
    signed: str | None = None

    @property
    def source(self) -> str:
        """What `Dataset.batches` calls it."""
        return self.column if self.signed is None else stored(self.column)

    def of(self, batch: pa.RecordBatch) -> pa.Array:
        """Its values in a batch of the data. Raises Misfit."""
        from lockgate.data.untyped import as_signed

        values = batch.column(self.source)
        return values if self.signed is None else as_signed(self.column, values, self.signed)


@dataclass(frozen=True)
class FittedFeatures:
    """What a model that was loaded knows of its features: their names in order, or only how many there are."""

    names: tuple[str, ...] | None = None
    count: int | None = None


@dataclass(frozen=True)
class InputPlan:
    """The columns that a model is given, in its order.

    problems: why rows of the data cannot become inputs; remedy: what to write then. left_out: columns of the data that a
    model without a named signature is not given, and why. unsigned: whether the model has no signature. by_place: whether
    its signature names none of several columns, so that the order of the data stands for that of training.
    """

    columns: tuple[ModelInput, ...] = ()
    problems: tuple[str, ...] = ()
    remedy: str | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    unsigned: bool = False
    by_place: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of the data that are read for it."""
        return tuple(dict.fromkeys(column.source for column in self.columns))

    def select(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The model's columns of a batch of the data, under the model's names. Raises Misfit: see `data.untyped`."""
        import pyarrow as pa

        arrays = [column.of(batch) for column in self.columns]
        fields = []
        for column, values in zip(self.columns, arrays, strict=True):
            marks = {TENSOR: column.tensor, DECODE: column.decode}
            metadata = {mark: text.encode() for mark, text in marks.items() if text is not None}
            fields.append(pa.field(column.name, values.type, metadata=metadata or None))
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


@dataclass(frozen=True)
class InputPlanner:
    """Plans inputs from one data set. types: column → its type. roles: column → what it is, where that is no feature.

    inputs: name of an input → its source, as the pipeline writes them.
    """

    types: Mapping[str, pa.DataType]
    roles: Mapping[str, str]
    inputs: Mapping[str, InputSource]

    def plan(self, signature: Sequence[Column] | None, fitted: FittedFeatures | None = None) -> InputPlan:
        """The inputs of a model with this signature. fitted: what a model without one knows of its features."""
        if not signature:
            return self._unsigned(fitted or FittedFeatures())
        if any(column.get("type") == "tensor" for column in signature):
            return self._tensors(signature)
        if (parts := properties(signature)) is not None:
            plan = self._named(parts)
            return self._whole_objects() or plan if plan.problems else plan
        if any(column.get("name") is not None for column in signature):
            return self._named(named(signature))
        return self._unnamed(signature)

    def _named(self, columns: Mapping[str, Column]) -> InputPlan:
        chosen, problems = [], []
        for name, column in columns.items():
            source = self.inputs.get(name, InputSource((name,)))
            if len(source.columns) != 1 or source.decode is not None:
                problems.append(f"input {name} is one column without a shape, and inputs: says more of it")
            elif source.columns[0] in self.types:
                chosen.append(ModelInput(name, source.columns[0]))
            elif required(column):
                alias = f" (as {source.columns[0]})" if source.columns[0] != name else ""
                problems.append(f"input {name} is not in the data{alias}")
        remedy = "name the column with inputs: {signature column: data column}, or log the model with its real columns"
        return InputPlan(tuple(chosen), tuple(problems), remedy if problems else None)

    def _whole_objects(self) -> InputPlan | None:
        """The one column of objects, where the data holds each row as one."""
        import pyarrow as pa

        if (refused := self._lacking()) is not None:
            return refused
        listed = self._listed() or self._free()
        whole = [column for column in listed if pa.types.is_struct(self.types[column.column])]
        return self._chosen(whole) if len(whole) == 1 else None

    def _unnamed(self, signature: Sequence[Column]) -> InputPlan:
        """Inputs without names: as many columns, in order; records of all of them for a map, or for any type."""
        if (refused := self._lacking()) is not None:
            return refused
        columns = self._listed() or self._free()
        kind = signature[0].get("type")
        if len(signature) == 1 and kind in ("map", "any"):
            return self._chosen(columns) if columns else self._no_columns()
        if len(columns) > len(signature) == 1 and not self.inputs:
            suited = [column for column in columns if fits(signature[0], self.types[column.column])]
            columns = suited if len(suited) == 1 else columns
        if len(columns) != len(signature):
            return self._misfit(
                f"its signature has {counted(len(signature), 'input')} without a name", columns, len(signature)
            )
        wrong = [
            f"input #{index} is {each.get('type')}, in the data it is {column.column} of {self.types[column.column]}"
            for index, (each, column) in enumerate(zip(signature, columns, strict=True))
            if not fits(each, self.types[column.column])
        ]
        if wrong:
            return InputPlan((), tuple(wrong), self._line(columns, len(signature)))
        return self._placed(columns)

    def _tensors(self, signature: Sequence[Column]) -> InputPlan:
        if len(signature) == 1:
            return self._only_tensor(signature[0])
        chosen: list[ModelInput] = []
        problems: list[str] = []
        remedy = None
        for spec in signature:
            columns = self._of_tensor(str(spec.get("name")))
            problem = self._tensor_problem(spec, columns) if columns else f"{tensor_words(spec)} is not in the data"
            if problem is not None:
                problems.append(problem)
                remedy = (
                    remedy or f"write inputs: {{{spec.get('name')}: [columns of the data, in the order of training]}}"
                )
            chosen += columns
        return InputPlan(tuple(chosen), tuple(problems), remedy)

    def _only_tensor(self, spec: Column) -> InputPlan:
        """The column of its name, or those that `inputs:` has for it; else what fits it of all."""
        name = spec.get("name")
        columns = [] if name is None else self._of_tensor(str(name))
        if columns and (problem := self._tensor_problem(spec, columns)) is None:
            return InputPlan(tuple(columns))
        if columns and name in self.inputs:
            return InputPlan((), (str(problem),), self._line(columns, tensor_cells(spec)))
        return self._features(spec)

    def _of_tensor(self, name: str) -> list[ModelInput]:
        source = self.inputs.get(name, InputSource((name,)))
        if any(column not in self.types for column in source.columns):
            return []
        if len(source.columns) == 1:
            return [ModelInput(name, source.columns[0], source.decode, name)]
        return [ModelInput(f"{name}.{column}", column, source.decode, name) for column in source.columns]

    def _features(self, spec: Column) -> InputPlan:
        """The one tensor of a model: of the columns that `inputs:` lists, else of all features, else of the one that fits."""
        if (refused := self._lacking()) is not None:
            return refused
        columns = self._listed()
        if not columns:
            columns = self._free()
            alone = [column for column in columns if self._tensor_problem(spec, [column]) is None]
            if self._tensor_problem(spec, columns) is not None and len(alone) == 1 and is_list(self._type(alone[0])):
                columns = alone
        problem = self._tensor_problem(spec, columns)
        if problem is None:
            return self._placed(columns)
        encoded = [column for column in columns if is_encoded(self._type(column)) and column.decode is None]
        if len(encoded) == 1 and len(tensor_shape(spec)) > 2:
            name = str(spec.get("name") or encoded[0].column)
            problem = f"{tensor_words(spec)} is of numbers, and column {encoded[0].column} is {self._type(encoded[0])}"
            line = f"write inputs: {{{name}: {{column: {encoded[0].column}, decode: image}}}}, or decode: npy"
            return InputPlan((), (problem,), line)
        if tensor_cells(spec) not in (None, len(columns)) and not any(
            is_list(self._type(column)) for column in columns
        ):
            return self._misfit(
                f"{tensor_words(spec)} takes {counted(tensor_cells(spec) or 0, 'column')}",
                columns,
                tensor_cells(spec) or 0,
                numbers=True,
            )
        return InputPlan((), (problem,), self._line(columns, tensor_cells(spec)))

    def _tensor_problem(self, spec: Column, columns: Sequence[ModelInput]) -> str | None:
        """Why these columns cannot become the tensor, as far as their types say."""
        shape, kind = tensor_shape(spec), str(spec.get("tensor-spec", {}).get("dtype"))
        if not shape:
            return f"{tensor_words(spec)} has no dimension of rows; log the model with one of -1"
        if shape[0] != -1:
            return f"{tensor_words(spec)} holds {shape[0]} rows in each request; log the model with -1 as the first dimension"
        if len(columns) == 1 and (columns[0].decode is not None or is_list(self._type(columns[0]))):
            return self._cell_problem(spec, columns[0])
        for column in columns:
            if column.decode is not None or is_list(self._type(column)):
                return f"{tensor_words(spec)} is made of {len(columns)} columns, and {column.column} holds more than one value a row"
            if not tensor_holds(kind, self._type(column)):
                return f"{tensor_words(spec)} holds {kind}, and column {column.column} is {self._type(column)}"
        cells = tensor_cells(spec)
        if len(columns) != cells and not (cells is None and len(shape) == 2):
            return f"{tensor_words(spec)} takes {'more' if cells is None else counted(cells, 'column')}, and there are {len(columns)}"
        return None

    def _cell_problem(self, spec: Column, column: ModelInput) -> str | None:
        import pyarrow as pa

        kind = self._type(column)
        if column.decode is not None:
            if is_encoded(kind):
                return None
            return f"column {column.column} is {kind}, and decode: {column.decode} reads bytes"
        sizes = []
        while pa.types.is_fixed_size_list(kind):
            sizes.append(kind.list_size)
            kind = storage_of(kind.value_type)
        cells = tensor_cells(spec)
        if not is_list(kind) and cells is not None and math.prod(sizes) != cells:
            return f"{tensor_words(spec)} takes {cells:,} values a row, and column {column.column} holds {math.prod(sizes):,}"
        return None

    def _unsigned(self, fitted: FittedFeatures) -> InputPlan:
        if fitted.names:
            return self._fitted(fitted.names)
        if (refused := self._lacking()) is not None:
            return replace(refused, unsigned=True)
        columns = self._listed() or self._free()
        if not columns:
            return self._no_columns()
        if fitted.count is not None and (array := self._array(columns, fitted.count)) is not None:
            return self._chosen([array], unsigned=True)
        if fitted.count is not None and fitted.count != len(columns):
            return self._misfit(f"it was fitted on {counted(fitted.count, 'column')}", columns, fitted.count)
        return self._chosen(columns, unsigned=True)

    def _array(self, columns: Sequence[ModelInput], count: int) -> ModelInput | None:
        """The only column of lists, as the array that a model was fitted on which counts its features without names."""
        lists = [column for column in columns if is_list(self._type(column))]
        if len(lists) != 1 or (len(columns) > 1 and (self.inputs or len(columns) == count)):
            return None
        return replace(lists[0], tensor=lists[0].name)

    def _fitted(self, names: Sequence[str]) -> InputPlan:
        """The columns that a model without signature was fitted on, by its own names and in its order."""
        chosen = []
        known = {lightgbm_name(name): name for name in self.types}
        for name in names:
            source = self.inputs.get(name)
            column = (
                source.columns[0]
                if source is not None
                else name
                if name in self.types
                else known.get(lightgbm_name(name))
            )
            if column is None or column not in self.types:
                problem = f"it was fitted on {name!r}, which is not in the data"
                return InputPlan((), (problem,), f"write inputs: {{{name}: data column}}", unsigned=True)
            role = self.roles.get(column)
            if role is not None and role.startswith(_REFUSED):
                problem = f"{LEAK}it was fitted on {name!r}, which is the {role} of the data"
                return InputPlan((), (problem,), f"train it without {name!r}", unsigned=True)
            if role is not None and source is None and not role.startswith(_ONLY_IF_NAMED):
                problem = f"it has no signature and was fitted on {name!r}, which is the {role} of the data"
                remedy = f"log the model with infer_signature if that is meant, or write inputs: {{{name}: {column}}}"
                return InputPlan((), (problem,), remedy, unsigned=True)
            chosen.append(ModelInput(name, column))
        return self._chosen(chosen, unsigned=True)

    def _chosen(self, columns: Iterable[ModelInput], *, unsigned: bool = False) -> InputPlan:
        chosen = tuple(columns)
        sources = {column.column for column in chosen}
        left_out = {name: role for name, role in self.roles.items() if name in self.types and name not in sources}
        return InputPlan(chosen, left_out=left_out, unsigned=unsigned)

    def _placed(self, columns: Sequence[ModelInput]) -> InputPlan:
        """Columns for inputs without names; their order is the data's unless `inputs:` lists them."""
        return replace(self._chosen(columns), by_place=len(columns) > 1 and not self.inputs)

    def _listed(self) -> list[ModelInput]:
        """The columns that `inputs:` lists, in its order."""
        return [
            ModelInput(name if len(source.columns) == 1 else column, column, source.decode)
            for name, source in self.inputs.items()
            for column in source.columns
        ]

    def _lacking(self) -> InputPlan | None:
        """The refusal of `inputs:` that lists a column which is not in the data; None where all are."""
        lacking = next((column.column for column in self._listed() if column.column not in self.types), None)
        if lacking is None:
            return None
        return InputPlan((), (f"inputs: names {lacking!r}, which is not in the data",), "correct inputs:")

    def _free(self) -> list[ModelInput]:
        """The columns that have no other role, in the order of the data."""
        return [ModelInput(name, name) for name in self.types if name not in self.roles]

    def _misfit(self, takes: str, columns: Sequence[ModelInput], count: int, *, numbers: bool = False) -> InputPlan:
        others = [f"{name} ({role})" for name, role in self.roles.items() if name in self.types]
        listed = ", ".join(column.column for column in columns[:40]) or "none"
        left_out = f"; left out are {', '.join(others[:20])}" if others and not self.inputs else ""
        where = "inputs: lists" if self.inputs else "the data has"
        problem = f"{takes}, and {where} {len(columns)} that may be features: {listed}{left_out}"
        return InputPlan((), (problem,), self._line(columns, count, numbers=numbers))

    def _line(self, columns: Sequence[ModelInput], count: int | None, *, numbers: bool = False) -> str:
        """The line to write, complete where it is clear which columns are meant. numbers: whether others do not fit."""
        free = [column.column for column in self._free()]
        maybe = [name for name, role in self.roles.items() if role.startswith(_ONLY_IF_NAMED)]
        listed = [column.column for column in columns]
        pools = [listed, free, self._numbers(free), self._numbers([*free, *maybe]) if numbers else [*free, *maybe]]
        names = next((pool for pool in pools if count in (None, len(pool)) and set(pool) <= self.types.keys()), [])
        if 0 < len(names) <= 40:
            return f"write inputs: [{', '.join(names)}], in the order in which the model was trained"
        rest = ", ".join([*dict.fromkeys([*listed, *free])][:40]) + (
            ", …" if count is None or len(free) < count else ""
        )
        return f"write inputs: [{rest}] with the {count or 'right'} columns that the model was trained on, in its order"

    def _numbers(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name in self.types and tensor_holds("float64", storage_of(self.types[name]))]

    def _no_columns(self) -> InputPlan:
        listed = ", ".join(f"{name} ({role})" for name, role in self.roles.items() if name in self.types)
        problem = f"no column of the data is left for it: {listed or 'there is none'}"
        return InputPlan((), (problem,), "write inputs: [columns of the data, in the order of training]")

    def _type(self, column: ModelInput) -> pa.DataType:
        return storage_of(self.types[column.column])


def lightgbm_name(name: str) -> str:
    """A feature's name as LightGBM keeps it."""
    return "".join(sign if sign.isalnum() else "_" for sign in name)

"""Tell which columns hold the tensors of a model, a cell a row, and how cells of bytes are decoded: by how they begin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lockgate.cli.drafting.yaml_text import naming_refusal
from lockgate.models.signature_diff import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.models.input_plan import InputPlan, InputSource, ModelInput

# How files begin that Pillow reads, and those of `numpy.save`; in WebP there are four bytes of length in between.
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*")
_ARRAY = b"\x93NUMPY"


@dataclass(frozen=True)
class TensorInputs:
    """columns: of the data, that feed tensors where cells hold the values of a row; sources: what `inputs:` must say of them."""

    columns: frozenset[str] = frozenset()
    sources: Mapping[str, InputSource] = field(default_factory=dict)


def tensor_inputs(table: pa.Table, signature: Sequence[Column] | None) -> TensorInputs:
    """What feeds the tensors of a signature, as far as these rows show it; nothing for other signatures."""
    if not signature or any(column.get("type") != "tensor" for column in signature):
        return TensorInputs()
    sources: dict[str, InputSource] = {}
    plan = _plan(table, signature, sources)
    if plan.problems:
        sources = dict(_decoded(table, signature))
        plan = _plan(table, signature, sources)
    if plan.problems:
        return TensorInputs()
    in_cells = any(_holds_cells(table, column) for column in plan.columns)
    return TensorInputs(frozenset(column.column for column in plan.columns if in_cells), sources)


def coding(cell: bytes) -> str | None:
    """How a cell is decoded: `image` or `npy`; None where its first bytes do not say it."""
    if cell.startswith(_ARRAY):
        return "npy"
    return "image" if cell.startswith(_IMAGES) or (cell[:4], cell[8:12]) == (b"RIFF", b"WEBP") else None


def _decoded(table: pa.Table, signature: Sequence[Column]) -> Iterator[tuple[str, InputSource]]:
    """For each tensor the column of its name; for the only one also the only column that can be decoded."""
    from lockgate.models.input_plan import InputSource

    codings = {name: code for name in table.column_names if (code := _coding(table, name)) is not None}
    for spec in signature:
        name = spec.get("name")
        column = name if name in codings else next(iter(codings)) if len(codings) == len(signature) == 1 else None
        if column is not None and naming_refusal(str(name or column)) is None:
            yield str(name or column), InputSource((column,), codings[column])


def _coding(table: pa.Table, name: str) -> str | None:
    from lockgate.models.signature_diff import is_encoded, storage_of

    if not is_encoded(storage_of(table.schema.field(name).type)):
        return None
    cell: Any = next((cell.as_py() for cell in table.column(name) if cell.is_valid), None)
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    return coding(data) if isinstance(data, bytes) else None


def _plan(table: pa.Table, signature: Sequence[Column], sources: Mapping[str, InputSource]) -> InputPlan:
    from lockgate.models.input_plan import InputPlanner

    return InputPlanner({field.name: field.type for field in table.schema}, {}, sources).plan(signature)


def _holds_cells(table: pa.Table, column: ModelInput) -> bool:
    from lockgate.models.signature_diff import is_list, storage_of

    return column.decode is not None or is_list(storage_of(table.schema.field(column.column).type))

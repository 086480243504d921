"""Compare two signatures by name: columns removed, retyped, newly required or added."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Column = Mapping[str, Any]

# A column may become the wider type: every value that was accepted still is.
_WIDER = {
    "boolean": (),
    "integer": ("long", "double"),
    "long": (),
    "float": ("double",),
    "double": (),
}


@dataclass(frozen=True)
class Change:
    """One difference between two signatures."""

    side: Literal["inputs", "outputs", "params"]
    name: str
    kind: Literal["removed", "retyped", "newly required", "added required", "added optional", "widened", "now optional"]
    old: str
    new: str

    @property
    def breaking(self) -> bool:
        """Whether callers of the old signature may now be refused, or misread an answer."""
        if self.side == "outputs":
            return self.kind in ("removed", "retyped", "widened")
        return self.kind in ("removed", "retyped", "newly required", "added required")

    def __str__(self) -> str:
        text = f"{self.side[:-1]} {self.name}"
        if self.kind in ("retyped", "widened"):
            return f"{text} {self.kind} from {self.old} to {self.new}"
        return f"{text} {self.kind}"


def type_of(column: Column) -> str:
    """Return a column's type as one comparable text; nested types by their JSON."""
    kind = column.get("type")
    if kind == "tensor":
        spec = column.get("tensor-spec", {})
        return f"tensor({spec.get('dtype')}, {spec.get('shape')})"
    if isinstance(kind, str) and kind not in ("object", "array", "map"):
        return kind
    rest = {key: value for key, value in sorted(column.items()) if key not in ("name", "required", "default")}
    return str(rest)


def named(columns: Sequence[Column]) -> dict[str, Column]:
    """Return columns by name; unnamed ones by their index, as `#0`; the one unnamed object by its properties."""
    parts = properties(columns)
    if parts is not None:
        return parts
    return {f"#{i}" if column.get("name") is None else str(column["name"]): column for i, column in enumerate(columns)}


def properties(columns: Sequence[Column]) -> dict[str, Column] | None:
    """Return the properties of the one unnamed object that rows are, as type hints declare it; None for anything else."""
    if len(columns) != 1 or columns[0].get("name") is not None or columns[0].get("type") != "object":
        return None
    return {str(name): column for name, column in (columns[0].get("properties") or {}).items()}


def required(column: Column) -> bool:
    """Return whether a caller must send it; a parameter with a default need not be sent."""
    return bool(column.get("required", "default" not in column))


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[int, tuple[Change, ...]]:
    """Return (number of columns compared, the changes), over inputs, outputs and parameters.

    old, new: {"inputs": [column…], "outputs": […], "params": […]} as a registry's JSON has them. A removed input is
    breaking: callers that send it are relying on it; MLflow would drop it without a word.
    """
    compared, changes = 0, list[Change]()
    for side in ("inputs", "outputs", "params"):
        before, after = named(old.get(side) or ()), named(new.get(side) or ())
        compared += len(before.keys() | after.keys())
        for name, column in before.items():
            if name not in after:
                changes.append(Change(side, name, "removed", type_of(column), ""))
                continue
            old_type, new_type = type_of(column), type_of(after[name])
            if old_type != new_type:
                wider = side != "outputs" and new_type in _WIDER.get(old_type, ())
                changes.append(Change(side, name, "widened" if wider else "retyped", old_type, new_type))
            if side != "outputs" and required(column) != required(after[name]):
                stricter = required(after[name])
                changes.append(Change(side, name, "newly required" if stricter else "now optional", old_type, new_type))
        for name, column in after.items():
            if name not in before:
                needed = side != "outputs" and required(column)
                changes.append(
                    Change(side, name, "added required" if needed else "added optional", "", type_of(column))
                )
    return compared, tuple(changes)


_TEXTS = ("string", "large_string", "string_view")
_NUMBERS = ("float", "double", "int", "uint", "halffloat", "decimal")
_FITS = {
    "boolean": ("bool",),
    "integer": ("int", "uint", "decimal"),
    "long": ("int", "uint", "decimal"),
    "float": _NUMBERS,
    "double": _NUMBERS,
    "string": _TEXTS,
    "binary": ("binary", "large_binary", "fixed_size_binary", "binary_view", *_TEXTS),
    "datetime": ("timestamp", "date", *_TEXTS),
}


def fits(column: Column, kind: object) -> bool:
    """Return whether data of an Arrow type can become a column, as far as the type says."""
    allowed = _FITS.get(str(column.get("type")))
    if column.get("type") == "array":
        allowed = ("list", "large_list", "fixed_size_list", "extension")
    text = str(kind).removeprefix("dictionary<values=")  # a category fits where its values do
    return allowed is None or text.startswith(("null", *allowed))


def storage_of(kind: Any) -> Any:
    """Return the type in which an extension type, such as a tensor's, is stored; any other as it is."""
    return getattr(kind, "storage_type", kind)


def is_list(kind: Any) -> bool:
    """Return whether cells are lists, of whatever layout."""
    import pyarrow as pa

    kind = storage_of(kind)
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def is_encoded(kind: Any) -> bool:
    """Whether cells are bytes, or structs that hold them as Hugging Face's images do."""
    import pyarrow as pa

    from lockgate.data.arrow_arrays import is_bytes

    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and is_encoded(field.type) for field in kind)
    return is_bytes(kind)


def tensor_holds(dtype: str, kind: Any) -> bool:
    """Whether a tensor of that dtype can be made of such a column."""
    import pyarrow as pa

    if pa.types.is_null(kind):
        return True
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if dtype.startswith(("float", "int", "uint", "bool")):
        return bool(numbers or pa.types.is_boolean(kind))
    return not is_encoded(kind) or dtype in ("object", "bytes")


def tensor_shape(spec: Column) -> list[int]:
    """Its sizes, the first of the rows."""
    return [int(size) for size in spec.get("tensor-spec", {}).get("shape") or ()]


def tensor_cells(spec: Column) -> int | None:
    """How many values a row has; None where that varies."""
    sizes = tensor_shape(spec)[1:]
    return None if -1 in sizes else math.prod(sizes)


def tensor_words(spec: Column) -> str:
    """The tensor as a sentence names it."""
    name = spec.get("name")
    shape = ", ".join(map(str, tensor_shape(spec)))
    return f"the tensor of shape ({shape})" if name is None else f"the tensor {name!r} of shape ({shape})"

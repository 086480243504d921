"""Compare two signatures by name: what callers sent must still be taken, and what they read must still come."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lockgate.models.signature.coercions import coercion
from lockgate.models.signature.renames import likely_renames
from lockgate.models.signature.type_order import WIDER, WIDER_PARAMS, TypeChange, differences, type_text

Column = Mapping[str, Any]

Side = Literal["inputs", "outputs", "params"]
ChangeKind = Literal[
    "removed", "retyped", "newly required", "added required", "added optional", "widened", "narrowed", "now optional",
    "rewritten", "default changed",
]  # fmt: skip
_BREAKING = {
    "outputs": ("removed", "retyped", "now optional"),
    "inputs": ("removed", "retyped", "newly required", "added required"),
    "params": ("removed", "retyped", "newly required", "added required"),
}


@dataclass(frozen=True)
class Change:
    """One difference between two signatures.

    name: of the column, with the path to what changed inside of it, such as `customer.age` or `tags[]`. other_name: the
    column that it most likely is under another name. coercion: (JSON value, what MLflow's server makes of it without a
    word) where callers that go on sending the old type are not refused over HTTP.
    """

    side: Side
    name: str
    kind: ChangeKind
    old: str
    new: str
    other_name: str | None = None
    coercion: tuple[str, str] | None = None

    @property
    def breaking(self) -> bool:
        """Whether callers of the old signature may now be refused, or misread an answer."""
        return self.kind in _BREAKING[self.side]

    @property
    def note(self) -> str:
        """What else is to be known of it, in words; empty where nothing is."""
        if self.other_name is not None:
            name = "a column without a name" if self.other_name.startswith("#") else self.other_name
            return f"renamed {'to' if self.kind == 'removed' else 'from'} {name}?"
        if self.coercion is None:
            return ""
        sent, taken = self.coercion
        return f"MLflow's server lets {sent} pass" if sent == taken else f"MLflow's server takes {sent} as {taken}"

    def __str__(self) -> str:
        text = f"{self.side[:-1]} {self.name}"
        if self.kind == "rewritten":
            return f"{text} is the same, written {self.new} instead of {self.old}"
        changed = self.kind in ("retyped", "widened", "narrowed", "default changed")
        return f"{text} {self.kind}" + (f" from {self.old} to {self.new}" if changed else "")


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

    old, new: {"inputs": [column…], "outputs": […], "params": […]} as a registry's JSON has them. Inputs and parameters
    must go on taking what was sent, outputs must go on giving what was read. A removed input is breaking: callers that
    send it are relying on it; MLflow would drop it without a word.
    """
    compared, changes = 0, list[Change]()
    sides: tuple[Side, ...] = ("inputs", "outputs", "params")
    for side in sides:
        before, after = named(old.get(side) or ()), named(new.get(side) or ())
        compared += len(before.keys() | after.keys())
        gone = {name: column for name, column in before.items() if name not in after}
        come = {name: column for name, column in after.items() if name not in before}
        renames = likely_renames(gone, come)
        for name, column in before.items():
            if name in gone:
                changes.append(Change(side, name, "removed", type_text(column), "", renames.get(name)))
            else:
                changes += _column_changes(side, name, column, after[name])
        former = {new_name: name for name, new_name in renames.items()}
        for name, column in come.items():
            kind: ChangeKind = "added required" if side != "outputs" and required(column) else "added optional"
            changes.append(Change(side, name, kind, "", type_text(column), former.get(name)))
    return compared, tuple(changes)


def _column_changes(side: Side, name: str, old: Column, new: Column) -> Iterator[Change]:
    for difference in differences(old, new, WIDER_PARAMS if side == "params" else WIDER if side == "inputs" else {}):
        kind, below = _kind(side, difference.kind), difference.path
        unseen = side == "inputs" and not below and kind == "retyped"
        yield Change(
            side,
            f"{name}{below}",
            kind,
            type_text(difference.old) if difference.old else "",
            type_text(difference.new) if difference.new else "",
            coercion=coercion(old, new) if unseen else None,
        )
    stricter = required(new)
    if required(old) != stricter and not (stricter and side == "outputs"):
        yield Change(side, name, "newly required" if stricter else "now optional", type_text(old), type_text(new))
    before, after = str(old.get("default")), str(new.get("default"))
    if side == "params" and "default" in old and "default" in new and before != after:
        yield Change(side, name, "default changed", before, after)


def _kind(side: Side, kind: TypeChange) -> ChangeKind:
    """What a difference of types comes to for whoever sends or reads: a wider input takes more, a narrower output gives less."""
    if kind == "wider":
        return "retyped" if side == "outputs" else "widened"
    if kind == "narrower":
        return "narrowed" if side == "outputs" else "retyped"
    if kind == "other":
        return "retyped"
    return "added optional" if side == "outputs" and kind == "added required" else kind


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

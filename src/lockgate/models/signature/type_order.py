"""MLflow's types in their order: which takes every value of another, also inside arrays, maps and objects, and tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Type = Mapping[str, Any]
TypeChange = Literal[
    "wider", "narrower", "other", "rewritten", "removed", "newly required", "now optional", "added required",
    "added optional",
]  # fmt: skip

# A column may become one of these: MLflow takes every value that was taken, in process and over HTTP, as the same value.
WIDER: Mapping[str, tuple[str, ...]] = {"integer": ("long", "double"), "float": ("double",)}
# Parameters are single values, and converted more freely; a float of theirs holds whole numbers up to 2**53.
WIDER_PARAMS: Mapping[str, tuple[str, ...]] = {
    "integer": ("long", "float", "double"), "long": ("float", "double"), "float": ("double",),
}  # fmt: skip
# A tensor of one dimension says of these what a plain column says; autolog writes one where a person writes the other.
_PLAIN = {
    "bool": "boolean",
    "int32": "integer",
    "int64": "long",
    "float32": "float",
    "float64": "double",
    "str": "string",
}


@dataclass(frozen=True)
class TypeDifference:
    """Where two types differ. path: below the column, such as `.city`, `[]` or `{}`; empty for the column itself."""

    path: str
    kind: TypeChange
    old: Type
    new: Type


def type_text(column: Type) -> str:
    """A type as people read it: `array(long)`, `object(age: long, city: string optional)`, `tensor(int64, [-1])`."""
    kind = column.get("type")
    if kind == "tensor":
        spec = column.get("tensor-spec", {})
        return f"tensor({spec.get('dtype')}, {list(spec.get('shape') or ())})"
    if kind == "array":
        return f"array({type_text(column.get('items') or {})})"
    if kind == "map":
        return f"map({type_text(column.get('values') or {})})"
    if kind == "object":
        parts = (
            f"{name}: {type_text(part)}{'' if _required(part) else ' optional'}"
            for name, part in sorted(_properties(column).items())
        )
        return f"object({', '.join(parts)})"
    shape = "" if column.get("shape") is None else f"{list(column['shape'])}"
    return f"{kind}{shape}"


def plain(column: Type) -> Type:
    """The type with a tensor of one dimension as the plain type that says the same."""
    spec = column.get("tensor-spec") or {}
    name = _PLAIN.get(str(spec.get("dtype")))
    return {"type": name} if name is not None and list(spec.get("shape") or ()) == [-1] else column


def differences(old: Type, new: Type, wider: Mapping[str, tuple[str, ...]], path: str = "") -> Iterator[TypeDifference]:
    """Where the types of two columns differ. wider: scalar → the scalars that take its values too."""
    before, after = plain(old), plain(new)
    kinds = before.get("type"), after.get("type")
    if kinds == ("array", "array"):
        yield from differences(old.get("items") or {}, new.get("items") or {}, wider, f"{path}[]")
    elif kinds == ("map", "map"):
        yield from differences(old.get("values") or {}, new.get("values") or {}, wider, f"{path}{{}}")
    elif kinds == ("object", "object"):
        yield from _properties_differ(old, new, wider, path)
    elif type_text(before) == type_text(after):
        if type_text(old) != type_text(new):
            yield TypeDifference(path, "rewritten", old, new)
    elif _takes(after, before, wider):
        yield TypeDifference(path, "wider", old, new)
    elif _takes(before, after, wider):
        yield TypeDifference(path, "narrower", old, new)
    else:
        yield TypeDifference(path, "other", old, new)


def _properties_differ(old: Type, new: Type, wider: Any, path: str) -> Iterator[TypeDifference]:
    before, after = _properties(old), _properties(new)
    for name, part in before.items():
        where = f"{path}.{name}"
        if name not in after:
            yield TypeDifference(where, "removed", part, {})
            continue
        yield from differences(part, after[name], wider, where)
        if _required(part) != _required(after[name]):
            kind: TypeChange = "newly required" if _required(after[name]) else "now optional"
            yield TypeDifference(where, kind, part, after[name])
    for name, part in after.items():
        if name not in before:
            yield TypeDifference(f"{path}.{name}", "added required" if _required(part) else "added optional", {}, part)


def _takes(wide: Type, narrow: Type, wider: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether every value of the one type is one of the other's; of types that differ, and not within the same container."""
    kinds = narrow.get("type"), wide.get("type")
    if kinds[1] == "any":
        return kinds[0] != "tensor"
    if kinds == ("tensor", "tensor"):
        return _takes_shape(wide.get("tensor-spec") or {}, narrow.get("tensor-spec") or {})
    if kinds == ("object", "map"):  # an object is a map from a few names; one that may lack a value holds none there
        values = wide.get("values") or {}
        return all(
            values.get("type") == "any" or (_required(part) and _never_refused(part, values, wider))
            for part in _properties(narrow).values()
        )
    scalars = narrow.get("shape") == wide.get("shape")
    return scalars and str(kinds[1]) in wider.get(str(kinds[0]), ())


def _never_refused(old: Type, new: Type, wider: Any) -> bool:
    harmless = ("wider", "rewritten", "now optional", "added optional")
    return all(difference.kind in harmless for difference in differences(old, new, wider))


def _takes_shape(wide: Type, narrow: Type) -> bool:
    sizes, others = (list(spec.get("shape") or ()) for spec in (wide, narrow))
    if wide.get("dtype") == "object" and sizes == [-1]:
        return True  # MLflow lets any array pass
    return (
        wide.get("dtype") == narrow.get("dtype")
        and len(sizes) == len(others)
        and all(size in (-1, other) for size, other in zip(sizes, others, strict=True))
    )


def _properties(column: Type) -> dict[str, Type]:
    return {str(name): part for name, part in (column.get("properties") or {}).items()}


def _required(part: Type) -> bool:
    return bool(part.get("required", True))

"""A JSON Schema without the names of the classes that it was made of: what it takes and refuses is the same."""

from __future__ import annotations

from typing import Any

_HEAD = "#/$defs/"


def unnamed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its definitions numbered in the order in which they are met, and without titles."""
    order: list[str] = []
    root = _walk({key: value for key, value in schema.items() if key != "$defs"}, order)
    definitions: dict[str, Any] = {}
    while len(definitions) < len(order):
        number = len(definitions)
        definitions[str(number + 1)] = _walk(schema["$defs"][order[number]], order)
    return {**root, "$defs": definitions}


def _walk(value: Any, order: list[str]) -> Any:
    if isinstance(value, list):
        return [_walk(inner, order) for inner in value]
    if not isinstance(value, dict):
        return value
    walked = {}
    for key, inner in sorted(value.items()):
        if key == "title" and isinstance(inner, str):
            continue
        if key == "$ref" and isinstance(inner, str) and inner.startswith(_HEAD):
            walked[key] = _HEAD + str(_number(inner.removeprefix(_HEAD), order))
        elif key == "mapping" and isinstance(inner, dict):  # of a discriminator
            walked[key] = {name: _walk({"$ref": target}, order)["$ref"] for name, target in sorted(inner.items())}
        else:
            walked[key] = _walk(inner, order)
    return walked


def _number(name: str, order: list[str]) -> int:
    if name not in order:
        order.append(name)
    return order.index(name) + 1

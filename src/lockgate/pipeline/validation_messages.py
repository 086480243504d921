"""Why a value was refused, in plain sentences where it stands: what pydantic finds, and what it lets through."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BeforeValidator, PlainValidator, ValidationError, WrapValidator

from lockgate.config import Config, Later
from lockgate.errors import guess
from lockgate.pipeline.yaml_reader import Complaint, Node, NodePath, Place

_CONVERTS = (BeforeValidator, PlainValidator, WrapValidator)
_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "set_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "date_type": "a date like 2026-11-21",
    "date_parsing": "a date like 2026-11-21",
    "date_from_datetime_parsing": "a date like 2026-11-21",
    "date_from_datetime_inexact": "a date like 2026-11-21",
    "time_delta_type": "a duration like 48h",
}
_TYPES: dict[Any, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def complaints(error: ValidationError | None, tree: Node, model: Any) -> list[tuple[NodePath, Complaint]]:
    """Every reason why the tree is no such model, with its path. `error` is what pydantic found, None for nothing."""
    grouped: dict[NodePath, list[tuple[NodePath, Mapping[str, Any]]]] = {}
    for one in error.errors(include_url=False) if error is not None else ():
        path, rest = _real(tree, one["loc"])
        grouped.setdefault(path, []).append((rest, dict(one)))
    found: list[tuple[NodePath, Complaint]] = []
    for path, group in grouped.items():
        deeper = any(other != path and other[: len(path)] == path for other in grouped)
        found += [(path, Complaint(at, what)) for at, what in _sentences(tree, path, group, model, deeper=deeper)]
    complained = {path for path, _ in found}
    for path, complaint in _misfits(tree, model, ()):
        if path not in complained:
            found.append((path, complaint))
    return found


def known_keys(model: Any, *, members: NodePath = ()) -> list[str]:
    """The keys that may be written in a mapping of this type; those that arrive later are left out.

    members: names of types, of which the ones that a union has are meant.
    """
    configs = _configs(model)
    return [
        info.alias or name
        for config in [one for one in configs if one.__name__ in members] or configs
        for name, info in config.model_fields.items()
        if not any(isinstance(mark, Later) for mark in info.metadata)
    ]


def step_into(annotation: Any, step: str | int) -> Any:
    """The type of what stands one step below a type; Any where nothing is known."""
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, Config):
            for name, info in option.model_fields.items():
                if step in (info.alias or name, name):
                    return Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
        origin, args = get_origin(option), get_args(option)
        if origin in (tuple, list, set, frozenset) and isinstance(step, int) and args:
            return args[0] if len(args) == 1 or args[1] is Ellipsis else args[min(step, len(args) - 1)]
        if origin in (dict, Mapping, types.MappingProxyType) and len(args) == 2:
            return args[1]
    return Any


def type_at(model: Any, path: NodePath) -> Any:
    for step in path:
        model = step_into(model, step)
    return model


def label(path: NodePath) -> str:
    """The last key of a path, as a sentence names it."""
    return next((str(step) for step in reversed(path) if isinstance(step, str)), "the pipeline")


def shown(node: Node) -> str:
    """A value as a complaint repeats it."""
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, list):
        return "a list"
    if node.value is None:
        return "empty"
    if isinstance(node.value, bool):
        return "true" if node.value else "false"
    if isinstance(node.value, str):
        return f"the text {_cut(node.value)!r}"
    return f"the number {node.value!r}"


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"


def _real(tree: Node, loc: tuple[str | int, ...]) -> tuple[NodePath, NodePath]:
    """The part of a location that exists in the tree, without union members; and what could not be followed."""
    path: list[str | int] = []
    node, rest = tree, list[str | int]()
    for step in loc:
        below = node.child(step)
        if below is None:
            rest.append(step)
        else:
            path.append(step)
            node = below
    return tuple(path), tuple(rest)


def _sentences(
    tree: Node, path: NodePath, group: list[tuple[NodePath, Mapping[str, Any]]], model: Any, *, deeper: bool
) -> Iterator[tuple[Place, str]]:
    node = tree.reach(*path)
    wanted = list(dict.fromkeys(_WANTED[one["type"]] for _, one in group if one["type"] in _WANTED))
    others = [(rest, one) for rest, one in group if one["type"] not in _WANTED]
    structured = isinstance(node.value, dict | list)
    if wanted and not (structured and (others or deeper)):
        literals = [_literals(one) for _, one in others if one["type"] == "literal_error"]
        choice = [*(repr(word) for words in literals for word in words), *wanted]
        yield node.at, f"{label(path)} must be {_or(choice)}, and is {shown(node)}"
        return
    if structured and (deeper or any(one["type"] != "literal_error" for _, one in others)):
        others = [(rest, one) for rest, one in others if one["type"] != "literal_error" or "[key]" in rest]
    if structured and (deeper or any(one["type"] != "too_short" for _, one in others)):
        others = [each for each in others if each[1]["type"] != "too_short"]  # its entries were refused one by one
    seen = set()
    for rest, one in others:
        sentence = _sentence(node, path, rest, one, model)
        if sentence is not None and sentence not in seen:
            seen.add(sentence)
            yield sentence


def _sentence(
    node: Node, path: NodePath, rest: NodePath, one: Mapping[str, Any], model: Any
) -> tuple[Place, str] | None:
    kind, ctx, name = one["type"], one.get("ctx", {}), label(path)
    if kind == "missing":
        where = f"{name} has no {rest[-1]}" if path else f"{rest[-1]} is missing"
        return node.named_at, f"{where}, which is needed"
    if kind == "extra_forbidden":
        known = known_keys(type_at(model, path[:-1]), members=rest)
        return node.named_at, (
            f"there is no key {name!r} here; known: {', '.join(sorted(known)) or 'none'}{guess(name, known)}"
        )
    if kind == "literal_error":
        words = _literals(one)
        if "[key]" in rest:
            return node.named_at, f"{name!r} is not known here; known: {', '.join(words)}{guess(name, words)}"
        word = shown(node) if isinstance(node.value, dict | list) else repr(node.value)
        return node.at, f"{word} is not known as {name}; known: {', '.join(words)}{guess(str(node.value), words)}"
    if kind in _BOUNDS:
        word, bound = _BOUNDS[kind]
        return node.at, f"{name} must be {word} {ctx[bound]:g}, and is {node.value!r}"
    if kind == "too_short" and isinstance(node.value, list | dict) and node.value:
        held = "one entry" if len(node.value) == 1 else f"{len(node.value)} entries"
        return node.at, f"{name} holds {held}, and at least {ctx['min_length']} are needed"
    if kind == "too_short" and ctx["min_length"] > 1:
        return node.at, f"{name} is empty; write at least {ctx['min_length']} entries"
    if kind in ("too_short", "string_too_short"):
        return node.at, f"{name} is empty; write at least {'one entry' if kind == 'too_short' else 'one character'}"
    if kind == "string_pattern_mismatch":
        of_key = "[key]" in rest
        word, must = name if of_key else str(node.value), f"it must match {ctx.get('pattern')}"
        if "[A-Za-z][A-Za-z0-9_" in str(ctx.get("pattern")):
            must = "a name begins with a letter, and holds up to 64 letters, digits, _ and -"
        return node.named_at if of_key else node.at, f"{_cut(word)!r} cannot be a name here; {must}"
    if kind in ("value_error", "assertion_error"):
        text = str(ctx.get("error", one["msg"]))
        at = node.named_at if text.startswith("not available yet") else node.at
        return at, text if not path or isinstance(path[-1], int) or text.startswith(name) else f"{name}: {text}"
    text = re.sub(r"^Input should (be )?", "must be ", str(one["msg"]))
    return node.at, f"{name}: {text[:1].lower()}{text[1:]}"


def _literals(one: Mapping[str, Any]) -> list[str]:
    return re.findall(r"'([^']*)'", str(one.get("ctx", {}).get("expected", ""))) or [
        str(one.get("ctx", {}).get("expected", ""))
    ]


def _or(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _options(annotation: Any) -> Iterator[Any]:
    """The alternatives of a type, without its annotations."""
    origin = get_origin(annotation)
    if origin is Annotated:
        for mark in get_args(annotation)[1:]:
            given = getattr(mark, "json_schema_input_type", None)
            if isinstance(mark, _CONVERTS) and isinstance(given, type | types.UnionType) and given is not Any:
                yield from _options(given)
        yield from _options(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for option in get_args(annotation):
            yield from _options(option)
    else:
        yield annotation


def _configs(annotation: Any) -> list[type[Config]]:
    found = [option for option in _options(annotation) if isinstance(option, type) and issubclass(option, Config)]
    return list(dict.fromkeys(found))


def _misfits(node: Node, annotation: Any, path: NodePath) -> Iterator[tuple[NodePath, Complaint]]:
    """What pydantic would read as something else: `true` as 1, "7" as 7, 7.0 as 7, a key by its name in Python."""
    if isinstance(node.value, dict):
        for name, below in node.value.items():
            for config in _configs(annotation):
                field = config.model_fields.get(name)
                if field is not None and field.alias not in (None, name):
                    known = known_keys(annotation)
                    what = f"there is no key {name!r} here; known: {', '.join(sorted(known))}"
                    yield (*path, name), Complaint(below.named_at, what + f"; did you mean {field.alias!r}?")
            if not any(_converted(config, name) for config in _configs(annotation)):
                yield from _misfits(below, step_into(annotation, name), (*path, name))
    elif isinstance(node.value, list):
        for index, below in enumerate(node.value):
            yield from _misfits(below, step_into(annotation, index), (*path, index))
    elif node.value is not None and not _converts(annotation):
        yield from _misfit(node, list(_options(annotation)), path)


def _misfit(node: Node, options: list[Any], path: NodePath) -> Iterator[tuple[NodePath, Complaint]]:
    if not all(option in (*_TYPES, date, type(None)) or isinstance(option, type) for option in options):
        return
    plain = [option for option in options if option in (*_TYPES, date)]
    if not plain or any(option in (Any, object, timedelta) for option in options):
        return
    value = node.value
    fits = type(value) in plain or (type(value) is int and float in plain) or (isinstance(value, str) and date in plain)
    if not fits:
        words = list(dict.fromkeys(_TYPES.get(option, "a date like 2026-11-21") for option in plain))
        yield path, Complaint(node.at, f"{label(path)} must be {_or(words)}, and is {shown(node)}")


def _converted(config: type[Config], name: str) -> bool:
    decorators = config.__pydantic_decorators__.field_validators.values()
    return any(name in one.info.fields and one.info.mode in ("before", "plain", "wrap") for one in decorators)


def _converts(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, types.UnionType):
        return any(_converts(option) for option in get_args(annotation))
    return get_origin(annotation) is Annotated and any(isinstance(mark, _CONVERTS) for mark in get_args(annotation)[1:])

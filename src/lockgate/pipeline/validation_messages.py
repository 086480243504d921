"""Say in plain sentences why values were refused: those that pydantic rejects, and those that it would convert."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator, PlainValidator, ValidationError, WrapValidator

from lockgate.config import Config, NotAvailableYet
from lockgate.errors import guess
from lockgate.pipeline.yaml_reader import Complaint, Node, NodePath, Position

_CONVERTS = (BeforeValidator, PlainValidator, WrapValidator)
_DATE = "a date like 2026-11-21"
_ERRORS = {
    "text": ("string_type",),
    "a whole number": ("int_type", "int_parsing", "int_from_float"),
    "a number": ("float_type", "float_parsing"),
    "true or false": ("bool_type", "bool_parsing"),
    "a list": ("tuple_type", "list_type", "set_type"),
    "a mapping": ("dict_type", "mapping_type", "model_type", "model_attributes_type"),
    _DATE: ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
    "a duration like 48h": ("time_delta_type",),
}
_EXPECTED = {kind: words for words, kinds in _ERRORS.items() for kind in kinds}
Error = Mapping[str, Any]  # one of pydantic's: type, loc, ctx, msg
_TYPES: dict[Any, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def complaints(refusal: ValidationError | None, tree: Node, model: Any) -> list[tuple[NodePath, Complaint]]:
    """Every reason why the tree is no such model, with its path. refusal: pydantic's, None where it accepted the tree."""
    grouped: dict[NodePath, list[tuple[NodePath, Error]]] = {}
    for error in refusal.errors(include_url=False) if refusal is not None else ():
        path, rest = _split_location(tree, error["loc"])
        grouped.setdefault(path, []).append((rest, dict(error)))
    reasons: list[tuple[NodePath, Complaint]] = []
    for path, group in grouped.items():
        deeper = any(other != path and other[: len(path)] == path for other in grouped)
        sentences = _sentences(tree, path, group, model, deeper=deeper)
        reasons += [(path, Complaint(at, sentence)) for at, sentence in sentences]
    complained = {path for path, _ in reasons}
    return [*reasons, *(misfit for misfit in _conversions(tree, model, ()) if misfit[0] not in complained)]


def known_keys(model: Any, *, members: NodePath = ()) -> list[str]:
    """The keys that may be written in a mapping of this type.

    members: names of types, of which the ones that a union has are meant.
    """
    configs = _configs(model)
    return [
        info.alias or name
        for config in [config for config in configs if config.__name__ in members] or configs
        for name, info in config.model_fields.items()
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


def _type_at(model: Any, tree: Node, path: NodePath) -> Any:
    node: Node | None = tree
    for step in path:
        node = None if node is None else node.child(step)
        model = _variant(step_into(model, step), node)
    return model


def _variant(annotation: Any, node: Node | None) -> Any:
    """The type that a value is read as, where one of its own keys decides among several."""
    option = next(_options(annotation), None)
    if node is None or not (isinstance(option, type) and issubclass(option, Config)):
        return annotation
    variant = option.variant(node.plain())
    return annotation if variant is option else variant


def _label(path: NodePath) -> str:
    """The last key of a path, as a sentence names it."""
    return next((str(step) for step in reversed(path) if isinstance(step, str)), "the pipeline")


def describe(node: Node) -> str:
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


def _split_location(tree: Node, location: tuple[str | int, ...]) -> tuple[NodePath, NodePath]:
    """The part of pydantic's location that exists in the tree, and the rest: members of unions, and missing keys."""
    path, rest = list[str | int](), list[str | int]()
    node = tree
    for step in location:
        below = node.child(step)
        if below is None:
            rest.append(step)
        else:
            path.append(step)
            node = below
    return tuple(path), tuple(rest)


def _sentences(
    tree: Node, path: NodePath, group: list[tuple[NodePath, Error]], model: Any, *, deeper: bool
) -> Iterator[tuple[Position, str]]:
    """What to say of all errors at one path. deeper: whether there are errors below it too."""
    node = tree.reach(*path)
    expected = list(dict.fromkeys(_EXPECTED[error["type"]] for _, error in group if error["type"] in _EXPECTED))
    others = [(rest, error) for rest, error in group if error["type"] not in _EXPECTED]
    structured = isinstance(node.value, dict | list)
    if expected and not (structured and (others or deeper)):
        words = _literals(model, tree, path) if any(error["type"] == "literal_error" for _, error in others) else []
        yield node.at, f"{_label(path)} must be {_or([*map(repr, words), *expected])}, and is {describe(node)}"
        return
    if structured and (deeper or any(error["type"] != "literal_error" for _, error in others)):
        others = [(rest, error) for rest, error in others if error["type"] != "literal_error" or "[key]" in rest]
    if structured and (deeper or any(error["type"] != "too_short" for _, error in others)):
        others = [each for each in others if each[1]["type"] != "too_short"]  # its entries were refused one by one
    yield from dict.fromkeys(_sentence(tree, path, rest, error, model) for rest, error in others)


def _sentence(tree: Node, path: NodePath, rest: NodePath, error: Error, model: Any) -> tuple[Position, str]:
    node = tree.reach(*path)
    kind, ctx, name, of_key = error["type"], error.get("ctx", {}), _label(path), "[key]" in rest
    if kind == "missing":
        where = f"{name} has no {rest[-1]}" if path else f"{rest[-1]} is missing"
        return node.named_at, f"{where}, which is needed"
    if kind == "extra_forbidden":
        keys = known_keys(_type_at(model, tree, path[:-1]), members=rest)
        allowed = ", ".join(sorted(keys)) or "none"
        return node.named_at, f"there is no key {name!r} here; known: {allowed}{guess(name, keys)}"
    if kind == "literal_error" and of_key:
        words = _literals(model, tree, path, of_key=True)
        return node.named_at, f"{name!r} is not known here; known: {', '.join(words)}{guess(name, words)}"
    if kind == "literal_error":
        words, text = _literals(model, tree, path), str(node.value)
        value = describe(node) if isinstance(node.value, dict | list) else repr(node.value)
        return node.at, f"{value} is not known as {name}; known: {', '.join(words)}{guess(text, words)}"
    if kind in _BOUNDS:
        word, bound = _BOUNDS[kind]
        return node.at, f"{name} must be {word} {ctx[bound]:g}, and is {node.value!r}"
    if kind in ("too_short", "string_too_short"):
        return node.at, _too_short(node, name, kind, ctx["min_length"])
    if kind == "string_pattern_mismatch":
        text, must = name if of_key else str(node.value), f"it must match {ctx.get('pattern')}"
        if "[A-Za-z][A-Za-z0-9_" in str(ctx.get("pattern")):
            must = "a name begins with a letter, and holds up to 64 letters, digits, _ and -"
        return node.named_at if of_key else node.at, f"{_cut(text)!r} cannot be a name here; {must}"
    if kind in ("value_error", "assertion_error"):
        text = str(ctx.get("error", error["msg"]))
        at = node.named_at if isinstance(ctx.get("error"), NotAvailableYet) else node.at
        return at, text if not path or isinstance(path[-1], int) or text.startswith(name) else f"{name}: {text}"
    return node.at, f"{name} is {describe(node)}: {error['msg']}"


def _too_short(node: Node, name: str, kind: str, least: int) -> str:
    if isinstance(node.value, list | dict) and node.value:
        entries = "one entry" if len(node.value) == 1 else f"{len(node.value)} entries"
        return f"{name} holds {entries}, and at least {least} are needed"
    if kind == "too_short" and least > 1:
        return f"{name} is empty; write at least {least} entries"
    return f"{name} is empty; write at least {'one entry' if kind == 'too_short' else 'one character'}"


def _literals(model: Any, tree: Node, path: NodePath, *, of_key: bool = False) -> list[str]:
    """The words that the type at a path allows. of_key: the keys that the mapping allows which holds the path."""
    options = list(_options(_type_at(model, tree, path[:-1] if of_key else path)))
    if of_key:
        options = [key for option in options for key in _options(next(iter(get_args(option)), Any))]
    return [str(word) for option in options if get_origin(option) is Literal for word in get_args(option)]


def _or(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _options(annotation: Any) -> Iterator[Any]:
    """The alternatives of a type, without its annotations."""
    origin = get_origin(annotation)
    if origin is Annotated:
        for mark in get_args(annotation)[1:]:
            written = getattr(mark, "json_schema_input_type", None)
            if isinstance(mark, _CONVERTS) and isinstance(written, type | types.UnionType) and written is not Any:
                yield from _options(written)
        yield from _options(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for option in get_args(annotation):
            yield from _options(option)
    else:
        yield annotation


def _configs(annotation: Any) -> list[type[Config]]:
    options = dict.fromkeys(_options(annotation))
    return [option for option in options if isinstance(option, type) and issubclass(option, Config)]


def _conversions(node: Node, annotation: Any, path: NodePath) -> Iterator[tuple[NodePath, Complaint]]:
    """What pydantic would read as something else: `true` as 1, "7" as 7, 7.0 as 7, a key by its name in Python."""
    annotation = _variant(annotation, node)
    if isinstance(node.value, dict):
        for name, below in node.value.items():
            for config in _configs(annotation):
                field = config.model_fields.get(name)
                if field is not None and field.alias not in (None, name):
                    keys = ", ".join(sorted(known_keys(annotation)))
                    message = f"there is no key {name!r} here; known: {keys}; did you mean {field.alias!r}?"
                    yield (*path, name), Complaint(below.named_at, message)
            if not any(_validated_before(config, name) for config in _configs(annotation)):
                yield from _conversions(below, step_into(annotation, name), (*path, name))
    elif isinstance(node.value, list):
        for index, below in enumerate(node.value):
            yield from _conversions(below, step_into(annotation, index), (*path, index))
    elif node.value is not None and not _converts(annotation):
        yield from _conversion(node, list(_options(annotation)), path)


def _conversion(node: Node, options: list[Any], path: NodePath) -> Iterator[tuple[NodePath, Complaint]]:
    if not all(option in (*_TYPES, date, type(None)) or isinstance(option, type) for option in options):
        return
    plain = [option for option in options if option in (*_TYPES, date)]
    if not plain or any(option in (Any, object, timedelta) for option in options):
        return
    value = node.value
    fits = type(value) in plain or (type(value) is int and float in plain) or (isinstance(value, str) and date in plain)
    if not fits:
        words = list(dict.fromkeys(_TYPES.get(option, _DATE) for option in plain))
        yield path, Complaint(node.at, f"{_label(path)} must be {_or(words)}, and is {describe(node)}")


def _validated_before(config: type[Config], name: str) -> bool:
    """Whether a validator of the field sees the value as it is written, and may convert it."""
    decorators = config.__pydantic_decorators__.field_validators.values()
    return any(
        name in decorator.info.fields and decorator.info.mode in ("before", "plain", "wrap") for decorator in decorators
    )


def _converts(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, types.UnionType):
        return any(_converts(option) for option in get_args(annotation))
    return get_origin(annotation) is Annotated and any(isinstance(mark, _CONVERTS) for mark in get_args(annotation)[1:])

"""Read JSON that anybody may have written: within bounds of size, depth and numbers, each key once."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lockgate.text import cut

MAX_BYTES = 2**28
MAX_DEPTH = 64
_LARGEST = 1 << 53  # beyond it canonical JSON has no whole numbers
_NESTING = (dict, list)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read(data: str | bytes, *, most: int = MAX_BYTES) -> Any:
    """The JSON value in stored bytes. Raises ValueError, whose text is a clause: "it …". most: bytes that are read."""
    if len(data) > most:
        raise ValueError(f"it has {len(data):,} bytes; at most {most:,} are read")
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_float
        )
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep") from None
    # Bytes of UTF-8 hold no half sign; an escape may, and what was never bytes.
    _check(value, texts=_SURROGATE.search(text) is not None or (text is data and not _encodes(text)))
    return value


def read_object(data: str | bytes, *, most: int = MAX_BYTES) -> dict[str, Any]:
    """The same for a JSON object. Raises ValueError for anything else."""
    value = read(data, most=most)
    if not isinstance(value, dict):
        raise ValueError(f"it is no JSON object but {kind_of(value)}")
    return value


def field(document: Mapping[str, Any], name: str) -> Any:
    """The value under a name. Raises ValueError where there is none."""
    if name not in document:
        raise ValueError(f"it has no {name!r}")
    return document[name]


def text(document: Mapping[str, Any], name: str) -> str:
    """The text under a name. Raises ValueError for anything else."""
    value: str = _of_kind(document, name, str, "a text")
    return value


def optional_text(document: Mapping[str, Any], name: str) -> str | None:
    """The text under a name, None for null and for none. Raises ValueError for anything else."""
    return None if document.get(name) is None else text(document, name)


def count(document: Mapping[str, Any], name: str) -> int:
    """The whole number of at least 0 under a name. Raises ValueError for anything else."""
    value = field(document, name)
    if type(value) is not int or value < 0:
        raise ValueError(f"its {name} is {excerpt(value)}, not a count")
    return value


def optional_count(document: Mapping[str, Any], name: str) -> int | None:
    """The same, None for null and for none."""
    return None if document.get(name) is None else count(document, name)


def mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object under a name. Raises ValueError for anything else."""
    value: Mapping[str, Any] = _of_kind(document, name, Mapping, "an object")
    return value


def listed(document: Mapping[str, Any], name: str) -> list[Any]:
    """The list under a name. Raises ValueError for anything else."""
    value: list[Any] = _of_kind(document, name, list, "a list")
    return value


def texts(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The list of texts under a name. Raises ValueError for anything else."""
    values = listed(document, name)
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"its {name} holds what is no text")
    return tuple(values)


def _of_kind(document: Mapping[str, Any], name: str, kind: type, noun: str) -> Any:
    value = field(document, name)
    if not isinstance(value, kind):
        raise ValueError(f"its {name} is {excerpt(value)}, not {noun}")
    return value


def excerpt(value: Any) -> str:
    """A value in a message: short, on one line, control signs escaped."""
    return kind_of(value) if isinstance(value, list | dict) else cut(repr(value), 80)


def kind_of(value: Any) -> str:
    """What a JSON value is, for people."""
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it has the key {cut(repr(twice), 80)} twice")
    return document


def _constant(text: str) -> Any:
    raise ValueError(f"it holds {text}, which is no number of JSON")


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) >= _LARGEST:
        raise ValueError(f"it holds a whole number of {len(digits)} digits, {cut(digits, 20)}")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"it holds a number that is too large, {cut(digits, 20)}")
    return number


def _check(value: Any, *, texts: bool) -> None:
    """Raises ValueError for what is too deep, and, where `texts`, for texts that no file can hold."""
    level = [value]
    for _ in range(MAX_DEPTH):
        if texts and not all(map(_encodes, _texts(level))):
            raise ValueError("it holds half a sign (a lone surrogate)")
        level = [each for each in _children(level) if texts or isinstance(each, _NESTING)]
        if not level:
            return
    raise ValueError(f"it is nested more than {MAX_DEPTH} deep")


def _children(level: list[Any]) -> Iterator[Any]:
    for each in level:
        if isinstance(each, dict):
            yield from each.values()
        elif isinstance(each, list):
            yield from each


def _texts(level: list[Any]) -> Iterator[str]:
    for each in level:
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            yield from each


def _encodes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True

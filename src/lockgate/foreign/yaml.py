"""Read YAML that a stranger wrote, such as a model's MLmodel, within bounds of size, depth and repetition."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_BYTES = 2**24
MAX_DEPTH = 100
MAX_VALUES = 200_000

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?|[-+]?\.(?:inf|Inf|INF)", re.ASCII)
WORDS: dict[str, bool | None] = {  # scalars of YAML 1.2's core schema
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass
class _Open:
    """A map or a list whose end has not come. size: values in it, what aliases repeat counted each time."""

    value: dict[Any, Any] | list[Any]
    anchor: str | None
    size: int = 1
    keys: list[Any] = field(default_factory=list)


def read(text: str) -> Any:
    """The one document of the text as plain values. Raises ValueError, which says what is too much or wrong.

    Tags are left aside; dates, and whole numbers of more than 19 digits, are texts. An alias stands for the same value.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES >> 20} MiB")
    try:
        return _built(text)
    except yaml.YAMLError as error:
        raise ValueError(f"it is no YAML: {' '.join(str(error).split())[:300]}") from None


def _built(text: str) -> Any:
    anchors: dict[str, tuple[Any, int]] = {}
    root = _Open([], None)
    stack = [root]
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.ScalarEvent):
            scalar = _scalar(event.value) if event.implicit[0] else event.value
            if event.anchor:
                anchors[event.anchor] = (scalar, 1)
            _add(stack[-1], scalar, 1)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            stack.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else [], event.anchor))
            if len(stack) > MAX_DEPTH:
                raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            ended = stack.pop()
            if ended.anchor:  # known from its end on, so that no value holds itself
                anchors[ended.anchor] = (ended.value, ended.size)
            _add(stack[-1], ended.value, ended.size)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise ValueError(f"its alias *{str(event.anchor)[:40]} stands for nothing, or for what it is in")
            _add(stack[-1], *anchors[event.anchor])
    assert isinstance(root.value, list)  # noqa: S101  # made so above
    if len(root.value) > 1:
        raise ValueError("it holds several documents")
    return root.value[0] if root.value else None


def _add(container: _Open, value: Any, size: int) -> None:
    container.size += size
    if container.size > MAX_VALUES:
        raise ValueError(f"it holds more than {MAX_VALUES:,} values")
    if isinstance(container.value, list):
        container.value.append(value)
    elif container.keys:
        container.value[container.keys.pop()] = value
    elif isinstance(value, dict | list):
        raise ValueError("it has a map or a list for a key")
    else:
        container.keys.append(value)


def _scalar(text: str) -> Any:
    if text in WORDS:
        return WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text

"""What a model's process reports of an error: our own sentences are recognized by their form, all else is the model's words.

A model can write in the start of our host. So the sentences and remedies that are shown as ours are those which stand in the
host's source; what they name goes through `RowText`, and every text is cut.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lockgate.models import model_host
from lockgate.models.safe_text import CUT, RowText

_KINDS = ("memory", "import", "input", "answer", "file", "metric")
_CONVERSION = re.compile(r"(?:%[rsd])+")
_FIRST_ROW = re.compile(r", first in row \d{1,12}$")
_NAMES = re.compile(r"'[^'\\]*'(?:, '[^'\\]*')*")
_TYPE_OR_SHAPE = re.compile(r"(?!.*\d{6})[\w<>\[\](), :=*-]{1,100}")
_MODULE = re.compile(r"[^\W\d]\w{0,60}(?:\.\w{1,60}){0,10}")
_FEWEST_LETTERS = 8  # that a form has beside what it names
_NAME_LENGTH = 100


@dataclass(frozen=True)
class Reported:
    """kind: `raised`, or which of our own sentences `text` is; module: that cannot be imported; denied: a path.

    fault: of what an exception is one, as the model's process has it: `columns`, `named_tensor`, `schema`, `library` or `code`.
    """

    kind: str
    type: str
    text: str
    remedy: str | None
    module: str | None
    denied: str | None
    quotes: bool
    fault: str | None


def reported(error: Mapping[str, Any], rows: RowText | None) -> Reported:
    """What a frame says of an error. rows: that the process was sent, None where it is loading and has none.

    Raises KeyError, TypeError for a frame that says none.
    """
    kind, text, module = error["kind"], error["text"] or "", error["module"] or ""
    type_name = error["type"] if error["type"].isidentifier() and len(error["type"]) <= _NAME_LENGTH else "Exception"
    sentence = kind in ("input", "answer", "file", "metric")
    ours = _our_sentence(text, rows or RowText(), error["quoted"] or "") if sentence else None
    if kind not in _KINDS or (ours is None and kind not in ("memory", "import")):
        kind = "raised"
    if ours is None:
        ours = text if rows is None else rows.sentence(text, kind=type_name)
    return Reported(
        kind,
        type_name,
        ours if len(ours) <= model_host.TEXT_LENGTH else ours[: model_host.TEXT_LENGTH] + " " + CUT,
        error["remedy"] if error["remedy"] in _host_texts()[1] else None,
        module if _MODULE.fullmatch(module) else None,
        error["denied"],
        bool(error["quoted"]),
        error.get("fault"),
    )


def _our_sentence(text: str, rows: RowText, quoted: str, *, whole: bool = True) -> str | None:
    """The text with what it names made safe, None where it has none of our forms.

    quoted: a part of it that others wrote. whole: no part of another of our sentences; these have no parts.
    """
    row = _FIRST_ROW.search(text)
    end = "" if row is None else row[0]
    text = text.removesuffix(end)
    for parts in _host_texts()[0]:
        between = _between(parts, text)
        if between is not None:
            safe = [_named(each, rows, quoted, whole=whole) for each in between]
            return "".join(each for pair in zip(parts, [*safe, ""], strict=True) for each in pair) + end
    return None


def _between(parts: tuple[str, ...], text: str) -> list[str] | None:
    """What stands between these parts of a text, None where it has not these parts in this order."""
    if len(parts) == 1:
        return [] if text == parts[0] else None
    first, *middle, last = parts
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return None
    start, end, between = len(first), len(text) - len(last), list[str]()
    for part in middle:
        position = text.find(part, start, end)
        if position < 0:
            return None
        between.append(text[start:position])
        start = position + len(part)
    return [*between, text[start:end]]


def _named(text: str, rows: RowText, quoted: str, *, whole: bool) -> str:
    """What one of our sentences names: a number, names of columns, a type or shape, or what others wrote."""
    if text.isdigit() and len(text) <= 12:
        return text
    if text != quoted:  # what others wrote is no name
        if _NAMES.fullmatch(text):
            names = text[1:-1].split("', '")
            wider = rows.asked_for(name for name in names if len(name) <= _NAME_LENGTH)
            return ", ".join(repr(name if wider.names_column(name) else CUT) for name in names)
        if _TYPE_OR_SHAPE.fullmatch(text):
            return rows.without_values(text)
        ours = _our_sentence(text, rows, quoted, whole=False) if whole else None
        if ours is not None:
            return ours
    kind, colon, words = text.partition(": ")
    return rows.error(kind, words) if colon and kind.isidentifier() else rows.sentence(text)


@cache
def _host_texts() -> tuple[tuple[tuple[str, ...], ...], frozenset[str]]:
    """(the forms of the host's sentences, the longest first, each cut where it names something; its remedies)."""
    forms, remedies = set[tuple[str, ...]](), set[str]()
    for node in ast.walk(ast.parse(Path(model_host.__file__).read_text(encoding="utf-8"))):
        match node:
            case ast.keyword(arg="remedy", value=ast.Constant(value=str(text))):
                remedies.add(text)
            case ast.Assign(targets=[ast.Name(id="remedy")], value=ast.Constant(value=str(text))):
                remedies.add(text)
            case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod()):
                forms.add(tuple(_CONVERSION.split(text)))
            case ast.Call(
                func=ast.Name(id="BadInput" | "BadAnswer" | "BadFile" | "BadMetric"),
                args=[ast.Constant(value=str(text))],
            ):
                forms.add((text,))
    telling = [parts for parts in forms if sum(map(len, parts)) >= _FEWEST_LETTERS]
    return tuple(sorted(telling, key=lambda parts: (-sum(map(len, parts)), parts))), frozenset(remedies)

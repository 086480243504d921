"""Read YAML into plain values, each with its position; refuse everything that surprises.

Scalars are those of YAML 1.2's core schema, decimal only: `no`, `off`, `1:30`, `0x10`, `007` and dates are text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lockgate.errors import PipelineError
from lockgate.foreign.yaml import LOADER, WORDS

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_VALUES = 20_000
MAX_COMPLAINTS = 100
LARGEST_INT = 2**53 - 1

_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]*|(?=\.[0-9]))(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_USE_EXTENDS = "write the values out, or share a file by extends"

Step = str | int
NodePath = tuple[Step, ...]


@dataclass(frozen=True, order=True)
class Position:
    """Where something stands: line and column, both from 1. file: the name that people are shown."""

    file: str
    line: int
    col: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.col}"


@dataclass(frozen=True)
class Node:
    """One value: a dict of nodes, a list of nodes, or a scalar. `key` is where its key stands, in a mapping."""

    value: dict[str, Node] | list[Node] | str | int | float | bool | None
    at: Position
    key: Position | None = None

    @property
    def named_at(self) -> Position:
        """Where a person would look for it: at its key, else at the value."""
        return self.key or self.at

    def plain(self) -> Any:
        """The value without positions."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def child(self, step: Step) -> Node | None:
        """The node one step below, None where there is none."""
        if isinstance(self.value, dict) and isinstance(step, str):
            return self.value.get(step)
        if isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            return self.value[step]
        return None

    def reach(self, *path: Step) -> Node:
        """The node at a path below, or the last one on the way to it."""
        node = self
        for step in path:
            node = node.child(step) or node
        return node

    def entries(self, key: str) -> list[Node]:
        """The entries of the list at a key; none where there is no list."""
        node = self.child(key)
        return node.value if node is not None and isinstance(node.value, list) else []

    def complaint(self, path: NodePath, message: str) -> tuple[NodePath, Complaint]:
        """(path, complaint) about the value at a path below, or about the last one on the way to it."""
        return path, Complaint(self.reach(*path).at, message)

    def walk(self, path: NodePath = ()) -> Iterator[tuple[NodePath, Node]]:
        """Every node below and including this one, with its path."""
        yield path, self
        if isinstance(self.value, dict):
            for name, node in self.value.items():
                yield from node.walk((*path, name))
        elif isinstance(self.value, list):
            for index, node in enumerate(self.value):
                yield from node.walk((*path, index))


@dataclass(frozen=True)
class Complaint:
    """One thing that is wrong, and its position."""

    at: Position
    message: str

    def __str__(self) -> str:
        return f"{self.at}: {self.message}"


@dataclass(frozen=True)
class Document:
    """A text that could be read. `complaints` are of values that were refused one by one; those read as null."""

    root: Node
    complaints: tuple[Complaint, ...] = ()

    @property
    def data(self) -> Any:
        return self.root.plain()

    @property
    def nodes(self) -> Mapping[NodePath, Node]:
        """Every path with its node: `.at` is where the value stands, `.key` where its key does."""
        return dict(self.root.walk())


def load(path: Path, *, display_name: str | None = None) -> tuple[Document, bytes]:
    """The document in a file, and its bytes. Raises PipelineError; a large file is refused before it is read."""
    display_name = display_name or str(path)
    try:
        if path.is_dir():
            files = ", ".join(sorted(each.name for each in path.glob("*.yaml"))[:5])
            raise PipelineError(
                f"{display_name}: this is a folder" + (f"; name a file in it: {files}" if files else "")
            )
        if not path.is_file():
            raise PipelineError(f"{display_name}: {'this is no file' if path.exists() else 'there is no such file'}")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PipelineError(f"{display_name}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return read_bytes(data, display_name=display_name), data


def read_bytes(data: bytes, *, display_name: str) -> Document:
    """The document in bytes. Raises PipelineError for what is too large or no UTF-8 text."""
    if len(data) > MAX_BYTES:
        raise PipelineError(f"{display_name}:1:1: the file is larger than 1 MB, which no pipeline is")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        col = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise PipelineError(f"{display_name}:{line}:{col}: this is not UTF-8 text") from error
    return read(text, display_name=display_name)


def read(text: str, *, display_name: str = "pipeline.yaml") -> Document:
    """The document in a text. Raises PipelineError for what cannot be read at all."""
    if len(text) > MAX_BYTES:
        raise PipelineError(f"{display_name}:1:1: the file is larger than 1 MB, which no pipeline is")
    if strange := _UNREADABLE.search(text):
        line = text.count("\n", 0, strange.start()) + 1
        col = strange.start() - (text.rfind("\n", 0, strange.start()) + 1) + 1
        raise PipelineError(
            f"{display_name}:{line}:{col}: a YAML file cannot hold the character U+{ord(strange[0]):04X}"
        )
    return _EventReader(text, display_name).document()


@dataclass
class _Open:
    """A mapping or list that is being read."""

    at: Position
    key: Position | None
    into: dict[str, Node] | list[Node]
    name: str | None = None
    name_at: Position | None = None
    skip: bool = False


@dataclass
class _EventReader:
    """Folds the parser's events into nodes; never recursive, so that no depth can hurt it."""

    text: str
    display_name: str
    stack: list[_Open] = field(default_factory=list)
    complaints: list[Complaint] = field(default_factory=list)
    root: Node | None = None
    values: int = 0
    documents: int = 0

    def document(self) -> Document:
        try:
            for event in yaml.parse(self.text, Loader=LOADER):
                self._take(event)
        except yaml.YAMLError as error:
            raise self._syntax(error) from error
        if self.root is None or (self.root.value is None and not self.complaints):
            raise PipelineError(f"{self.display_name}:1:1: the file is empty")
        return Document(self.root, tuple(self.complaints))

    def _position(self, event: Any) -> Position:
        return Position(self.display_name, event.start_mark.line + 1, event.start_mark.column + 1)

    def _stop(self, at: Position, message: str) -> PipelineError:
        return PipelineError([*map(str, self.complaints), f"{at}: {message}"])

    def _refuse(self, at: Position, message: str) -> None:
        """Complain about one value, which then reads as null."""
        self.complaints.append(Complaint(at, message))

    def _take(self, event: Any) -> None:
        at = self._position(event)
        if len(self.complaints) >= MAX_COMPLAINTS:
            raise self._stop(at, f"{MAX_COMPLAINTS} complaints so far; the rest of the file was not read")
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise self._stop(at, "a second document begins here; a pipeline is one document")
        elif isinstance(event, yaml.AliasEvent):
            raise self._stop(at, f"anchors and aliases are not read; {_USE_EXTENDS}")
        elif isinstance(event, yaml.ScalarEvent):
            self._count(event, at)
            self._scalar(event, at)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._count(event, at)
            self._open(event, at)
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self.stack.pop()
            if not done.skip:
                self._put(Node(done.into, done.at, done.key), at=done.at)

    def _count(self, event: Any, at: Position) -> None:
        self.values += 1
        if self.values > MAX_VALUES:
            raise self._stop(at, f"the file holds more than {MAX_VALUES:,} values, which no pipeline does")
        if event.anchor is not None:
            raise self._stop(at, f"anchors and aliases are not read; {_USE_EXTENDS}")

    def _open(self, event: Any, at: Position) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise self._stop(at, f"this is nested deeper than {MAX_DEPTH} levels")
        above = self.stack[-1] if self.stack else None
        if above is not None and isinstance(above.into, dict) and above.name is None and not above.skip:
            raise self._stop(at, "a key is a mapping or a list here; keys are text")
        skip = (above is not None and above.skip) or self._tagged(event, at)
        if skip and not (above is not None and above.skip):
            self._put(Node(None, at, above.name_at if above else None), at=at)
        mapping = isinstance(event, yaml.MappingStartEvent)
        self.stack.append(_Open(at, above.name_at if above else None, {} if mapping else [], skip=skip))

    def _tagged(self, event: Any, at: Position) -> bool:
        if event.tag is None or (event.tag == "!" and isinstance(event, yaml.ScalarEvent) and event.style):
            return False
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        self._refuse(at, f"the tag {tag[:60]} is not read; write the value plainly")
        return True

    def _scalar(self, event: Any, at: Position) -> None:
        above = self.stack[-1] if self.stack else None
        if above is not None and above.skip:
            return
        value = None if self._tagged(event, at) else self._typed(event, at)
        if above is not None and isinstance(above.into, dict) and above.name is None:
            self._key(above, event, value, at)
        else:
            self._put(Node(value, at, above.name_at if above else None), at=at)

    def _key(self, above: _Open, event: Any, value: Any, at: Position) -> None:
        above.name, above.name_at = event.value, at
        if event.value == "<<" and not event.style:
            raise self._stop(at, "merge keys (<<) are not read; use extends")
        if not isinstance(value, str):
            self._refuse(at, f'the key {event.value or "null"!s} is not text; write it in quotes: "{event.value}"')

    def _typed(self, event: Any, at: Position) -> str | int | float | bool | None:
        try:
            return _scalar(event.value, plain=not event.style)
        except ValueError as error:
            self._refuse(at, str(error))
            return None

    def _put(self, node: Node, *, at: Position) -> None:
        if not self.stack:
            self.root = node
            return
        into = self.stack[-1]
        if isinstance(into.into, list):
            into.into.append(node)
            return
        name, into.name = into.name or "", None
        if name in into.into:
            line = into.into[name].named_at.line
            self._refuse(into.name_at or at, f"the key {name!r} is given twice; it stands in line {line} already")
        else:
            into.into[name] = node

    def _syntax(self, error: yaml.YAMLError) -> PipelineError:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "this is no YAML"
        if mark is None:
            return self._stop(Position(self.display_name, 1, 1), f"this cannot be read as YAML: {problem}")
        at = Position(self.display_name, mark.line + 1, mark.column + 1)
        lines = self.text.splitlines()
        rest = lines[mark.line][mark.column :] if mark.line < len(lines) else ""
        if rest.startswith("\t"):
            return self._stop(at, "a tab cannot indent YAML; use spaces")
        context = getattr(error, "context", None)
        if "${" in (lines[mark.line] if mark.line < len(lines) else "") and "flow" in str(context):
            return self._stop(at, 'this cannot be read as YAML: inside { } a variable stands in quotes, "${NAME}"')
        return self._stop(at, f"this cannot be read as YAML: {f'{context}, ' if context else ''}{problem}")


def _scalar(text: str, *, plain: bool) -> str | int | float | bool | None:
    """The value of a scalar. plain: written without quotes. Raises ValueError for what no value can be."""
    if "\0" in text:
        raise ValueError("a value cannot hold a NUL character")
    if not plain:
        return text
    if text in WORDS:
        return WORDS[text]
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a number that anything can be compared with")
    if _INT.fullmatch(text):
        if len(text) > 17 or abs(int(text)) > LARGEST_INT:
            raise ValueError(f"{_short(text)} is too large for an exact number; write it in quotes as text")
        return int(text)
    if _FLOAT.fullmatch(text):
        if not math.isfinite(float(text)):
            raise ValueError(f"{_short(text)} is too large for a number")
        return float(text)
    return text


def _short(text: str) -> str:
    return text if len(text) <= 24 else text[:20] + "…"

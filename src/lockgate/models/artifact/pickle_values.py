"""Stand-ins for what a pickle would make, and who is told of each step."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from lockgate.models.artifact.byte_stream import ByteStream

_ITEMS = 64  # of a dict that is followed
_POINTER, _OBJECT = 8, 200  # bytes of memory


class Thing:
    """Something that no name or number can be taken from."""

    def __repr__(self) -> str:
        return "something"


THING = Thing()
TEXT = Thing()  # a text that was too long, or too far back, to be kept
NONE = Thing()
JOBLIB_ARRAY = "joblib.numpy_pickle.NumpyArrayWrapper"
_UNCLEAR = ""  # a key of a dict that is not followed any more


@dataclass(frozen=True)
class Import:
    """What an opcode imports."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Importer(Import):
    """A function that imports what it is handed, a module and a name in it: harmless where the pickle calls it, for then both are seen."""

    NAMES = ("numpy.core._ufunc_reconstruct", "numpy._core._ufunc_reconstruct")


@dataclass
class Made:
    """An object that an import made, by a call or by its class. is_built: whether a state was set."""

    maker: Import
    arguments: Any
    state: Any = None
    is_built: bool = False

    @property
    def counts(self) -> bool:
        """Whether the bytes behind it are read by what it says: an array of joblib, or the type of its numbers."""
        return str(self.maker) in (JOBLIB_ARRAY, "numpy.dtype")


class Observer(Protocol):
    """Whoever is told of each step. offset: of its opcode."""

    def imports(self, imported: Import, offset: int) -> None: ...
    def calls(self, called: Any, arguments: Any, offset: int) -> None: ...
    def makes(self, cls: Any, offset: int) -> None: ...
    def changes(self, imported: Import, offset: int) -> None: ...
    def hidden(self, sentence: str, offset: int) -> None: ...
    def built(self, made: Made, stream: ByteStream) -> None: ...


def fill(target: Any, items: list[Any]) -> None:
    """Set the items of a dict, keys and values in turn; one of too many, or of a key that is no text, is followed no more."""
    if isinstance(target, dict) and _UNCLEAR not in target:
        keys = items[::2] if len(items) <= 2 * _ITEMS else [None]
        if len(target) + len(keys) > _ITEMS or not all(isinstance(key, str) for key in keys):
            target.clear()
            target[_UNCLEAR] = THING
        else:
            target.update(zip(keys, items[1::2], strict=False))


def weight(values: Iterable[Any], most: int, *, besides: Collection[int] = frozenset()) -> int:
    """Bytes of memory of values and of all in them, roughly; counted no further than just above `most`. besides: ids of what is left out."""
    total, waiting = 0, [iter(values)]
    while waiting:
        for value in waiting.pop():
            total += _POINTER
            if isinstance(value, Thing) or id(value) in besides:
                continue
            total += _OBJECT if isinstance(value, Import | Made) else sys.getsizeof(value)
            if total > most:
                return total
            if isinstance(value, tuple):
                waiting.append(iter(value))
            elif isinstance(value, dict):
                waiting.append(iter(value.values()))
            elif isinstance(value, Made):
                waiting.append(iter((value.arguments, value.state)))
    return total


def unquoted(argument: bytes) -> str | None:
    """The text of a quoted line of protocol 0; None where it is none."""
    try:
        text: str = ast.literal_eval("b" + argument.decode("ascii").strip()).decode("latin-1")
    except (ValueError, SyntaxError, UnicodeDecodeError, MemoryError, RecursionError):
        return None
    return text

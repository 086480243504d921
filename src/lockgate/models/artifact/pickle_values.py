"""Stand-ins for what a pickle would make, and who is told of each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from lockgate.models.artifact.byte_stream import ByteStream

_ITEMS = 64  # of a dict that is followed


class Thing:
    """Something that no name or number can be taken from."""

    def __repr__(self) -> str:
        return "something"


THING = Thing()
TEXT = Thing()  # a text that was too long, or too far back, to be kept


@dataclass(frozen=True)
class Import:
    """What an opcode imports."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass
class Made:
    """An object that an import made, by a call or by its class."""

    maker: Import
    arguments: Any
    state: Any = None


class Observer(Protocol):
    """Whoever is told of each step. offset: of its opcode."""

    def imports(self, imported: Import, offset: int) -> None: ...
    def calls(self, called: Any, arguments: Any, offset: int) -> None: ...
    def makes(self, cls: Any, offset: int) -> None: ...
    def changes(self, imported: Import, offset: int) -> None: ...
    def hidden(self, sentence: str, offset: int) -> None: ...
    def built(self, made: Made, stream: ByteStream) -> None: ...


def fill(target: Any, items: list[Any]) -> None:
    """Set the items of a dict, keys and values in turn, as far as it is one that is followed."""
    if isinstance(target, dict) and len(items) <= 2 * _ITEMS:
        for key, value in zip(items[::2], items[1::2], strict=False):
            if isinstance(key, str) and len(target) < _ITEMS:
                target[key] = value

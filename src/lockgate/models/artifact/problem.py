"""One thing in a model's files that speaks against loading them, and names of files as a sentence may hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lockgate.text import cut

Kind = Literal["unsafe_files", "broken_files", "unknown_files", "code_files", "unsafe_paths", "missing_files"]
_NAME, _TEXT = 80, 200  # signs


class Broken(ValueError):
    """Bytes that are not what they begin as. offset: where that shows, None where it has no place."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


class Unclear(Broken):
    """What somebody may read, and is not followed here."""


class TooMuch(Broken):
    """It unpacks to more than anybody would look at."""


@dataclass(frozen=True)
class Problem:
    """kind: what it is counted as. file: its name, quoted; of an entry of an archive behind the archive's. text: of a stranger
    in parts, cut and plain. allow: what an owner would write into `allow` after a look at it, None where nothing helps."""

    kind: Kind
    file: str
    text: str
    offset: int | None = None
    allow: tuple[Literal["imports", "files"], str] | None = None

    def __str__(self) -> str:
        place = "" if self.offset is None else f" at byte {self.offset:,}"
        return f"{self.file}{place}: {self.text}"


def quoted_name(name: str) -> str:
    """A name that a stranger chose, between quotation marks, on one line, cut, nothing in it invisible."""
    return "'" + printable(name, _NAME).replace("'", '"') + "'"


def printable(text: str, length: int = _TEXT) -> str:
    """Text of a stranger on one line, signs that cannot be shown as escapes; cut."""
    return cut("".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text[: length + 1]), length)

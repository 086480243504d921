"""SHA-256 of bytes, files and folders, and canonical JSON (RFC 8785)."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Json = Any
SHORTEST = 12  # hex digits that name a digest: 48 bits, of which no two agree by chance


def sha256(data: bytes) -> str:
    """`sha256:<64 hex>` of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """`sha256:<64 hex>` of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def canonical(value: Json) -> bytes:
    """The value as canonical JSON (RFC 8785). Raises ValueError for floats that are not finite and for foreign types."""
    if _plain(value):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    import rfc8785

    encoded: bytes = rfc8785.dumps(value)
    return encoded


def _plain(value: Json) -> bool:
    """Whether the encoder of the language, which is fast, writes the value as RFC 8785 does: no floats, plain keys."""
    kind: Any = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return -(1 << 53) < int(value) < 1 << 53
    if kind is dict:
        for key in value:
            if type(key) is not str or not key.isascii():
                return False
        value = value.values()
    elif kind is not list and kind is not tuple:
        return False
    return all(type(each) is str or _plain(each) for each in value)


def files_digest(files: Iterable[tuple[str, str, int]]) -> str:
    """The digest of a set of files: SHA-256 of the canonical JSON of the sorted [path, sha256, size] list.

    files: (path with forward slashes relative to the folder, `sha256:<hex>`, bytes).
    """
    return sha256(canonical([[path, sha, size] for path, sha, size in sorted(files)]))


def folder_files(folder: Path) -> list[tuple[str, str, int]]:
    """The (path, sha256, size) list of every file under a folder, sorted."""
    return sorted(
        (path.relative_to(folder).as_posix(), sha256_file(path), path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file()
    )


def folder_digest(folder: Path) -> str:
    """The digest of a model's or a data set's folder, as its files are stored."""
    return files_digest(folder_files(folder))


def is_digest(text: str) -> bool:
    """Whether the text is exactly `sha256:` and 64 lower-case hex digits."""
    return len(text) == 71 and text.startswith("sha256:") and all(c in "0123456789abcdef" for c in text[7:])


def need_digest(text: str) -> str:
    """The text, where it is a digest. Raises ValueError."""
    if not is_digest(text):
        raise ValueError(f"{text!r} is not a digest; it is `sha256:` and 64 lower-case hex digits")
    return text


def short_digest(digest: str) -> str:
    """So much of a digest as names it, beside a command on one line; what is signed is shown whole."""
    return digest[: len("sha256:") + SHORTEST]


def number(value: float | None) -> str | None:
    """A measured value as evidence stores it: `repr(float(x))`, null for what is missing or not finite."""
    if value is None or not math.isfinite(value):
        return None
    return repr(float(value))

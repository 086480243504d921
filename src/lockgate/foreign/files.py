"""Read files that a project names: regular ones only, and no more of them than is expected.

A pull request may name a pipe, which never ends, or a link to a device, which never runs out.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
MOST_BYTES = 2**26


def read_regular(path: Path, *, most: int = MOST_BYTES) -> bytes:
    """The bytes of a file. Raises OSError for what is no regular file, or has more than `most` bytes."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe that nobody writes into would block
    try:
        kind = other_kind(os.fstat(file).st_mode)
        if kind is not None:
            raise OSError(errno.EINVAL, f"it is {kind}, no regular file", str(path))
        data = bytearray()
        while len(data) <= most and (part := os.read(file, min(2**20, most + 1 - len(data)))):
            data += part
    finally:
        os.close(file)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return bytes(data)


def other_kind(mode: int) -> str | None:
    """What a path is that is no regular file, by its mode; None for one that is."""
    kind = stat.S_IFMT(mode)
    return None if kind == stat.S_IFREG else _KINDS.get(kind, "something else")


def siblings(path: Path) -> list[str]:
    """What lies in the folder of a path that leads to nothing, of which one may be meant."""
    return [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []

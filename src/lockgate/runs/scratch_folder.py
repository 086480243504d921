"""The folder that the models of a run work in, removed with whatever they left there."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from itertools import count
from pathlib import Path

from lockgate.evidence.run_folder import held, owner_is_gone


@contextmanager
def scratch_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """A new folder below `parent`, of temporary files where None, that is gone afterwards.

    Those of this prefix in `parent` whose process is gone are removed too, which no process can do that was killed.
    """
    with ExitStack() as stack:
        with nullcontext() if parent is None else _swept(parent, prefix):
            path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            stack.callback(remove, path)
            stack.enter_context(held(path))
        yield path


@contextmanager
def _swept(parent: Path, prefix: str) -> Iterator[None]:
    """Hold a folder without what nobody holds in it, so that no other process sees a new one in it before it is held."""
    with held(parent, wait=True):
        for left in parent.iterdir():
            if left.name.startswith(prefix) and owner_is_gone(left):
                remove(left)
        yield


def remove(path: Path) -> None:
    """Remove a folder in which nobody writes any more. No depth and no mode keeps it, and no link in it is followed.

    Each folder is emptied into the top one before it is removed, so that none is ever deeper than a path may be long.
    """
    with suppress(OSError):
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _empty(top)
        finally:
            os.close(top)
        path.rmdir()


def _empty(top: int) -> None:
    os.fchmod(top, 0o700)
    folders = [name for name in os.listdir(top) if not _unlinked(name, top)]
    unused = (f"{uuid.uuid4().hex}-{number}" for number in count())
    while folders:
        name = folders.pop()
        with suppress(OSError):
            os.chmod(name, 0o700, dir_fd=top)
            folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
            try:
                for below in os.listdir(folder):  # noqa: PTH208  # of a descriptor
                    if not _unlinked(below, folder):
                        os.chmod(below, 0o700, dir_fd=folder)  # who moves a folder must be able to write into it
                        os.rename(below, moved := next(unused), src_dir_fd=folder, dst_dir_fd=top)
                        folders.append(moved)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=top)


def _unlinked(name: str, folder: int) -> bool:
    """Remove what is no folder; return whether it was none."""
    try:
        os.unlink(name, dir_fd=folder)
    except (IsADirectoryError, PermissionError):  # for a folder, Linux says the one and macOS the other
        return False
    return True

"""Hold each file against what it was when it was first looked at: it may change between its digest and its reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lockgate.errors import DataError


class UnchangedFiles:
    """Path → size, time of the last change and inode of each file when it was first opened."""

    def __init__(self) -> None:
        self._before: dict[Path, tuple[int, int, int]] = {}

    @contextmanager
    def watched(self, path: Path, name: str) -> Iterator[None]:
        """Around whatever reads a file. Raises DataError where it is not the one of before, also in place of an error
        that came of that."""
        self._refuse_change(path, name)
        try:
            yield
        except DataError:
            self._refuse_change(path, name)
            raise
        self._refuse_change(path, name)

    def _refuse_change(self, path: Path, name: str) -> None:
        try:
            state = path.stat()
        except OSError:
            if path in self._before:
                raise changed(name) from None
            return
        now = (state.st_size, state.st_mtime_ns, state.st_ino)
        if self._before.setdefault(path, now) != now:
            raise changed(name)


def changed(name: str) -> DataError:
    """What is raised for a file that changed."""
    return DataError(
        f"{name} changed while it was read",
        remedy="run again when nothing writes it, or write a copy and name that",
    )

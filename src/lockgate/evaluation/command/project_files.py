"""Files of the project that a command reads: what its arguments and `files` name, hashed, and copied for its box."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath

from lockgate.errors import UsageError
from lockgate.hashing import files_digest, sha256_file
from lockgate.plugins import is_inside
from lockgate.text import counted

_NEVER = ("mlruns", "mlartifacts", "__pycache__", "node_modules")  # stores, and what is made anew
_MOST_FILES = 20_000
_MOST_BYTES = 2**30


def paths_in(run: Sequence[str], files: Sequence[str]) -> tuple[str, ...]:
    """What may be paths of the project in a command and its `files`, whether or not they are there.

    Of an option its value counts, of a test's name the file before `::`; a bare first word is a program of PATH.
    """
    words = [word.partition("=")[2] if word.startswith("-") else word for word in run[1:]]
    program = [run[0]] if run and "/" in run[0] else []
    names = (word.partition("::")[0] for word in (*program, *words) if "$" not in word)
    named = (str(PurePosixPath(name)) for name in (*files, *names) if name and not os.path.isabs(name))  # noqa: PTH117
    return tuple(dict.fromkeys(name for name in named if ".." not in PurePosixPath(name).parts))


class ProjectFiles:
    """Those files below a root that are there. closed: data, which nobody reads by its path.

    Hidden files, links that lead out of the project and stores of models are left out of folders.
    """

    def __init__(self, root: Path, run: Sequence[str], files: Sequence[str], *, closed: Collection[Path] = ()) -> None:
        self.root = root
        self._closed = {Path(os.path.realpath(path)) for path in closed}
        for name in files:
            if not (root / name).exists():
                raise UsageError(f"files: there is no {name} below the project's root")
            if self._is_closed(root / name):
                raise UsageError(f"files: {name} is data of the pipeline", remedy="let data: hand over its rows")
        self.names = [name for name in paths_in(run, files) if (root / name).exists() and is_inside(root / name, root)]

    def _is_closed(self, path: Path) -> bool:
        real = Path(os.path.realpath(path))
        return not self._closed.isdisjoint([real, *real.parents])

    def origins(self) -> dict[str, str]:
        """Name → SHA-256 of the file, or of the list of a folder's files. Raises UsageError for too many."""
        origins = {}
        for name in self.names:
            files = [
                (path, sha256_file(self.root / path), (self.root / path).stat().st_size) for path in self._below(name)
            ]
            if files:
                alone = (self.root / name).is_file()
                origins[name] = files[0][1] if alone else files_digest(files)
        return origins

    def copy(self, folder: Path) -> None:
        """Copy them into a folder, each at its own path below it. Raises UsageError for too many."""
        for name in self.names:
            for path in self._below(name):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.root / path, folder / path)

    def _below(self, name: str) -> list[str]:
        paths, size = list[str](), 0
        for path in self._walk(self.root / name):
            paths.append(path.relative_to(self.root).as_posix())
            size += path.stat().st_size
            if len(paths) > _MOST_FILES or size > _MOST_BYTES:
                limits = f"{counted(_MOST_FILES, 'file')} and {_MOST_BYTES >> 20:,} MiB"
                raise UsageError(
                    f"{name} holds more than a command is given of the project: {limits}; name what it needs"
                )
        return sorted(paths)

    def _walk(self, path: Path) -> Iterator[Path]:
        if self._is_closed(path) or not is_inside(path, self.root):
            return
        if path.is_file():
            yield path
        elif path.is_dir():
            for child in sorted(path.iterdir()):
                if not child.name.startswith(".") and child.name not in _NEVER:
                    yield from self._walk(child)

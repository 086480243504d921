"""Paths of the repository that a pipeline reads: only a change of one of them can change what its gates find."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from lockgate.data.pointers import dvc
from lockgate.data.remote import is_url
from lockgate.pipeline.pipeline import Pipeline

_VARIABLE = re.compile(r"\$\{[^}]*\}")
_FUNCTION = re.compile(r"(?<=\.py):\w+$")
_EXAMPLES = 50


@dataclass(frozen=True)
class ReadPaths:
    """names: files, folders and globs, relative to the root; `*` for a variable that has no value here.

    root: of the checkout whose files of DVC are read; None where there is none.
    """

    names: tuple[str, ...]
    root: Path | None = None

    @classmethod
    def of_pipeline(cls, pipeline: Pipeline) -> ReadPaths:
        """The pipeline and what it extends, its data, the candidate's file, and whatever else looks like a path in it."""
        texts = [name for name, _ in pipeline.files]
        texts += [data.path for data in pipeline.data.values()]
        texts += [pipeline.version_file] if pipeline.version_file else []
        texts += [path for gate in pipeline.gates for path in gate.own_code]
        texts += [text for text in _texts(pipeline.policy) if re.fullmatch(r"[^\s$]*[./][^\s$]*", text)]
        return cls(tuple(dict.fromkeys(name for text in texts for name in _names(text, pipeline.root))), pipeline.root)

    def match(self, path: str) -> bool:
        """Whether a path of the repository is one of them, below one, or a file by which DVC keeps one; in doubt it is."""
        return self._named(path) or (dvc.tracks_data(path) and self._kept_by(path))

    def _named(self, path: str) -> bool:
        return any(fnmatchcase(path, pattern) or fnmatchcase(path, f"{pattern}/*") for pattern in self._patterns)

    def _kept_by(self, path: str) -> bool:
        """By the outputs that the file declares, and by its name: one that is not here (any more) says no more."""
        name = path.removesuffix(".dvc")
        if name != path and self._overlap(name):
            return True
        if self.root is None or not (self.root / path).exists():
            return name == path
        try:
            outs = dvc.outs(self.root / path)
        except (OSError, ValueError):
            return True
        return any("${" in str(out) or self._overlap(os.path.relpath(out, self.root)) for out in outs)

    def _overlap(self, out: str) -> bool:
        """Whether an output is one of the paths, below one, or holds one."""
        above = {str(each) for pattern in self._patterns for each in PurePosixPath(pattern).parents}
        return self._named(out) or any(fnmatchcase(out, each) for each in above)

    @cached_property
    def _patterns(self) -> list[str]:
        return [pattern for name in self.names for pattern in (glob.escape(name), name.replace("**/", "*"))]

    def examples(self, root: Path) -> list[str]:
        """Names of files that they stand for, whether or not there are such."""
        files = [
            path
            for name in self.names
            for match in islice(glob.iglob(name, root_dir=root, recursive=True), _EXAMPLES)  # noqa: PTH207
            for path in islice((root / match).rglob("*"), _EXAMPLES)
        ]
        return [*self.names, *(path.relative_to(root).as_posix() for path in files)]


def _names(text: str, root: Path) -> Iterator[str]:
    """A text of a pipeline as the name of what it would be below the root, and of where a link there leads."""
    text = _FUNCTION.sub("", text.removeprefix("sqlite:///"))
    if is_url(text):
        return
    name = os.path.relpath(os.path.normpath(root / _VARIABLE.sub("*", text)), root)
    if name in (".", "*") or name.startswith(".."):  # a variable alone is an address, or it would need none
        return
    yield Path(name).as_posix()
    real = (root / name).resolve()
    if real != root.resolve() / name and real.is_relative_to(root.resolve()):
        yield real.relative_to(root.resolve()).as_posix()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for below in value.values():
            yield from _texts(below)
    elif isinstance(value, list | tuple):
        for below in value:
            yield from _texts(below)

"""Find the command by which DVC brings a path that is not here."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from lockgate.foreign.files import read_regular
from lockgate.references.dvc_files import outputs

_STAGES = ("dvc.lock", "dvc.yaml")


def tracks_data(path: str) -> bool:
    """Whether a path is that of a file by which DVC keeps data."""
    return path.endswith(".dvc") or PurePosixPath(path).name in _STAGES


def pull_command(path: Path, root: Path) -> str | None:
    """The command by which DVC brings a path: by a .dvc file beside it or a folder above, or as an output of a stage."""
    for above in _upwards(path, root):
        pointer = above.with_name(f"{above.name}.dvc")
        if above.name and pointer.is_file():
            return f"dvc pull {shlex.quote(below(pointer, root))}"
    for folder in _upwards(path.parent, root):
        for file in _STAGES:
            if any(out in _parents_of(path) for out in _outs(folder / file)):
                return f"dvc pull {shlex.quote(below(path, root))}"
        if any(out in _parents_of(path) for pointer in folder.glob("*.dvc") for out in _outs(pointer)):
            return f"dvc pull {shlex.quote(below(path, root))}"
    return None


def _parents_of(path: Path) -> set[Path]:
    return {path, *path.parents}


def _upwards(path: Path, root: Path) -> Iterator[Path]:
    """The path, and the folders above it up to the root."""
    yield path
    while path != root and root in path.parents:
        path = path.parent
        yield path


def outs(file: Path) -> list[Path]:
    """What a file of DVC declares as outputs, with `${…}` where a variable stands. Raises OSError, ValueError."""
    return [Path(output.path) for output in outputs(read_regular(file), file.parent.as_posix())]


def _outs(file: Path) -> list[Path]:
    """Nothing where it cannot be read."""
    try:
        return outs(file)
    except (OSError, ValueError):
        return []


def below(path: Path, root: Path) -> str:
    """A path as people read it: from the root where it is below it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

"""Find the command by which DVC brings a path that is not here."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml


def pull_command(path: Path, root: Path) -> str | None:
    """The command by which DVC brings a path: by a .dvc file beside it or a folder above, or as an output of a stage."""
    for above in _upwards(path, root):
        pointer = above.with_name(f"{above.name}.dvc")
        if above.name and pointer.is_file():
            return f"dvc pull {shlex.quote(below(pointer, root))}"
    for folder in _upwards(path.parent, root):
        for file in ("dvc.lock", "dvc.yaml"):
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


def _outs(file: Path) -> Iterator[Path]:
    """What a file of DVC declares as outputs; nothing where it cannot be read."""
    try:
        document: Any = yaml.safe_load(file.read_bytes()) if file.is_file() else None
    except (OSError, yaml.YAMLError, UnicodeError):
        return
    if not isinstance(document, dict):
        return
    stages = document.get("stages")
    for stage in [document, *(stages.values() if isinstance(stages, dict) else ())]:
        if not isinstance(stage, dict):
            continue
        outs = stage.get("outs")
        for out in outs if isinstance(outs, list) else ():
            # `path` in a lock or a .dvc file; in dvc.yaml the path itself, or a mapping of it to its options
            name = out.get("path") or next(iter(out), None) if isinstance(out, dict) else out
            if isinstance(name, str):
                yield Path(os.path.normpath(file.parent / str(stage.get("wdir") or ".") / name))


def below(path: Path, root: Path) -> str:
    """A path as people read it: from the root where it is below it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

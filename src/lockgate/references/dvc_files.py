"""Read what DVC's own files say of its outputs, in the checkout or at a commit; DVC is not needed."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from lockgate import git
from lockgate.foreign import yaml

_md5 = partial(hashlib.md5, usedforsecurity=False)
_OUTS = ("outs", "metrics", "plots")


@dataclass(frozen=True)
class Output:
    """What DVC keeps. path: with forward slashes, from where the folder of its file starts. md5: of its bytes, `….dir` of the
    list of a folder's files; None where none is recorded. file: that says so at a commit."""

    path: str
    md5: str | None
    file: str = ""


def outputs(document: bytes, folder: str) -> list[Output]:
    """What a .dvc file, dvc.lock or dvc.yaml declares, with `${…}` where a variable stands. folder: that it lies in.

    Raises ValueError.
    """
    fields = yaml.read(document.decode())
    if not isinstance(fields, dict):
        raise ValueError("it is no mapping")
    entries = list[Output]()
    stages = fields.get("stages", fields)  # a lock of the first schema has them at the top
    for entry in [fields, *(stages.values() if isinstance(stages, dict) else ())]:
        stage = entry.get("do", entry) if isinstance(entry, dict) else None  # of `foreach`
        if not isinstance(stage, dict):
            continue
        for out in [out for key in _OUTS if isinstance(stage.get(key), list) for out in stage[key]]:
            # `path` in a lock or a .dvc file; in dvc.yaml the path itself, or a mapping of it to its options
            name = out.get("path") or next(iter(out), None) if isinstance(out, dict) else out
            md5 = out.get("md5") if isinstance(out, dict) else None
            if isinstance(name, str):
                path = posixpath.normpath(posixpath.join(folder, str(stage.get("wdir") or "."), name))
                entries.append(Output(path, md5 if isinstance(md5, str) else None))
    return entries


def kept_at(commit: str, path: str, root: Path) -> Output | None:
    """What DVC kept at a commit of a path, or of the folder that it lies in; None where it kept nothing of it.

    commit: the whole hash of one. path: from the root, which may lie below that of the repository.
    """
    way = PurePosixPath(posixpath.normpath(path))
    above = {str(way), *map(str, way.parents)} - {"."}
    for file in _files_of_dvc(commit, way, root):
        try:
            entries = outputs(git.content(commit, f"./{file}", root) or b"", str(file.parent))
        except ValueError:
            continue
        for entry in entries:
            if entry.path in above and entry.md5:
                return replace(entry, file=str(file))
    return None


def _files_of_dvc(commit: str, path: PurePosixPath, root: Path) -> Iterator[PurePosixPath]:
    """Where DVC may say something of a path: the likeliest first."""
    ways = [path, *list(path.parents)[:-1]]
    yield from (way.with_name(f"{way.name}.dvc") for way in ways)
    yield from (folder / "dvc.lock" for folder in path.parents)
    for folder in path.parents:
        named = {PurePosixPath(name) for name in git.names_in(commit, str(folder), root) if name.endswith(".dvc")}
        yield from sorted(named - {way.with_name(f"{way.name}.dvc") for way in ways})


# A run holds its data against their commit where it begins and where it reads them. Whoever writes to a file changes its ctime.
_TAKEN: dict[tuple[int, ...], str] = {}
_TICK_NS = 2_000_000_000  # clocks of file systems are no finer: within it a second change may not show


def md5_of(path: Path) -> str:
    """The MD5 by which DVC keeps a file, or a folder: that of the list of its files."""
    if not path.is_dir():
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            unchanged = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            if unchanged in _TAKEN:
                return _TAKEN[unchanged]
            md5 = hashlib.file_digest(file, _md5).hexdigest()
        if time.time_ns() - status.st_ctime_ns > _TICK_NS:
            _TAKEN[unchanged] = md5
        return md5
    files = {each.relative_to(path).as_posix(): each for each in path.rglob("*") if each.is_file()}
    entries = [
        {"md5": md5_of(files[name]), "relpath": name} for name in sorted(files, key=lambda name: name.split("/"))
    ]
    return _md5(json.dumps(entries, sort_keys=True).encode()).hexdigest() + ".dir"

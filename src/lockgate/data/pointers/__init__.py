"""Recognize what stands for data that is elsewhere: pointers of Git LFS, DVC and git-annex, each with its command."""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from lockgate.data.pointers.dvc import below, pull_command
from lockgate.errors import DataError, NotHere, NotPulled

_MOST_BYTES = 2048  # a pointer is shorter
_SIGNS = (
    (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS", "git lfs pull --include {path}"),
    (b"version https://hawser.github.com/spec/v1", "a pointer of Git LFS", "git lfs pull --include {path}"),
    (b"/annex/objects/", "a pointer of git-annex", "git annex get {path}"),
    (b"#$# git-fat ", "a pointer of git-fat", "git fat pull {path}"),
)


def is_file(path: Path) -> bool:
    """Whether a path is a file, or a link to one that is not here: that must not be overlooked."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def require_data(paths: Sequence[Path], *, whole: Path, root: Path) -> list[Path]:
    """The paths without pointers of DVC that lie beside their data. Raises NotHere for what stands in place of data.

    whole: the path that they are of. The message follows it.
    """
    kept = []
    for path in paths:
        if path.suffix == ".dvc" and path != whole and path.with_suffix("").exists():
            continue
        refusal = _refusal(path, "is" if path == whole else f"holds {below(path, root)},", root)
        if refusal is not None:
            raise refusal
        kept.append(path)
    return kept


def refuse_missing_of_glob(pattern: str, *, root: Path) -> None:
    """Raise NotPulled where a glob would match more if what DVC keeps were here."""
    matches = glob.glob(f"{pattern}.dvc", root_dir=root, recursive=True)  # noqa: PTH207  # the root is no pattern
    pointers = sorted(path for match in matches if not (path := root / match).with_suffix("").exists())
    if pointers:
        names = [below(path, root) for path in pointers]
        message = f"would match {names[0].removesuffix('.dvc')}, which is not here: DVC keeps it"
        raise _not_pulled(message, f"dvc pull {' '.join(map(shlex.quote, names))}")


def refuse_missing(pattern: str, *, root: Path) -> None:
    """Raise NotPulled where DVC keeps what a path, or a glob that matches nothing, names."""
    path = Path(os.path.normpath(root / pattern))
    while glob.has_magic(path.name) and path != root:
        path = path.parent
    command = None if path == root else pull_command(path, root)
    if command is not None:
        raise _not_pulled("is not here: DVC keeps it", command)


def _not_pulled(message: str, command: str) -> NotPulled:
    return NotPulled(message, remedy=f"bring the data: {command}")


def _refusal(path: Path, verb: str, root: Path) -> DataError | None:
    """Why a file or a link is no data; None where it is no pointer. verb: what the message begins with."""
    quoted = shlex.quote(below(path, root))
    if path.is_symlink() and not path.exists():
        target = path.readlink().as_posix()
        if ".git/annex/objects" in target:
            return _not_pulled(f"{verb} a link of git-annex to data that are not here", f"git annex get {quoted}")
        message, command = f"{verb} a link to {target}, which is not here", pull_command(path, root)
        return (
            NotHere(message, remedy="bring back what it links to") if command is None else _not_pulled(message, command)
        )
    if path.suffix == ".dvc":
        data = below(path.with_suffix(""), root)
        if path.with_suffix("").exists():
            return DataError(f"{verb} a pointer of DVC to {data}, not the data", remedy=f"write path: {data}")
        return _not_pulled(
            f"{verb} a pointer of DVC to {data}, which is not here and is what to name", f"dvc pull {quoted}"
        )
    if path.stat().st_size > _MOST_BYTES:
        return None
    start = path.read_bytes()
    for sign, words, command in _SIGNS:
        if start.startswith(sign):
            return _not_pulled(f"{verb} {words} instead of data", command.format(path=quoted))
    return None

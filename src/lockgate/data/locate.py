"""Find the files that a path of this machine names: those of a file, a folder or a glob.

What holds for names of files wherever they lie is here too: which are hidden, which values their folders give.
"""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from lockgate.data import pointers
from lockgate.data.lakehouse.governed import Governed, governed_above, governed_within, refuse_governed, refuse_removed
from lockgate.errors import DataError, NotHere
from lockgate.foreign.files import other_kind, siblings

if TYPE_CHECKING:
    from lockgate.data.lakehouse.delta import TableState

MISSING_PARTITION = "__HIVE_DEFAULT_PARTITION__"
ENDINGS = {
    ".parquet": "parquet", ".parq": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".har": "har",
}  # fmt: skip
# Hidden folders that programs keep beside data.
_OWN = re.compile(
    r"_delta_log|_delta_index|_change_data|_spark_metadata|_symlink_format_manifest|_checkpoints?|_impala_insert_staging"
    r"|__pycache__|__MACOSX|\.(?:git|hg|svn|dvc|hoodie|ipynb_checkpoints|cache|venv|idea|vscode|snapshots?|zfs|Trash.*"
    r"|AppleDouble|TemporaryItems|(?:hive|spark)-staging.*)"
)
_CONTENT_HASH = re.compile(r"[0-9a-f]{30}")
CODECS = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True)
class Located:
    """What a path names. files: (name below the folder, or the fixed part of a glob; path), sorted. alone: whether that is
    one file. table: the Delta table that they are of; names are relative to its folder then."""

    files: tuple[tuple[str, Path], ...]
    alone: bool = False
    table: TableState | None = None


def locate(path: str, root: Path, *, version: int | None = None) -> Located:
    """The files that a path names, relative to the root or absolute. version: of a Delta table; its newest where None.

    Raises DataError, whose message follows the path.
    """
    whole = root / path
    if pointers.is_file(whole):
        refuse_governed(_above([whole]))
        pointers.require_data([whole], whole=whole, root=root)
        return Located(((whole.name, whole),), alone=True)
    if whole.is_dir():
        table = _above([whole])
        return (
            _table(table, whole, version)
            if table is not None and table.kind == "Delta"
            else _folder(whole, table, root)
        )
    if not glob.has_magic(path):
        pointers.refuse_missing(path, root=root)
        raise _absent(whole)
    pointers.refuse_missing_of_glob(path, root=root)
    matches = glob.glob(path, root_dir=root, recursive=True)  # noqa: PTH207  # the root is no pattern
    files = sorted({file for match in matches if pointers.is_file(file := root / match)}, key=Path.as_posix)
    if not files:
        pointers.refuse_missing(path, root=root)
        raise NotHere("matches no file", remedy="correct the glob; relative ones start at the root of the repository")
    refuse_governed(_above(files))
    base = root / fixed_part(path)
    names = {file.relative_to(base).as_posix(): file for file in files}
    once = _once(names, _linked(names, base))
    return Located(_named(pointers.require_data(list(once.values()), whole=whole, root=root), base))


def _folder(folder: Path, table: Governed | None, root: Path) -> Located:
    refuse_governed(table)
    names = {file.relative_to(folder).as_posix(): file for file in _files_below(folder)}
    refuse_governed(governed_within(names))
    linked = _linked(names, folder)
    refuse_governed(_above(map(Path, linked.values())))
    refuse_removed(names, lambda name: names[name].read_bytes())
    names = _once(names, linked)
    inside = pointers.require_data([names[name] for name in visible(names)], whole=folder, root=root)
    if not inside:
        raise NotHere("is a folder without data files", remedy="put files in it, or correct the path")
    return Located(_named(inside, folder))


def _files_below(folder: Path, above: tuple[str, ...] = ()) -> Iterator[Path]:
    """Every file in a folder and below, also behind links, as globs find them. above: the real folders on the way here,
    into which no link leads back."""
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        entries = sorted(folder.iterdir())
    except PermissionError:  # lost+found
        return
    for entry in entries:
        if entry.is_dir():
            yield from _files_below(entry, (*above, real))
        elif pointers.is_file(entry):
            yield entry


def _linked(names: Mapping[str, Path], base: Path) -> dict[str, str]:
    """Name → real path, of the files that a link on their way leads to."""
    above = os.path.realpath(base)
    ways = {name: os.path.realpath(file) for name, file in names.items()}
    return {name: way for name, way in ways.items() if way != f"{above.rstrip('/')}/{name}"}


def _once(names: Mapping[str, Path], linked: Mapping[str, str]) -> dict[str, Path]:
    """The files without names that a link gives one of them again; kept is a visible name before its own, its own before a link's.

    linked: name → real path, of those that a link leads to.
    A file that is called by the hash of its content is what a store holds for all equal files, and no file of the folder.
    Raises DataError where two names of a file give a column different values.
    """
    if not linked:
        return dict(names)
    once: dict[str, str] = {}
    for name in sorted(names, key=lambda name: (_hidden_part(name) is not None, name in linked, name.count("/"), name)):
        file = names[name]
        real = linked.get(name) or os.path.realpath(file)
        if _CONTENT_HASH.search(real.rpartition("/")[2]):
            real = f"{os.path.realpath(file.parent)}/{file.name}"
        first = once.setdefault(real, name)
        keys, others = _keys(first), _keys(name)
        if any(keys[key] != others[key] for key in keys.keys() & others.keys()):
            raise DataError(
                f"reaches one file as {first} and, by a link, as {name}",
                remedy="remove the link, or put a copy there where its rows belong to both",
            )
    return {name: names[name] for name in once.values()}


def _keys(name: str) -> dict[str, str]:
    return {key: value for key, _, value in (folder.partition("=") for folder in name.split("/")[:-1]) if value}


def _table(table: Governed, folder: Path, version: int | None) -> Located:
    from lockgate.data.lakehouse.delta import read_state

    root = Path(table.folder)
    way = folder.absolute() if folder.absolute().is_relative_to(root) else folder.resolve()
    state = read_state(root, below=prefix(way.relative_to(root).as_posix()), version=version)
    files = tuple((file.name, root / file.name) for file in state.files)
    absent = [name for name, path in files if not path.is_file()]
    if absent:
        raise DataError(
            f"lacks {len(absent):,} of the files of its version {state.version}, for example {absent[0]}",
            remedy="bring the whole table here, as it is now"
            if version is None
            else "name a version whose files VACUUM has left",
        )
    return Located(files, table=state)


def log_entries(table: TableState | None) -> list[tuple[str, str, int]]:
    """What a table's log adds to the (name, sha256, size) list of its files, so that the digest changes when it does."""
    return [] if table is None else [("_delta_log", table.digest, table.version)]


def prefix(folder: str) -> str:
    """What the names of files in a folder begin with, where the names are relative to one above it."""
    return "" if folder in ("", ".") else f"{folder}/"


def _named(files: Iterable[Path], base: Path) -> tuple[tuple[str, Path], ...]:
    return tuple(sorted((file.relative_to(base).as_posix(), file) for file in files))


def _above(paths: Iterable[Path]) -> Governed | None:
    """The table that one of the paths is, or lies in, also behind a link."""
    ways = {form for path in paths for form in (path.absolute(), path.resolve())}
    return governed_above((str(way if way.is_dir() else way.parent) for way in ways), _names)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  # names are all that is needed
    except OSError:
        return []


def _absent(path: Path) -> NotHere:
    if path.exists():
        return NotHere(f"is {other_kind(path.stat().st_mode)}, no file", remedy="name a file, a folder or a glob")
    near = get_close_matches(path.name, siblings(path), n=1)
    return NotHere(
        "does not exist",
        remedy=f"did you mean {near[0]!r}?"
        if near
        else "correct the path; relative ones start at the root of the repository",
    )


def fixed_part(pattern: str) -> Path:
    """The folder above the first part of a glob that is a pattern."""
    return Path(*itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))


def visible(names: Iterable[str]) -> list[str]:
    """The names below a folder without hidden ones, as Spark and Hadoop hide them: `.x`, `_x`, but not `_x=1/`.

    Raises DataError where that would leave out a data file, or where a job still writes. What lies in a hidden folder is
    one where it has the format of what is visible, unless the folder is known as some program's own.
    """
    hidden = {name: _hidden_part(name) for name in names}
    files = [name for name, part in hidden.items() if part is None]
    formats = {file_format(name) for name in files} or set(ENDINGS.values())
    for name, part in hidden.items():
        *folders, last = name.split("/")
        if "_temporary" in folders:
            raise DataError(
                "holds a folder _temporary: a job is writing there, or died while it did",
                remedy="wait until it is done; where it died, write the data again",
            )
        if part is None or last.startswith((".", "_committed_", "_started_")) or any(map(_OWN.fullmatch, folders)):
            continue
        if file_format(last) in (formats - {None} if part in folders else ENDINGS.values()):
            raise DataError(
                f"holds {name}, and names that begin with {part[0]} are hidden by custom",
                remedy="rename it, or say by a glob which files are meant: *.parquet takes it, [!_]*.parquet does not"
                if part == last
                else f"rename or remove {part}, or say by a glob which files are meant",
            )
    return files


def _hidden_part(name: str) -> str | None:
    """The first part of a name that hides it; None of a visible one."""
    *folders, last = name.split("/")
    for folder in folders:
        if folder.startswith(".") or (folder.startswith("_") and "=" not in folder):
            return folder
    return last if last.startswith((".", "_")) else None


def file_format(name: str) -> str | None:
    """parquet | csv | jsonl | har by a name's end, a codec's left out; None where it is none of them."""
    stem, end = os.path.splitext(name.lower())  # noqa: PTH122  # of names behind addresses too
    return ENDINGS.get(os.path.splitext(stem)[1] if end in CODECS else end)  # noqa: PTH122


def partitions(name: str) -> Mapping[str, str | None]:
    """The columns that the folders in a name give all rows of its file, as Hive writes them: `country=BR/month=01/a.parquet`.

    None is a missing value. Raises DataError where a folder is no text, or one contradicts another.
    """
    values: dict[str, str | None] = {}
    for folder in name.split("/")[:-1]:
        key, sign, value = folder.partition("=")
        if not sign or not key:
            continue
        try:
            column, text = (unquote_to_bytes(part).decode() for part in (key, value))
        except UnicodeDecodeError as error:
            raise DataError(
                f"has a folder {folder} that is not UTF-8", remedy="name it by UTF-8, percent-encoded"
            ) from error
        if column in values:
            raise DataError(f"gives {column!r} twice, in {name}", remedy="let each folder give a column of its own")
        values[column] = None if text == MISSING_PARTITION else text
    return values


class UnchangedFiles:
    """Hold each file against what it was when it was first looked at: it may change between its digest and its reading.

    That is its size, the time of its last change, and its inode.
    """

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

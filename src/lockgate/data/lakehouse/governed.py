"""Tell a folder whose files are governed by a log: read as a heap of files it gives rows that the log has removed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lockgate.errors import DataError

# Folder beside the files → whose it is, and what lies in it.
_MARKS = {
    "_delta_log": ("Delta", re.compile(".*")),
    ".hoodie": ("Hudi", re.compile(".*")),
    "metadata": ("Iceberg", re.compile(r"(v\d+|\d+-[0-9a-f-]{36})(\.gz)?\.metadata\.json(\.gz)?|version-hint\.text")),
    "snapshot": ("Paimon", re.compile(r"snapshot-\d+")),
    "_spark_metadata": ("Spark streaming", re.compile(".*")),
}
_EXPORT = {
    "Hudi": 'spark.read.format("hudi").load(…).write.parquet(…)',
    "Iceberg": "with pyiceberg: pyarrow.parquet.write_table(catalog.load_table(…).scan().to_arrow(), …)",
    "Paimon": 'spark.read.format("paimon").load(…).write.parquet(…)',
    "Spark streaming": "spark.read.parquet(…).write.parquet(…)",
}


@dataclass(frozen=True)
class Governed:
    """A folder whose files are governed by a log. kind: Delta | Hudi | Iceberg | Paimon | Spark streaming."""

    folder: str
    kind: str


def governed_above(folders: Iterable[str], names: Callable[[str], Iterable[str]]) -> Governed | None:
    """The table that is one of the folders, or holds one of them. names(folder): what lies in it, nothing where it is none.

    Folders called `key=value` are parts of tables, and are not looked into.
    """
    ways: dict[str, None] = {}
    for folder in folders:
        while folder and folder not in ways:
            ways[folder] = None
            folder = folder.rpartition("/")[0] or ("/" if folder[0] == "/" != folder else "")
    for folder in ways:
        if "=" in folder.rpartition("/")[2]:
            continue
        for mark, (kind, inside) in _MARKS.items():
            if any(map(inside.fullmatch, names(f"{folder.rstrip('/')}/{mark}"))):
                return Governed(folder, kind)
    return None


def governed_within(names: Iterable[str]) -> Governed | None:
    """The table that lies below a folder, by the names of all files in it."""
    for name in names:
        parts = name.split("/")
        for depth, part in enumerate(parts[:-1]):
            kind, inside = _MARKS.get(part, ("", None))
            if inside is not None and inside.fullmatch(parts[depth + 1]):
                return Governed("/".join(parts[:depth]), kind)
    return None


def refuse_removed(names: Iterable[str], read: Callable[[str], bytes]) -> None:
    """Raise DataError where files that Databricks' commits have removed still lie in a folder, or were never committed.

    names: of all files in the folder. read(name): its bytes.
    """
    present = set(names)
    for name in sorted(present):
        folder, sign, commit = name.rpartition("_started_")
        if sign and f"{folder}_committed_{commit}" not in present:
            uncommitted = [each for each in present if f"-tid-{commit}-" in each]
            removed = {min(uncommitted)} if uncommitted else set()
        elif re.search(r"(^|/)_committed_\d+$", name):
            folder = name.rpartition("_committed_")[0]
            removed = {f"{folder}{each}" for each in json.loads(read(name) or b"{}").get("removed", ())} & present
        else:
            continue
        if removed:
            raise DataError(
                f"holds {min(removed)}, which {name} says does not count",
                remedy="run VACUUM on the folder, or write its rows anew",
            )


def refuse_governed(table: Governed | None) -> None:
    """Raise DataError for a table: its files are not read as a heap."""
    if table is None:
        return
    if table.kind == "Delta":
        raise DataError(
            f"has files of the Delta table {table.folder}, whose log says which of them count",
            remedy="name the table's folder, or a folder in it; no file of it, and no glob",
        )
    raise DataError(
        f"has files of the {table.kind} table {table.folder}, whose log says which of them count, and is not read here",
        remedy=f"export its rows as they are now, and name those files: {_EXPORT[table.kind]}",
    )

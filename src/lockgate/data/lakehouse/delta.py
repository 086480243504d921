"""Read the log of a Delta table by delta-rs: which files hold its rows now, and what it says of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from lockgate import hashing as digests
from lockgate.data import arrow_arrays as arrays
from lockgate.errors import DataError

_FEATURES = frozenset(
    ["deletionVectors", "timestampNtz", "typeWidening", "typeWidening-preview", "v2Checkpoint", "vacuumProtocolCheck"]
)  # fmt: skip
_EXPORT = 'write its rows as a folder of Parquet files, for example spark.read.format("delta").load(…).write.parquet(…)'


@dataclass(frozen=True)
class TableFile:
    """One file of the table. name: below its folder. constants: column → its value in all rows, an array of one.
    kept: (n,) bool, the rows that are not deleted; None where all are there."""

    name: str
    constants: Mapping[str, pa.Array]
    kept: arrays.Array | None


@dataclass(frozen=True)
class TableState:
    """The table at one version. files: sorted by name."""

    version: int
    schema: pa.Schema
    files: tuple[TableFile, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of what the log says: version, columns, and of each file its values and deleted rows."""
        files = [
            [
                file.name,
                {name: str(value[0].as_py()) for name, value in file.constants.items()},
                None if file.kept is None else digests.sha256(file.kept.tobytes()),
            ]
            for file in self.files
        ]
        return digests.sha256(digests.canonical([self.version, self.schema.to_string(), files]))


def read_state(table: Path, *, below: str = "", version: int | None = None) -> TableState:
    """The state of a table on this machine, or of the part of it below one of its folders. Its data are not opened.

    version: which; the newest where None.

    Raises DataError, whose message follows the path.
    """
    try:
        from deltalake import DeltaTable
    except ImportError as error:
        raise DataError("is a Delta table, and deltalake is not installed", remedy="install lockgate[delta]") from error
    try:
        log = DeltaTable(str(table.absolute()))
        if version is not None and version > log.version():
            raise DataError(
                f"has no version {version}", remedy=f"name one that is there; its newest is {log.version()}"
            )
        if version is not None:
            log = DeltaTable(str(table.absolute()), version=version)
        _refuse_unreadable(log)
        schema = pa.schema(log.schema().to_arrow())
        actions = pa.table(log.get_add_actions())
        kept = {unquote(uri): mask for uri, mask in _masks(log)}
    except DataError:
        raise
    except Exception as error:  # delta-rs raises what its engine does
        cause = str(error).partition("\n")[0][:200]
        raise DataError(
            f"cannot be read as a Delta table ({cause})", remedy="bring the whole table here, its _delta_log too"
        ) from error
    partitions = actions.column("partition").combine_chunks() if "partition" in actions.column_names else None
    files = []
    for number, encoded in enumerate(actions.column("path").to_pylist()):
        name = unquote(encoded)
        if "://" in name or name.startswith(("/", "file:")):
            raise DataError("is a Delta table of files that lie elsewhere, a shallow clone", remedy=_EXPORT)
        if not name.startswith(below):
            continue
        constants = {} if partitions is None else {
            field.name: partitions.field(index).slice(number, 1).cast(schema.field(field.name).type)
            for index, field in enumerate(partitions.type)
        }  # fmt: skip
        files.append(
            TableFile(name, constants, next((mask for uri, mask in kept.items() if uri.endswith(f"/{name}")), None))
        )
    if not files:
        raise DataError(f"is a Delta table without rows at its version {log.version()}", remedy="put rows in it")
    return TableState(log.version(), schema, tuple(sorted(files, key=lambda file: file.name)))


def _refuse_unreadable(log: Any) -> None:
    protocol = log.protocol()
    unknown = sorted(set(protocol.reader_features or ()) - _FEATURES)
    mode = (log.metadata().configuration or {}).get("delta.columnMapping.mode", "none")
    if mode == "none":
        unknown = [feature for feature in unknown if feature != "columnMapping"]
    elif "columnMapping" not in unknown:
        unknown.append("columnMapping")
    if unknown or protocol.min_reader_version > 3:
        raise DataError(
            f"is a Delta table with {', '.join(unknown) or 'a newer protocol'}, which is not read here", remedy=_EXPORT
        )


def _masks(log: Any) -> list[tuple[str, arrays.Array]]:
    """(address of a file, (n,) bool which of its rows are there) of those of which some are deleted."""
    if "deletionVectors" not in (log.protocol().reader_features or ()):
        return []
    vectors = pa.table(log.deletion_vectors())
    return [
        (uri, arrays.to_numpy(arrays.whole(mask)))
        for uri, mask in zip(
            vectors.column("filepath").to_pylist(),
            (each.values for each in vectors.column("selection_vector")),
            strict=True,
        )
    ]

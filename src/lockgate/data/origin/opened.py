"""Find or copy the files of one entry of `data:`, in the version that it names, and tell which version they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockgate.data import remote
from lockgate.data.locate import locate
from lockgate.data.origin.at_commit import hold_at_commit
from lockgate.data.origin.version import object_address, table_version
from lockgate.errors import DataError, NotHere

if TYPE_CHECKING:
    from lockgate.data.dataset_spec import DatasetSpec
    from lockgate.data.lakehouse.delta import TableState


@dataclass(frozen=True)
class Opened:
    """files: (name below the folder, or the fixed part of a glob; path; `sha256:…` where it was taken already), sorted.

    alone: whether that is one file. table: the Delta table that they are of. origin: the version that was read, as far as
    whatever keeps the data has versions: `version`, and of an object its `etag` and when it was `written`; of data that
    DVC or Git keeps, by which (`kept_by`).
    """

    files: tuple[tuple[str, Path, str | None], ...]
    alone: bool
    table: TableState | None
    origin: Mapping[str, Any] = field(default_factory=dict)


def opened(spec: DatasetSpec, root: Path, scratch: Path) -> Opened:
    """The files of an entry. scratch: where those behind an address are copied to.

    Raises DataError, whose message follows the path.
    """
    path, version = remote.local(spec.path), table_version(spec.version)
    if remote.is_url(path):
        try:
            copied = remote.copy(object_address(path, spec.version), scratch, version=version)
        except DataError as error:
            raise NotHere(error.message, remedy=error.remedy) from error
        named = Opened(copied.files, copied.alone, copied.table, copied.origin)
    else:
        located = locate(path, root, version=version)
        origin = {} if version is not None or spec.version is None else hold_at_commit(path, spec.version, root)
        named = Opened(tuple((name, file, None) for name, file in located.files), located.alone, located.table, origin)
    if named.table is not None:
        return replace(named, origin={"version": named.table.version})
    if version is not None:
        raise DataError(
            f"is no Delta table, which alone has a version {spec.version}",
            remedy="name the version as what keeps the data does: a version id of S3, a Git commit for what DVC or Git keeps",
        )
    return named

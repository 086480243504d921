"""What the `version` of an entry of `data:` is: a number of a Delta table, a version id of S3, or a Git commit."""

from __future__ import annotations

import re
from glob import has_magic
from typing import Any

from lockgate.references.address import address_of
from lockgate.references.git import HASH
from lockgate.references.tables.delta import NUMBER

_VERSION_ID = re.compile(r"[\w.~:+/=-]{1,1024}", re.ASCII)
_S3 = ("s3", "s3a")


def read_version(value: Any) -> Any:
    """A version as it is written, a number too. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, float):
        raise ValueError(f"{value!r} is a number with a point; put the version into quotes")
    return value


def problem_of(version: str, path: str, *, remote: bool) -> str | None:
    """What is wrong with a version of what lies at a path; None where it may be one."""
    if table_version(version) is not None or "${" in version:
        return None
    address = address_of(path)
    if not remote:
        if not HASH.fullmatch(version):
            return (
                f"`version` is {version!r}; write the number of a Delta table's version, or the whole hash of the Git commit "
                "at which DVC or Git kept the data: git rev-parse HEAD"
            )
        return "`version` is a commit, and `path` is a glob; name the folder" if has_magic(path) else None
    if address is None or address.scheme not in _S3:
        return f"`version` is {version!r}, and {path.partition(':')[0]}:// has no versions that are read here; write `digest`"
    if address.query or address.path.endswith("/") or not _VERSION_ID.fullmatch(version):
        return "`version` is the version id of one object of S3, and `path` its address without another"
    return None


def table_version(version: str | None) -> int | None:
    """The version of a Delta table that is meant; None where the text names none."""
    return int(version) if version is not None and NUMBER.fullmatch(version) else None


def object_address(path: str, version: str | None) -> str:
    """The address with the version id in it."""
    return path if version is None or table_version(version) is not None else f"{path}?versionId={version}"


def required_digest(path: str) -> str | None:
    """`sha256:…` of an address that says it behind `#`."""
    address = address_of(path)
    return None if address is None else address.digest

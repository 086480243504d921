"""Delta tables by version: `path@v3`, `delta:catalog.schema.table@v3`, `…?versionAsOf=3`, `… VERSION AS OF 3`."""

from __future__ import annotations

import re

from lockgate.references.address import address_of, redacted
from lockgate.references.objects.file import FILE_NAME
from lockgate.references.reference import Reference, moving, pinned

_PREFIX = re.compile(r"delta(?::(?://)?|\.(?=`))", re.IGNORECASE)
_VERSION = re.compile(r"(?P<table>.*?\S)(?P<sign>@v|\s+version\s+as\s+of\s+)(?P<version>\d{1,14})", re.IGNORECASE)
_MOMENT = re.compile(r"(?P<table>.*?\S)(?:@\d{17}|\s+timestamp\s+as\s+of\s+.*)", re.IGNORECASE)
_WAY = re.compile(
    r"(?!/|[A-Za-z][A-Za-z0-9+.-]*:|\w+(?:\.\w+){1,2}$)"
)  # a relative path; no address, and no table of a catalog
NUMBER = re.compile(r"\d{1,14}", re.ASCII)  # of a version
_QUERY = ("versionasof", "version")


def parse(text: str) -> Reference | None:
    """A Delta table, by its prefix or its version; None of any other text."""
    if "\n" in text:
        return None
    bare = _PREFIX.sub("", text, count=1)
    match = _VERSION.fullmatch(bare)
    if match is not None and not FILE_NAME.fullmatch(match["table"].lower()):
        table, version = match["table"].strip("`"), match["version"]
        if bare == text and match["sign"] == "@v" and _WAY.match(table):
            reason = f"v{version} may be a version of a Delta table, or a tag of Git"
            remedy = f"write delta:{table}@v{version}, or {table}.dvc@ and the commit: git rev-parse v{version}"
            return moving("delta", text, reason, remedy, table=table)
        return at_version(table, version, text=redacted(text))
    address = address_of(text if "://" in text else f"delta://{bare}")
    query = {} if address is None else address.query
    version = next((query[name] for name in _QUERY if NUMBER.fullmatch(query.get(name, ""))), "")
    if version and (bare != text or "versionasof" in query):
        return at_version(bare.partition("?")[0], version, text=redacted(text))
    moment = _MOMENT.fullmatch(bare)
    if moment is not None:
        reason = "a moment is looked up by the times of files, which a copy of the table changes"
        return _moving(text, moment["table"].strip("`"), reason)
    return None if bare == text else unpinned(bare.strip("`"), text=redacted(text))


def at_version(table: str, version: str, *, text: str) -> Reference:
    """A table at one of its versions, as MLflow records it too; a version alone is of no table."""
    if not table:
        return moving("delta", text, "it names no table", "write delta:TABLE@v and its version", table=table)
    return pinned("delta", text, f"it is version {int(version)} of the table", table=table, version=str(int(version)))


def unpinned(table: str, *, text: str) -> Reference:
    """A table of which no version is said."""
    return _moving(text, table, "it names no version of the table, so it is the newest")


def _moving(text: str, table: str, reason: str) -> Reference:
    visible = _PREFIX.sub("", redacted(f"delta://{table}" if text.startswith("delta://") else table), count=1)
    remedy = f"write {visible}@v and the version that was read: DeltaTable({visible!r}).version(), or DESCRIBE HISTORY"
    return moving("delta", redacted(text), reason, remedy, table=table)

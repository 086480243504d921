"""Iceberg tables by snapshot: `iceberg:catalog.db.table@8744736658442914487`, or the metadata file of one state."""

from __future__ import annotations

import re

from lockgate.references.address import address_of, redacted
from lockgate.references.reference import Reference, moving, pinned

_PREFIX = re.compile(r"iceberg:(?://)?", re.IGNORECASE)
_SNAPSHOT = re.compile(r"(?P<table>[^@?\s]+)(?:@|\?snapshot[-_]?id=)(?P<snapshot>\d{5,19})", re.IGNORECASE)
_TRAVEL = re.compile(
    r"(?P<table>\S+)\s+(?:for\s+)?(?:system_)?version\s+as\s+of\s+(?P<snapshot>\d{15,19})", re.IGNORECASE
)
_NAMED = re.compile(r"(?P<table>[^@?\s]+)(?:@|\?(?:branch|tag|ref)=)(?P<name>[^@?\s]+)", re.IGNORECASE)
_METADATA = re.compile(r".*/metadata/(?:\d+-[0-9a-f-]{36}|v\d+)(?:\.gz)?\.metadata\.json(?:\.gz)?", re.IGNORECASE)


def parse(text: str) -> Reference | None:
    """An Iceberg table, by its prefix, a snapshot in SQL or its metadata file; None of any other text."""
    address = address_of(text)
    path = text if address is None else address.path
    if _METADATA.fullmatch(path):
        return pinned(
            "iceberg", redacted(text), "it is the metadata of one state of the table, which is never rewritten"
        )
    bare = _PREFIX.sub("", text, count=1)
    match = _TRAVEL.fullmatch(text) or (_SNAPSHOT.fullmatch(bare) if bare != text else None)
    if match is not None:
        return pinned(
            "iceberg", text, f"it is the snapshot {match['snapshot']} of the table",
            table=match["table"], snapshot=match["snapshot"],
        )  # fmt: skip
    if bare == text:
        return None
    named = _NAMED.fullmatch(bare)
    table = bare.partition("?")[0] if named is None else named["table"]
    reason = (
        "it names no snapshot of the table, so it is the newest"
        if named is None
        else f"{named['name']} is a branch or a tag of the table, which moves"
    )
    remedy = f"write iceberg:{table}@ and the snapshot: catalog.load_table({table!r}).current_snapshot().snapshot_id"
    return moving("iceberg", redacted(text), reason, remedy, table=table)

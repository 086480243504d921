"""A table by its name alone, whose catalog is not said."""

from __future__ import annotations

import re

from lockgate.references.reference import Reference, moving

_NAME = re.compile(r"`?[A-Za-z_][\w-]*`?(?:\.`?[A-Za-z_][\w-]*`?){2}")


def parse(text: str) -> Reference | None:
    """`catalog.schema.table`; None of any other text."""
    return unpinned(text) if _NAME.fullmatch(text) else None


def unpinned(table: str) -> Reference:
    """A table of which no state is said."""
    remedy = f"write which state of it: {table}@v3 for Delta, iceberg:{table}@SNAPSHOT, bq://{table}$YYYYMMDD"
    return moving("table", table, "it names a table and no version, snapshot or partition of it", remedy, table=table)

"""Ask for a column as it is stored: text in CSV, exact numbers in JSON lines, the file's own type elsewhere.

What names something (ids, clusters, queries, slices) is read so, since a type that is guessed from looks, or that holds for
all files together, makes different names the same: `01001` and `1001`, or numbers above 2^53 beside a fraction.
"""

from __future__ import annotations

_PREFIX = "lockgate:stored:"  # no column of data begins like this


def stored(column: str) -> str:
    """The name under which `Dataset.batches` yields the column as it is stored."""
    return _PREFIX + column


def is_stored(name: str) -> bool:
    return name.startswith(_PREFIX)


def column_of(name: str) -> str:
    """The column of the data that either name stands for."""
    return name.removeprefix(_PREFIX)

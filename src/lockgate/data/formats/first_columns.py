"""Name the columns that the beginning of a data file shows, without reading the rest."""

from __future__ import annotations

import csv
import io
import json

from lockgate.data.formats import DataFile

_BYTES = 1 << 16


def first_columns(file: DataFile) -> frozenset[str]:
    """Columns that the file certainly has: by its footer, its header, its first lines. Raises what the libraries raise.

    A column that is not among them may still be there.
    """
    if file.format == "parquet":
        import pyarrow.parquet as parquet

        return frozenset(parquet.read_schema(str(file.path)).names)
    with file.stream() as stream:
        head = stream.read(_BYTES)
    lines = head.rpartition(b"\n")[0].decode("utf-8-sig")
    if file.format == "csv":
        return frozenset(next(csv.reader(io.StringIO(lines), delimiter=file.delimiter), ()))
    if file.format == "jsonl":
        return frozenset(name for line in lines.splitlines() if line.strip() for name in json.loads(line))
    return frozenset()

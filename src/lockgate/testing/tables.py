"""Tables that people have, as Arrow tables, and the task that their labels look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lockgate.errors import UsageError


def arrow_table(table: Any) -> pa.Table:
    """A pandas or Arrow table, or a mapping of columns, as an Arrow table. Raises UsageError."""
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if hasattr(table, "to_dict") and hasattr(table, "columns"):
        return pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    if isinstance(table, Mapping):
        return pa.table(dict(table))
    raise UsageError(f"table is {type(table).__name__}", remedy="give a pandas or Arrow table, or a dict of columns")


def task_of(table: pa.Table, label: str) -> str:
    """binary or regression, by the values of the label; binary without one."""
    if label not in table.schema.names:
        return "binary"
    kind = str(table.schema.field(label).type)
    if kind in ("float", "double", "halffloat"):
        return "binary" if set(table.column(label).unique().to_pylist()) <= {0.0, 1.0} else "regression"
    return "binary"

"""Columns that data have not: what was meant by one that is named, and those that are left out."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

import pyarrow as pa

from lockgate.data.formats import DataFile
from lockgate.data.formats.csv import header_problem
from lockgate.errors import DataError, guess


def without(schema: pa.Schema, dropped: Collection[str]) -> pa.Schema:
    """The columns that are read. Raises DataError for one that is left out and is not there, which may be misspelt."""
    for column in dropped:
        if column not in schema.names:
            problem = no_column(column, schema, "column that `drop` leaves out")
            raise DataError(problem, remedy=guess(column, schema.names).lstrip("; ") or None)
    return pa.schema([field for field in schema if field.name not in dropped]) if dropped else schema


def no_column(column: str, schema: pa.Schema, purpose: str) -> str:
    """What is wrong where data have no such column. purpose: what it is for; nothing where that is empty."""
    names = ", ".join(schema.names[:40]) + (", …" if len(schema) > 40 else "")
    return f"has no column {column!r}{f', the {purpose}' if purpose else ''}; its columns are {names}"


def column_guess(column: str, schema: pa.Schema, *, file: DataFile | None, path: str, data: str) -> str | None:
    """What would help; None where nothing is known. file: the first, None of rows in memory; path: of the data; data: their name in the pipeline."""
    near = get_close_matches(column, schema.names, n=1)
    guess = f"did you mean {near[0]!r}?" if near else None
    if len(schema) == 1 and file is not None and file.format == "csv":
        guess = "; ".join(header_problem(schema.names[0], file.delimiter) or ()) or guess
    outer, _, field = column.partition(".")
    if outer in schema.names and pa.types.is_nested(schema.field(outer).type):
        guess = f"read it by its path: data.{data}.columns: {{{field}: {column}}}"
    if f"{column}=" in path:
        guess = "a column in the path is read below it: name the folder that holds these folders"
    return guess

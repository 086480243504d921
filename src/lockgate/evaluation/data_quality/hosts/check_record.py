"""The record of a check, as `quality_host.py` describes it."""

from __future__ import annotations

import sys
from typing import Any

FIRST = 10  # offenders that are named
WORDS = 200  # signs of what a check asks
TEXT = 2000  # signs of an exception


class Refused(Exception):  # it is told to people
    """What cannot be checked for a reason that the message says whole."""


def read_frame(path: str) -> Any:
    """The rows as pandas reads them, numbered from 0."""
    import pandas as pd

    try:
        import pyarrow  # noqa: F401  # whose own words say why pandas would find none
    except ImportError as error:
        raise Refused(
            f"this python has no pyarrow that can be imported ({error}), by which it reads the rows; install pyarrow into it"
        ) from error
    return pd.read_parquet(path)


def check(type_: str, column: Any, rows: int, **fields: Any) -> dict[str, Any]:
    """A check that says nothing yet."""
    blank: dict[str, Any] = {
        "words": "",
        "offenders": None,
        "first": [],
        "observed": None,
        "mostly": None,
        "success": None,
    }
    blank |= {"raised": None, "problem": None, "warns": False}
    return {**blank, "type": type_, "column": None if column is None else str(column), "rows": int(rows), **fields}


def offenders(numbers: Any) -> dict[str, Any]:
    """How many rows there are among those numbers, and the first of them; nothing where they are no numbers of rows."""
    try:
        rows = sorted({int(number) for number in numbers})
    except (TypeError, ValueError):
        return {}
    return {"offenders": len(rows), "first": rows[:FIRST]}


def versions(*names: str) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    packages = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in names:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return packages

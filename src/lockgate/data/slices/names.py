"""Names of slices: the text of a value, of a bin, of a crossing, and of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from itertools import pairwise
from typing import Any
from urllib.parse import quote

MISSING = "(missing)"
OTHER = "(other)"
SliceKey = tuple[tuple[str, str], ...]


def number_text(value: float) -> str:
    """`3` and `0.5`: a whole number is written without its decimal point."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))


def value_text(value: Any) -> str:
    """A value as slices show it: `3`, `0.5`, `true`, `2026-11-21`, a text as it is; `(missing)` for None and NaN."""
    if value is None or value != value:
        return MISSING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date | time):
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
    return repr(value) if isinstance(value, float) else str(value)


def as_stored(value: Any, *, floating: bool) -> str:
    """The text that a declared value has in a column: whole numbers end in .0 where a column holds floats."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and floating:
        return value_text(float(value))
    return number_text(value) if number else value_text(value)


def bin_labels(edges: Sequence[float]) -> tuple[str, ...]:
    """`(-inf,0)`, `[0,10)`, `[10,inf)` for the edges 0 and 10: every number has a bin."""
    if not len(edges):
        return ("(-inf,inf)",)
    texts = [number_text(edge) for edge in edges]
    inner = (f"[{low},{high})" for low, high in pairwise(texts))
    return (f"(-inf,{texts[0]})", *inner, f"[{texts[-1]},inf)")


def low_edge(label: str) -> float:
    """Where a bin begins, from what it is called."""
    return float(label[1:].partition(",")[0])


def slice_text(key: SliceKey) -> str:
    """`geography=BR&sex=Male`, percent-encoded; `overall` for all rows."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in key) or "overall"


def finding_id(gate: str, requirement_id: str, key: SliceKey) -> str:
    """`metrics/r2/geography=BR`: the id of what a gate found about one requirement on one slice."""
    return f"{gate}/{requirement_id}/{slice_text(key)}"

"""Names of slices: the text of a value, of a bin, of a crossing, and of all rows."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any
from urllib.parse import quote, unquote

MISSING = "(missing)"
OTHER = "(other)"
SliceKey = tuple[tuple[str, str], ...]

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?", re.ASCII)
_TRUTH = {text: text.lower() for text in ("true", "True", "TRUE", "false", "False", "FALSE")}


def number_text(value: float) -> str:
    """`3` and `0.5`: a whole number is written without its decimal point."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))


def value_text(value: Any) -> str:
    """A value as slices show it: `3` of 3 and 3.0, `0.5`, `true`, `2026-11-21`, a text as it is; `(missing)` for None and NaN."""
    if value is None or value != value:
        return MISSING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date | time):
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
    return number_text(value) if isinstance(value, float) else str(value)


def label_text(text: str | None) -> str:
    """What a slice of that value is called: the text itself, `(missing)` for None.

    A value that is really called `(missing)` stands in quotes, and one that is called so in quotes in one more pair.
    """
    if text is None:
        return MISSING
    inner = text
    while len(inner) > 2 and inner[0] == inner[-1] == '"':
        inner = inner[1:-1]
    return f'"{text}"' if inner == MISSING else text


def shown_label(label: str) -> str:
    """A label as a sentence shows it: in quotes where it is empty, reads like two, or looks like another one."""
    whole = label.isprintable() and unicodedata.is_normalized("NFC", label)
    plain = whole and label.strip() == label != "" and " & " not in label
    return label if plain else json.dumps(label, ensure_ascii=not whole)


def meaning(value: Any) -> tuple[str, Any]:
    """What equals another spelling of the same: `1`, `1.0`, 1 and 1e0; `true` and `True`; a day and its midnight.

    Text that begins with needless zeros is no number: `01` is not `1`.
    """
    text = value_text(value)
    if _NUMBER.fullmatch(text):
        return ("number", Decimal(text))
    if text in _TRUTH:
        return ("truth", _TRUTH[text])
    if _MOMENT.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return ("text", text)
        return ("moment", moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return ("text", text)


def meant(written: str, labels: Iterable[str]) -> str | None:
    """The label that somebody wrote: that text, else the only one of the same meaning; None where there is none."""
    labels = tuple(labels)
    if written in labels:
        return written
    alike = [label for label in labels if meaning(label) == meaning(written)]
    return alike[0] if len(alike) == 1 else None


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


@lru_cache(4096)  # each line names the same slices
def slice_text(key: SliceKey) -> str:
    """`geography=BR&sex=Male`, percent-encoded; `overall` for all rows."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in key) or "overall"


def finding_id(gate: str, requirement_id: str, key: SliceKey) -> str:
    """`metrics/r2/geography=BR`: the id of what a gate found about one requirement on one slice."""
    return f"{gate}/{requirement_id}/{slice_text(key)}"


def id_words(finding: str) -> str:
    """A finding's id as people read it: `metrics/r2/amount_band=[50,200)`."""
    return unquote(finding)

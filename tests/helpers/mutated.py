"""Good JSON documents changed in one place, as bytes, for laws about what readers make of them."""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

DEEP = "[" * 3_000 + "]" * 3_000
ODD = (
    "NaN", "-Infinity", "1e999", "9" * 5_000, "-1", "1.5", "true", "null", '""', "[]", "{}", '"\\ud800"', DEEP, '{"a":1,"a":2}',
    '"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59-23:59"', '"2026-02-30T00:00:00Z"', '"2026-11-21T12:00:00"',
    '"99999999999w"', '"\\u001b[2J\\n::error::x"', '["a"]', '[{"a":[1]}]', '"sha256:' + "a" * 64 + '"', "9007199254740993",
)  # fmt: skip
_MARK = "\u0001here\u0001"


def examples(number: int) -> settings:
    """So many examples in the suite, ten times as many in `make fuzz`."""
    return settings(max_examples=number if os.environ.get("LOCKGATE_EXAMPLES", "fixed") == "fixed" else 10 * number)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a document but its root."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((*path, key), *places(value[key], (*path, key)))]


@st.composite
def mutations(draw: st.DrawFn, document: Any) -> bytes:
    """The document with one or two values dropped, replaced by something odd, or written twice."""
    changed = json.loads(json.dumps(document))
    odd: list[str] = []
    for _ in range(draw(st.integers(1, 2))):
        places_now = places(changed)
        if not places_now:
            break
        *path, last = draw(st.sampled_from(places_now))
        holder = changed
        for key in path:
            holder = holder[key]
        how = draw(st.sampled_from(["drop", "odd", "odd", "odd", "twice"]))
        if how == "drop":
            del holder[last]
        elif how == "twice" and isinstance(holder, dict):
            holder[f"{last}{_MARK}twice"] = holder[last]
        else:
            odd.append(draw(st.sampled_from(ODD)))
            holder[last] = f"{_MARK}{len(odd) - 1}{_MARK}"
    text = json.dumps(changed).replace(json.dumps(f"{_MARK}twice")[1:-1], "")
    for number, value in enumerate(odd):
        text = text.replace(json.dumps(f"{_MARK}{number}{_MARK}"), value)
    return text.encode()


def hostile(document: Any) -> st.SearchStrategy[bytes]:
    """Any bytes, a cut document, and mutations of it."""
    whole = json.dumps(document).encode()
    cut = st.integers(0, len(whole) - 1).map(lambda end: whole[:end])
    return st.one_of(mutations(document), mutations(document), st.binary(max_size=40), cut)

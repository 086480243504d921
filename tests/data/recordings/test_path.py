"""Paths into records: what they say, and what is said of those that say nothing."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.data.recordings.path import Decode, Every, Item, Key, Where, parse_path


def test_a_path_is_read_step_by_step() -> None:
    """Names, elements, rows, objects by a field, texts that hold something."""
    path = parse_path('request.headers[name=x-request-id].value|base64|json.rows[*]["a.b"][0]')

    assert path.steps == (
        Key("request"), Key("headers"), Where("name", "x-request-id"), Key("value"), Decode("base64"), Decode("json"),
        Key("rows"), Every(), Key("a.b"), Item(0),
    )  # fmt: skip
    assert path.of_rows


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        (".a", "no path from '.a'"),
        ("a..b", "no path from '..b'"),
        ("a[-1]", r"no path from '\[-1\]'"),
        ("a[", "no path from"),
        ("a[0]b", "no path from 'b'"),
        ("[0].a", "begins with no name"),
        ("a[*].b[*]", "twice"),
        ("a|yaml", "nothing decodes 'yaml'; known are json, base64, csv"),
    ],
)
def test_what_is_no_path_is_refused(text: str, problem: str) -> None:
    """With the part that is wrong."""
    with pytest.raises(ValueError, match=problem):
        parse_path(text)


@given(st.text(alphabet='ab.[]*|="\\0jsonc', max_size=12))
def test_any_text_is_a_path_or_is_refused(text: str) -> None:
    """Nothing else comes of it."""
    with suppress(ValueError):
        assert parse_path(text).text == text

"""Bytes, folders and canonical JSON have one digest each."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from lockgate import hashing as digest

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_canonical_bytes_read_back_and_do_not_depend_on_order(value: Any) -> None:
    """One value, one sequence of bytes."""

    def turned(one: Any) -> Any:
        if isinstance(one, dict):
            return {key: turned(one[key]) for key in reversed(one)}
        return [turned(each) for each in one] if isinstance(one, list) else one

    data = digest.canonical(value)

    assert json.loads(data) == value
    assert digest.canonical(turned(value)) == data


@given(st.recursive(JSON | st.floats(allow_nan=False, allow_infinity=False), st.lists, max_leaves=5))
def test_canonical_bytes_are_those_of_the_reference(value: Any) -> None:
    """Fast or slow, with control characters, keys of any script, tuples and floats."""
    for one in (value, {"key": value, "kéy": (value,)}):
        assert digest.canonical(one) == rfc8785.dumps(one)


def test_canonical_json_is_rfc_8785() -> None:
    """Keys sorted by UTF-16, no spaces, text as it is."""
    assert digest.canonical({"b": [1, "ü", None], "a": True}) == '{"a":true,"b":[1,"ü",null]}'.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53, object(), {1: 2}, "\ud800"])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    """Never NaN, never an integer that another reader rounds."""
    with pytest.raises((ValueError, TypeError)):
        digest.canonical({"value": value})


@given(st.floats() | st.integers(-(2**60), 2**60) | st.none())
def test_a_measured_number_reads_back_exactly(value: float | None) -> None:
    """`repr(float(x))`; what is missing or not finite is null."""
    text = digest.number(value)

    if value is None or not math.isfinite(value):
        assert text is None
    else:
        assert float(text or "") == float(value)


def test_a_numpy_number_is_written_as_a_number() -> None:
    """Not as `np.float64(0.1)`."""
    assert digest.number(np.float64(0.1)) == "0.1"  # type: ignore[arg-type]


def test_a_folder_is_its_sorted_files(tmp_path: Path) -> None:
    """(path, sha256, size), nested ones too."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.txt").write_bytes(b"x")
    (tmp_path / "a.txt").write_bytes(b"")
    sha = {text: "sha256:" + hashlib.sha256(text).hexdigest() for text in (b"x", b"")}
    listed = json.dumps([["a.txt", sha[b""], 0], ["b/x.txt", sha[b"x"], 1]], separators=(",", ":")).encode()

    assert digest.folder_digest(tmp_path) == "sha256:" + hashlib.sha256(listed).hexdigest()


def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    """As `sha256sum` prints it."""
    (tmp_path / "f").write_bytes(b"bytes")

    assert (
        digest.sha256_file(tmp_path / "f")
        == digest.sha256(b"bytes")
        == f"sha256:{hashlib.sha256(b'bytes').hexdigest()}"
    )


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("sha256:" + "0" * 64, True),
        ("sha256:" + "0" * 63, False),
        ("sha256:" + "A" * 64, False),
        ("sha512:" + "0" * 64, False),
        ("0" * 71, False),
    ],
)
def test_a_digest_is_recognised(text: str, is_one: bool) -> None:
    """Exactly `sha256:` and 64 lower-case hex digits."""
    assert digest.is_digest(text) is is_one

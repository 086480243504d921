"""YAML of strangers is read within bounds, and as MLflow's own files are meant."""

from __future__ import annotations

import contextlib
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lockgate.foreign import yaml as foreign_yaml


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (bomb(9), "more than 200,000 values"),
        ("[" * 100_000, "nested more than 100 deep"),
        ("{a: " * 5_000, "nested more than 100 deep"),
        ("&a [*a]", "stands for nothing, or for what it is in"),
        ("a: *nobody", "stands for nothing"),
        ("a: 1\n---\nb: 2", "several documents"),
        ("? [a]\n: b", "for a key"),
        ("a: [1", "no YAML"),
        ("a: \x00", "no YAML"),
        ("x" * (2**24 + 1), "more than 16 MiB"),
        ("\n".join(f"- {n}" for n in range(200_001)), "more than 200,000 values"),
    ],
    ids=["aliases", "lists", "maps", "itself", "nobody", "documents", "key", "open", "zero byte", "bytes", "values"],
)
def test_what_is_too_much_is_refused_at_once(text: str, problem: str) -> None:
    """With a sentence; none of it is built up first."""
    began = time.process_time()
    with pytest.raises(ValueError, match=problem):
        foreign_yaml.read(text)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 2026-02-31", {"a": "2026-02-31"}),
        ("a: 2026-11-21 10:00:00", {"a": "2026-11-21 10:00:00"}),
        (f"a: {'9' * 5000}", {"a": "9" * 5000}),
        ("a: 12\nb: -1.5e3\nc: true\nd: null\ne: ~", {"a": 12, "b": -1500.0, "c": True, "d": None, "e": None}),
        ("a: '12'\nb: \"true\"\nc: |\n  text\n", {"a": "12", "b": "true", "c": "text\n"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("!!python/object/apply:os.system ['true']", ["true"]),
        ("a: !!binary aGk=", {"a": "aGk="}),
        ("", None),
        ("python: 3.11.7", {"python": "3.11.7"}),
    ],
)
def test_plain_values_are_read(text: str, value: object) -> None:
    """Impossible dates and huge numbers are texts; tags make nothing."""
    assert foreign_yaml.read(text) == value


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(st.characters(codec="utf-8", exclude_categories=["C"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdef", min_size=1), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(plain)
def test_what_mlflow_writes_is_read_back(value: object) -> None:
    """`yaml.safe_dump`, as MLflow calls it, aliases for what is the same object included."""
    assert foreign_yaml.read(yaml.safe_dump({"first": value, "again": value}, default_flow_style=False, allow_unicode=True)) == {
        "first": value,
        "again": value,
    }  # fmt: skip


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_value_error(data: bytes) -> None:
    """And nothing else."""
    with contextlib.suppress(ValueError):
        foreign_yaml.read(data.decode("utf-8", "replace"))

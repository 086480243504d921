"""A row is the same row however a file spells its cells, and another one where a value differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.data.overlap.common_form import Form, common_form, hashes_in_form


def equal(first: pa.Array, second: pa.Array) -> list[bool]:
    """Row by row, whether the cells of two columns are the same."""
    form = common_form(first.type, second.type)
    return (hashes_in_form(first, form) == hashes_in_form(second, form)).tolist()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.array([1, 0, None]), pa.array([1.0, -0.0, None])),
        (pa.array([1, 2, None], pa.int8()), pa.array([1, 2, None], pa.uint64())),
        (pa.array([True, False]), pa.array([1, 0])),
        (pa.array([True, False]), pa.array(["True", "false"])),
        (pa.array([0.1, 1e-9, 16777217.0]), pa.array([0.1, 1e-9, 16777217.0], pa.float32())),
        (pa.array([0.1, 2.5]), pa.array(np.array([0.1, 2.5], np.float16))),
        (pa.array([0.30000000000000004]), pa.array([0.3])),
        (pa.array([1.5, float("nan")]), pa.array([1.5, None])),
        (pa.array([None, None]), pa.array(["", None])),
        (pa.array([None, None]), pa.array([None, None], pa.float64())),
        (pa.array(["a", "b", "a"]), pa.array(["a", "b", "a"]).dictionary_encode()),
        (pa.array([" a", "b "]), pa.array(["a", "b"], pa.large_string())),
        (pa.array(["", "NA", "nan", "x"]), pa.array([None, None, None, "x"])),
        (pa.array(["01", "-2.5", "+3", "1e3", "NA", ".5"]), pa.array([1.0, -2.5, 3.0, 1000.0, None, 0.5])),
        (pa.array(["1", "2"]).dictionary_encode(), pa.array([1, 2])),
        (pa.array([9007199254740993]), pa.array(["9007199254740993"])),
        (pa.array(["2026-11-21T10:00:00Z"]), pa.array([1795255200], pa.timestamp("s", "UTC"))),
        (pa.array([20000], pa.date32()), pa.array([20000 * 86400 * 10**9], pa.timestamp("ns"))),
        (pa.array(["2024-10-04"]), pa.array([20000], pa.date32())),
        (pa.array([[1, 2], [3]]), pa.array([[1, 2], [3]], pa.large_list(pa.int64()))),
        (pa.array([b"ab"]), pa.array([b"ab"], pa.large_binary())),
    ],
)
def test_equal_values_are_equal_however_they_are_spelled(first: pa.Array, second: pa.Array) -> None:
    """Types of numbers, texts as categories, moments as texts, and each way to write that a value is missing."""
    assert equal(first, second) == equal(second, first) == [True] * len(first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.array([1]), pa.array([2.0])),
        (pa.array([0.1]), pa.array([0.1001])),
        (pa.array([0]), pa.array([None], pa.float64())),
        (pa.array(["a"]), pa.array(["A"])),
        (pa.array(["1"]), pa.array([10])),
        (pa.array([9007199254740993]), pa.array([9007199254740992])),
        (pa.array([b"ab"]), pa.array([b"ac"])),
        (pa.array(["2026-11-21T10:00:00Z"]), pa.array([1795255201], pa.timestamp("s", "UTC"))),
    ],
)
def test_other_values_are_other_ones(first: pa.Array, second: pa.Array) -> None:
    """Nor is zero a missing value."""
    assert equal(first, second) == [False]


def test_a_text_that_is_no_moment_is_said() -> None:
    """It could hold anything: a silent mismatch would hide the row."""
    with pytest.raises(ValueError, match="no time"):
        equal(pa.array(["yesterday"]), pa.array([0], pa.timestamp("s")))


CELLS = st.one_of(
    st.none(),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False, width=32).filter(lambda x: x == 0 or abs(x) > 1e-30),
)


@given(st.lists(CELLS, min_size=1, max_size=20))
def test_numbers_survive_the_way_through_csv(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    """Written by pandas with nine digits and read back as text, as number, or as single precision."""
    numbers = pd.Series(values, dtype="float64")
    texts = pa.array(["" if pd.isna(value) else f"{value:.17g}" for value in numbers])

    assert all(equal(pa.array(numbers.to_numpy(), from_pandas=True), texts))
    assert all(equal(pa.array(numbers.to_numpy(), from_pandas=True), pa.array(numbers.to_numpy().astype(np.float32))))


def test_forms() -> None:
    """What the types of two columns come to."""
    assert common_form(pa.int64(), pa.dictionary(pa.int8(), pa.string())) is Form.NUMBER_OR_TEXT
    assert common_form(pa.null(), pa.null()) is Form.STORED
    assert common_form(pa.bool_(), pa.float32()) is Form.SINGLE
    assert common_form(pa.int64(), pa.timestamp("us")) is Form.MOMENT
    assert common_form(pa.list_(pa.int64()), pa.string()) is Form.STORED


def test_parquet_of_pandas(tmp_path: Path) -> None:
    """Categories and nullable types as pandas writes them."""
    frame = pd.DataFrame({"c": pd.Categorical(["x", None, "y"]), "n": pd.array([1, None, 3], "Int64")})
    frame.to_parquet(tmp_path / "t.parquet")
    table = pq.read_table(tmp_path / "t.parquet").combine_chunks()

    assert all(equal(table["c"].chunk(0), pa.array(["x", "", "y"])))
    assert all(equal(table["n"].chunk(0), pa.array([1.0, float("nan"), 3.0])))

"""Rows that repeat an earlier one are counted as pandas and people count them, whatever their columns hold."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import DataError
from lockgate.evaluation.scoring.repeated_rows import RepeatedRows
from lockgate.evaluation.scoring.scored_table import Scored

VALUES: dict[str, list[Any]] = {
    "whole": [1, 2, None, 1, 0],
    "float": [0.0, -0.0, float("nan"), None, 1.5],
    "text": ["a", "b", None, "", "a"],
    "bytes": [b"x" * 200, b"x" * 200, None, b"", b"y"],
    "list": [[1, 2], [2, 1], None, [], [1, 2]],
    "texts": [["ab", "c"], ["a", "bc"], None, [None], []],
    "struct": [{"a": 1, "b": "x"}, {"a": 1, "b": None}, None, {"a": 1, "b": "x"}, {"a": 2, "b": "x"}],
    "bool": [True, False, None, True, True],
    "date": [date(2026, 1, 1), date(2026, 1, 2), None, date(2026, 1, 1), None],
    "decimal": [Decimal("1.5"), Decimal("2.5"), None, Decimal("1.5"), None],
    "null": [None] * 5,
}
DISTINCT = {"whole": 4, "float": 3, "text": 4, "bytes": 4, "list": 4, "texts": 5, "struct": 4, "bool": 3, "date": 3,
            "decimal": 3, "null": 1}  # fmt: skip


def count(table: pa.Table, rows: int | None = None) -> int:
    repeated = RepeatedRows()
    for batch in table.to_batches(max_chunksize=rows):
        repeated.add(batch)
    return repeated.count()[0]


@pytest.mark.parametrize("kind", VALUES)
def test_equal_values_are_equal_in_every_type(kind: str) -> None:
    """Missing ones too; in one batch or several, also where a batch begins in the middle of an array, and by codes."""
    table = pa.table({"c": VALUES[kind]})
    repeats = len(table) - DISTINCT[kind]

    assert count(table) == count(table, rows=2) == repeats
    assert count(pa.concat_tables([table, table]).combine_chunks().slice(1, 8)) == 8 - DISTINCT[kind]
    if kind in ("whole", "text"):
        assert count(pa.table({"c": table.column("c").dictionary_encode()})) == repeats


def test_a_row_is_all_of_its_columns_in_their_order() -> None:
    """What one column has of another does not make rows equal."""
    assert count(pa.table({"a": ["x", "y", "x"], "b": ["y", "x", "y"]})) == 1
    assert count(pa.table({"a": ["ab", "a"], "b": ["c", "bc"]})) == 0
    vectors = pa.FixedSizeListArray.from_arrays(pa.array([1.0, 2.0, 2.0, 1.0, 1.0, 2.0]), 2)
    assert count(pa.table({"v": vectors})) == 1


def test_many_rows_are_counted_as_a_set_counts_them() -> None:
    """No two of a hundred thousand different rows are taken for one."""
    random = np.random.default_rng(0)
    numbers, texts = random.integers(0, 300, 100_000), [f"{n % 977}" for n in range(100_000)]
    table = pa.table({"n": pa.array(numbers.tolist()), "t": texts})

    assert count(table, rows=4_096) == len(table) - len(set(zip(numbers.tolist(), texts, strict=True)))
    assert count(pa.table({"t": [f"{n:06d}" for n in range(100_000)]})) == 0


def scored(**spec: Any) -> Scored:
    table = pa.table(
        {"x": [1, 1, 2, 3], "y": [1, 1, 0, 0], "candidate": [0.9, 0.9, 0.2, 0.1], "key": ["a", "b", "c", "d"]}
    )
    if "id" not in spec:
        table = table.drop_columns(["key"])
    return Scored.from_table(table, DatasetSpec(path="t", label="y", **spec), task="binary", positive=1)


@pytest.mark.parametrize("spec", [{}, {"id": "key"}])
def test_rows_that_repeat_block_above_the_share_that_is_declared(spec: dict[str, str]) -> None:
    """Not else; an id makes no row another one."""
    assert scored(**spec).rows == scored(max_repeated="25%", **spec).rows == 4
    with pytest.raises(DataError, match=r"1 of 4 rows repeat an earlier one, and at most 0\.2 of them may"):
        scored(max_repeated=0.2, **spec)
    with pytest.raises(DataError, match="at most 0 of them may"):
        scored(max_repeated=0, **spec)


@pytest.mark.parametrize("share", ["101%", "-1%", "1 %%", 2, "few", True])
def test_a_share_is_a_part_of_one(share: Any) -> None:
    """In percent or not."""
    with pytest.raises(ValueError, match=r"is not a share; write one like 1% or 0\.01"):
        DatasetSpec(path="t", max_repeated=share)


@pytest.mark.parametrize(("rows", "times", "copies"), [(60, 30, 30), (60, 1, 1), (60, 2, 2), (10, 30, 1)])
def test_copies_of_all_rows_are_counted(rows: int, times: int, copies: int) -> None:
    """In whatever order they stand; a few categories come equally often by chance, and are no copies."""
    repeated = RepeatedRows()
    values = np.random.default_rng(0).permutation(np.tile(np.arange(rows), times))
    repeated.add(pa.record_batch({"x": values}))

    assert repeated.count() == (rows * (times - 1), copies)
    repeated.add(pa.record_batch({"x": np.append(values, 0)}))
    assert repeated.count()[1] == 1

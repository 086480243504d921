"""Features that break their contract, counted exactly, with the rows that do."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lockgate.data.contract.breach import FIRST_ROWS, range_words
from lockgate.data.contract.feature_contract import ContractCheck, FeatureContract
from lockgate.data.contract.feature_spec import Features
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec

TABLE = {
    "id": ["a", "b", "c", "d"],
    "user_age": [17.0, 18.0, None, 101.0],
    "category": ["food", "Food", None, "travel"],
    "visits": [1.0, 2.5, 3.0, float("nan")],
    "vip": [True, False, None, True],
}


def contract(**features: Any) -> FeatureContract:
    return FeatureContract.from_source(TypeAdapter(Features).validate_python(features), "features of the pipeline")


def dataset(folder: Path, table: Any = None, **spec: Any) -> Dataset:
    path = folder / "d.parquet"
    if isinstance(table, str):
        path = folder / "d.csv"
        path.write_text(table)
    else:
        pq.write_table(pa.table(table or TABLE), path)
    return Dataset("holdout", DatasetSpec.model_validate({"path": path.name, **spec}), folder)


def broken(check: ContractCheck) -> dict[tuple[str, str], tuple[int, ...]]:
    return {(breach.feature, breach.rule): breach.first_rows for breach in check.breaches}


def test_each_rule_counts_the_cells_that_break_it(tmp_path: Path) -> None:
    """Both ends of a range are allowed; what is missing breaks no rule but that on missing values."""
    held = contract(
        user_age={"type": "float", "range": [18, 100], "nulls": "30%"},
        category={"values": ["food", "travel"], "nulls": 0},
        visits={"type": "integer"},
        vip={"type": "string"},
    )

    check = held.check(dataset(tmp_path), {})

    assert (check.rows, check.cells) == (4, 16)
    assert broken(check) == {
        ("user_age", "range"): (1, 4),
        ("category", "nulls"): (3,),
        ("category", "values"): (2,),
        ("visits", "type"): (2,),
        ("vip", "type"): (1, 2, 4),
    }
    assert [str(breach) for breach in check.breaches] == [
        "user_age of holdout is not 18 to 100 in 2 of 4 rows; the first is row 1",
        "category of holdout is missing in 1 of 4 rows, and at most 0 % may be; the first is row 3",
        "category of holdout is not one of food, travel in 1 of 4 rows; the first is row 2",
        "visits of holdout is not an integer in 1 of 4 rows; the first is row 2",
        "vip of holdout is not a string in 3 of 4 rows; the first is row 1",
    ]


@pytest.mark.parametrize("keep", [True, False])
def test_rows_are_named_by_their_ids(tmp_path: Path, *, keep: bool) -> None:
    """Hashed with the salt of the run, as in the scored table, unless the data keep them."""
    data = dataset(tmp_path, id="id", keep_ids=keep)
    held = replace(contract(user_age={"range": [18, None]}), salt=b"pepper")
    (breach,) = held.check(data, {}).breaches

    assert breach.ids == (("a",) if keep else (hashlib.sha256(b"peppera").hexdigest(),))


def test_the_first_row_is_named_as_people_find_it(tmp_path: Path) -> None:
    """In its own file, where there are several."""
    for name, ages in (("a", [20, 30]), ("b", [40, 4])):
        pq.write_table(pa.table({"age": ages}), tmp_path / f"{name}.parquet")
    data = Dataset("holdout", DatasetSpec.model_validate({"path": "*.parquet"}), tmp_path)
    (breach,) = contract(age={"range": [18, None]}).check(data, {}).breaches

    assert str(breach) == "age of holdout is not at least 18 in 1 of 4 rows; the first is row 2 of b.parquet"
    assert breach.first_rows == (4,)


def test_a_column_that_is_not_there_is_missing_in_every_row(tmp_path: Path) -> None:
    """Unless it need not be; and a feature may be a column of another name."""
    held = contract(age={"range": [0, 200]}, height={"type": "float"}, weight={"required": False, "type": "float"})
    check = held.check(dataset(tmp_path), {"age": "user_age"})

    assert [(str(breach), breach.cells) for breach in check.breaches] == [("height is not in holdout", 4)]


def test_cells_of_csv_are_read_by_the_type_of_the_contract(tmp_path: Path) -> None:
    """A column that seems to be of texts, because of one cell, is counted by that cell."""
    table = "age,vip,code,day\n17,1,1,2026-01-02\nold,0,2,never\n,1,x,2026-01-03T10:00:00\n40,0,4,\n"
    held = contract(
        age={"type": "integer", "range": [18, 99], "nulls": 0.25},
        vip={"type": "boolean"},
        code={"type": "string", "values": [1, 2, 4]},
        day={"type": "datetime"},
    )

    assert broken(held.check(dataset(tmp_path, table), {})) == {
        ("age", "type"): (2,),
        ("age", "range"): (1,),
        ("code", "values"): (3,),
        ("day", "type"): (2,),
    }


def test_no_rows_show_nothing(tmp_path: Path) -> None:
    """Nothing was looked at."""
    check = contract(user_age={"type": "float"}).check(dataset(tmp_path, {"user_age": pa.array([], pa.float64())}), {})

    assert (check.cells, check.breaches) == (0, ())


@given(
    st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1, max_size=60), st.integers(-3, 0), st.integers(0, 3)
)
def test_a_range_counts_what_python_counts(
    tmp_path_factory: Any, values: list[int | None], low: int, high: int
) -> None:
    """Whatever stands in the column; the first rows are named."""
    data = dataset(tmp_path_factory.mktemp("d"), {"x": pa.array(values, pa.int64())})
    outside = [row for row, value in enumerate(values, 1) if value is not None and not low <= value <= high]

    breaches = contract(x={"range": [low, high]}).check(data, {}).breaches

    assert sum(breach.cells for breach in breaches) == len(outside)
    assert [row for breach in breaches for row in breach.first_rows] == outside[:FIRST_ROWS]


def test_one_contract_over_another_wins_where_both_speak() -> None:
    """So that no model softens what the pipeline asks."""
    own = FeatureContract.from_source(TypeAdapter(Features).validate_python({"a": {}, "b": {}}), "metadata")
    both = contract(a={"range": [0, 1]}).over(own)

    assert both.sources == {"a": "features of the pipeline", "b": "metadata"}
    assert both.features["a"].range == (0, 1)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"range": [100, 18]}, "begins at 100 and ends at 18"),
        ({"range": [None, None]}, "has no end"),
        ({"type": "string", "range": [0, 1]}, "is of numbers, and the type is string"),
        ({"values": []}, "at least 1"),
        ({"rang": [0, 1]}, "Extra inputs"),
        ({"nulls": "200%"}, "share"),
    ],
)
def test_a_contract_that_says_nothing_sensible_is_refused(spec: Any, message: str) -> None:
    """Before anything is read."""
    with pytest.raises(ValidationError, match=message):
        contract(x=spec)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (18, 100, "18 to 100"),
        (0, None, "at least 0"),
        (None, 0.3, "at most 0.3"),
        (math.nextafter(0, 1), 4000, "above 0 and at most 4000"),
        (-0.5, math.nextafter(4000, 0), "at least -0.5 and below 4000"),
        (math.nextafter(0.1, 1), math.nextafter(0, -1), "above 0.1 and below 0"),
    ],
)
def test_a_range_is_said_as_it_was_written(low: float | None, high: float | None, words: str) -> None:
    """An end that is not allowed itself is kept as the number beside it."""
    assert range_words(low, high) == words

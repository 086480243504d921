"""Columns that say the same as the label are found, and others are not."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.label_copies import label_copies
from lockgate.data.table_dataset import TableDataset

LABELS = [0, 1, 1, 0, 1] * 8


def copies(columns: dict[str, Any], *, label: list[Any] = LABELS, numbers: bool = False) -> tuple[str, ...]:
    table = pa.table({"label": label, **columns})
    return label_copies(
        TableDataset(table, DatasetSpec.model_validate({"path": "t", "label": "label"})), list(columns), numbers=numbers
    )


@pytest.mark.parametrize(
    "names",
    [{0: 0, 1: 1}, {0: "no", 1: "yes"}, {0: 1, 1: 0}, {0: False, 1: True}, {0: None, 1: "paid"}, {0: -1.0, 1: 1.0}],
)
def test_a_renamed_class_is_a_copy(names: dict[int, Any]) -> None:
    """Whatever the two are called, also the wrong way round and as missing or not."""
    column = [names[value] for value in LABELS]

    assert copies({"x": column, "y": [*column[:-1], names[1 - LABELS[-1]]]}) == ("x",)
    assert copies({"x": pa.array(column).dictionary_encode()}) == ("x",)
    assert copies({"x": pa.array([float(value) for value in LABELS], pa.float16())}) == ("x",)


def test_classes_are_copied_one_by_one() -> None:
    """Two classes under one name are no copy, nor is one class under two names."""
    label = ["a", "b", "c"] * 10
    finer = [f"{name}{index % 2}" for index, name in enumerate(label)]

    assert copies(
        {"same": [name.upper() for name in label], "coarse": [name == "a" for name in label], "finer": finer},
        label=label,
    ) == ("same",)


def test_a_number_is_copied_by_its_value() -> None:
    """In single precision too; twice the value is another number."""
    label = [index * 0.1 for index in range(30)]
    columns = {
        "same": label,
        "single": pa.array(label, pa.float32()),
        "twice": [value * 2 for value in label],
        "text": ["x"] * 30,
    }

    assert copies(columns, label=label, numbers=True) == ("same", "single")


def test_where_nothing_can_be_told_nothing_is_said() -> None:
    """Few rows, one class, a class for each row, lists, no label."""
    assert copies({"x": [0, 1, 0]}, label=[0, 1, 0]) == ()
    assert copies({"x": [1] * 40}, label=[1] * 40) == ()
    assert copies({"x": list(range(40))}, label=list(range(40))) == ()
    assert copies({"x": [[value] for value in LABELS]}) == ()
    assert (
        label_copies(
            TableDataset(pa.table({"x": [1]}), DatasetSpec.model_validate({"path": "t"})), ["x"], numbers=False
        )
        == ()
    )

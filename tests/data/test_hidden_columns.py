"""Columns that a pipeline leaves out are not read, and those whose values it hides are no values that a run has to show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.table_dataset import TableDataset
from lockgate.errors import DataError
from lockgate.evaluation.shadow.shown_columns import refusals


@pytest.mark.parametrize("path", ["rows.csv", "rows.jsonl", "recorded"])
def test_what_is_dropped_is_no_column(tmp_path: Path, path: str) -> None:
    """Of files, of recordings and of tables; it is neither yielded nor found by its name."""
    (tmp_path / "rows.csv").write_text("amount,email\n1,a@x\n2,b@x\n")
    (tmp_path / "rows.jsonl").write_text('{"amount": 1, "email": "a@x"}\n{"amount": 2, "email": "b@x"}\n')
    more: dict[str, Any] = {"drop": ["email"]}
    if path == "recorded":
        path, more = "rows.jsonl", {"columns": {"amount": "amount", "email": "email"}, **more}
    kept = Dataset("traffic", DatasetSpec.model_validate({"path": path, **more}), tmp_path)

    assert kept.columns == ("amount",)
    assert [batch.to_pydict() for batch in kept.batches()] == [{"amount": [1, 2]}]
    with pytest.raises(DataError) as caught:
        kept.need({"email": "input"})
    assert caught.value.remedy == "`drop` leaves it out"


def test_a_table_in_memory_drops_too() -> None:
    table = pa.table({"amount": [1], "email": ["a@x"]})

    assert TableDataset(table, DatasetSpec(path="t", drop=("email",))).columns == ("amount",)


def test_a_dropped_column_that_is_not_there_may_be_misspelt(tmp_path: Path) -> None:
    """Else the one that was meant would be read."""
    (tmp_path / "rows.csv").write_text("amount,email\n1,a@x\n")
    dataset = Dataset("traffic", DatasetSpec(path="rows.csv", drop=("e-mail",)), tmp_path)

    with pytest.raises(
        DataError, match=r"rows.csv has no column 'e-mail', the column that `drop` leaves out"
    ) as caught:
        _ = dataset.columns
    assert caught.value.remedy == "did you mean 'email'?"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"drop": ["y"], "label": "y"}, "`drop` leaves out 'y', the label; name another column, or `hash` it"),
        ({"drop": ["c"], "slices": ["c"]}, "`drop` leaves out 'c', the column of a slice"),
        ({"drop": ["c"], "hash": ["c"]}, "'c' stands in `hash` and in `drop`"),
        ({"hash": ["y"], "label": "y"}, "`hash` hides 'y', the label, which a run has to show"),
        ({"hash": ["i"], "id": "i", "keep_ids": True}, "`hash` hides 'i', the id, which a run has to show"),
        ({"hash": ["c"], "slices": [{"column": "c", "values": ["AT"]}]}, "a slice names them; write it as c alone"),
        ({"hash": ["c"], "slices": [{"column": "c", "quantiles": 4}]}, "a slice names them; write it as c alone"),
        ({"hash": ["c"], "slices": [{"name": "x", "where": {"c": "AT"}}]}, "a slice names them; write it as c alone"),
    ],
)  # fmt: skip
def test_a_column_that_is_needed_is_not_hidden(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message.replace("`", ".")):
        DatasetSpec.model_validate({"path": "a.csv", **spec})


def test_examples_show_no_hidden_column() -> None:
    """As no other part of a report does."""
    spec = DatasetSpec(path="a.csv", hash=("c",), drop=("d",))

    assert [*refusals(("c", "d", "e"), spec)] == [
        "`hash` hides the values of 'c'; show others",
        "`drop` leaves 'd' out; show others",
    ]


@pytest.mark.parametrize("more", [{"id": "c"}, {"cluster": "c"}, {"slices": ["c", "d", {"cross": ["c", "d"]}]}])
def test_ids_clusters_and_slices_of_each_value_may_be_hidden(more: dict[str, Any]) -> None:
    assert DatasetSpec.model_validate({"path": "a.csv", "hash": ["c"], **more}).hash == ("c",)

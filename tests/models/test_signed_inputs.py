"""Columns of CSV in the types of two models' signatures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.stored_columns import stored
from lockgate.data.table_dataset import TableDataset
from lockgate.errors import DataError
from lockgate.models.input_check import misfits, refusals, selected, with_texts
from lockgate.models.input_plan import InputPlan, InputPlanner, InputSource


def signature(**types: str) -> list[dict[str, Any]]:
    return [{"name": name, "type": kind} for name, kind in types.items()]


def csv(folder: Path, text: str) -> Dataset:
    (folder / "d.csv").write_text(text)
    return Dataset("holdout", DatasetSpec(path="d.csv"), folder)


def plan(dataset: Dataset, inputs: list[dict[str, Any]], **renamed: str) -> InputPlan:
    sources = {name: InputSource((column,)) for name, column in renamed.items()}
    planner = InputPlanner({field.name: field.type for field in dataset.schema}, {}, sources)
    return with_texts(planner.plan(inputs), inputs, dataset)


def given(dataset: Dataset, *plans: InputPlan) -> list[dict[str, list[Any]]]:
    """What each model gets of the same batches."""
    batches = list(dataset.batches(list(dict.fromkeys(column for each in plans for column in each.sources))))
    return [pa.Table.from_batches(selected(each, batches, dataset)).to_pydict() for each in plans]


def test_each_model_gets_the_type_that_its_signature_names(tmp_path: Path) -> None:
    """The same cell is a text to one, a number to another, and what it seems to one without a signature."""
    dataset = csv(tmp_path, "zip,on,day\n01001,1,2026-01-05\n1001,0,2026-01-06\n")

    first, second, third = given(
        dataset,
        plan(dataset, signature(zip="string", on="boolean", day="string")),
        plan(dataset, signature(zip="long")),
        plan(dataset, []),
    )

    assert first == {"zip": ["01001", "1001"], "on": [True, False], "day": ["2026-01-05", "2026-01-06"]}
    assert second["zip"] == third["zip"] == [1001, 1001]
    assert third["on"] == [1, 0]


def test_a_column_that_no_model_takes_for_a_number_is_read_as_text_alone(tmp_path: Path) -> None:
    """And not in both ways, which would cost a second pass; what seems right is read as before."""
    dataset = csv(tmp_path, "zip,n,name\n01001,1,x\n")

    assert plan(dataset, signature(zip="string", n="long", name="string")).sources == (stored("zip"), "n", "name")


def test_a_renamed_column_has_the_type_of_the_signature_too(tmp_path: Path) -> None:
    """`inputs:` names the data column."""
    dataset = csv(tmp_path, "plz,n\n01001,1\n")

    assert given(dataset, plan(dataset, signature(zip="string", n="double"), zip="plz"))[0]["zip"] == ["01001"]


def test_a_cell_that_is_not_of_the_type_is_named(tmp_path: Path) -> None:
    """By column and row, without what it holds; to the signature gate likewise."""
    dataset = csv(tmp_path, "a,b\n1,1\nSECRET,2\n")
    inputs = signature(a="double")
    message = "column 'a' of d.csv is no double in row 2, and the signature says double"

    with pytest.raises(DataError, match=message) as wrong:
        given(dataset, plan(dataset, inputs))

    assert "SECRET" not in str(wrong.value)
    assert misfits(inputs, plan(dataset, inputs), dataset) == [f"input a: {message}"]


def test_the_signature_gate_compares_with_what_the_texts_are(tmp_path: Path) -> None:
    """A number with a plus sign is a number, and a fraction no whole one."""
    dataset = csv(tmp_path, "zip,a,on,n\n01001,+1,1,None\n1001,None,0,0.5\n")
    inputs = signature(zip="string", a="double", on="boolean", n="long")

    assert misfits(inputs, plan(dataset, inputs), dataset) == ["input n is long, in the data it is double"]


def test_columns_that_are_texts_are_read_in_one_pass(tmp_path: Path) -> None:
    """Each names the cell that it does not like, and those that it likes are judged beside."""
    passes: list[list[str]] = []

    class Watched(Dataset):
        def batches(self, columns: Sequence[str] | None = None, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
            passes.append(list(columns or ()))
            return super().batches(columns, rows)

    (tmp_path / "d.csv").write_text("a,b,on,n\n1,x,1,0.5x\nx,2,0,1\n")
    dataset = Watched("holdout", DatasetSpec(path="d.csv"), tmp_path)
    inputs = signature(a="double", b="long", on="boolean", n="double")
    cell = "input {0}: column '{0}' of d.csv is no {1} in row {2}, and the signature says {1}"

    assert misfits(inputs, plan(dataset, inputs), dataset) == [
        cell.format("a", "double", 2), cell.format("b", "long", 1), cell.format("n", "double", 1),
    ]  # fmt: skip
    assert passes == [[stored(name) for name in ("a", "b", "on", "n")]]


BERLIN = pa.timestamp("us", "Europe/Berlin")
NO_ZONE = "write the times in UTC, or without a zone as the model was trained on them"
NONE_MISSING = "log the model with that column as double, which can be missing, or fill the data"
WITHOUT_VALUES = "column 'a' has 2 missing values, and the signature says long, which has none"
INEXACT = "column 'a' cannot become {}, as the signature says: a value would change, first in row 3"


@pytest.mark.parametrize(
    ("kind", "values", "refused"),
    [
        ("datetime", pa.array([0], BERLIN), {f"input a: column 'a' holds {BERLIN}; the signature's datetime has no time zone": NO_ZONE}),
        ("datetime", pa.array([0], pa.timestamp("us", "UTC")), {}),
        ("datetime", pa.array(["2026-01-01T00:00:00+02:00"]),
         {"input a: column 'a' holds times with another zone than UTC; the signature's datetime has no time zone": NO_ZONE}),
        ("long", pa.array([1, None, None], pa.int64()), {f"input a: {WITHOUT_VALUES}": NONE_MISSING}),
        ("double", pa.array([1, None], pa.int64()), {}),
        ("integer", pa.array([1, 2, 2**31]), {f"input a: {INEXACT.format('integer')}": None}),
        ("double", pa.array([1, 2, 2**53 + 1]), {f"input a: {INEXACT.format('double')}": None}),
        ("float", pa.array([1e300]), {"input a: column 'a' has values too large for float, as the signature says": None}),
        ("string", pa.array(["x", None]), {}),
        ("long", pa.array(["x"]), {}),
    ],
)  # fmt: skip
def test_what_the_model_s_process_refuses_is_said_before(
    kind: str, values: pa.Array, refused: dict[str, str | None]
) -> None:
    """Time zones, missing whole numbers, what would change; a type that does not fit is said elsewhere."""
    dataset = TableDataset(pa.table({"a": values}), DatasetSpec.model_validate({"path": "t.parquet"}))
    inputs = signature(a=kind)

    assert refusals(inputs, plan(dataset, inputs), dataset) == refused


def test_a_refusal_names_the_column_of_the_data(tmp_path: Path) -> None:
    """Beside the input that it feeds; missing values are counted in all batches, also of texts."""
    dataset = csv(tmp_path, "count\n" + "1\n" * 70_000 + "NA\n")
    inputs = signature(n="long")
    values = [1] * 70_000 + [None]
    table = TableDataset(pa.table({"count": values}), DatasetSpec.model_validate({"path": "t.parquet"}))
    reason = "input n (from count): column 'count' has 1 missing values, and the signature says long, which has none"

    assert list(refusals(inputs, plan(dataset, inputs, n="count"), dataset)) == [reason]
    assert list(refusals(inputs, plan(table, inputs, n="count"), table)) == [reason]

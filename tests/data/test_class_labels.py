"""Classes have one name each, and an order that everybody can find again."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lockgate.data.class_labels import class_text, in_order, label_classes, mismatch
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import DataError


def labels(folder: Path, values: Any) -> tuple[str, ...]:
    pq.write_table(pa.table({"team": values}), folder / "d.parquet")
    return label_classes(Dataset("holdout", DatasetSpec(path="d.parquet", label="team"), folder))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("fraud", "fraud"),
        (3, "3"),
        (3.0, "3"),
        (0.5, "0.5"),
        (True, "true"),
        ("3", "3"),
        (Decimal("3.00"), "3"),
        (Decimal("0.50"), "0.5"),
    ],
)
def test_a_class_is_known_by_its_text(value: Any, text: str) -> None:
    """The number 3 is the same class in a label, in a column's name and in a line."""
    assert class_text(value) == text


def test_numbers_are_in_order_of_size_and_texts_of_letters() -> None:
    """As scikit-learn's `classes_` are."""
    assert in_order([10, 9, 2]) == ("2", "9", "10")
    assert in_order(["b", "a10", "a9"]) == ("a10", "a9", "b")


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.int8()], ids=str)
def test_numbers_name_the_same_classes_in_every_width(tmp_path: Path, kind: pa.DataType) -> None:
    """Half floats too."""
    assert labels(tmp_path, pa.array([10, 2, 9, 2]).cast(kind)) == ("2", "9", "10")


def test_classes_of_folders_are_in_the_order_of_those_of_csv(tmp_path: Path) -> None:
    """Numbers by size where all are numbers."""
    for team in ("2", "10", "9"):
        (tmp_path / "d" / f"team={team}").mkdir(parents=True)
        pq.write_table(pa.table({"a": [1]}), tmp_path / "d" / f"team={team}" / "d.parquet")
    assert label_classes(Dataset("holdout", DatasetSpec(path="d", label="team"), tmp_path)) == ("2", "9", "10")


@pytest.mark.parametrize("values", [["b", "a", None, "c"], pa.array(["b", "a", "c"]).dictionary_encode()])
def test_the_classes_are_those_of_the_label(tmp_path: Path, values: Any) -> None:
    """Missing labels are no class; they are refused when the rows are checked."""
    assert labels(tmp_path, values) == ("a", "b", "c")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["a", "a"], "holds one class alone (a)"),
        ([None, None], "holds one class alone (nothing)"),
        (list(range(1001)), "holds more than 1,000 classes"),
        ([[1], [2]], "holds list<"),
    ],
)
def test_a_label_without_classes_is_refused(tmp_path: Path, values: Any, said: str) -> None:
    """With what it holds instead."""
    with pytest.raises(DataError) as caught:
        labels(tmp_path, values)

    assert said in str(caught.value)


def test_classes_may_differ_in_order_alone() -> None:
    """What is lacking is named, and what is too many, with the one that was meant."""
    classes = ["billing", "fraud"]
    lacking, extra = (
        mismatch(["fraud"], classes, who="the model"),
        mismatch([*classes, "frod"], classes, who="the model"),
    )

    assert mismatch(["fraud", "billing"], classes, who="the model") is None
    assert lacking is not None
    assert lacking.message == "the model scores no class 'billing'; it scores fraud"
    assert extra is not None
    assert extra.message.startswith("the model scores the class 'frod', which is none; known: billing, fraud")
    assert "classes: [a, b, c]" in str(extra.remedy)

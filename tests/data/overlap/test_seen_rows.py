"""Rows that a model was trained on never leave a data set again: found by their features, counted, and left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.overlap.seen_rows import Reference, SeenRows, find_seen_rows, sentence
from lockgate.errors import DataError

ROWS = pd.DataFrame(
    {
        "id": range(6),
        "age": [30, 41, 41, 52, 63, 74],
        "city": ["Graz", "Linz", None, "Graz", "Wels", "Linz"],
        "y": [0, 1] * 3,
    }
)
FEATURES = ("age", "city")


def holdout(
    folder: Path, training: pd.DataFrame, *, name: str = "train.csv", columns: Sequence[str] = FEATURES, **spec: Any
) -> Dataset:
    """`ROWS` of which nothing may be in the training data, which lie beside them under that name."""
    ROWS.to_parquet(folder / "holdout.parquet", index=False)
    path = folder / name
    {".csv": training.to_csv, ".parquet": training.to_parquet}[path.suffix](path, index=False)
    reference = Reference(Dataset("train", DatasetSpec(path=name), folder), tuple(columns))

    def find(dataset: Dataset) -> SeenRows:
        return find_seen_rows(dataset, [reference])

    fields = {"path": "holdout.parquet", "label": "y", "id": "id", "not_in": {"path": name}, **spec}
    return Dataset("holdout", DatasetSpec.model_validate(fields), folder, find_seen=find)


def ids(dataset: Dataset) -> list[int]:
    return [value for batch in dataset.batches(["id"], rows=2) for value in batch.column(0).to_pylist()]


@pytest.mark.parametrize("name", ["train.csv", "train.parquet"])
def test_rows_of_the_training_data_are_never_read(tmp_path: Path, name: str) -> None:
    """Whatever their label and id are there, in whatever order their columns and rows stand."""
    training = ROWS.iloc[[4, 2, 0]][["city", "y", "age"]].assign(
        y=7, more="x", age=lambda rows: rows["age"].astype(float)
    )
    dataset = holdout(tmp_path, training, name=name)

    assert ids(dataset) == [1, 3, 5]
    assert (dataset.count(), dataset.count_all()) == (3, 6)
    assert dataset.seen_rows is not None
    assert (dataset.seen_rows.rows, dataset.seen_rows.kept, dataset.seen_rows.repeated) == (6, 3, 0)


def test_a_row_keeps_its_number_in_the_file(tmp_path: Path) -> None:
    """What is wrong with a row is looked for in the file, which holds the seen ones too."""
    dataset = holdout(tmp_path, ROWS.iloc[[0, 2]])

    assert [dataset.row(number) for number in (1, 2, 4)] == ["row 2", "row 4", "row 6"]


def test_a_number_at_another_place_is_another_row(tmp_path: Path) -> None:
    """The values of two columns may not be exchanged, nor one row made of two."""
    training = pd.DataFrame({"age": [30, 41], "city": ["Linz", "Graz"]})

    assert ids(holdout(tmp_path, training)) == list(range(6))


def test_what_rows_share_by_chance_is_counted(tmp_path: Path) -> None:
    """By the age alone two rows are one another's twin, and so is what they have in common with training data."""
    dataset = holdout(tmp_path, ROWS.iloc[[1]], columns=["age"])

    assert ids(dataset) == [0, 3, 4, 5]
    assert dataset.seen_rows is not None
    entry = dataset.seen_rows.to_json()
    assert (entry["rows"], entry["of"], entry["repeated"]) == (2, 6, 2)
    assert sentence(entry, "holdout") == (
        "2 of 6 rows of holdout are in train.csv, and left out of every verdict: more than max_seen allows (1 %), so that "
        "nothing passes; 2 equal another row of holdout itself, as rows may by chance"
    )


def test_none_is_said_too(tmp_path: Path) -> None:
    """Silence would not tell a check that was made from one that was not."""
    dataset = holdout(tmp_path, pd.DataFrame({"age": [1], "city": ["x"]}))

    assert dataset.seen_rows is not None
    assert sentence(dataset.seen_rows.to_json(), "holdout") == (
        "none of the 6 rows of holdout is in train.csv; none equals another row of holdout itself, as rows may by chance"
    )


def test_columns_that_training_data_lack_are_named(tmp_path: Path) -> None:
    """Nothing would match, and that would look like a clean holdout."""
    dataset = holdout(tmp_path, ROWS[["id", "y"]])

    with pytest.raises(DataError, match=r"train.csv, which not_in names, has no columns age, city") as refusal:
        dataset.count()
    assert "columns: under not_in" in str(refusal.value.remedy)


def test_a_query_is_seen_as_a_whole(tmp_path: Path) -> None:
    """Its rows are ranked beside each other: without one of them it would be another question."""
    dataset = holdout(tmp_path, ROWS.iloc[[3]], query="city")

    assert ids(dataset) == [1, 2, 4, 5]


def test_training_data_without_rows_show_nothing(tmp_path: Path) -> None:
    """It is another file than the one that was meant."""
    with pytest.raises(DataError, match="has no rows, which show nothing"):
        holdout(tmp_path, ROWS.iloc[:0], name="train.parquet").count()


def test_a_column_that_training_data_hold_nowhere_is_refused(tmp_path: Path) -> None:
    """No row could be found by it; where the holdout lacks it too in some rows, these can be."""
    with pytest.raises(
        DataError, match=r"column 'age' has no value in any row of train.parquet, and one in every row of holdout"
    ):
        holdout(tmp_path, ROWS.assign(age=None), name="train.parquet").count()

    assert ids(holdout(tmp_path, ROWS.assign(city=None), name="train.parquet")) == [0, 1, 3, 4, 5]


def test_types_that_can_never_be_equal_are_refused(tmp_path: Path) -> None:
    """Nothing would match, and that would look like a clean holdout."""
    training = ROWS.assign(city=[["Graz"]] * len(ROWS))

    with pytest.raises(DataError, match=r"column 'city' is string, and list<.*> in train.parquet"):
        holdout(tmp_path, training, name="train.parquet").count()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"not_in": "train.csv"}, "not_in"),
        ({"not_in": {"path": "t.csv", "training": True}}, "names a path, or training"),
        ({"not_in": {}}, "names a path, or training"),
        ({"not_in": {"path": "t.csv", "digest": "md5:1"}}, "is not a digest"),
        ({"max_seen": "2%"}, "`max_seen` needs `not_in`"),
        ({"not_in": "training", "max_seen": "200%"}, "max_seen"),
    ],
)
def test_what_says_nothing_is_refused(fields: dict[str, Any], message: str) -> None:
    """With what to write."""
    with pytest.raises(ValueError, match=message):
        DatasetSpec.model_validate({"path": "holdout.csv", **fields})


def test_forms_of_not_in() -> None:
    """A word, a mapping, or a list of both."""
    written = [{"path": "t.csv", "columns": ["id"]}, "training"]
    spec = DatasetSpec.model_validate({"path": "holdout.csv", "not_in": written})

    assert [(entry.path, entry.training, entry.columns) for entry in spec.not_in] == [
        ("t.csv", False, ("id",)),
        (None, True, ()),
    ]
    assert DatasetSpec.model_validate({"path": "h.csv", "not_in": "training"}).not_in[0].training

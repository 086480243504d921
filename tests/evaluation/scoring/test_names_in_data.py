"""Ids, clusters, slices and labels of files: what stands there, and nothing that it looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.stored_columns import stored
from lockgate.errors import DataError
from lockgate.evaluation.scoring.scored_table import build_scored

NAMES = ["01001", "1001", "001001", "12345678901234567890", "12345678901234567891", "1e5", "1.0", "NA", "TRUE", " x"]


def scored(folder: Path, values: list[str], *, positive: Any = 1, **spec: Any) -> dict[str, list[Any]]:
    """The scored table of a CSV file with a column k; none of its models runs."""
    (folder / "d.csv").write_text("k,p\n" + "".join(f"{value},0.5\n" for value in values))
    data = Dataset("d", DatasetSpec.model_validate({"path": "d.csv", "scores": {"candidate": "p"}, **spec}), folder)
    build_scored(data, scorers={}, task="binary", positive=positive, salt=b"", path=folder / "s.parquet")
    table: dict[str, list[Any]] = pq.read_table(folder / "s.parquet").to_pydict()
    return table


def test_names_are_what_stands_in_the_file(tmp_path: Path) -> None:
    """As ids, clusters and slices alike."""
    table = scored(tmp_path, NAMES, id="k", keep_ids=True, cluster="k", slices=["k"])

    assert table["id"] == table["k"] == NAMES
    assert table["cluster"] == list(range(len(NAMES)))


@pytest.mark.parametrize(
    ("entry", "values", "expected"),
    [
        ({"name": "s", "where": {"k": "01"}}, ["01", "1", "10"], ["true", "false", "false"]),
        ({"name": "s", "where": {"k": {"ge": 1}}}, ["01", "1", "0"], ["true", "true", "false"]),
        ({"name": "s", "where": {"k": {"ge": "2026-01-06"}}}, ["2026-01-05", "2026-01-06"], ["false", "true"]),
        ({"name": "s", "column": "k", "bins": [5]}, ["01", "1", "10"], ["(-inf,5)", "(-inf,5)", "[5,inf)"]),
        ({"name": "s", "column": "k", "values": [1, 2]}, ["1.0", "2", ""], ["1", "2", "(other)"]),
        (
            {"name": "s", "column": "k"},
            ["(other)", "(missing)", "", "other"],
            ["(other)", '"(missing)"', "(missing)", "other"],
        ),
    ],
)
def test_a_slice_takes_a_column_for_what_it_declares(
    tmp_path: Path, entry: dict[str, Any], values: list[str], expected: list[str]
) -> None:
    """Numbers and days where it compares with such, names elsewhere."""
    assert scored(tmp_path, values, slices=[entry])["s"] == expected


def test_a_column_may_be_names_to_one_slice_and_numbers_to_another(tmp_path: Path) -> None:
    """In one pass of the table's rows."""
    table = scored(tmp_path, ["01", "1", "10"], slices=["k", {"name": "band", "column": "k", "bins": [5]}])

    assert (table["k"], table["band"]) == (["01", "1", "10"], ["(-inf,5)", "(-inf,5)", "[5,inf)"])


@pytest.mark.parametrize(
    ("positive", "values", "expected"),
    [
        ("01", ["01", "02"], [True, False]),
        ("1", ["1", "0"], [True, False]),
        (1, ["1", "0"], [True, False]),
        (1, ["1.0", "0.0"], [True, False]),
        (True, ["True", "False"], [True, False]),
        ("True", ["True", "False"], [True, False]),
        ("NA", ["NA", "BR"], [True, False]),
    ],
)
def test_positive_says_whether_a_label_of_csv_is_text(
    tmp_path: Path, positive: Any, values: list[str], expected: list[bool]
) -> None:
    """A cell has no type of its own."""
    assert scored(tmp_path, values, label="k", positive=positive)["label"] == expected


@pytest.mark.parametrize(
    ("classes", "values", "expected"),
    [
        (("01", "02", "1"), ["1", "02", "01"], [2, 1, 0]),
        (("1", "2", "10"), ["01", "2.0", "10"], [0, 1, 2]),
        (("0", "1", "2"), ["0.0", "0", "2"], [0, 0, 2]),
    ],
)
def test_classes_say_so_too(tmp_path: Path, classes: tuple[str, ...], values: list[str], expected: list[int]) -> None:
    """The very text where it is a class, else the number that it spells."""
    (tmp_path / "d.csv").write_text("k,p\n" + "".join(f"{value},{classes[0]}\n" for value in values))
    data = Dataset("d", DatasetSpec(path="d.csv", label="k", scores={"candidate": "p"}), tmp_path)
    build_scored(
        data, scorers={}, task="multiclass", positive=1, salt=b"", path=tmp_path / "s.parquet", classes=classes
    )

    assert pq.read_table(tmp_path / "s.parquet").column("label").to_pylist() == expected


def test_a_model_is_sent_the_texts_that_its_signature_asks_for(tmp_path: Path) -> None:
    """Through the batches that are scored, which have categories of their own."""
    (tmp_path / "d.csv").write_text("k,n\n01001,1\n1001,2\n")
    data = Dataset("d", DatasetSpec(path="d.csv"), tmp_path)
    sent: list[Any] = []

    def scorer(batches: Any) -> Any:
        for batch in batches:
            sent.extend(batch.column(stored("k")).to_pylist())
            yield np.zeros(batch.num_rows)

    build_scored(
        data, scorers={"candidate": scorer}, task="binary", positive=1, salt=b"",
        path=tmp_path / "s.parquet", columns=[stored("k"), "n"],
    )  # fmt: skip

    assert sent == ["01001", "1001"]


def test_ids_that_may_have_become_the_same_are_refused(tmp_path: Path) -> None:
    """A double holds two neighbours above 2^53 as one."""
    pq.write_table(pa.table({"k": [2.0**53 + 2, 1.0], "p": [0.5, 0.5]}), tmp_path / "d.parquet")
    data = Dataset("d", DatasetSpec(path="d.parquet", id="k", scores={"candidate": "p"}), tmp_path)

    with pytest.raises(DataError, match="so large that different ones may have become the same"):
        build_scored(data, scorers={}, task="binary", positive=1, salt=b"", path=tmp_path / "s.parquet")


def of_folders(
    folder: Path, values: list[str], *, task: Any = "binary", positive: Any = 1, **spec: Any
) -> dict[str, list[Any]]:
    """The scored table of Parquet files in folders k=value, of two rows each."""
    for value in values:
        (folder / "d" / f"k={value}").mkdir(parents=True)
        pq.write_table(pa.table({"y": [1, 0], "p": [0.5, 0.25]}), folder / "d" / f"k={value}" / "a.parquet")
    data = Dataset("d", DatasetSpec.model_validate({"path": "d", "scores": {"candidate": "p"}, **spec}), folder)
    build_scored(data, scorers={}, task=task, positive=positive, salt=b"", path=folder / "s.parquet")
    table: dict[str, list[Any]] = pq.read_table(folder / "s.parquet").to_pydict()
    return table


@pytest.mark.parametrize(
    ("values", "spec", "column", "expected"),
    [
        (["0", "1"], {"label": "k"}, "label", [False, False, True, True]),
        (["false", "true"], {"label": "k", "positive": True}, "label", [False, False, True, True]),
        (["0", "1"], {"label": "k", "positive": "1"}, "label", [False, False, True, True]),
        (["no", "yes"], {"label": "k", "positive": "yes"}, "label", [False, False, True, True]),
        (["0.5", "2"], {"label": "k", "task": "regression"}, "label", [0.5, 0.5, 2.0, 2.0]),
        (["1", "3"], {"label": "y", "weight": "k"}, "weight", [1.0, 1.0, 3.0, 3.0]),
        (["0.5", "1"], {"label": "y", "scores": {"candidate": "k"}}, "candidate", [0.5, 0.5, 1.0, 1.0]),
        (["01", "1"], {"label": "y", "weight": "k", "slices": ["k"]}, "k", ["01", "01", "1", "1"]),
    ],
)  # fmt: skip
def test_folders_hold_numbers_where_numbers_are_due(
    tmp_path: Path, values: list[str], spec: dict[str, Any], column: str, expected: list[Any]
) -> None:
    """A label, a weight, a score, as the cells of CSV are; names stay what stands in the folder."""
    assert of_folders(tmp_path, values, **spec)[column] == expected


def test_a_folder_that_is_no_number_is_no_weight(tmp_path: Path) -> None:
    """Though another one is."""
    with pytest.raises(DataError, match="holds string, not numbers"):
        of_folders(tmp_path, ["1", "x"], label="y", weight="k")


def test_a_score_with_a_decimal_comma_is_no_class(tmp_path: Path) -> None:
    """The row and the comma are named."""
    with pytest.raises(DataError, match="is no number in row 1: decimal comma"):
        scored(tmp_path, ['"0,1"', '"0,9"'], label="p", scores={"candidate": "k"})

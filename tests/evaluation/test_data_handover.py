"""Rows as a program is handed them: every column, as `last` keeps them, in the order in which rows are named."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.data_handover import hand_over


def dataset(folder: Path, path: str, **known: str) -> Dataset:
    return Dataset("holdout", DatasetSpec.model_validate({"path": path, **known}), folder)


def test_all_columns_are_handed_over_and_those_of_folders_have_their_types(tmp_path: Path) -> None:
    """The label too: what is checked is the data, and no model."""
    for year in ("2025", "2026"):
        (tmp_path / f"d/year={year}").mkdir(parents=True)
        (tmp_path / f"d/year={year}/rows.csv").write_text(f"age,label\n3,1\n{year},0\n")

    rows = hand_over(dataset(tmp_path, "d", label="label"), tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")

    assert rows == 4
    assert table.to_pydict() == {"age": [3, 2025, 3, 2026], "label": [1, 0, 1, 0], "year": [2025, 2025, 2026, 2026]}


def test_rows_that_last_leaves_out_are_not_handed_over(tmp_path: Path) -> None:
    """A file without rows has its columns all the same."""
    (tmp_path / "d.csv").write_text("at,age\n2026-01-01T00:00:00Z,1\n2026-03-01T00:00:00Z,2\n")
    window = {"time": "at", "last": "7d"}

    assert hand_over(dataset(tmp_path, "d.csv", **window, until="2026-03-02"), tmp_path / "out.parquet") == 1
    assert pq.read_table(tmp_path / "out.parquet")["age"].to_pylist() == [2]
    assert hand_over(dataset(tmp_path, "d.csv", **window, until="2025-03-02"), tmp_path / "none.parquet") == 0
    assert pq.read_table(tmp_path / "none.parquet").schema.names == ["at", "age"]

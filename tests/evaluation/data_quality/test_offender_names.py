"""What rows that offend are called in evidence."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.data_quality.offender_names import offender_names


def names(folder: Path, **known: object) -> dict[int, str]:
    """Of rows 0, 3 and 5 in two files of three rows each."""
    (folder / "d").mkdir(exist_ok=True)
    for number in range(2):
        ids = pa.array([f"{number}a", None if number else "0b", f"{number}c"])
        pq.write_table(pa.table({"id": ids, "age": [1, 2, 3]}), folder / "d" / f"{number}.parquet")
    spec = DatasetSpec.model_validate({"path": "d", **known})
    return offender_names(Dataset("d", spec, folder), [5, 0, 4], salt=b"salt")


def test_ids_are_hashed_as_in_the_scored_table_unless_the_data_keeps_them(tmp_path: Path) -> None:
    """A row without an id has its number, and so have all where no column holds ids."""
    hashed = {row: hashlib.sha256(b"salt" + text).hexdigest() for row, text in ((0, b"0a"), (5, b"1c"))}

    assert names(tmp_path, id="id") == {**hashed, 4: "row 2 of d/1.parquet"}
    assert names(tmp_path, id="id", keep_ids=True) == {0: "0a", 4: "row 2 of d/1.parquet", 5: "1c"}
    assert names(tmp_path) == {
        0: "row 1 of d/0.parquet", 4: "row 2 of d/1.parquet", 5: "row 3 of d/1.parquet",
    }  # fmt: skip

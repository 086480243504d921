"""Delta tables: the rows that the log says there are, and no others."""

from __future__ import annotations

import base64
import json
import struct
import sys
from datetime import date
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import DataError

deltalake = pytest.importorskip("deltalake", reason="needs lockgate[delta]")
OLD = pa.table({"a": [1.0, 2.0], "c": ["x y", None], "d": [date(2026, 1, 1)] * 2})
NEW = pa.table({"a": [3.0, 4.0, 5.0], "c": ["é/=", "x y", "x y"], "d": [date(2026, 1, 2)] * 3})


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table that was overwritten: its folder holds rows that are no more. Its name is no plain one."""
    path = tmp_path / "my data é#" / "t"
    deltalake.write_deltalake(str(path), OLD, partition_by=["c", "d"])
    deltalake.write_deltalake(str(path), NEW, mode="overwrite")
    return path


def dataset(path: Path | str) -> Dataset:
    return Dataset("holdout", DatasetSpec(path=str(path)), Path("/"))


def rows(data: Dataset) -> list[tuple[Any, ...]]:
    return sorted(tuple(row.values()) for batch in data.batches() for row in batch.to_pylist())


def refusal(data: Dataset) -> str:
    with pytest.raises(DataError) as caught:
        rows(data)
    return f"{caught.value.message} | {caught.value.remedy}"


def in_memory(table: Path) -> str:
    system = fsspec.filesystem("memory")
    for file in table.rglob("*"):
        if file.is_file():
            system.pipe(f"/bucket/t/{file.relative_to(table).as_posix()}", file.read_bytes())
    return "memory://bucket/t"


def test_the_rows_are_those_of_the_log(table: Path) -> None:
    """Here and behind an address, of the whole table or a folder of it; the version and the digest are its own."""
    expected = [(3.0, "é/=", date(2026, 1, 2)), (4.0, "x y", date(2026, 1, 2)), (5.0, "x y", date(2026, 1, 2))]
    here, there = dataset(table), dataset(in_memory(table))

    assert rows(here) == rows(there) == expected
    assert (here.count(), here.origin, here.digest) == (3, {"version": 1}, there.digest)
    assert here.schema == pa.schema({"a": pa.float64(), "c": pa.string(), "d": pa.date32()})
    for part in (dataset(table / "c=x%20y"), dataset(f"{in_memory(table)}/c=x%20y/")):
        assert rows(part) == expected[1:]
    [batch] = dataset(table / "c=x%20y").batches(["d", "c"])
    assert batch.to_pylist()[0] == {"d": date(2026, 1, 2), "c": "x y"}


def test_the_digest_follows_the_log(table: Path) -> None:
    """Also where no file changes."""
    before = dataset(table).digest
    deltalake.DeltaTable(str(table)).delete("a = 99.0")
    deltalake.DeltaTable(str(table)).alter.set_table_properties({"delta.appendOnly": "true"})

    assert dataset(table).digest != before
    assert rows(dataset(table)) == rows(dataset(in_memory(table)))


def test_a_column_that_came_later_is_missing_before(table: Path) -> None:
    """The table's columns are those of the log."""
    more = pa.table({"a": [6.0], "c": ["z"], "d": [date(2026, 1, 3)], "late": ["new"]})
    deltalake.write_deltalake(str(table), more, mode="append", schema_mode="merge")

    assert [row[3] for row in rows(dataset(table))] == [None, None, None, "new"]
    assert [batch.to_pylist() for batch in dataset(table / "c=x%20y").batches(["late"])] == [[{"late": None}] * 2]


@pytest.mark.parametrize("end", ["c=x%20y/*/*.parquet", "**/*.parquet", "file"])
def test_files_of_a_table_are_not_read_by_name(table: Path, end: str) -> None:
    """They may be ones that the log has removed; the folder above is refused with the table's name."""
    path = sorted(table.rglob("*.parquet"))[0] if end == "file" else table / end
    address = in_memory(table)
    remote = f"{address}/{path.relative_to(table).as_posix()}"
    for data in (dataset(path), dataset(remote)):
        assert "whose log says which of them count | name the table's folder" in refusal(data)
    assert f"Delta table {table.name}" in refusal(dataset(table.parent))
    assert "Delta table t" in refusal(dataset("memory://bucket"))


def test_what_of_a_table_cannot_be_read_is_said(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package, files, the log, or a feature that is not understood."""
    data = dataset(table)
    sorted(table.glob("c=x*/*/*.parquet"))[-1].unlink()
    assert "| bring the whole table here" in refusal(dataset(table))
    assert "without rows at its version 1" in refusal(dataset(table / "c=__HIVE_DEFAULT_PARTITION__"))
    mapped = table.parent / "mapped"
    deltalake.write_deltalake(str(mapped), OLD)
    commit(mapped, 1, protocol(["columnMapping"]), metadata(mapped, {"delta.columnMapping.mode": "name"}))
    assert "is a Delta table with columnMapping, which is not read here | write its rows" in refusal(dataset(mapped))
    (table / "_delta_log" / f"{0:020}.json").write_bytes(b"{")
    assert "cannot be read as a Delta table (" in refusal(dataset(table))
    monkeypatch.setitem(sys.modules, "deltalake", None)
    assert refusal(data).endswith("deltalake is not installed | install lockgate[delta]")


def protocol(features: list[str]) -> dict[str, Any]:
    return {
        "protocol": {
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": features,
            "writerFeatures": features,
        }
    }


def metadata(table: Path, configuration: dict[str, str]) -> dict[str, Any]:
    first = (table / "_delta_log" / f"{0:020}.json").read_text().splitlines()
    [entry] = [json.loads(line) for line in first if "metaData" in line]
    entry["metaData"]["configuration"] = configuration
    schema = json.loads(entry["metaData"]["schemaString"])
    if "delta.columnMapping.mode" in configuration:
        for number, field in enumerate(schema["fields"], 1):
            field["metadata"] = {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": f"col-{number}"}
    entry["metaData"]["schemaString"] = json.dumps(schema)
    return dict(entry)


def commit(table: Path, version: int, *actions: dict[str, Any]) -> None:
    (table / "_delta_log" / f"{version:020}.json").write_text("\n".join(map(json.dumps, actions)))


def test_rows_that_a_deletion_vector_removes_are_no_rows(table: Path) -> None:
    """As Spark deletes on Databricks: the file stays, the log says which of its rows do not count."""
    path = table / "c=x%20y" / "d=2026-01-02"
    [file] = path.glob("*.parquet")
    log = deltalake.DeltaTable(str(table))
    add = {
        "path": f"c=x%2520y/d=2026-01-02/{file.name}",
        "partitionValues": {"c": "x y", "d": "2026-01-02"},
        "size": file.stat().st_size,
        "modificationTime": 0,
        "dataChange": True,
        "stats": json.dumps({"numRecords": 2}),
    }
    bitmap = struct.pack("<IQIIIHHIH", 1681511377, 1, 0, 12346, 1, 0, 0, 16, 0)  # row 0, as a portable Roaring bitmap
    bitmap += bytes(-len(bitmap) % 4)
    vector = {"storageType": "i", "pathOrInlineDv": _z85(bitmap), "sizeInBytes": len(bitmap), "cardinality": 1}
    commit(
        table, log.version() + 1, protocol(["deletionVectors"]), metadata(table, {"delta.enableDeletionVectors": "true"}),
        {"remove": {key: add[key] for key in ("path", "partitionValues", "size", "dataChange")} | {"deletionTimestamp": 1}},
        {"add": add | {"deletionVector": vector}},
    )  # fmt: skip
    whole = rows(dataset(table))

    assert [row[0] for row in whole] == [3.0, 5.0]
    assert rows(dataset(in_memory(table))) == whole
    assert dataset(table).count() == 2
    assert dataset(table).row(1).startswith("row 1 that is left of") or dataset(table).row(2).startswith(
        "row 1 that is left of"
    )


def _z85(data: bytes) -> str:
    """As ZeroMQ writes bytes."""
    ascii85 = base64.b85encode(data).decode()
    return ascii85.translate(str.maketrans(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~",
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#",
    ))  # fmt: skip

"""Files that are not what their name says."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.data.formats import DataFile, jsonl, source_of
from lockgate.errors import DataError


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ('{"a": {"0": 1, "1": 2}, "b": {"0": 1, "1": 2}}', True),
        ('{"a": {"0": 1, "1": 2}}', True),
        ('{"columns": ["a"], "index": [0], "data": [[1]]}', True),
        ('{"a": {"x": 1}, "b": {"y": 1}}', False),
        ('{"a": {"x": 1}, "b": 1}', False),
        ('{"a": {"x": 1}}', False),
        ('{"a": {"0": 1}, "b": {"0": 1}}\n{"a": {"0": 1}, "b": {"0": 1}}', False),
    ],
)
def test_a_frame_of_columns_is_no_row(tmp_path: Path, text: str, refused: bool) -> None:
    """It is what pandas writes by default; nested cells are rows."""
    (tmp_path / "d.json").write_text(text)
    file = DataFile(tmp_path / "d.json", "d.json")
    if refused:
        with pytest.raises(DataError, match="is one JSON object of columns"):
            jsonl.scan(file)
    else:
        assert jsonl.scan(file).rows == text.count("\n") + 1


@pytest.mark.parametrize("end", ["csv", "tsv", "jsonl", "json"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x1f\x8b\x08\x00", "is gzip"),
        (b"\x28\xb5\x2f\xfd", "is zstd"),
        (b"PK\x03\x04", "is a zip archive"),
        (b"PAR1....PAR1", "is Parquet"),
    ],
)
def test_bytes_of_another_format_are_named(tmp_path: Path, end: str, data: bytes, message: str) -> None:
    """A name that promises text is not enough."""
    (tmp_path / f"d.{end}").write_bytes(data)
    file = DataFile(tmp_path / f"d.{end}", f"d.{end}")
    with pytest.raises(DataError, match=message):
        source_of(file).scan(file)


def test_a_header_that_begins_like_parquet_is_csv(tmp_path: Path) -> None:
    """Its end is not that of Parquet."""
    (tmp_path / "d.csv").write_bytes(b"PAR1,b\n1,2\n")
    assert source_of(DataFile(tmp_path / "d.csv", "d.csv")).scan(DataFile(tmp_path / "d.csv", "d.csv")).rows == 1

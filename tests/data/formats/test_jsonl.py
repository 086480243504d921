"""JSON that is no lines of objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.data.formats import DataFile, jsonl
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

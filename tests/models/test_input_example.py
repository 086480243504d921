"""A model's input example as rows, typed by the signature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lockgate.errors import DataError, VersionFault
from lockgate.models.input_example import read_example

SIGNATURE = {"inputs": [{"name": "age", "type": "double"}, {"name": "city", "type": "string"}]}
ROWS = {"age": [30.0, 40.0], "city": ["Graz", None]}


def read(folder: Path, content: Any, signature: Any = SIGNATURE) -> Any:
    path = folder / "input_example.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_example(path, signature)


@pytest.mark.parametrize(
    "content",
    [
        {"columns": ["age", "city"], "data": [[30, "Graz"], [40, None]]},
        {"data": [[30, "Graz"], [40, None]]},
        [{"age": 30, "city": "Graz"}, {"age": 40}],
    ],
)
def test_every_form_of_a_table_is_the_same_rows(tmp_path: Path, content: Any) -> None:
    """Split, without names, and by records; whole numbers become what the signature asks."""
    batch = read(tmp_path, content)

    assert batch.to_pydict() == ROWS
    assert [str(kind) for kind in batch.schema.types] == ["double", "string"]


def test_one_record_is_one_row(tmp_path: Path) -> None:
    """Without a signature its types are what they look like."""
    assert read(tmp_path, {"age": 30, "city": "Graz"}, None).to_pydict() == {"age": [30], "city": ["Graz"]}


def test_an_example_without_rows_is_empty(tmp_path: Path) -> None:
    """The signature gate then says that it has none."""
    assert read(tmp_path, {"columns": ["age", "city"], "data": []}).num_rows == 0


@pytest.mark.parametrize(
    "content", ["{", "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"), '{"inputs": [[1, 2]]}', "[]", "[1, 2]", '"text"',
                '{"columns": ["a"], "data": [[1, 2]]}', '{"data": [[{"deep": 1}]]}']
)  # fmt: skip
def test_what_holds_no_table_is_refused(tmp_path: Path, content: str) -> None:
    """Tensors, texts, broken JSON, rows of other widths."""
    with pytest.raises((DataError, VersionFault)):
        read(tmp_path, content)


@pytest.mark.parametrize("value", ["a text", 2**70, [1]])
def test_a_value_that_does_not_fit_the_signature_is_named(tmp_path: Path, value: Any) -> None:
    """By its column."""
    with pytest.raises(VersionFault, match="column age of the input example does not fit"):
        read(tmp_path, [{"age": value}], {"inputs": [{"name": "age", "type": "long"}]})

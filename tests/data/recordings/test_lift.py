"""Records as flat columns: at once and one at a time alike, whatever holds them."""

from __future__ import annotations

import base64
import gzip
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.recordings import arrow_records
from lockgate.data.recordings.columns import as_table
from lockgate.data.recordings.path import parse_path
from lockgate.data.recordings.records import Damaged, RowPaths
from lockgate.errors import DataError

RECORD: dict[str, Any] = {
    "id": "r1",
    "request": {"body": {"amount": 12.5, "country": "BR"}, "headers": [{"name": "x-user", "value": "u7"}]},
    "response": {"predictions": [0.7]},
}
COLUMNS = {
    "request_id": "id",
    "amount": "request.body.amount",
    "country": "request.body.country",
    "user": "request.headers[name=x-user].value",
    "score": "response.predictions[0]",
}
ROW = {"request_id": "r1", "amount": 12.5, "country": "BR", "user": "u7", "score": 0.7}


def recording(root: Path, path: str, columns: dict[str, str], **spec: Any) -> Dataset:
    return Dataset(
        "traffic", DatasetSpec.model_validate({"path": path, "columns": columns, "max_unused": 1, **spec}), root
    )


def rows(found: Dataset) -> list[dict[str, Any]]:
    return [row for batch in found.batches() for row in batch.to_pylist()]


def write_lines(path: Path, records: list[Any]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def test_nested_records_become_columns_in_every_container(tmp_path: Path) -> None:
    """Lines, plain and packed, an array, one object over several lines, a HAR document, a table with texts of JSON."""
    write_lines(tmp_path / "a.jsonl", [RECORD])
    write_lines(tmp_path / "a.ndjson", [RECORD])
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress((json.dumps(RECORD) + "\n").encode()))
    (tmp_path / "array.json").write_text(json.dumps([RECORD], indent=1))
    (tmp_path / "object.json").write_text(json.dumps(RECORD, indent=1))
    log = {"version": "1.2", "pages": [{"entries": [1]}], "entries": [RECORD], "comment": 7}
    (tmp_path / "a.har").write_text(json.dumps({"log": log}, indent=1))
    table = {"id": ["r1"], "request": [json.dumps(RECORD["request"])], "response": [RECORD["response"]]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    in_text = {name: path.replace("request.", "request|json.") for name, path in COLUMNS.items()}

    for name in ("a.jsonl", "a.ndjson", "a.jsonl.gz", "array.json", "object.json", "a.har"):
        assert rows(recording(tmp_path, name, COLUMNS)) == [ROW], name
    assert rows(recording(tmp_path, "a.parquet", in_text)) == [ROW]


def test_one_file_a_request_is_one_recording(tmp_path: Path) -> None:
    """Of a folder, in the order of names, and a row is found again in its file."""
    for number in range(3):
        (tmp_path / f"tap_{number}.json").write_text(json.dumps({"a": {"b": number}}, indent=2))

    found = recording(tmp_path, ".", {"b": "a.b"})

    assert [row["b"] for row in rows(found)] == [0, 1, 2]
    assert found.row(3) == "record 1 of tap_2.json"
    assert len(found.files) == 3


def test_a_record_gives_a_row_for_each_element_of_its_lists(tmp_path: Path) -> None:
    """What it has once stands in each; a list that it lacks is missing in each; differing lists are damage."""
    write_lines(
        tmp_path / "a.jsonl",
        [
            {"id": "a", "in": [{"x": 1}, {"x": 2}], "out": [0.1, 0.2]},
            {"id": "b", "in": [{"x": 3}]},
            {"id": "c", "in": [{"x": 4}], "out": [0.4, 0.5]},
            {"id": "d", "in": [], "out": []},
        ],
    )
    found = recording(tmp_path, "a.jsonl", {"id": "id", "x": "in[*].x", "p": "out[*]"})

    assert [tuple(row.values()) for row in rows(found)] == [("a", 1, 0.1), ("a", 2, 0.2), ("b", 3, None)]
    assert found.lifted is not None
    assert found.lifted.recording.to_json() == {"records": 4, "unused": {"damaged": 1, "empty": 1}}
    assert found.row(3) == "record 2 of a.jsonl"


def test_texts_hold_json_base64_and_csv(tmp_path: Path) -> None:
    """One in the other too; cells of CSV are numbers where all of them are."""
    body = json.dumps({"x": [1, 2]}, indent=1)
    lines = "1,a\n2,b\n"
    record = {"plain": body, "packed": base64.b64encode(body.encode()).decode(), "cells": lines}
    write_lines(tmp_path / "a.jsonl", [record, record])
    columns = {
        "x": "plain|json.x[*]", "again": "packed|base64|json.x[*]", "cell": "cells|csv[*][0]", "word": "cells|csv[*][1]",
    }  # fmt: skip

    found = rows(recording(tmp_path, "a.jsonl", columns))

    assert found == [{"x": 1, "again": 1, "cell": 1, "word": "a"}, {"x": 2, "again": 2, "cell": 2, "word": "b"}] * 2


def test_a_text_that_cannot_be_decoded_is_counted_and_not_used(tmp_path: Path) -> None:
    """As of a body that was cut; where none can be, that is an error."""
    write_lines(tmp_path / "a.jsonl", [{"body": '{"x": 1}'}, {"body": '{"x": '}, {"body": None}])
    write_lines(tmp_path / "b.jsonl", [{"body": '{"x": '}])

    found = recording(tmp_path, "a.jsonl", {"x": "body|json.x"})

    assert rows(found) == [{"x": 1}, {"x": None}]
    assert found.lifted is not None
    assert found.lifted.recording.sentence("traffic") == "of 3 records of traffic 1 could not be read"
    with pytest.raises(DataError, match=r"1 records, and no row in them: a text is no json \(record 1\)"):
        _ = recording(tmp_path, "b.jsonl", {"x": "body|json.x"}).schema


def test_types_widen(tmp_path: Path) -> None:
    """Whole numbers and fractions, nothing and something."""
    wide = [{"a": {"n": number}} for number in (*range(400), None, 0.5)]
    write_lines(tmp_path / "a.jsonl", [{"a": None}, *wide])
    write_lines(tmp_path / "c.jsonl", wide)

    found = recording(tmp_path, "a.jsonl", {"n": "a.n"})

    assert found.schema == pa.schema({"n": pa.float64()})
    assert [row["n"] for row in rows(found)][-3:] == [399.0, None, 0.5]
    with pytest.raises(DataError, match=r"has nothing at a\.m, the path of column 'm', in any of 402 records"):
        _ = recording(tmp_path, "c.jsonl", {"n": "a.n", "m": "a.m"}).schema


def problem(dataset: Dataset) -> str | None:
    assert dataset.lifted is not None
    return dataset.lifted.recording.problem(dataset.name)


ROWS = 6_001  # of several blocks


@pytest.mark.parametrize("wrong", ["x", True, [1], {"b": 1}])
@pytest.mark.parametrize("at", [0, 300, 6_000])
def test_a_record_with_a_value_of_another_kind_is_damaged(tmp_path: Path, wrong: Any, at: int) -> None:
    """Wherever it stands: counted, named where it is too many, and none of its rows is used; the others keep their type."""
    records = [{"a": [{"n": number}, {"n": 0.5}]} for number in range(ROWS)]
    records[at]["a"][1] = {"n": wrong}
    write_lines(tmp_path / "a.jsonl", records)
    found = recording(tmp_path, "a.jsonl", {"n": "a[*].n"})

    assert found.schema == pa.schema({"n": pa.float64()})
    assert found.count() == 2 * ROWS - 2
    assert sum(row["n"] for row in rows(found)) == sum(range(ROWS)) - at + (ROWS - 1) / 2
    assert found.lifted is not None
    assert found.lifted.recording.to_json() == {"records": ROWS, "unused": {"damaged": 1}}
    refusal = rf"column 'n' holds .*, and numbers elsewhere \(record {at + 1:,}\)"
    assert re.search(refusal, str(problem(recording(tmp_path, "a.jsonl", {"n": "a[*].n"}, max_unused=0))))


def test_a_number_beyond_all_floats_is_infinite(tmp_path: Path) -> None:
    """Whichever way its record is read."""
    write_lines(tmp_path / "a.jsonl", [{"a": {"n": number}} for number in (-(10**400), 1, None)])
    write_lines(tmp_path / "b.jsonl", [{"a": {"n": number}} for number in (*range(ROWS), 0.5, 10**400)])

    assert [row["n"] for row in rows(recording(tmp_path, "a.jsonl", {"n": "a.n"}))] == [-np.inf, 1.0, None]
    assert [row["n"] for row in rows(recording(tmp_path, "b.jsonl", {"n": "a.n"}))][-2:] == [0.5, np.inf]


def test_cells_of_csv_have_the_type_that_cells_before_had(tmp_path: Path) -> None:
    """Codes stay texts where a block of them are numbers; of numbers one that is none is damage. An empty cell is no value."""
    codes = [{"body": f"{code},{number}"} for number, code in enumerate(["A1", *["17"] * 30_000])]
    numbers = [{"body": f"B2,{cell}"} for cell in ("", "n/a", "0.5")]
    write_lines(tmp_path / "a.jsonl", [*codes, *numbers])
    found = recording(tmp_path, "a.jsonl", {"code": "body|csv[0][0]", "n": "body|csv[0][1]"})

    assert found.schema == pa.schema({"code": pa.string(), "n": pa.float64()})
    assert [tuple(row.values()) for row in rows(found)][-3:] == [("17", 30_000.0), ("B2", None), ("B2", 0.5)]
    assert found.lifted is not None
    assert found.lifted.recording.to_json()["unused"] == {"damaged": 1}


def test_a_broken_line_is_named_as_in_flat_files(tmp_path: Path) -> None:
    """It is not skipped: the file may be cut. Half of a pair of surrogates is no text."""
    (tmp_path / "a.jsonl").write_text('{"a": {"b": 1}}\n{"a": {"b": \n')
    (tmp_path / "b.jsonl").write_text('{"a": {"b": "\\ud800"}}\n')

    with pytest.raises(DataError, match=r"^data 'traffic': a\.jsonl: line 2"):
        _ = recording(tmp_path, "a.jsonl", {"b": "a.b"}).schema
    with pytest.raises(DataError, match=r"b\.jsonl: holds a text that is no Unicode"):
        _ = recording(tmp_path, "b.jsonl", {"b": "a.b"}).schema


def test_a_file_without_records_has_no_rows(tmp_path: Path) -> None:
    """It is no wrong path."""
    (tmp_path / "a.jsonl").write_text("")

    assert recording(tmp_path, "a.jsonl", {"b": "a.b"}).count() == 0


def test_two_events_of_one_request_may_lie_in_the_same_files(tmp_path: Path) -> None:
    """A record is of the half whose columns it has, beside the id; folders give columns as everywhere."""
    folder = tmp_path / "day=mon"
    folder.mkdir()
    write_lines(
        folder / "a.jsonl", [{"id": 1, "req": {"a": 5}}, {"id": 2, "req": {"a": 6}}, {"id": 1, "res": {"p": 0.5}}]
    )
    join = {"path": ".", "columns": {"id": "id", "p": "res.p"}}

    found = recording(tmp_path, ".", {"id": "id", "a": "req.a"}, id="id", join=join)

    assert rows(found) == [{"id": 1, "a": 5, "p": 0.5, "day": "mon"}, {"id": 2, "a": 6, "p": None, "day": "mon"}]
    assert found.lifted is not None
    assert found.lifted.recording.to_json() == {"records": 3, "unused": {"unanswered": 1}}
    assert found.partition_columns == ("day",)


def test_ids_of_csv_keep_their_zeros(tmp_path: Path) -> None:
    """What names something is the text of its cell; bodies in other cells are read."""
    (tmp_path / "a.csv").write_text('id,body\n007,"{""x"": 1}"\n')

    assert rows(recording(tmp_path, "a.csv", {"id": "id", "x": "body|json.x"}, id="id")) == [{"id": "007", "x": 1}]


def test_a_recording_that_lost_many_requests_decides_nothing(tmp_path: Path) -> None:
    """Those that are left out may be those that matter."""
    bodies = ['{"x": 1}'] * 19 + ["{"]
    write_lines(tmp_path / "a.jsonl", [{"body": body} for body in bodies])
    columns = {"x": "body|json.x"}

    assert problem(recording(tmp_path, "a.jsonl", columns, max_unused=0.05)) is None
    assert str(problem(recording(tmp_path, "a.jsonl", columns, max_unused="4%"))).startswith(
        "traffic has 20 requests, of which 1 could not be read, and max_unused allows 4 %: a text is no json (record 20); "
    )


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-2, 2), st.sampled_from(["", "a", "é\n"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
TEXTS = st.one_of(VALUES.map(json.dumps), st.sampled_from(["", "{", "[1,", '1,"":2', "1} {"]))
RECORDS = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.one_of(VALUES, TEXTS), max_size=3).map(lambda record: {"z": 1, **record}),
    min_size=1, max_size=5,
)  # fmt: skip
PATHS = st.lists(
    st.sampled_from(["a", "a.b", "a[0]", "a[1].c", "b[*]", "b[*].a", "b[*][0]", "c|json.a", "c|json.b[*]", "z"]),
    min_size=1, max_size=4, unique=True,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(RECORDS, PATHS)
def test_records_read_at_once_are_those_read_one_at_a_time(records: list[dict[str, Any]], texts: list[str]) -> None:
    """Or they are not read at once."""
    columns = {text: parse_path(text) for text in texts}
    types: dict[str, pa.DataType] = dict.fromkeys(columns, pa.null())
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    try:
        found = [RowPaths(columns).rows(record) for record in records]
        table = as_table([row for each in found for row in each], types)
    except (Damaged, DataError):
        kinds = [pa.null(), pa.int64(), pa.float64(), pa.string(), pa.bool_()]
        for kind in kinds:
            with pytest.raises(arrow_records.Unfit):
                arrow_records.from_lines(lines, arrow_records.branched(columns), dict.fromkeys(columns, kind))
        return
    try:
        at_once, counts = arrow_records.from_lines(lines, arrow_records.branched(columns), types)
    except arrow_records.Unfit:
        return

    assert counts.tolist() == [len(each) for each in found]
    assert {name: column.to_pylist() for name, column in at_once.items()} == table.to_pydict()


@given(st.binary(max_size=60), st.sampled_from(["a.jsonl", "a.json", "a.har", "a.csv", "a.jsonl.gz", "a.parquet"]))
def test_any_bytes_are_records_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str) -> None:
    """By a DataError, whatever they are."""
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)

    with suppress(DataError):
        recording(folder, name, {"b": "a.b", "c": "c|json[*]"}).count()


def test_a_log_of_requests_needs_columns(tmp_path: Path) -> None:
    """It is no data of rows."""
    (tmp_path / "a.har").write_text('{"log": {"entries": [{"x": 1}]}}')

    with pytest.raises(DataError, match="is a log of requests, not of rows"):
        _ = Dataset("traffic", DatasetSpec(path="a.har"), tmp_path).schema

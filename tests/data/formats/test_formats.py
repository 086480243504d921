"""Parquet, CSV and JSON lines: what is read, and that whatever is broken becomes an error that says so."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockgate.data.column_texts import texts
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.formats import csv, json_blocks
from lockgate.data.stored_columns import stored
from lockgate.errors import DataError

ROWS = [{"id": "a", "n": 1, "x": 0.5}, {"id": None, "n": None, "x": 1.5}, {"id": "c", "n": 3, "x": None}]
CSV = b"id,n,x\na,1,0.5\n,,1.5\nc,3,\n"
JSONL = b'{"id": "a", "n": 1, "x": 0.5}\n{"x": 1.5}\n\n{"id": "c", "n": 3, "x": null}'

ARRAY = b'[{"id": "a", "n": 1, "x": 0.5}, {"x": 1.5},{"id": "c", "n": 3, "x": null} ]'


def dataset(path: Path, **spec: Any) -> Dataset:
    return Dataset("holdout", DatasetSpec.model_validate({"path": path.name, **spec}), path.parent)


def rows(path: Path, **spec: Any) -> list[dict[str, Any]]:
    return [row for batch in dataset(path, **spec).batches() for row in batch.to_pylist()]


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def zst(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("d.csv", CSV),
        ("d.csv.gz", gzip.compress(CSV, mtime=0)),
        ("d.csv.gz", gzip.compress(CSV[:12], mtime=0) + gzip.compress(CSV[12:], mtime=0)),
        ("d.csv.zst", zst(CSV)),
        ("d.csv", b"\xef\xbb\xbf" + CSV.replace(b"\n", b"\r\n")),
        ("d.jsonl", JSONL),
        ("d.csv.gz", gzip.compress(CSV, mtime=0) + bytes(512)),  # padding, as tapes leave it
        ("d.jsonl.gz", gzip.compress(JSONL, mtime=0)),
        ("d.jsonl.zst", zst(JSONL)),
        ("d.json", JSONL),
        ("d.json", ARRAY),
        ("d.json", b"\xef\xbb\xbf \r\n" + json.dumps(json.loads(ARRAY), indent=2).encode() + b"\n"),
        ("d.json.gz", gzip.compress(ARRAY, mtime=0)),
        ("d.parquet", parquet(pa.Table.from_pylist(ROWS))),
    ],
)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str, data: bytes) -> None:
    """Compressed or not; a missing value is missing."""
    assert rows(written(tmp_path, name, data)) == ROWS


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("d.csv", b"", r"d\.csv is empty"),
        ("d.csv", b"a,a\n1,2\n", "has columns of the same name: a"),
        ("d.csv", b"a,b\n1,2\n1,SECRET,3\n", r"row 3 \(the header is row 1\) has 3 cells where 2 are expected"),
        (
            "d.csv",
            b"\xef\xbb\xbfa;b\n0,1;0,2\n",
            "d.csv: seems to use another separator: in .csv cells are separated by commas",
        ),
        ("d.tsv", b"a,b\n1\t2,3\n", "seems to use another separator: in .tsv cells are separated by tabs"),
        ("d.csv", b"sep=,\r\na,b,c\r\n1,2,3\r\n", "line 1 is no header"),
        ("d.csv", b"# exported, at night\na,b,c\n1,2,3\n", "line 1 is no header"),
        ("d.csv", b"Report\na,b\n1,2\n", "line 1 is no header: it has one cell, and row 2 has 2"),
        ("d.csv", b"a\nx\n\xe9\n", "column 'a' is not UTF-8 text"),
        ("d.csv", b'a,b\n"SECRET,2\n3,4\n', "line 2 opens a quote that is not closed"),
        ("d.csv.gz", gzip.compress(CSV * 500, mtime=0)[:-9], "cannot be read as csv in gzip"),
        ("d.csv.gz", gzip.compress(CSV, mtime=0) + b"x", "cannot be read as csv in gzip"),
        ("d.csv.gz", gzip.compress(CSV, mtime=0)[:20] + b"x" * 20, "cannot be read as csv in gzip"),
        ("d.csv.gz", CSV, "cannot be read as csv in gzip"),
        ("d.csv.zst", zst(CSV * 500)[:-9], "cannot be read as csv in zstd"),
        ("d.jsonl", b"", "d.jsonl is empty"),
        ("d.jsonl", b'{"a": 1}\n\n{"a": SECRET}\n', "line 3 is not JSON"),
        ("d.jsonl", b'{"a": 1}\n{"a": "SECRET"}\n', "'a' holds a number before line 2 and a text there"),
        ("d.jsonl", b'{"a": 1}\n3\n', "line 2 is a number"),
        ("d.jsonl", b"[1]\n", "line 1 is a list"),
        ("d.jsonl", b'{"a": "\xe9"}\n', "line 1 is not JSON (not UTF-8)".replace("(", r"\(").replace(")", r"\)")),
        ("d.jsonl", b'{"a": 1, "a": 2}\n', "a key is given twice"),
        ("d.jsonl", b'{"a": [1, "SECRET"]}\n', "types do not fit together"),
        ("d.jsonl.gz", gzip.compress(JSONL, mtime=0)[:-9], "cannot be read as jsonl in gzip"),
        ("d.jsonl", b"null\n", "line 1 is null"),
        ("d.jsonl", b'{"a": 1}\n null\n', "line 2 is null"),
        ("d.jsonl", b"\xef\xbb\xbf null\n", "line 1 is not JSON"),
        ("d.jsonl", ARRAY, "line 1 is a list"),
        ("d.json", b"[]", "is empty"),
        ("d.json", b'{\n"a": 1\n}', "line 1 ends before its JSON does"),
        ("d.json", b"SECRET", "line 1 is not JSON"),
        ("d.json", b'"SECRET"', "line 1 is a text"),
        ("d.json", b'{"a": [1, 2], "b": ["SECRET", ""]}', "is one JSON object of columns"),
        ("d.json", b'{"n": 1, "data": [{"a": "SECRET"}]}', "is one JSON object, with objects under 'data'"),
        ("d.json", b"[1]\n[2]\n", "is an array whose element 1 is a number"),
        ("d.json", b'[{"a": 1}, null]', "is an array whose element 2 is null"),
        ("d.json", b'[{"a": 1}, {"a": "SECRET"}]', "'a' holds a number before object 2 and a text there"),
        ("d.json", b'[{"a": 1}, {"a": SECRET}]', r"object 2 of its array is not JSON \(Expecting value\)"),
        ("d.json", b'[{"a": 1}, {"a": 2}', "is an array that is never closed"),
        ("d.json", b'[{"a": 1} {"a": 2}]', "with something behind its object 1 that does not belong there"),
        ("d.json", b'[{"a": 1}]\n[{"a": 2}]', "with something behind its end that does not belong there"),
        ("d.json", b"[" * 99_999, "object 1 of its array is not JSON"),
        ("d.parquet", b"", "cannot be read as parquet"),
        ("d.parquet", b"PAR1 SECRET PAR1", "cannot be read as parquet"),
        ("d.parquet", CSV, "cannot be read as parquet"),
        ("d.parquet", parquet(pa.Table.from_pylist(ROWS))[:-20], "cannot be read as parquet"),
        ("d.parquet.gz", gzip.compress(b"PAR1", mtime=0), "is a compressed Parquet file"),
        ("d.parquet", parquet(pa.Table.from_arrays([pa.nulls(1), pa.nulls(1)], names=["a", "a"])), "the same name: a"),
    ],
)
def test_what_is_broken_says_what_and_where(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    """And nothing of what the rows hold."""
    with pytest.raises(DataError, match=message) as wrong:
        rows(written(tmp_path, name, data))

    assert "SECRET" not in str(wrong.value)
    assert name in str(wrong.value)
    assert wrong.value.remedy


def test_a_csv_column_has_the_type_that_holds_for_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a first block suggests is not what the last one must obey."""
    monkeypatch.setattr(csv, "_BLOCK_BYTES", 256)
    lines = [f"{n},{n},,{n}" for n in range(500)] + ["x7,0.5,late,", "8,,,9"]
    path = written(tmp_path, "d.csv", "\n".join(["code,n,note,m", *lines]).encode())

    found = dataset(path)

    assert found.schema == pa.schema({"code": pa.string(), "n": pa.float64(), "note": pa.string(), "m": pa.int64()})
    read = rows(path)
    assert len(read) == found.count() == 502
    assert read[0] == {"code": "0", "n": 0.0, "note": None, "m": 0}
    assert read[500] == {"code": "x7", "n": 0.5, "note": "late", "m": None}


def test_namibia_is_a_country_and_na_no_number(tmp_path: Path) -> None:
    """A text is only missing where its cell is empty."""
    path = written(tmp_path, "d.csv", b'country,x,only\nNA,NA,NA\nFR,1,NA\n"",nan,\n')

    assert rows(path) == [
        {"country": "NA", "x": None, "only": "NA"},
        {"country": "FR", "x": 1, "only": "NA"},
        {"country": None, "x": None, "only": None},
    ]


def test_a_cell_may_hold_a_line_break(tmp_path: Path) -> None:
    """Quoted, as spreadsheets write it."""
    assert rows(written(tmp_path, "d.csv", b'a,b\n"x\ny, z",2\n')) == [{"a": "x\ny, z", "b": 2}]


def test_json_types_hold_for_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that come late, numbers that become fractions, objects that grow; a text that looks like a date is a text."""
    monkeypatch.setattr(json_blocks, "_BLOCK_BYTES", 64)
    values: list[dict[str, Any]] = [{"n": n, "on": "2026-11-21", "o": {"a": [n]}} for n in range(40)]
    values += [{"n": 0.5, "o": {"b": None}}, {"late": "x" * 200, "on": "soon", "o": {"a": [], "b": {"c": True}}}]
    path = written(tmp_path, "d.jsonl", "\n".join(map(json.dumps, values)).encode())

    read = rows(path)

    assert read[0] == {"n": 0.0, "on": "2026-11-21", "o": {"a": [0], "b": None}, "late": None}
    assert read[40] == {"n": 0.5, "on": None, "o": {"a": None, "b": None}, "late": None}
    assert read[41] == {"n": None, "on": "soon", "o": {"a": [], "b": {"c": True}}, "late": "x" * 200}


NAMES = [
    "01001",
    "1001",
    "12345678901234567890123",
    "12345678901234567890124",
    "1e5",
    "1.0",
    "NA",
    "TRUE",
    " x ",
    "2026-01-05",
]


def as_stored(path: Path, column: str = "k", **spec: Any) -> list[str]:
    batches = dataset(path, **spec).batches([stored(column)])
    return [text for batch in batches for text in texts(batch.column(0)).to_pylist()]


def test_csv_names_are_the_texts_that_stand_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside columns that are read as what they seem, and for a column that is read in both ways."""
    path = written(
        tmp_path, "d.csv", "\n".join(["k,n,z", *(f"{name},{n},0{n}" for n, name in enumerate(NAMES))]).encode()
    )
    monkeypatch.setattr(csv, "_BLOCK_BYTES", 64)

    batch = pa.Table.from_batches(dataset(path).batches([stored("z"), "n", stored("k"), "z"]))

    assert batch.column_names == [stored("z"), "n", stored("k"), "z"]
    assert batch.column(stored("k")).to_pylist() == NAMES
    assert batch.column("n").to_pylist() == batch.column("z").to_pylist() == list(range(10))
    assert batch.column(stored("z")).to_pylist() == [f"0{n}" for n in range(10)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["12345678901234567890123", "12345678901234567890124", "7"], None),
        (["9007199254740993", "9007199254740992", "0.5"], None),
        (["1", "1.0", "1e0", "-0.0", "1e3", "0.10", "1e-7"], ["1", "1", "1", "0", "1000", "0.1", "1e-07"]),
        (
            ["18446744073709551615", "18446744073709551614", "null"],
            ["18446744073709551615", "18446744073709551614", None],
        ),
        (['"01001"', '"1001"', '""'], ["01001", "1001", ""]),
        (["true", "false"], None),
    ],
)
def test_json_names_lose_no_digit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[str], expected: list[str] | None
) -> None:
    """Whatever stands beside them, in another block too; a number has one spelling."""
    monkeypatch.setattr(json_blocks, "_BLOCK_BYTES", 32)
    path = written(tmp_path, "d.jsonl", "\n".join(f'{{"n": 1, "k": {value}}}' for value in values).encode())

    assert as_stored(path) == (values if expected is None else expected)


def test_names_of_several_files_are_read_by_each_files_own_type(tmp_path: Path) -> None:
    """pandas makes a column of whole numbers one of doubles in the file where some are missing."""
    for name, column in (
        ("a", pa.array([2**53 + 1, 1])),
        ("b", pa.array([1.0, None])),
        ("c", pa.array([2**53, 2], pa.uint64())),
    ):
        pq.write_table(pa.table({"k": column, "x": column}), tmp_path / f"{name}.parquet")

    assert as_stored(tmp_path) == ["9007199254740993", "1", "1", None, "9007199254740992", "2"]


def test_an_array_is_cut_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Amid a text, an escape, a letter of several bytes, a number; what is wrong far down is named by its number."""
    values = [{"a": n, "t": f'[{{"é\\n{n}', "o": {"b": [None, -1.5e-7], "c": True}} for n in range(30)]
    path = written(tmp_path, "d.json", json.dumps(values, indent=1).encode())
    for size in (1, 7, 64):
        monkeypatch.setattr(json_blocks, "_BLOCK_BYTES", size)
        assert rows(path) == values

    with pytest.raises(DataError, match="'a' holds a number before object 301 and a text there"):
        rows(written(tmp_path, "d.json", b"[" + b'{"a": 1},' * 300 + b'{"a": ""}]'))


def test_a_bad_line_far_down_is_named_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are not what people count in."""
    monkeypatch.setattr(json_blocks, "_BLOCK_BYTES", 64)

    with pytest.raises(DataError, match="line 301 is not JSON"):
        rows(written(tmp_path, "d.jsonl", b'{"a": 1}\n' * 300 + b"{"))


def test_parquet_columns_may_have_any_name(tmp_path: Path) -> None:
    """Dots are not paths; the order is the one that was asked for."""
    table = pa.Table.from_pylist([{"a": 1, "a.b": 2, "ä ö": 3, "s": {"t": 4}}])
    found = dataset(written(tmp_path, "d.parquet", parquet(table)))

    assert [batch.to_pylist() for batch in found.batches(["ä ö", "a.b", "s", "a"])] == [
        [{"ä ö": 3, "a.b": 2, "s": {"t": 4}, "a": 1}]
    ]


def _mutated(data: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with some of them changed, or cut off."""

    def changed(edits: list[tuple[int, int]], end: int) -> bytes:
        found = bytearray(data)
        for place, value in edits:
            found[place % len(found)] = value
        return bytes(found[: len(found) - end])

    edits = st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), min_size=1, max_size=4)
    return st.builds(changed, edits, st.sampled_from([0, 0, 0, 1, 7]))


def _anything() -> Iterator[tuple[str, st.SearchStrategy[bytes]]]:
    lines = st.lists(
        st.one_of(st.binary(max_size=20), st.sampled_from([b'{"a": 1}', b"null", b"1,2", b'"', b"\xef\xbb\xbf"]))
    )
    text = st.one_of(st.binary(max_size=200), lines.map(b"\n".join))
    yield "d.csv", st.one_of(text, _mutated(CSV))
    yield "d.jsonl", st.one_of(text, _mutated(JSONL))
    yield "d.json", st.one_of(text.map(lambda inside: b"[" + inside + b"]"), _mutated(ARRAY))
    yield "d.csv.gz", st.one_of(text.map(gzip.compress), _mutated(gzip.compress(CSV, mtime=0)))
    yield "d.jsonl.zst", st.one_of(text, _mutated(zst(JSONL)))
    yield "d.parquet", st.one_of(st.binary(max_size=200), _mutated(parquet(pa.Table.from_pylist(ROWS))))


ANYTHING = dict(_anything())


def kept_or_named(path: Path) -> str:
    """Read the file: as many rows as it is said to have, or a refusal that names it; returns that, else nothing."""
    try:
        opened = dataset(path)
        batches = list(opened.batches())
        rows, refusal = sum(batch.num_rows for batch in batches), ""
    except DataError as error:
        refusal = str(error)
    else:
        for batch in batches:
            batch.validate(full=True)
    assert path.name in refusal if refusal else rows == opened.count()
    return refusal


@pytest.mark.parametrize("name", ANYTHING)
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_bytes_are_data_or_a_data_error(tmp_path: Path, name: str, data: st.DataObject) -> None:
    """Nothing that a file holds breaks the tool."""
    kept_or_named(written(tmp_path, name, data.draw(ANYTHING[name])))


def test_a_parquet_file_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    """Whichever byte of a file is changed: it holds as many rows as it says, of texts that are some, or the file is named."""
    whole = parquet(pa.Table.from_pylist(ROWS))
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    changes = [(at, whole[at] ^ 4) for at in (*range(0, footer, 3), *range(footer, len(whole), 2))]
    changes += [(at, value) for at in range(footer, footer + 80) for value in (0, whole[at] ^ 4)]
    refusals = [
        kept_or_named(written(tmp_path, "d.parquet", whole[:at] + bytes([value]) + whole[at + 1 :]))
        for at, value in changes
        if value != whole[at]
    ]

    assert any("where its own footer says" in refusal for refusal in refusals)
    assert any("says that it has 0 rows, and 3 in its groups" in refusal for refusal in refusals)


def test_a_page_that_is_not_what_its_checksum_says_is_refused(tmp_path: Path) -> None:
    """Where the writer wrote checksums, as Spark does, no byte of the values can be another."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(ROWS), sink, write_page_checksum=True, compression="none")
    whole = bytes(sink.getvalue())
    at = whole.index(b"c", 4)

    refusal = kept_or_named(written(tmp_path, "d.parquet", whole[:at] + b"d" + whole[at + 1 :]))

    assert "CRC checksum verification failed" in refusal


@pytest.mark.parametrize("compression", ["none", "snappy"])
def test_no_byte_of_a_footer_makes_a_column_another(tmp_path: Path, compression: str) -> None:
    """Each name and kind stands there twice: in Parquet's schema, and in Arrow's beside it."""
    table = pa.table({"id": ["a", None, "c"], "n": [1, None, 3], "x": [0.5, 1.5, None]})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression=compression)
    whole = bytes(sink.getvalue())
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    refusals = []
    for at, flip in itertools.product(range(footer, footer + 60), (1, 4, 64)):
        path = written(tmp_path, "d.parquet", whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
        refusals.append(kept_or_named(path))
        assert refusals[-1] or pa.Table.from_batches(dataset(path).batches()).schema.equals(table.schema)

    assert any("calls a column 'hd' in one of its schemas, and 'id' in the other" in refusal for refusal in refusals)
    assert any("has column 'id' as binary in one" in refusal for refusal in refusals)


def test_a_schema_of_arrow_that_a_tool_kept_beside_fewer_columns_is_passed_over(tmp_path: Path) -> None:
    """And units and widths, which writers change, are no contradiction."""
    schema = pa.schema({"a": pa.int64(), "b": pa.string()}).serialize().to_pybytes()
    sink = pa.BufferOutputStream()
    kept = pa.table({"a": [1]}).replace_schema_metadata({b"ARROW:schema": base64.b64encode(schema)})
    with pq.ParquetWriter(sink, kept.schema, store_schema=False) as writer:
        writer.write_table(kept)
        writer.add_key_value_metadata({"ARROW:schema": base64.b64encode(schema).decode()})
    assert rows(written(tmp_path, "d.parquet", bytes(sink.getvalue()))) == [{"a": 1}]

    sink = pa.BufferOutputStream()
    old = pa.table({"t": pa.array([10**9], pa.timestamp("ns")), "n": pa.array([1], pa.uint32()), "d": pa.array([0], pa.date64()),
                    "c": pa.array(["x"]).dictionary_encode(), "v": pa.array(["x"], pa.large_string())})  # fmt: skip
    pq.write_table(old, sink, version="1.0", coerce_timestamps="ms")
    assert len(rows(written(tmp_path, "d.parquet", bytes(sink.getvalue())))) == 1

"""Data sets: which files they are, in which order their rows come, and what is said when something is amiss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from helpers.reference import FILES
from lockgate import hashing as digests
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import DataError

ADULT = FILES / "adult_test.csv.gz"


def dataset(root: Path, path: str, **spec: Any) -> Dataset:
    return Dataset("holdout", DatasetSpec.model_validate({"path": path, **spec}), root)


def column(found: Dataset, name: str) -> list[Any]:
    return [value for batch in found.batches([name]) for value in batch.column(name).to_pylist()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files that belong together, and what lies beside data."""
    inside = tmp_path / "data"
    (inside / "sub").mkdir(parents=True)
    (inside / "b.csv").write_text("n,x\n3,0.5\n4,\n")
    (inside / "a.csv").write_text("n,x\n1,1\n2,2\n")
    (inside / "sub" / "c.csv").write_text("x,n\n,5\n")
    (inside / "_SUCCESS").write_text("")
    (inside / ".hidden.csv").write_text("q\n")
    return tmp_path


def test_a_folder_is_read_in_the_order_of_its_names(folder: Path) -> None:
    """With types that hold for all of its files."""
    found = dataset(folder, "data")

    assert [file.name for file in found.files] == ["a.csv", "b.csv", "c.csv"]
    assert found.schema == pa.schema({"n": pa.int64(), "x": pa.float64()})
    assert column(found, "n") == [1, 2, 3, 4, 5]
    assert column(found, "x") == [1.0, 2.0, 0.5, None, None]
    assert found.count() == 5
    assert found.row(4) == "row 2 of data/b.csv"


def test_a_glob_takes_what_it_matches(folder: Path) -> None:
    """Sorted too."""
    assert column(dataset(folder, "data/*.csv"), "n") == [1, 2, 3, 4]
    assert column(dataset(folder, "data/**/*.csv"), "n") == [1, 2, 3, 4, 5]
    assert column(dataset(folder, str(folder / "data" / "[b-z].csv")), "n") == [3, 4]


def test_a_batch_has_at_most_so_many_rows(folder: Path) -> None:
    """And the same rows come out."""
    batches = list(dataset(folder, "data").batches(["n"], rows=1))

    assert [batch.num_rows for batch in batches] == [1] * 5
    assert [batch.column("n")[0].as_py() for batch in batches] == [1, 2, 3, 4, 5]


def test_the_digest_is_that_of_the_bytes(folder: Path) -> None:
    """Of a file its SHA-256; of a folder or glob that of the sorted list of its data files, wherever they lie."""
    one = folder / "data" / "a.csv"
    entries = [
        (name, digests.sha256_file(folder / "data" / name), (folder / "data" / name).stat().st_size)
        for name in ("a.csv", "b.csv", "sub/c.csv")
    ]

    assert dataset(folder, "data/a.csv").digest == digests.sha256_file(one)
    assert dataset(folder, "data").digest == digests.files_digest(entries)
    assert dataset(folder, "data/*.csv").digest == digests.files_digest(entries[:2])
    assert dataset(folder / "data", ".").digest == dataset(folder, "data").digest


def test_data_of_another_digest_is_not_read(folder: Path) -> None:
    """The bytes must be those that the pipeline names."""
    right = digests.sha256_file(folder / "data" / "a.csv")
    assert dataset(folder, "data/a.csv", digest=right).count() == 2

    with pytest.raises(DataError, match=rf"data/b.csv has the digest sha256:\w+, and the pipeline requires {right}"):
        dataset(folder, "data/b.csv", digest=right).count()


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        ({}, "data/holdout.csv", "does not exist.*correct the path"),
        ({"data/holdout.csv": "a\n1\n"}, "data/holdot.csv", r"did you mean 'holdout\.csv'\?"),
        ({}, "data/*.csv", "data/[*].csv matches no file"),
        ({"data/_x": ""}, "data", "is a folder without data files"),
        ({"data/a.csv": "a\n1\n", "data/readme.md": ""}, "data", r"holds a file of no known format: data/readme\.md"),
        ({"data/a.csv": "a\n1\n", "data/b.jsonl": "{}"}, "data", "mixes csv and jsonl files"),
        ({"data/a.csv": "a,b\n1,2\n", "data/c.csv": "a\n1\n"}, "data", r"data/a\.csv has 'b', data/c\.csv has not"),
        (
            {"data/a.jsonl": '{"a": 1}', "data/b.jsonl": '{"a": 1, "b": 2}'},
            "data",
            r"data/b\.jsonl has 'b', data/a\.jsonl has not",
        ),
        (
            {"data/a.jsonl": '{"a": 1}', "data/b.jsonl": '{"a": "x"}'},
            "data",
            r"'a' is string in data/b\.jsonl and int64",
        ),
        ({"data/a.csv": "", "data/b.csv": "\n"}, "data", "data is empty"),
        ({"data/a.csv": "a\n1\n", "data/b.csv.gz": ""}, "data", r"data/b\.csv\.gz: is empty, and no file of gzip"),
        ({"a.txt": "a\n1\n"}, "a.txt", "holds a file of no known format"),
    ],
)
def test_what_cannot_be_found_says_what_was_looked_for(
    tmp_path: Path, files: dict[str, str], path: str, message: str
) -> None:
    """With what to do about it."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    with pytest.raises(DataError, match=f"(?s){message}") as wrong:
        dataset(tmp_path, path).count()
    assert wrong.value.remedy


@pytest.mark.parametrize(
    ("rows", "others", "merged"),
    [
        (['{"a": 1, "b": 2}', '{"a": 1}', '{"a": 1}'], ['{"a": 3}'], True),
        (['{"a": 1, "b": 2}', '{"a": 1, "b": 2}', '{"a": 1}'], ['{"a": 3}'], False),
        (['{"a": 1, "b": 2}', '{"a": 1, "b": 2}'], ['{"a": 3}', '{"a": 3, "b": 1}'], True),
        (['{"a": 1, "b": 2}'], ['{"a": 3, "b": null}'], True),
        (['{"a": 1, "b": 2}'], [], True),
        (['{"a": 1, "b": 2}'], ['{"a": 1, "c": 2}'], False),
    ],
)
def test_a_key_that_rows_may_lack_may_be_in_no_row_of_a_file(
    tmp_path: Path, rows: list[str], others: list[str], merged: bool
) -> None:
    """One that most rows of another file have is of another schema."""
    for first, last in ((rows, others), (others, rows)):
        (tmp_path / "a.jsonl").write_text("\n".join(first))
        (tmp_path / "b.jsonl").write_text("\n".join(last))
        if merged:
            assert set(dataset(tmp_path, "*.jsonl").columns) == {"a", "b"}
        else:
            with pytest.raises(DataError, match="mixes files of different columns"):
                dataset(tmp_path, "*.jsonl").count()


def test_a_column_that_is_not_there_is_guessed(folder: Path) -> None:
    """Known ones are listed; a file with another sign between its cells is recognised."""
    (folder / "semi.csv").write_text("age;sex\n1;M\n")
    (folder / "d.csv").write_text("amount,country\n1,BR\n")

    with pytest.raises(DataError, match=r"d\.csv has no column 'amout', the label; .* amount, country; .*'amount'\?"):
        dataset(folder, "d.csv").need({"amout": "label"})
    with pytest.raises(DataError, match="seems to use another separator"):
        dataset(folder, "semi.csv").need({"age": ""})


def test_a_field_inside_of_a_column_is_to_be_read_by_its_path(folder: Path) -> None:
    """Which is what a name with a point may mean."""
    (folder / "d.jsonl").write_text('{"geo": {"country": "BR"}, "a": 1}\n')

    with pytest.raises(
        DataError, match=r"no column 'geo.country'.*; read it by its path: data.holdout.columns: {country: geo.country}"
    ):
        dataset(folder, "d.jsonl").need({"geo.country": ""})
    with pytest.raises(DataError, match=r"no column 'a.country'; its columns are geo, a$"):
        dataset(folder, "d.jsonl").need({"a.country": ""})


def moments(*hours: float | None) -> list[datetime | None]:
    newest = datetime(2026, 11, 21, 12, tzinfo=UTC)
    return [None if hour is None else newest - timedelta(hours=hour) for hour in hours]


def test_last_counts_back_from_the_run_and_not_from_the_newest_row(tmp_path: Path) -> None:
    """Text, number and timestamp columns agree; both ends are in; a row from the future moves nothing."""
    when = [moment for moment in moments(30, 24, 0, 24.001, 3, -500_000) if moment]
    forms: dict[str, list[Any]] = {
        "text": [moment.isoformat().replace("+00:00", "Z") for moment in when],
        "plain": [moment.replace(tzinfo=None).isoformat() for moment in when],
        "seconds": [moment.timestamp() for moment in when],
        "millis": [round(moment.timestamp() * 1000) for moment in when],
        "micros": [round(moment.timestamp()) * 10**6 for moment in when],
        "nanos": [round(moment.timestamp()) * 10**9 for moment in when],
        "digits": [str(round(moment.timestamp())) for moment in when],
        "fine": [f"{moment:%Y-%m-%dT%H:%M:%S}.000000001Z" for moment in when],
    }
    for name, values in forms.items():
        lines = [json.dumps({"ts": value, "n": n}) for n, value in enumerate(values)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    pq.write_table(pa.table({"ts": when, "n": range(6)}), tmp_path / "stamps.parquet")
    elsewhere = pa.array([moment.replace(tzinfo=None) for moment in when], pa.timestamp("ns", "Asia/Tokyo"))
    pq.write_table(pa.table({"ts": elsewhere, "n": range(6)}), tmp_path / "tokyo.parquet")
    paths = [*(f"{name}.jsonl" for name in forms), "stamps.parquet", "tokyo.parquet"]

    for path in paths:
        spec = DatasetSpec.model_validate({"path": path, "last": "24h", "time": "ts"})
        found = Dataset("holdout", spec, tmp_path, now=datetime(2026, 11, 21, 12, tzinfo=UTC))
        assert column(found, "n") == [1, 2, 4], path
        assert found.count() == 3
        assert {tuple(batch.schema.names) for batch in found.batches(["n"])} == {("n",)}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["2026-11-21T10:00:00Z", "soon"], "is not a time .row 2 is no time"),
        (["2026-11-21T10:00:00Z", None, None], "has no time in 2 rows of column 'ts', the first is row 2"),
        ([True], "its type is bool"),
        ([1e300], "numbers too large"),
        ([20261121, 20261120], "dates written as numbers, such as 20261121"),
    ],
)
def test_a_time_that_is_none_is_an_error(tmp_path: Path, values: list[Any], message: str) -> None:
    """A row that cannot be placed is not dropped silently."""
    (tmp_path / "d.jsonl").write_text("\n".join(json.dumps({"ts": value}) for value in values))

    with pytest.raises(DataError, match=message):
        dataset(tmp_path, "d.jsonl", last="7d", time="ts").count()


@pytest.mark.parametrize("form", ['{{"ts": "{}"}}\n', "ts\n{}\n"], ids=["jsonl", "csv"])
def test_a_time_zone_stands_in_all_rows_or_in_none_of_all_batches(tmp_path: Path, form: str) -> None:
    """A row without a value is of either kind."""
    end = "csv" if form.startswith("ts") else "jsonl"
    for name, time in (("a", "2026-11-21T10:00:00+02:00"), ("b", "2026-11-21T10:00:00"), ("c", "2026-11-21T10:00:00Z")):
        (tmp_path / f"{name}.{end}").write_text(form.format(time))

    assert dataset(tmp_path, f"[ac].{end}", last="7d", time="ts").window is not None
    for pattern, refusal in (
        ("[ab]", "row 2 has none, those before it have one"),
        ("[bc]", "row 2 has one, those before"),
    ):
        with pytest.raises(DataError, match=f"some rows have a time zone and some have none: {refusal}"):
            dataset(tmp_path, f"{pattern}.{end}", last="7d", time="ts").count()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"path": ""}, "a name is needed"),
        ({"path": "a", "digest": "abc"}, "'abc' is not a digest"),
        ({"path": "a", "last": "7d"}, "`last` needs `time`"),
        ({"path": "a", "last": "0s", "time": "t"}, "no time at all"),
        ({"path": "a", "time": "t", "until": "2026-11-21"}, "`until` needs `last`"),
        (
            {"path": "a", "last": "7d", "time": "t", "until": "2026-11-21T10:00:00"},
            "no moment with a time zone; write a day",
        ),
        ({"path": "a", "last": "7d", "time": "t", "until": "2026-02-30"}, "no moment with a time zone; write a day"),
        ({"path": "a", "last": "7d", "time": "t", "until": 20261121}, "20261121 is no moment; write a day, 2026-11-21"),
        ({"path": "a", "keep_ids": True}, "`keep_ids` needs `id`"),
        ({"path": "a", "scores": {"challenger": "p"}}, "'candidate' or 'champion'"),
        ({"path": "a", "query": " "}, "a name is needed"),
        ({"path": "a", "lable": "y"}, "Extra inputs are not permitted"),
    ],
)
def test_a_declaration_that_does_not_fit_together_is_refused(spec: dict[str, Any], message: str) -> None:
    """Before anything is read."""
    with pytest.raises(ValidationError, match=message):
        DatasetSpec.model_validate(spec)


def test_the_census_is_read_as_it_is() -> None:
    """Types, count, missing values."""
    found = dataset(ADULT.parent, ADULT.name)

    assert found.count() == 16_281
    assert found.schema.field("age").type == pa.int64()
    assert column(found, "native_country").count(None) == 274


def test_reading_imports_no_pandas(folder: Path) -> None:
    """It would cost a fresh process more than the reading."""
    (folder / "d.jsonl").write_text('{"n": 1, "t": "2026-11-21T10:00:00Z"}')
    pq.write_table(pa.table({"n": [1], "t": [datetime(2026, 11, 21)]}), folder / "d.parquet")
    code = f"""
import sys
from pathlib import Path
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
for path in ("data", "d.jsonl", "d.parquet"):
    timed = dict(last="7d", until="2026-11-22", time="t") if path != "data" else {{}}
    spec = DatasetSpec.model_validate(dict(path=path, slices=["n"], **timed))
    found = Dataset("d", spec, Path({str(folder)!r}))
    assert found.count()
    for batch in found.batches():
        found.slices[0].assign(batch)
print("pandas" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def rewritten(path: Path, data: bytes, *, keep_times: bool = False) -> None:
    before = path.stat()
    path.write_bytes(data)
    if keep_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


@pytest.mark.parametrize(
    ("data", "keep_times"),
    [(b"a,b\n9,9\n", False), (b"a,b\n1,2\n3,4\n", True), (b"a,c\n1,2\n", False), (b"a,b\n\n1,", True), (None, False)],
)
@pytest.mark.parametrize("first", ["digest", "schema"])
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, data: bytes | None, keep_times: bool, first: str
) -> None:
    """Longer, of other columns, broken, gone, or with other values in as many bytes."""
    path = tmp_path / "d.csv"
    path.write_bytes(b"a,b\n1,2\n")
    dataset = Dataset("holdout", DatasetSpec(path="d.csv"), tmp_path)
    assert getattr(dataset, first)
    if data is None:
        path.unlink()
    else:
        rewritten(path, data, keep_times=keep_times)

    with pytest.raises(DataError, match=r"d\.csv changed while it was read") as refused:
        list(dataset.batches())
    assert refused.value.exit_code == 4


def test_a_file_that_is_written_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """Between its first rows and its last."""
    path = tmp_path / "d.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 10)
    batches = Dataset("holdout", DatasetSpec(path="d.csv"), tmp_path).batches(rows=4)
    next(batches)
    with path.open("ab") as file:
        file.write(b"1,2\n")

    with pytest.raises(DataError, match=r"d\.csv changed while it was read"):
        list(batches)

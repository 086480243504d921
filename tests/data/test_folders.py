"""Folders of files: which of them count, which columns their names give, and folders that a log governs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import DataError

ROWS = b"a,label\n1,0\n2,1\n"
COMMITTED = json.dumps({"added": [], "removed": ["part-0-tid-7-a.csv"]}).encode()


def parquet(**columns: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue())


def both(root: Path, memory: Any, files: dict[str, bytes], path: str) -> Iterator[Dataset]:
    """The files on this machine, and behind an address."""
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
        memory.pipe(f"/bucket/{name}", data)
    for address in (path, f"memory://bucket/{path}"):
        yield Dataset("holdout", DatasetSpec(path=address), root)


def rows(dataset: Dataset) -> list[dict[str, Any]]:
    return [row for batch in dataset.batches() for row in batch.to_pylist()]


def refusal(dataset: Dataset) -> str:
    with pytest.raises(DataError) as caught:
        rows(dataset)
    assert caught.value.exit_code == 4
    return f"{caught.value.message} | {caught.value.remedy}"


@pytest.mark.parametrize(
    ("end", "write"),
    [
        ("parquet", lambda n: parquet(a=[n])),
        ("snappy.parquet", lambda n: parquet(a=[n])),
        ("PARQUET", lambda n: parquet(a=[n])),
        ("csv", lambda n: b"a\n%d\n" % n),
        ("TSV", lambda n: b"a\tb\n%d\t\n" % n),
        ("json", lambda n: b'{"a": %d}' % n),
        ("ndjson", lambda n: b'{"a": %d}\n' % n),
    ],
)
@pytest.mark.parametrize("path", ["data", "data/*/*/*", "data/**/*.*"])
def test_folders_of_the_form_key_value_are_columns(
    tmp_path: Path, memory: Any, end: str, write: Any, path: str
) -> None:
    """As Hive, Spark and pandas write them, decoded; values are texts, and the missing one is missing."""
    files = {
        f"data/country=B%20R/month=01/part.{end}": write(1),
        f"data/country=D%C3%89/month=12/part.{end}": write(2),
        f"data/country=__HIVE_DEFAULT_PARTITION__/month=/part.{end}": write(3),
    }
    for dataset in both(tmp_path, memory, files, path):
        read = sorted(rows(dataset), key=lambda row: int(row["a"]))
        assert [(row["a"], row["country"], row["month"]) for row in read] == [
            (1, "B R", "01"), (2, "DÉ", "12"), (3, None, "")
        ]  # fmt: skip
        assert [batch.to_pylist() for batch in dataset.batches(["month"])] == [
            [{"month": row["month"]}] for row in rows(dataset)
        ]
        assert dataset.count() == 3


def test_the_keys_above_a_path_are_no_columns(tmp_path: Path) -> None:
    """As elsewhere; who needs such a column learns where it is."""
    (tmp_path / "data" / "k=x").mkdir(parents=True)
    (tmp_path / "data" / "k=x" / "a.csv").write_bytes(ROWS)
    for path in ("data/k=x", "data/k=x/a.csv", "data/k=x/*.csv"):
        dataset = Dataset("holdout", DatasetSpec(path=path), tmp_path)
        assert dataset.columns == ("a", "label")
        with pytest.raises(DataError, match="name the folder that holds these folders"):
            dataset.need({"k": "slice"})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"data/k=x/a.csv": ROWS, "data/b.csv": ROWS}, "data/k=x/a.csv has k= in its path, data/b.csv has not"),
        ({"data/k=x/a.csv": ROWS, "data/k=y/j=z/b.csv": ROWS}, "has j= in its path"),
        ({"data/k=x/a.csv": ROWS, "data/j=y/b.csv": ROWS}, "mixes files of different folders"),
        ({"data/k=x/k=y/a.csv": ROWS}, "gives 'k' twice"),
        ({"data/k=%E9/a.csv": ROWS}, "is not UTF-8"),
        ({"data/a=01/a.csv": ROWS}, "column 'a' of row 2 is not what the folder's name says"),
        ({"data/a=x/a.csv": ROWS}, "column 'a' of row 1 is not"),
        ({"data/a=01/a.csv": b"a\n1\n", "data/a=1/a.csv": b"a\n1\n"}, "has folders a=01 and a=1"),
        (
            {f"data/a={text}/a.parquet": parquet(a=["1"]) for text in ("01", "1")},
            "column 'a' of the files holds both as one",
        ),
        ({f"data/a={text}/a.parquet": parquet(a=[1.0]) for text in ("1", "1.0")}, "has folders a=1.0 and a=1"),
        ({f"data/a={text}/a.parquet": parquet(a=[True]) for text in ("1", "true")}, "has folders a=1 and a=true"),
        ({"data/a=__HIVE_DEFAULT_PARTITION__/a.csv": ROWS}, "column 'a' of row 1 is not"),
    ],
)
def test_folders_that_contradict_themselves_are_refused(
    tmp_path: Path, memory: Any, files: dict[str, bytes], message: str
) -> None:
    """Each other, or the column of the same name in the file."""
    for dataset in both(tmp_path, memory, files, "data"):
        told = refusal(dataset)
        assert message.replace("data/", "") in told.replace("data/", "")


def test_a_column_that_agrees_with_its_folder_is_the_files_own(tmp_path: Path, memory: Any) -> None:
    """With the file's type."""
    files = {"data/n=01/a.parquet": parquet(n=[1, 1], c=["x", None])}
    for dataset in both(tmp_path, memory, files, "data"):
        assert rows(dataset) == [{"n": 1, "c": "x"}, {"n": 1, "c": None}]
        assert not dataset.untyped("n")


def test_texts_of_folders_that_no_file_merges_stay_apart(tmp_path: Path, memory: Any) -> None:
    """Where the files lack the column, or hold different values."""
    for label, column in (("without", {"c": ["x"]}), ("with", {})):
        files = {f"{label}/n={n}/a.parquet": parquet(**(column or {"n": [n]})) for n in ("A", "a", "é")}
        files |= {f"{label}/n={n}/a.parquet": parquet(**column) for n in ("01", "1") if column}
        for dataset in both(tmp_path, memory, files, label):
            assert len({row["n"] for row in rows(dataset)}) == len(files)


def test_the_values_of_folders_are_texts_that_a_signature_may_type(tmp_path: Path, memory: Any) -> None:
    """As the cells of CSV are, in every format."""
    for dataset in both(tmp_path, memory, {"data/n=01/a.parquet": parquet(c=["x"])}, "data"):
        assert (dataset.untyped("n"), dataset.untyped("c")) == (True, False)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["_SUCCESS", "_metadata", "_common_metadata", ".a.csv.crc", "._a.csv", "_old/b.txt", "_committed_7", "_started_7"], ""),
        (["_b.csv"], "holds _b.csv, and names that begin with _ are hidden by custom | rename it"),
        (["_B.PARQUET"], "holds _B.PARQUET"),
        (["_old/b.csv"], "holds _old/b.csv, and names that begin with _ are hidden by custom | rename or remove _old"),
        ([".old/b.csv", "x/.y/c.csv"], "names that begin with . are hidden"),
        (["_old/b.json", ".cfg/b.parquet"], ""),
        ([".git/b.csv", ".ipynb_checkpoints/b.csv", ".snapshot/daily/b.csv", "_checkpoints/b.csv", "__MACOSX/b.csv"], ""),
        (["_temporary/0/b.csv"], "a job is writing there"),
        (["part-00000"], "a file of no known format"),
        (["_started_7", "part-0-tid-7-a.csv"], "part-0-tid-7-a.csv, which _started_7 says does not count"),
        (["_committed_9", "part-0-tid-7-a.csv"], "part-0-tid-7-a.csv, which _committed_9 says does not count"),
    ],
)  # fmt: skip
def test_what_lies_beside_data_is_left_out_and_no_data_are(
    tmp_path: Path, memory: Any, names: list[str], message: str
) -> None:
    """What Spark and Hadoop leave in a folder is no data; what could be is refused, not dropped."""
    files = {"data/a.csv": ROWS, **{f"data/{name}": COMMITTED if "_committed_" in name else ROWS for name in names}}
    for dataset in both(tmp_path, memory, files, "data"):
        if message:
            assert message in refusal(dataset)
        else:
            assert rows(dataset) == [{"a": 1, "label": 0}, {"a": 2, "label": 1}]


def test_a_folder_of_an_underscored_key_is_a_partition(tmp_path: Path, memory: Any) -> None:
    """`_k=v` is hidden by nobody."""
    for dataset in both(tmp_path, memory, {"data/_k=v/a.csv": ROWS}, "data"):
        assert [row["_k"] for row in rows(dataset)] == ["v", "v"]


@pytest.mark.parametrize(
    ("log", "kind"),
    [
        (".hoodie/hoodie.properties", "Hudi"),
        ("metadata/00001-0f3e5a0e-1111-4222-8333-444455556666.metadata.json", "Iceberg"),
        ("metadata/v3.gz.metadata.json", "Iceberg"),
        ("metadata/version-hint.text", "Iceberg"),
        ("snapshot/snapshot-1", "Paimon"),
        ("_spark_metadata/0", "Spark streaming"),
    ],
)
@pytest.mark.parametrize(
    "path", ["data", "data/t", "data/t/data", "data/t/data/k=x/a.csv", "data/t/**/*.csv", "data/*/*/*/*.csv"]
)
def test_a_table_whose_log_is_not_read_is_refused(tmp_path: Path, memory: Any, log: str, kind: str, path: str) -> None:
    """Above, at and below its folder, by a file, a folder or a glob; with a way out."""
    files = {"data/t/data/k=x/a.csv": ROWS, f"data/t/{log}": b"{}"}
    for dataset in both(tmp_path, memory, files, path):
        told = refusal(dataset)
        assert f"has files of the {kind} table" in told
        assert "data/t" in told or path == "data"
        assert "| export its rows as they are now" in told


def test_a_folder_called_metadata_makes_no_table(tmp_path: Path, memory: Any) -> None:
    """Nor one called snapshot: what lies in it decides."""
    files = {
        "data/a.csv": ROWS,
        "data/metadata/x.csv": ROWS,
        "data/snapshot/y.csv": ROWS,
        "metadata/about.metadata.json": b"",
    }
    for dataset in both(tmp_path, memory, files, "data"):
        assert dataset.count() == 6


def test_a_link_into_a_table_is_a_file_of_it(tmp_path: Path) -> None:
    """Wherever the link lies."""
    (tmp_path / "t" / ".hoodie").mkdir(parents=True)
    (tmp_path / "t" / ".hoodie" / "x").touch()
    (tmp_path / "t" / "a.csv").write_bytes(ROWS)
    (tmp_path / "b.csv").symlink_to(tmp_path / "t" / "a.csv")
    (tmp_path / "u").symlink_to(tmp_path / "t")
    for path in ("b.csv", "u", "u/a.csv", "u/*.csv"):
        assert "Hudi" in refusal(Dataset("holdout", DatasetSpec(path=path), tmp_path))


def test_linked_folders_are_read_as_globs_read_them(tmp_path: Path) -> None:
    """Each file once: also where links lead around in a circle, or to a folder beside."""
    for folder in ("data/k=1/m=1", "archive/m=2"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.csv").write_bytes(ROWS)
    (tmp_path / "data" / "k=2").symlink_to(tmp_path / "archive")
    (tmp_path / "archive" / "m=2" / "up").symlink_to(tmp_path / "archive")
    (tmp_path / "data" / "around").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "latest").symlink_to("k=1")
    for path in ("data", "data/**/*.csv"):
        read = rows(Dataset("holdout", DatasetSpec(path=path), tmp_path))
        assert [(row["k"], row["m"], row["a"]) for row in read] == [
            ("1", "1", 1), ("1", "1", 2), ("2", "2", 1), ("2", "2", 2)
        ]  # fmt: skip


@pytest.mark.parametrize("path", ["data", "data/*.csv"])
def test_a_file_and_a_link_to_it_are_one_file(tmp_path: Path, path: str) -> None:
    """Under its own name, else under the first and shortest of links; two copies are two, also in a store that keeps equal files once."""
    (tmp_path / "data").mkdir()
    stored = tmp_path / "store" / "0123456789abcdef0123456789abcdef"
    stored.parent.mkdir()
    for file in (tmp_path / "data" / "b.csv", tmp_path / "old.csv", stored):
        file.write_bytes(ROWS)
    for name, target in {
        "a.csv": "b.csv", "c.csv": "../old.csv", "d.csv": "../old.csv", "e.csv": stored, "f.csv": stored
    }.items():  # fmt: skip
        (tmp_path / "data" / name).symlink_to(target)
    files = Dataset("holdout", DatasetSpec(path=path), tmp_path).files
    assert [file.name for file in files] == ["b.csv", "c.csv", "e.csv", "f.csv"]


def test_a_file_whose_two_names_contradict_each_other_is_refused(tmp_path: Path) -> None:
    """It would have a value of its folder and that of the link's."""
    (tmp_path / "data" / "k=1").mkdir(parents=True)
    (tmp_path / "data" / "k=1" / "a.csv").write_bytes(ROWS)
    (tmp_path / "data" / "k=2").symlink_to("k=1")
    for path in ("data", "data/*/*.csv"):
        told = refusal(Dataset("holdout", DatasetSpec(path=path), tmp_path))
        assert "reaches one file as k=1/a.csv and, by a link, as k=2/a.csv" in told


def test_a_hidden_folder_whose_files_visible_links_name_hides_nothing(tmp_path: Path) -> None:
    """As Kubernetes mounts volumes."""
    (tmp_path / "data" / "..2026").mkdir(parents=True)
    (tmp_path / "data" / "..2026" / "a.csv").write_bytes(ROWS)
    (tmp_path / "data" / "..data").symlink_to("..2026")
    (tmp_path / "data" / "a.csv").symlink_to("..data/a.csv")
    assert len(rows(Dataset("holdout", DatasetSpec(path="data"), tmp_path))) == 2


def test_a_folder_that_links_into_a_table_is_refused(tmp_path: Path) -> None:
    """As its files are by themselves."""
    (tmp_path / "t" / "_delta_log").mkdir(parents=True)
    (tmp_path / "t" / "_delta_log" / "0.json").touch()
    (tmp_path / "t" / "part").mkdir()
    (tmp_path / "t" / "part" / "a.csv").write_bytes(ROWS)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "b").symlink_to(tmp_path / "t" / "part")
    assert "files of the Delta table" in refusal(Dataset("holdout", DatasetSpec(path="data"), tmp_path))


def test_a_part_without_header_has_no_rows_where_others_have_one(tmp_path: Path, memory: Any) -> None:
    """As Spark writes a partition that is empty; wherever it stands among the others."""
    files = {"data/k=1/a.csv": b"", "data/k=1/b.csv": ROWS, "data/k=2/c.csv": b"", "data/k=3/d.csv": b"a,label\n"}
    for dataset in both(tmp_path, memory, files, "data"):
        assert rows(dataset) == [{"a": 1, "label": 0, "k": "1"}, {"a": 2, "label": 1, "k": "1"}]
        assert dataset.schema.names == ["a", "label", "k"]

"""Data behind an address: the same rows and the same digest as here, copied once, and no secret of it is ever told."""

from __future__ import annotations

import gzip
import hashlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.loopback import ROWS, SECRET, Web
from lockgate.data import remote
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import DataError
from lockgate.hashing import sha256
from references.conftest import s3, s3_server

__all__ = ["s3", "s3_server"]
MORE = b"id,label\n4,0\n"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "rows.csv").write_bytes(ROWS)
    server = Web(folder)
    yield server
    server.close()


def opened(path: str, root: Path, **spec: Any) -> Dataset:
    return Dataset("holdout", DatasetSpec(path=path, **spec), root)


def ids(dataset: Dataset) -> list[int]:
    return [value for batch in dataset.batches(["id"]) for value in batch.column("id").to_pylist()]


def refused(dataset: Dataset) -> DataError:
    with pytest.raises(DataError) as caught:
        ids(dataset)
    return caught.value


def test_a_file_on_a_server_is_read_once(web: Web, tmp_path: Path) -> None:
    """Whatever is asked of the data: digest, columns, rows, several times. Its digest is that of the bytes."""
    assert ids(opened(f"{web.url}/rows.csv?versionId=1", tmp_path)) == [1, 2, 3]
    web.asked.clear()
    dataset = opened(f"{web.url}/rows.csv#{sha256(ROWS).replace(':', '=')}", tmp_path, digest=sha256(ROWS), pinned=True)

    assert dataset.digest == sha256(ROWS)
    assert (dataset.columns, dataset.count(), ids(dataset), ids(dataset)) == (("id", "label"), 3, [1, 2, 3], [1, 2, 3])
    assert web.asked == ["/rows.csv"]


def test_a_pinned_digest_is_checked_before_anything_is_used(web: Web, tmp_path: Path) -> None:
    """Not a column is told of other bytes."""
    dataset = opened(f"{web.url}/rows.csv", tmp_path, digest=sha256(MORE))
    with pytest.raises(DataError, match=f"has the digest {sha256(ROWS)}, and the pipeline requires {sha256(MORE)}"):
        _ = dataset.columns


def test_compressed_files_stay_as_they_are_stored(web: Web, tmp_path: Path) -> None:
    """Also where a server calls their compression the encoding of its answer, which clients undo unasked."""
    packed = gzip.compress(ROWS)
    (web.folder / "rows.csv.gz").write_bytes(packed)
    dataset = opened(f"{web.url}/rows.csv.gz", tmp_path)

    assert (dataset.digest, ids(dataset)) == (sha256(packed), [1, 2, 3])


@pytest.mark.parametrize("end", ["", "/", "/*.csv", "/**/*.csv"])
def test_a_folder_and_a_glob_have_the_digest_that_they_would_have_here(memory: Any, tmp_path: Path, end: str) -> None:
    """By the same names, hidden files left out, whatever lies beside them."""
    local = tmp_path / "data" / "part"
    for name, data in {"a.csv": ROWS, "b.csv": MORE, "deep/c.csv": MORE, ".hidden.csv": b"x"}.items():
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_bytes(data)
        memory.pipe(f"/bucket/part/{name}", data)
    memory.pipe("/bucket/partly.csv", b"x")
    here, there = opened(f"data/part{end}", tmp_path), opened(f"memory://bucket/part{end}", tmp_path)

    assert ids(there) == ids(here) == ([1, 2, 3, 4] if end == "/*.csv" else [1, 2, 3, 4, 4])
    assert there.digest == here.digest


@pytest.mark.parametrize(("end", "names"), [("/", ["a.csv", "b.csv"]), ("/b*.csv", ["b.csv"])])
def test_a_folder_on_a_server_is_its_page_of_links(web: Web, tmp_path: Path, end: str, names: list[str]) -> None:
    """Files right below it, hidden ones left out; a query stands for each of them."""
    (web.folder / "part" / "deep").mkdir(parents=True)
    for name, data in {"a.csv": ROWS, "b.csv": MORE, "deep/c.csv": MORE, ".hidden.csv": b"x"}.items():
        (web.folder / "part" / name).write_bytes(data)
    there, here = opened(f"{web.url}/part{end}", tmp_path), opened(f"web/part{end.replace('/', '/', 1)}", tmp_path)

    assert [Path(file).name.partition("-")[2] for file in there.files] == names
    if "*" in end:
        assert there.digest == here.digest


def test_a_file_address_is_a_path_of_this_machine(tmp_path: Path) -> None:
    """Read where it lies, with blanks and all, as a file, a folder or a glob."""
    folder = tmp_path / "my data"
    folder.mkdir()
    (folder / "rows.csv").write_bytes(ROWS)
    quoted = str(folder).replace(" ", "%20")
    for address in (f"file://{quoted}/rows.csv", f"file://localhost{quoted}", f"FILE://{quoted}/*.csv"):
        dataset = opened(address, Path("/nowhere"))

        assert (ids(dataset), dataset.files) == ([1, 2, 3], (folder / "rows.csv",))
    pinned = f"file://{quoted}/rows.csv#sha256={hashlib.sha256(ROWS).hexdigest()}"
    assert ids(Dataset("holdout", DatasetSpec(path=pinned, pinned=True), tmp_path)) == [1, 2, 3]


def test_copies_go_to_the_scratch_folder_under_names_of_ours(memory: Any, tmp_path: Path) -> None:
    """A name cannot lead out of it."""
    memory.pipe("/bucket/x/-/evil é.csv", ROWS)
    scratch = tmp_path / "scratch"
    dataset = Dataset("holdout", DatasetSpec(path="memory://bucket/x"), tmp_path, scratch=scratch)

    assert ids(dataset) == [1, 2, 3]
    assert [path.parent for path in dataset.files] == [scratch / "holdout"]


def test_copies_without_a_scratch_folder_go_with_the_data(memory: Any, tmp_path: Path) -> None:
    """Nothing stays behind."""
    memory.pipe("/bucket/rows.csv", ROWS)
    dataset = opened("memory://bucket/rows.csv", tmp_path)
    [copied] = dataset.files
    assert copied.is_file()
    del dataset

    assert not copied.parent.exists()


@pytest.mark.parametrize(
    ("name", "why", "remedy"),
    [
        ("none.csv", "does not exist", "correct the address"),
        ("denied.csv", "may not be read (HTTP 403)", "credentials"),
        ("locked.csv", "may not be read (HTTP 401)", "credentials"),
        ("broken.csv", "cannot be read (HTTP 500)", "run again"),
        ("dies.csv", "cannot be read (ClientPayloadError", "run again"),
        ("none/", "does not exist", "correct the address"),
        ("*.parquet", "names no file", "correct the address"),
        ("a*/b.csv", "has a pattern in a folder's name", "last part only"),
    ],
)
def test_what_a_server_refuses_is_said(web: Web, tmp_path: Path, name: str, why: str, remedy: str) -> None:
    """With what to do; it is asked once, however often the data is."""
    dataset = opened(f"{web.url}/{name}", tmp_path)
    error = refused(dataset)

    assert error.message.startswith(f"data 'holdout': {web.url}/{name} {why}")
    assert remedy in (error.remedy or "")
    assert error.exit_code == 4
    asked = len(web.asked)
    assert refused(dataset) is error
    assert len(web.asked) == asked


def test_nobody_at_the_other_end_is_said(web: Web, tmp_path: Path) -> None:
    """No server, no waiting."""
    web.close()

    assert "cannot be read (ClientConnectorError" in refused(opened(f"{web.url}/rows.csv", tmp_path)).message


def test_a_server_that_falls_silent_is_waited_for_in_vain_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The time between two bytes is bounded."""
    import socket

    monkeypatch.setattr(remote, "READ_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/rows.csv"

        assert "stopped answering" in refused(opened(url, tmp_path)).message


@pytest.mark.parametrize(
    "end", [f"/locked.csv?sig={SECRET}&x=1#{SECRET}", f"/none.csv?sig={SECRET}", f"/dies.csv?sig={SECRET}"]
)
def test_no_secret_of_an_address_is_told(web: Web, tmp_path: Path, end: str, caplog: pytest.LogCaptureFixture) -> None:
    """User and password reach the server; people, logs and evidence see none of it, nor a signed query."""
    caplog.set_level(logging.INFO)
    dataset = opened(f"http://ana:{SECRET}@{web.place}{end}", tmp_path)
    plain = f"http://{web.place}{end.partition('?')[0]}?…"

    assert dataset.redacted_path == plain
    if "locked" in end:
        assert ids(dataset) == [1, 2, 3]
        with pytest.raises(DataError) as caught:
            dataset.need({"nothing": "label"})
        error = caught.value
    else:
        error = refused(dataset)
    assert plain in error.message
    for told in (str(error), error.remedy or "", caplog.text, *(str(file) for file in tmp_path.rglob("*"))):
        assert SECRET not in told
        assert "ana:" not in told


def test_what_a_driver_says_is_told_without_secrets() -> None:
    """However it quotes the address: whole, decoded, or in parts."""
    url = f"s3://key:{SECRET}@bucket/rows.csv?token=a%2Fb%2Fc"
    error = RuntimeError(f"cannot open {url} as key with {SECRET}: token a/b/c is old\nmore")

    assert remote._message(error, url) == "RuntimeError: cannot open s3://bucket/rows.csv?… as … with …: token … is old"


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("data/*.csv", "data/*.csv"),
        ("s3://bucket/a/*.csv", "s3://bucket/a/*.csv"),
        ("https://u:p@host:8443/a.csv", "https://host:8443/a.csv"),
        ("https://host/a.csv?X-Amz-Signature=0a", "https://host/a.csv?…"),
        ("https://host/a.csv#frag", "https://host/a.csv?…"),
        ("https://[bad/a.csv?s=1", "https://…"),
    ],
)
def test_an_address_is_shown_without_its_secrets(path: str, seen: str) -> None:
    """What is left tells where the data lies."""
    assert remote.redacted(path) == seen


def test_a_missing_driver_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what to install; so is fsspec itself."""
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.setitem(sys.modules, "paramiko", None)
    error = refused(opened("gs://bucket/rows.csv", tmp_path))
    assert "needs the driver for gs://, which is not installed" in error.message
    assert error.remedy == "install gcsfs"
    assert "paramiko" in (refused(opened("sftp://host/rows.csv", tmp_path)).remedy or "")
    unknown = refused(opened("s4://bucket/rows.csv", tmp_path))
    assert "has a scheme that nothing installed reads, s4://" in unknown.message
    assert unknown.remedy == "did you mean s3://?"
    monkeypatch.setitem(sys.modules, "fsspec", None)
    assert refused(opened("s3://bucket/rows.csv", tmp_path)).remedy == "install lockgate[remote]"


@pytest.mark.parametrize("address", ["s3://", f"https://[bad?sig={SECRET}", "file://?x"])
def test_an_address_of_nothing_is_refused_before_anything_is_read(address: str) -> None:
    """When the pipeline is checked, without repeating it."""
    with pytest.raises(ValueError, match="names nothing") as caught:
        DatasetSpec(path=address)

    assert SECRET not in caught.value.errors()[0]["msg"]  # type: ignore[attr-defined]


def test_data_in_a_bucket_is_read(tmp_path: Path, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, a folder and a glob; the credentials are those of the environment, and a wrong bucket is said."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    s3.create_bucket(Bucket="data")
    for name, data in {"part/a.csv": ROWS, "part/b.csv": MORE, "part/_SUCCESS": b""}.items():
        s3.put_object(Bucket="data", Key=name, Body=data)

    alone = opened("s3://data/part/a.csv", tmp_path)
    assert (alone.digest, ids(alone)) == (sha256(ROWS), [1, 2, 3])
    for end in ("part", "part/*.csv"):
        many = opened(f"s3://data/{end}", tmp_path)
        assert ids(many) == [1, 2, 3, 4]
        assert [Path(file).name.partition("-")[2] for file in many.files] == ["a.csv", "b.csv"]
    for path in ("s3://data/none.csv", "s3://none/a.csv"):
        assert "does not exist" in refused(opened(path, tmp_path)).message

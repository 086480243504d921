"""Data in the version that the pipeline names, and which version it was where it names none."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import DataError
from lockgate.hashing import sha256
from lockgate.runs.case_builder import CaseBuilder
from references.conftest import FIRST, SECOND, checkout, git, s3, s3_server

__all__ = ["checkout", "s3", "s3_server"]
OLD, NEW = b"id,label\n1,0\n2,1\n", b"id,label\n1,0\n2,1\n3,1\n"
PARTS = {"a.csv": b"a\n1\n", "deep/b.csv": b"a\n2\n", "é ü.csv": b"a\n3\n"}


def opened(path: str, root: Path, **spec: Any) -> Dataset:
    return Dataset("holdout", DatasetSpec(path=path, **spec), root)


def refusal(dataset: Dataset) -> str:
    with pytest.raises(DataError) as caught:
        dataset.count()
    return f"{caught.value.message} | {caught.value.remedy}"


def written(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@pytest.fixture
def bucket(s3: Any) -> tuple[str, str]:
    """The version ids of the old and the new rows of s3://versions/holdout.csv."""
    s3.create_bucket(Bucket="versions")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    first, second = (s3.put_object(Bucket="versions", Key="holdout.csv", Body=data)["VersionId"] for data in (OLD, NEW))
    return first, second


def test_an_object_is_read_in_its_version(bucket: tuple[str, str], tmp_path: Path) -> None:
    """By the address or by `version`; the evidence has it, also the one that was current when none was named."""
    first, second = bucket
    named, keyed, newest = (
        opened(f"s3://versions/holdout.csv?versionId={first}", tmp_path, pinned=True),
        opened("s3://versions/holdout.csv", tmp_path, version=first, pinned=True),
        opened("s3://versions/holdout.csv", tmp_path),
    )

    assert (named.digest, named.count()) == (keyed.digest, keyed.count()) == (sha256(OLD), 2)
    assert (newest.digest, newest.count()) == (sha256(NEW), 3)
    assert [data.origin["version"] for data in (named, keyed, newest)] == [first, first, second]
    assert re.fullmatch(r"[0-9a-f]{32}", newest.origin["etag"])
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d.*(Z|\+00:00)", newest.origin["written"])
    assert named.redacted_path == f"s3://versions/holdout.csv?versionId={first}"
    assert [path.name for path in named.files] == ["000000-holdout.csv"]
    assert "does not exist" in refusal(opened("s3://versions/holdout.csv", tmp_path, version="none"))


def test_an_address_may_hold_the_digest(s3: Any, tmp_path: Path) -> None:
    """As in `…#sha256=…`; other bytes are refused."""
    s3.create_bucket(Bucket="plain")
    s3.put_object(Bucket="plain", Key="holdout.csv", Body=OLD)
    address = "s3://plain/holdout.csv#sha256={}"

    data = opened(address.format(sha256(OLD)[7:]), tmp_path, pinned=True)
    assert (data.count(), sorted(data.origin)) == (2, ["etag", "written"])
    assert "and the pipeline requires sha256:000" in refusal(opened(address.format("0" * 64), tmp_path))


def test_data_that_dvc_keeps_must_be_those_of_the_commit(checkout: Path) -> None:
    """A file, a folder, a file of it, and the output of a stage; DVC itself is not needed."""
    written(
        checkout / "data",
        {"holdout.csv": NEW, "clean.csv": NEW.replace(b"0", b"9", 1), **{f"parts/{n}": d for n, d in PARTS.items()}},
    )

    for path in (
        "data/holdout.csv",
        "data/clean.csv",
        "data/parts",
        "data/parts/a.csv",
        str(checkout / "data/holdout.csv"),
    ):
        data = opened(path, checkout, version=SECOND, pinned=True)
        assert data.count()
        assert data.origin == {"version": SECOND, "kept_by": "DVC"}
    old = refusal(opened("data/holdout.csv", checkout, version=FIRST))
    assert "is not what DVC kept at the commit 66b43e14fb7e" in old
    assert old.endswith(f"bring it: git checkout {FIRST} -- data/holdout.csv.dvc && dvc pull data/holdout.csv.dvc")
    of_stage = refusal(opened("data/clean.csv", checkout, version=FIRST))
    assert of_stage.endswith(f"bring it: git checkout {FIRST} -- dvc.lock && dvc pull data/clean.csv")
    (checkout / "data/parts/more.csv").write_text("a\n4\n")
    assert "the MD5 of data/parts is" in refusal(opened("data/parts/a.csv", checkout, version=SECOND))


def test_data_that_git_keeps_must_be_those_of_the_commit(checkout: Path) -> None:
    """Whatever lies beside them; a file that Git does not track is another state of a folder."""
    written(checkout / "rows", {"a.csv": OLD, "b.csv": NEW})
    git(checkout, "add", "-f", "rows")
    git(checkout, "-c", "user.name=D", "-c", "user.email=d@example.org", "commit", "-qm", "three")
    third = git(checkout, "rev-parse", "HEAD")

    for path in ("rows", "rows/a.csv"):
        data = opened(path, checkout, version=third)
        assert data.count()
        assert data.origin == {"version": third, "kept_by": "Git"}
    assert "is kept by neither DVC nor Git" in refusal(opened("rows/a.csv", checkout, version=SECOND))
    assert "is to be that of the commit 111111111111, which is not here: " in refusal(
        opened("rows/a.csv", checkout, version="1" * 40)
    )
    (checkout / "rows/c.csv").write_bytes(OLD)
    assert f"git checkout {third} -- rows" in refusal(opened("rows", checkout, version=third))
    (checkout / "rows/a.csv").write_bytes(NEW)
    assert "is not what Git has" in refusal(opened("rows/a.csv", checkout, version=third))


def test_a_delta_table_is_read_in_its_version(tmp_path: Path) -> None:
    """Here and behind an address; one that it has not is told its newest."""
    deltalake = pytest.importorskip("deltalake", reason="needs lockgate[delta]")
    import fsspec

    for number in range(3):
        deltalake.write_deltalake(str(tmp_path / "lake"), pa.table({"a": [number]}), mode="append")
    system = fsspec.filesystem("memory")
    for file in (tmp_path / "lake").rglob("*"):
        if file.is_file():
            system.pipe(f"/versions/lake/{file.relative_to(tmp_path / 'lake').as_posix()}", file.read_bytes())

    for path in ("lake", "memory://versions/lake"):
        data = opened(path, tmp_path, version=1, pinned=True)
        assert (data.count(), data.origin) == (2, {"version": 1})
        assert opened(path, tmp_path).origin == {"version": 2}
        assert "has no version 7 | name one that is there; its newest is 2" in refusal(
            opened(path, tmp_path, version=7)
        )
    (tmp_path / "rows.csv").write_bytes(OLD)
    assert "is no Delta table, which alone has a version 3" in refusal(opened("rows.csv", tmp_path, version=3))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"path": "rows.csv", "version": "main"}, "the whole hash of the Git commit"),
        ({"path": "rows.csv", "version": FIRST[:8]}, "the whole hash of the Git commit"),
        ({"path": "rows.csv", "version": ""}, "the whole hash of the Git commit"),
        ({"path": "rows/*.csv", "version": FIRST}, "`path` is a glob; name the folder"),
        ({"path": "https://host.example/rows.csv", "version": "x"}, "https:// has no versions that are read here"),
        ({"path": "s3://bucket/rows/", "version": "x"}, "the version id of one object of S3"),
        ({"path": "s3://bucket/a.csv?versionId=y", "version": "x"}, "its address without another"),
        ({"path": "rows.csv", "version": 1.5}, "put the version into quotes"),
        ({"path": "rows.csv", "version": True}, "string"),
        ({"path": "rows.csv", "pinned": True}, "`pinned` needs `version` or `digest`"),
        ({"path": "s3://bucket/2024-01-15/a.csv", "pinned": True}, "`pinned` needs `version` or `digest`"),
        ({"path": f"rows.csv#sha256={'0' * 64}", "pinned": True}, "`pinned` needs `version` or `digest`"),
    ],
)
def test_what_is_no_version_is_refused_by_gate_check(spec: dict[str, Any], message: str) -> None:
    """And what is to be pinned and is not; nothing is opened for it."""
    with pytest.raises(ValueError, match=re.escape(message)):
        DatasetSpec(**spec)


def test_what_pins_data_needs_nothing_more() -> None:
    """A variable may hold the address: it is looked at once it is set."""
    for path in ("${HOLDOUT}", "s3://bucket/a.csv?versionId=x", f"https://host.example/a.csv#sha256={'0' * 64}"):
        assert DatasetSpec(path=path, pinned=True).pinned
    assert DatasetSpec(path="${HOLDOUT}", version="3sL4").version == "3sL4"
    assert DatasetSpec(path="rows.csv", version="${COMMIT}", pinned=True).pinned
    assert (
        DatasetSpec(path="rows.csv", digest=f"sha256:{'0' * 64}", pinned=True).required_digest == f"sha256:{'0' * 64}"
    )


def test_the_evidence_names_the_version_that_was_read(checkout: Path) -> None:
    """Beside digest and rows; of data that have no versions, nothing."""
    written(checkout / "data", {"holdout.csv": NEW, "more.csv": OLD})
    opened_data = {
        "holdout": opened("data/holdout.csv", checkout, version=SECOND),
        "more": opened("data/more.csv", checkout),
    }

    assert CaseBuilder.data_entries(SimpleNamespace(_opened=opened_data)) == [  # type: ignore[arg-type]
        {"name": "holdout", "path": "data/holdout.csv", "digest": sha256(NEW), "rows": 3, "version": SECOND, "kept_by": "DVC"},
        {"name": "more", "path": "data/more.csv", "digest": sha256(OLD), "rows": 2},
    ]  # fmt: skip

"""What stands for data that is elsewhere is named with the command that brings it, and is never read as data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import DataError, NotHere, NotPulled

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def dataset(root: Path, path: str) -> Dataset:
    return Dataset("holdout", DatasetSpec(path=path), root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Files that are there, pointers of each kind, and outputs that DVC knows from its own files."""
    for name, text in {
        "lfs.parquet": LFS,
        "lfs.csv.gz": LFS,
        "annex.csv": "/annex/objects/SHA256E-s1--00.csv\n",
        "fat.csv": "#$# git-fat 0123 45\n",
        "alone.csv.dvc": "outs:\n- path: alone.csv\n",
        "whole.dvc": "outs:\n- path: whole\n",
        "here.csv": "n\n1\n",
        "here.csv.dvc": "outs:\n- path: here.csv\n",
        "some/a.csv": "n\n1\n",
        "some/b.csv.dvc": "outs:\n- path: b.csv\n",
        "all/a.csv": "n\n1\n",
        "all/a.csv.dvc": "outs:\n- path: a.csv\n",
        "links/a.csv": "n\n1\n",
        "dvc.lock": "stages:\n  prepare: {cmd: x, outs: [{path: made/rows.csv, md5: ab}]}\n",
        "dvc.yaml": "stages:\n  split: {cmd: x, wdir: sub, outs: [../parts, {kept.csv: {cache: false}}]}\n",
        "named.dvc": "outs:\n- path: other.csv\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / "link.csv").symlink_to(".git/annex/objects/aa/x.csv")
    (tmp_path / "links" / "b.csv").symlink_to("/nowhere/b.csv")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "linked").symlink_to(tmp_path / "all")
    (tmp_path / "folder" / "c.csv").symlink_to(tmp_path / "here.csv")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "problem", "command"),
    [
        ("lfs.parquet", "lfs.parquet is a pointer of Git LFS instead of data", "git lfs pull --include lfs.parquet"),
        ("lfs.csv.gz", "lfs.csv.gz is a pointer of Git LFS", "git lfs pull --include lfs.csv.gz"),
        ("lfs.*.gz", "lfs.*.gz holds lfs.csv.gz, a pointer of Git LFS", "git lfs pull --include lfs.csv.gz"),
        ("annex.csv", "annex.csv is a pointer of git-annex", "git annex get annex.csv"),
        ("link.csv", "link.csv is a link of git-annex", "git annex get link.csv"),
        ("fat.csv", "fat.csv is a pointer of git-fat", "git fat pull fat.csv"),
        ("alone.csv", "alone.csv is not here: DVC keeps it", "dvc pull alone.csv.dvc"),
        ("alone.csv.dvc", "alone.csv.dvc is a pointer of DVC to alone.csv", "dvc pull alone.csv.dvc"),
        ("al*.csv", "al*.csv would match alone.csv, which is not here: DVC keeps it", "dvc pull alone.csv.dvc"),
        ("whole", "whole is not here", "dvc pull whole.dvc"),
        ("whole/2026/rows.csv", "whole/2026/rows.csv is not here", "dvc pull whole.dvc"),
        ("whole/*.csv", "whole/*.csv is not here", "dvc pull whole.dvc"),
        ("some", "some holds some/b.csv.dvc, a pointer of DVC to some/b.csv", "dvc pull some/b.csv.dvc"),
        ("some/*.csv", "some/*.csv would match some/b.csv, which is not here", "dvc pull some/b.csv.dvc"),
        ("made/rows.csv", "made/rows.csv is not here: DVC keeps it", "dvc pull made/rows.csv"),
        ("parts/x.csv", "parts/x.csv is not here: DVC keeps it", "dvc pull parts/x.csv"),
        ("sub/kept.csv", "sub/kept.csv is not here: DVC keeps it", "dvc pull sub/kept.csv"),
        ("other.csv", "other.csv is not here: DVC keeps it", "dvc pull other.csv"),
    ],
)
def test_a_pointer_is_named_with_its_command(root: Path, path: str, problem: str, command: str) -> None:
    """Whether it is the path itself, in a folder, or what a glob leaves out."""
    with pytest.raises(NotPulled, match=re.escape(f"data 'holdout': {problem}")) as caught:
        _ = dataset(root, path).schema

    assert caught.value.remedy == f"bring the data: {command}"


def test_a_pointer_beside_its_data_is_no_data(root: Path) -> None:
    """A folder with both is read; the pointer itself is not."""
    for path in ("all", "all/*.csv", "here.csv"):
        assert [file.name for file in dataset(root, path).files] in (["a.csv"], ["here.csv"])
    with pytest.raises(
        DataError, match=r"here\.csv\.dvc is a pointer of DVC to here\.csv, not the data; write path: here\.csv"
    ):
        _ = dataset(root, "here.csv.dvc").files


def test_a_file_of_a_folder_is_never_left_out_because_its_link_leads_nowhere(root: Path) -> None:
    """By a folder and by a glob; links to what exists are read, of files and of folders."""
    for path in ("links", "links/*.csv", "links/b.csv"):
        with pytest.raises(NotHere, match=r"a link to /nowhere/b\.csv, which is not here"):
            _ = dataset(root, path).files
    assert [file.name for file in dataset(root, "folder").files] == ["c.csv", "a.csv"]


def test_what_is_only_missing_is_no_pointer(root: Path) -> None:
    """Nobody keeps it: the path is wrong, or the file was never made."""
    for path in ("absent.csv", "made/absent.csv", "none/*.csv"):
        with pytest.raises(NotHere, match=r"does not exist|matches no file") as caught:
            _ = dataset(root, path).files
        assert not isinstance(caught.value, NotPulled)

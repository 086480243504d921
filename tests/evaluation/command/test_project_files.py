"""Which files of the project a command reads: those that it names, and nothing that is data, hidden or elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.errors import UsageError
from lockgate.evaluation.command import project_files
from lockgate.evaluation.command.project_files import ProjectFiles, paths_in
from lockgate.hashing import sha256


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose folder of checks holds more than checks."""
    root = tmp_path / "project"
    for name in (
        "checks/a.py",
        "checks/.env",
        "checks/rows.parquet",
        "checks/mlruns/1",
        "checks/below/b.txt",
        "run.sh",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (tmp_path / "secret").write_text("s")
    (root / "checks" / "out").symlink_to(tmp_path / "secret")
    (root / "checks" / "rows").symlink_to(root / "checks" / "rows.parquet")
    return root


def test_paths_are_found_among_the_words_of_a_command() -> None:
    """Of an option its value, of a test its file; no program of PATH, nothing absolute and nothing above."""
    run = ["pytest", "-q", "--config=checks/x.ini", "tests/a.py::test_b", "--xml=$OUT/j.xml", "/etc", "../up", "tests"]

    assert paths_in(run, ["src/"]) == ("src", "checks/x.ini", "tests/a.py", "tests")
    assert paths_in(["./run.sh"], []) == ("run.sh",)


def test_data_hidden_files_and_links_that_lead_out_are_left_out(root: Path, tmp_path: Path) -> None:
    """Of a folder; each file is copied to its own path, and hashed as it is there."""
    files = ProjectFiles(root, ["./run.sh", "checks"], [], closed=[root / "checks" / "rows.parquet"])
    copies = tmp_path / "copies"
    copies.mkdir()
    files.copy(copies)

    copied = sorted(path.relative_to(copies).as_posix() for path in copies.rglob("*") if path.is_file())
    assert copied == ["checks/a.py", "checks/below/b.txt", "run.sh"]
    assert files.origins()["run.sh"] == sha256(b"run.sh")
    assert files.origins() == ProjectFiles(copies, ["./run.sh", "checks"], []).origins()


@pytest.mark.parametrize("name", ["checks/rows.parquet", "checks/rows", "nowhere"])
def test_data_and_what_is_not_there_is_refused_by_name(root: Path, name: str) -> None:
    """Also by a link to it; rows are handed over as such."""
    with pytest.raises(UsageError, match=name):
        ProjectFiles(root, ["pytest"], [name], closed=[root / "checks" / "rows.parquet"])


def test_no_more_is_copied_than_a_bound(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which an error says."""
    monkeypatch.setattr(project_files, "_MOST_FILES", 1)
    with pytest.raises(
        UsageError, match="checks holds more than a command is given of the project: 1 file and 1,024 MiB"
    ):
        ProjectFiles(root, ["pytest", "checks"], []).origins()

"""What is counted of a model that would rather not be counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helpers.nested_folders import nest
from lockgate.models.isolation.limits import Limits
from lockgate.runs.scratch_folder import remove


def exceeded(scratch: Path, *, disk: int = 10**6, processes: int = 0) -> str:
    """Whether processes are beyond their limits; the only one that is really there is this one."""
    rules = {"memory": None, "disk": disk, "scratch": str(scratch), "namespaces": False}
    return Limits(os.getpid(), rules, lambda: [os.getpid(), *range(-processes, 0)]).exceeded()


def test_what_ordinary_models_leave_is_below_the_limits(tmp_path: Path) -> None:
    """Some files, folders and processes; links lead nowhere."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "table").write_bytes(bytes(10**5))
    (tmp_path / "all").symlink_to("/")

    assert exceeded(tmp_path, processes=100) == ""


def test_empty_files_take_their_blocks(tmp_path: Path) -> None:
    """Else a model could use up a disk's inodes."""
    for number in range(300):
        (tmp_path / str(number)).touch()

    assert "isolation.disk is 1,000,000" in exceeded(tmp_path)


@pytest.mark.parametrize(("name", "depth", "counted"), [("d", 1100, True), ("d" * 100, 50, False)])
def test_folders_in_folders_are_counted_as_far_as_a_path_leads(
    tmp_path: Path, name: str, depth: int, counted: bool
) -> None:
    """Deeper than Python calls itself is no defect, and what cannot be counted is beyond every limit."""
    nest(tmp_path, depth, name)

    try:
        assert ("isolation.disk" in exceeded(tmp_path, disk=2**40)) is not counted
    finally:
        remove(tmp_path)


def test_files_without_a_name_are_counted(tmp_path: Path) -> None:
    """They were removed and are written still."""
    with (tmp_path / "file").open("wb", 0) as file:
        (tmp_path / "file").unlink()
        assert exceeded(tmp_path) == ""
        file.write(bytes(10**6 + 1))

        assert "isolation.disk" in exceeded(tmp_path)


def test_too_many_processes(tmp_path: Path) -> None:
    """As of a model that forks without end."""
    assert exceeded(tmp_path, processes=2048) == "the model runs more than 2,048 processes"

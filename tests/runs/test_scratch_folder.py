"""A working folder is removed whatever a model made of it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from helpers.nested_folders import nest
from lockgate.runs.scratch_folder import remove, scratch_folder


def test_nothing_keeps_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Depth, modes, links, pipes, sockets; what links lead to stays as it is."""
    (tmp_path / "elsewhere").mkdir(mode=0o755)
    (tmp_path / "elsewhere" / "kept").touch()
    with scratch_folder("run-", tmp_path) as folder:
        nest(folder, 1050, "d")  # deeper than Python calls itself
        nest(folder, 50, "d" * 100)  # deeper than a path may be long
        (folder / "closed" / "within").mkdir(parents=True)
        (folder / "closed" / "within" / "file").touch()
        (folder / "link").symlink_to(tmp_path / "elsewhere")
        (folder / "closed" / "link").symlink_to(tmp_path / "elsewhere")
        os.mkfifo(folder / "pipe")
        monkeypatch.chdir(folder)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket")
        monkeypatch.undo()
        (folder / "closed" / "within").chmod(0)
        (folder / "closed").chmod(0)
        folder.chmod(0)

    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["kept"]
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o755


def test_a_folder_that_is_gone_or_a_link_is_left_alone(tmp_path: Path) -> None:
    """A link may lead to somebody's files."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "kept").touch()
    (tmp_path / "link").symlink_to(tmp_path / "files")

    remove(tmp_path / "link")
    remove(tmp_path / "gone")

    assert (tmp_path / "files" / "kept").exists()

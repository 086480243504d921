"""Files that a project names are read where they are regular and small; what would never end is refused at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lockgate.data.locate import locate
from lockgate.errors import NotHere
from lockgate.foreign.files import read_regular


def test_a_file_is_read_also_through_a_link(tmp_path: Path) -> None:
    """Whole."""
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)
    (tmp_path / "link").symlink_to("file")

    assert len(read_regular(tmp_path / "link")) == 3_000_000


def test_what_has_no_end_is_refused_by_its_kind(tmp_path: Path) -> None:
    """Pipes, devices, folders; and what is larger than the file may be."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "large").write_bytes(b"1234")
    for name, reason in {
        "pipe": "it is a named pipe, no regular file",
        "zero": "it is a device, no regular file",
        ".": "it is a folder, no regular file",
        "large": "it has more than 3 bytes",
    }.items():
        with pytest.raises(OSError, match=reason):
            read_regular(tmp_path / name, most=3)


def test_a_pipe_is_no_data(tmp_path: Path) -> None:
    """It is there, and that is what is said."""
    os.mkfifo(tmp_path / "pipe.parquet")
    with pytest.raises(NotHere, match="is a named pipe, no file"):
        locate("pipe.parquet", tmp_path)

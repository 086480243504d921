"""The MD5 by which DVC keeps files is taken once as long as a file stays as it is."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from lockgate.references.dvc_files import md5_of


def test_an_md5_is_taken_once_and_again_where_anything_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where size and time of change were made what they had been; and of a file that was written just now each time."""
    taken: list[str] = []
    digest = hashlib.file_digest

    def counted(file: object, kind: object) -> object:
        taken.append("")
        return digest(file, kind)  # type: ignore[arg-type]

    monkeypatch.setattr(hashlib, "file_digest", counted)
    path = tmp_path / "rows.csv"
    path.write_text("a\n")
    first = [md5_of(path), md5_of(path)]
    assert len(taken) == 2

    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 10**10)
    assert [md5_of(path), md5_of(path)] == first
    assert len(taken) == 3
    assert md5_of(tmp_path) == md5_of(tmp_path)
    assert len(taken) == 3

    status = path.stat()
    path.write_text("b\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert md5_of(path) == hashlib.md5(b"b\n", usedforsecurity=False).hexdigest()

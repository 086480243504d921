"""`gate` on a disk that is full from some write on, whichever it is; `disk.c` is that disk."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Ended:
    """What a call ended with that had room for so many writes. file: of its last one. again: the code of the next call."""

    room: int
    file: str
    code: int
    said: str
    state: str
    again: int | None


@functools.cache
def _built() -> tuple[tempfile.TemporaryDirectory[str], Path]:
    folder = tempfile.TemporaryDirectory(prefix="lockgate-disk-")
    library = Path(folder.name) / "disk.so"
    subprocess.run(
        ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library, HERE / "disk.c", "-ldl"],
        check=True,
    )
    return folder, library


def play(checkout: Path, folder: Path, *command: str) -> list[Ended]:
    """Call `gate` in copies of a checkout that are made in `folder`; the first has room for all it writes."""
    ended = subprocess.run(
        [sys.executable, str(HERE / "play.py"), str(_built()[1]), str(checkout), str(folder), *command],
        env={**os.environ, "LD_PRELOAD": str(_built()[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [Ended(**json.loads(line)) for line in ended.stdout.splitlines()]

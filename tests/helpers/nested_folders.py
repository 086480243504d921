"""Folders in folders, deeper than a path may be long, or than Python calls itself."""

from __future__ import annotations

import os
from pathlib import Path


def nest(folder: Path, depth: int, name: str) -> None:
    """Make `depth` folders of this name in each other, with a file in the innermost."""
    inner = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=inner)
        below = os.open(name, os.O_RDONLY, dir_fd=inner)
        os.close(inner)
        inner = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=inner))
    os.close(inner)

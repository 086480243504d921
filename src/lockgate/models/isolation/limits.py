"""What the processes in a box take of the machine, counted beside them: processes, memory, disk.

Loaded by `launcher.py`, which imports nothing of lockgate.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable
from typing import Any

_SHARED_MEMORY = "/dev/shm"  # noqa: S108  # where POSIX shared memory lies
_BLOCK = 4096
_PROCESSES = 2048


class Limits:
    """What the processes in the box may take together.

    child: one of them, until it ends. rules: those of the box. processes: returns all of them.
    """

    def __init__(self, child: int, rules: dict[str, Any], processes: Callable[[], list[int]]) -> None:
        self._memory, self._disk, self._scratch = rules["memory"], rules["disk"], rules["scratch"]
        self._shared_memory = f"/proc/{child}/root{_SHARED_MEMORY}" if rules["namespaces"] else None
        self._processes = processes
        self._nameless = 0
        self._due = 0.0

    def exceeded(self) -> str:
        """Return which limit they are beyond, as a sentence; "" where they are not."""
        if self._memory or time.monotonic() >= self._due:
            began = time.process_time()
            below = self._processes()
            if len(below) > _PROCESSES:
                return f"the model runs more than {_PROCESSES:,} processes"
            if self._memory and (used := self._resident_bytes(below)) > self._memory:
                return f"the model's processes hold {used:,} bytes, and isolation.memory is {self._memory:,}"
            self._nameless = _nameless_bytes(below)
            # machines with thousands of processes are searched less often
            self._due = time.monotonic() + 50 * (time.process_time() - began)
        if self._nameless + _written_bytes(self._scratch, self._disk) > self._disk:
            return f"the model has written more than it may: isolation.disk is {self._disk:,} bytes"
        return ""

    def _resident_bytes(self, processes: list[int]) -> int:
        """Memory that the processes hold: their own pages, and shared memory, once for each that uses it, or as it lies."""
        own, shared, lying = 0, 0, 0
        for pid in processes:
            with contextlib.suppress(OSError, ValueError, KeyError):
                with open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123
                    sizes = {line.split()[0]: 1024 * int(line.split()[1]) for line in file if line.startswith(b"Rss")}
                own, shared = own + sizes[b"RssAnon:"], shared + sizes[b"RssShmem:"]
        if self._shared_memory:
            with contextlib.suppress(OSError):
                held = os.statvfs(self._shared_memory)
                lying = (held.f_blocks - held.f_bfree) * held.f_frsize
        return own + max(shared, lying)


def _written_bytes(folder: str, most: int) -> int:
    """What lies in a folder, as it fills the disk, where every entry takes a block at least.

    Counting ends above `most`, which is the answer too where something cannot be looked at.
    """
    total, folders = 0, [folder]
    while folders and total <= most:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    with contextlib.suppress(FileNotFoundError):
                        total += max(_BLOCK, 512 * entry.stat(follow_symlinks=False).st_blocks)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:  # a path that is too long, or a folder closed to its owner
            return most + 1
    return total


def _nameless_bytes(processes: list[int]) -> int:
    """Files that processes hold open and that lie in no folder any more."""
    sizes: dict[tuple[int, int], int] = {}
    for pid in processes:
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
                with contextlib.suppress(OSError):
                    file = os.stat(f"/proc/{pid}/fd/{name}")  # noqa: PTH116
                    if stat.S_ISREG(file.st_mode) and not file.st_nlink:
                        sizes[file.st_dev, file.st_ino] = 512 * file.st_blocks
    return sum(sizes.values())

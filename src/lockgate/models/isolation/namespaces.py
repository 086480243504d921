"""Namespaces of a box: what else is shared with all processes of the machine, and would outlive those in the box.

Loaded by `launcher.py`, which imports nothing of lockgate.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import stat
import struct
from typing import Any

_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWNET = 0x20000, 0x8000000, 0x10000000, 0x40000000
_NOSUID, _NODEV, _BIND_MOUNT, _RECURSIVE, _SLAVE = 1 << 1, 1 << 2, 1 << 12, 1 << 14, 1 << 19
_MOUNT_SETATTR, _HERE, _ALL_BELOW, _READ_ONLY = 442, -100, 0x8000, 1  # the same on every architecture
_SHARED_MEMORY = "/dev/shm"  # noqa: S108  # where POSIX shared memory lies
_libc = ctypes.CDLL(None, use_errno=True)


def enter(rules: dict[str, Any]) -> None:
    """Leave what others share for empty namespaces of its own: shared memory, System V objects, and the machine's network
    where the rules do not need it; sockets of the file system are hidden. What the rules do not let it write is read-only, since
    Landlock knows no modes, owners and times. Raises OSError where that is not allowed.
    """
    network = _CLONE_NEWNET if rules["network"] == "namespace" else 0
    uid, gid, sockets = os.getuid(), os.getgid(), _sockets() - {path for _, path in rules["paths"]}
    _call(_libc.unshare(_CLONE_NEWNS | _CLONE_NEWIPC | network | (0 if uid == 0 else _CLONE_NEWUSER)))
    if uid != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123  # starts in 10 ms without pathlib
                file.write(text)
    _mount(None, "/", None, _RECURSIVE | _SLAVE, None)  # what is mounted below is not seen outside
    size = f",size={rules['memory']}" if rules["memory"] else ""  # else half of the machine's memory, as everywhere
    _mount("tmpfs", _SHARED_MEMORY, "tmpfs", _NOSUID | _NODEV, f"mode=1777{size}")
    for path in sockets:
        with contextlib.suppress(OSError):  # it is gone, or lies where this user cannot go
            _mount("/dev/null", path, None, _BIND_MOUNT, None)
    writable = {_SHARED_MEMORY, *(path for right, path in rules["paths"] if right == "write")}
    for path in writable - {_SHARED_MEMORY}:
        _mount(path, path, None, _BIND_MOUNT | _RECURSIVE, None)
    _set_attributes("/", _ALL_BELOW, added=_READ_ONLY)
    for path in writable:
        _set_attributes(path, 0, removed=_READ_ONLY)
    os.chdir(os.getcwd())  # noqa: PTH109  # from the mount below to the one above it
    if network:
        with socket.socket() as probe:
            request = struct.pack("16sH14x", b"lo", 0x41)  # SIOCSIFFLAGS: IFF_UP | IFF_RUNNING
            fcntl.ioctl(probe, 0x8914, request)


def _sockets() -> set[str]:
    """The sockets that lie in the file system: those that somebody bound, those mounted into a container, those of /run."""
    with open("/proc/net/unix", errors="surrogateescape") as file:  # noqa: PTH123
        paths = {fields[7].rstrip("\n") for line in file if len(fields := line.split(" ", 7)) == 8}
    with open("/proc/self/mountinfo", errors="surrogateescape") as file:  # noqa: PTH123
        paths |= {line.split(" ")[4] for line in file}
    for parent, _, names in os.walk("/run"):
        paths |= {f"{parent}/{name}" for name in names}
    return {os.path.realpath(path) for path in paths if path.startswith("/") and _is_socket(path)}


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)  # noqa: PTH116
    except OSError:
        return False


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    _call(_libc.mount(*texts[:3], ctypes.c_ulong(flags), texts[3]))


def _set_attributes(path: str, flags: int, *, added: int = 0, removed: int = 0) -> None:
    attributes = struct.pack("=QQQQ", added, removed, 0, 0)
    _call(_libc.syscall(_MOUNT_SETATTR, _HERE, os.fsencode(path), flags, attributes, ctypes.c_size_t(len(attributes))))


def _call(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))

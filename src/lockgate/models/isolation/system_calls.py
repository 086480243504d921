"""System calls that a process in a box is refused, by seccomp: what neither Landlock nor namespaces hold it to.

Loaded by `launcher.py`, which imports nothing of lockgate. Sources: seccomp(2), syscalls(2), bpf(4).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

_SET_SECCOMP = 22
_PRIO_PROCESS, _IOPRIO_WHO_PROCESS = 0, 1
_libc = ctypes.CDLL(None, use_errno=True)


class _Machine(NamedTuple):
    """Numbers of system calls on one architecture, and its own as the kernel's audit has it.

    keys: add_key, request_key, keyctl. objects: shmget, semget, msgget, mq_open, whose objects outlive processes. pid:
    sched_setparam, sched_setscheduler, sched_setattr, prlimit64, migrate_pages, move_pages, whose first argument is a process.
    kernel: ptrace, process_vm_readv, process_vm_writev, kcmp, perf_event_open, bpf, userfaultfd.
    """

    audit: int
    socket: int
    setpriority: int
    ioprio_set: int
    affinity: int
    keys: tuple[int, ...]
    objects: tuple[int, ...]
    pid: tuple[int, ...]
    kernel: tuple[int, ...]


_MACHINES = {
    "x86_64": _Machine(
        0xC000003E, socket=41, setpriority=141, ioprio_set=251, affinity=203, keys=(248, 249, 250), objects=(29, 64, 68, 240),
        pid=(142, 144, 314, 302, 256, 279), kernel=(101, 310, 311, 312, 298, 321, 323),
    ),
    "aarch64": _Machine(
        0xC00000B7, socket=198, setpriority=140, ioprio_set=30, affinity=122, keys=(217, 218, 219), objects=(194, 190, 186, 180),
        pid=(118, 119, 274, 261, 238, 239), kernel=(117, 270, 271, 272, 241, 280, 282),
    ),
}  # fmt: skip
_IO_URING_SETUP = 425  # opens sockets past seccomp; this and what follows has one number on every architecture
_BY_DESCRIPTOR = (438, 440, 448, 442)  # pidfd_getfd, process_madvise, process_mrelease; mount_setattr


def known() -> bool:
    """Whether the numbers of this machine are known."""
    return platform.machine() in _MACHINES


def restrict(rules: dict[str, Any]) -> None:
    """Put this process under a filter, where this machine's numbers are known. Raises OSError.

    It refuses keyrings; objects that stay behind, where there is no namespace for them; what sets the scheduling, limits or
    memory of another process, or looks into one; sockets that Landlock does not know.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return
    program = [
        _load(4), _skip_if(machine.audit), _refuse(errno.EACCES),
        _load(0), _skip_unless(0x40000000, code=0x35), _refuse(errno.ENOSYS),  # the x32 numbers of x86_64
        *_never((_IO_URING_SETUP, *machine.keys, *(() if rules["namespaces"] else machine.objects)), errno.ENOSYS),
        *_never((*machine.kernel, *_BY_DESCRIPTOR), errno.EPERM),
        *_upon_itself(machine.affinity, error=0),  # 0: it goes on unpinned; a refusal ends libgomp with OMP_PROC_BIND
        *(part for number in machine.pid for part in _upon_itself(number)),
        *_upon_itself(machine.setpriority, which=_PRIO_PROCESS),
        *_upon_itself(machine.ioprio_set, which=_IOPRIO_WHO_PROCESS),
        *([] if rules["network"] == "open" else _sockets(machine.socket, rules)),
        _ALLOW,
    ]  # fmt: skip
    code = b"".join(program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    if _libc.prctl(_SET_SECCOMP, 2, header, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _never(numbers: tuple[int, ...], error: int) -> Iterator[bytes]:
    for number in numbers:
        yield from (_skip_unless(number), _refuse(error))


def _upon_itself(number: int, *, which: int | None = None, error: int = errno.EPERM) -> list[bytes]:
    """Allow a call only where the process that it names is 0, the caller.

    which: the kind of thing named, where that is the first argument and the process the second. A thread of its own, named
    by its number, is refused too: the filter knows no numbers. error: 0 does nothing, and says that it did.
    """
    kind = [] if which is None else [_load(16), _skip_if(which), _refuse(errno.EPERM)]
    body = [*kind, _load(16 if which is None else 24), _skip_unless(0), _ALLOW, _refuse(error)]
    return [_statement(0x15, number, no=len(body)), *body]


def _sockets(number: int, rules: dict[str, Any]) -> list[bytes]:
    """Refuse families beside UNIX and the Internet; there, all but TCP unless `udp`.

    What Landlock holds to ports is plain TCP; MPTCP and SCTP are streams that it does not see.
    """
    refuse = _refuse(errno.EACCES)
    return [
        _skip_if(number), _ALLOW,
        _load(16), _skip_unless(socket.AF_UNIX), _ALLOW, _skip_unless(16), _ALLOW,  # 16: netlink, for names of interfaces
        _statement(0x15, socket.AF_INET, yes=2), _statement(0x15, socket.AF_INET6, yes=1), refuse,
        _load(24), _statement(0x54, 0xF), *([_skip_unless(socket.SOCK_DGRAM), _ALLOW] if rules["udp"] else []),
        _skip_if(socket.SOCK_STREAM), refuse,
        _load(32), _skip_unless(0), _ALLOW, _skip_unless(socket.IPPROTO_TCP), _ALLOW,
        *([refuse] if rules["network"] == "tcp" else []),
    ]  # fmt: skip


def _statement(code: int, k: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, k)


def _load(offset: int) -> bytes:
    """Load from what the call is described by: 0 its number, 4 the architecture, 16 and every 8 from there an argument."""
    return _statement(0x20, offset)


def _skip_if(k: int) -> bytes:
    """Skip the next statement where the loaded value equals k."""
    return _statement(0x15, k, yes=1)


def _skip_unless(k: int, *, code: int = 0x15) -> bytes:
    """Skip the next statement unless the loaded value equals k (or, by another code, is not less)."""
    return _statement(code, k, no=1)


def _refuse(error: int) -> bytes:
    return _statement(0x06, 0x00050000 | error)


_ALLOW = _statement(0x06, 0x7FFF0000)

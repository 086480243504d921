"""Start a command in a box: files by Landlock, network by a namespace or by Landlock and seccomp, no capabilities.

Where the user may make namespaces, its shared memory and System V objects are its own and end with it, and the sockets that
lie in the file system are hidden from it.

Started as `python -I -S launcher.py RULES LIFELINE COMMAND…` with two inherited descriptors: RULES holds the rules as JSON,
LIFELINE is a pipe that closes with us. The launcher stays outside of the box, as the parent of everything in it: what the
command starts, a daemon too, ends with it, with the lifeline, and when the launcher is told to end. It ends as the command
does, by the same exit code or signal. It imports only what comes with Python, and ctypes.

Sources: landlock(7), capabilities(7), prctl(2), namespaces(7), mount(2), proc(5).
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import os
import resource
import select
import signal
import stat
import struct
import sys
import time
from types import ModuleType
from typing import Any, NoReturn

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_PATH_BENEATH, _NET_PORT = 1, 2
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_MAKE_DEVICE = 1 << 6 | 1 << 11
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_FS_RIGHTS = (0, 13, 14, 15, 15, 16, 16, 16)  # how many file rights each ABI knows
_BIND, _CONNECT = 1 << 0, 1 << 1
_SIGNALS, _SCOPES = 2, 3  # signals; abstract UNIX sockets too: from ABI 6
_RIGHTS = {
    "list": _READ_DIR,
    "read": _EXECUTE | _READ_FILE | _READ_DIR,
    "write": ~_MAKE_DEVICE,
    "device": _WRITE_FILE | _READ_FILE | _READ_DIR | _IOCTL_DEV,
}
_SET_PDEATHSIG, _CAPBSET_DROP, _SET_NO_NEW_PRIVS, _SET_CHILD_SUBREAPER = 1, 24, 38, 36
_KEPT_CAPABILITIES = (1, 2)  # root reads files of others, as before; where, says Landlock
_PIDFD_OPEN = 434
_TERM_SECONDS = 1.5
_WATCH_SECONDS = 0.2
_WATCH_DISK_SECONDS = 1.0
_libc = ctypes.CDLL(None, use_errno=True)


def landlock_abi() -> int:
    """Return the version of Landlock that this kernel has in force, 0 for none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)))


def main(rules: int, lifeline: int, command: list[str]) -> NoReturn:
    """Run the command in its box, and end as it does."""
    with os.fdopen(rules) as file:
        spec = json.load(file)
    _call(_libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    parent = os.getppid()
    gate = _call(_libc.syscall(_PIDFD_OPEN, parent, 0))  # a model can hold the lifeline open, but not this
    if os.getppid() != parent:
        os._exit(1)
    scoped = _scope_signals()
    wakeup, alarm = _wakeup_on_signals()
    child = os.fork()
    if child == 0:
        _execute(spec, command)
    _lead_a_group(child)
    _close_all_but(lifeline, gate, wakeup, alarm, 2)
    try:
        status = _watch(child, (lifeline, gate), wakeup, spec)
    finally:
        _kill_descendants(scoped=scoped)
    _end_as(status)


def _scope_signals() -> bool:
    """Let this process and all that it starts signal nobody else; return whether the kernel holds them to that."""
    if landlock_abi() < 6:
        return False
    _call(_libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _restrict_self(_call(_libc.syscall(_CREATE_RULESET, struct.pack("=QQQ", 0, 0, _SIGNALS), ctypes.c_size_t(24), 0)))
    try:
        os.kill(os.getppid(), 0)
    except PermissionError:
        return True
    return False


def _execute(spec: dict[str, Any], command: list[str]) -> NoReturn:
    """Restrict this process, and become the command; exit 126 where that fails."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        _lead_a_group(0)
        _offer_to_the_memory_killer()  # before /proc is read-only
        system_calls = _beside("system_calls")  # in the box our own files may be closed
        if spec["namespaces"]:
            _beside("namespaces").enter(spec)
        _call(_libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        restrict(spec)
        system_calls.restrict(spec)
        _drop_capabilities()
        _call(_libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))  # last: a change of credentials clears it
        os.execvpe(command[0], command, os.environ)  # noqa: S606  # that is what a launcher is for
    except OSError as error:
        os.write(2, f"the box could not be closed around the model: {error}\n".encode())
    os._exit(126)


def _lead_a_group(pid: int) -> None:
    """Part the command from the launcher, so that what kills its group leaves the one alive that ends its daemons."""
    with contextlib.suppress(OSError):  # done from both sides, because neither may be the later
        os.setpgid(pid, pid)


def _offer_to_the_memory_killer() -> None:
    """Where the machine's memory ends, the kernel is to kill this process and what it starts, and not what judges it."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("1000")


def restrict(spec: dict[str, Any]) -> None:
    """Put this process under Landlock: `paths` as [right, path], `bind` and `connect` as lists of ports. Raises OSError."""
    abi = min(landlock_abi(), len(_FS_RIGHTS) - 1)
    if not abi:
        raise OSError("this kernel has no Landlock")
    handled = (1 << _FS_RIGHTS[abi]) - 1
    by_port = abi >= 4 and spec["network"] == "tcp"
    attributes = struct.pack("=QQQ", handled, _BIND | _CONNECT if by_port else 0, _SCOPES if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = _call(_libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0))
    for right, path in spec["paths"]:
        _allow_path(ruleset, path, _RIGHTS[right] & handled)
    if by_port:
        for access, ports in ((_BIND, spec["bind"]), (_CONNECT, spec["connect"])):
            for port in ports:
                _call(_libc.syscall(_ADD_RULE, ruleset, _NET_PORT, struct.pack("=QQ", access, port), 0))
    _restrict_self(ruleset)


def _restrict_self(ruleset: int) -> None:
    _call(_libc.syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def _allow_path(ruleset: int, path: str, rights: int) -> None:
    """Allow what lies at and below a path; a path that is not there is skipped."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        rights &= _FILE_RIGHTS  # the kernel refuses rights of a folder on a file
    if rights:
        _call(_libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0))
    os.close(descriptor)


def _drop_capabilities() -> None:
    """Give up what root could do with the kernel and with other processes; `/proc/PID/environ` is one of it."""
    kept = sum(1 << capability for capability in _KEPT_CAPABILITIES)
    header = struct.pack("=Ii", 0x20080522, 0)
    held = ctypes.create_string_buffer(24)
    _call(_libc.capget(header, held))
    effective, permitted, _ = struct.unpack_from("=III", held.raw)
    for capability in range(64):
        if not kept >> capability & 1:
            _libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0)
    _call(_libc.capset(header, struct.pack("=6I", effective & kept, permitted & kept, 0, 0, 0, 0)))


def _wakeup_on_signals() -> tuple[int, int]:
    """Return (descriptor that a signal makes readable, its other end)."""
    reading, writing = os.pipe()
    for descriptor in (reading, writing):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reading, writing


def _watch(child: int, lines: tuple[int, ...], wakeup: int, spec: dict[str, Any]) -> int:
    """Wait for the command, and return its status as wait(2) gives it. lines: become readable when we are to end."""
    limits, beyond = _beside("limits").Limits(child, spec, _descendants), ""
    poll = select.poll()
    for line in lines:
        poll.register(line, select.POLLIN)
    poll.register(wakeup, select.POLLIN)
    deadline: float | None = None
    while True:
        status = _reap(child)
        if status is not None:
            break
        patience = _WATCH_SECONDS if spec["memory"] or deadline else _WATCH_DISK_SECONDS
        ready = {descriptor for descriptor, _ in poll.poll(1000 * patience)}
        signals = _read(wakeup) if wakeup in ready else b""
        if signal.SIGUSR1 in signals:
            _signal(child, signal.SIGUSR1)
        alone = not ready.isdisjoint(lines)
        if deadline is None and (alone or {signal.SIGTERM, signal.SIGINT, signal.SIGHUP} & set(signals)):
            _signal(-child, signal.SIGTERM)
            deadline = time.monotonic() + (0.0 if alone else _TERM_SECONDS)
            for line in lines:
                poll.unregister(line)
        if not beyond and (beyond := limits.exceeded()):
            os.write(2, f"{beyond}\n".encode())
            _signal(child, signal.SIGKILL)
        if deadline is not None and time.monotonic() >= deadline:
            _signal(child, signal.SIGKILL)
    return status


def _reap(child: int) -> int | None:
    """Collect what ended, orphans of the command too; return the command's own status once it did."""
    result = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child:
                result = status
    return result


def _kill_descendants(*, scoped: bool) -> None:
    """Kill everything below this process until nothing is.

    scoped: whether signals reach nothing else; then a signal to all is one that no fork escapes. Else who forks meanwhile
    is met in the next turn.
    """
    for _ in range(1000):
        for pid in (-1,) if scoped else _descendants():
            _signal(pid, signal.SIGKILL)
        if not _descendants():
            _reap(0)  # init of a container may not
            return
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)
            _reap(0)


def _descendants() -> list[int]:
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    fields = file.read().rpartition(b")")[2].split()
                if fields[0] not in (b"Z", b"X"):
                    parents[int(name)] = int(fields[1])
    own, below = os.getpid(), list[int]()
    for pid in parents:
        ancestor, steps = pid, 0
        while ancestor in parents and ancestor != own and steps < 1000:
            ancestor, steps = parents[ancestor], steps + 1
        if ancestor == own and pid != own:
            below.append(pid)
    return below


def _end_as(status: int) -> NoReturn:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1)


def _close_all_but(*kept: int) -> None:
    """Close what only the command needs, so that its ends of pipes close with it."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(name))


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except BlockingIOError:
        return b""


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _beside(name: str) -> ModuleType:
    """The module in a file beside this one, which may be imported by no name here."""
    spec = importlib.util.spec_from_file_location(name, f"{os.path.dirname(__file__)}/{name}.py")  # noqa: PTH120
    assert spec is not None and spec.loader is not None  # noqa: PT018, S101
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _call(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def probe() -> dict[str, Any]:
    """Return what this kernel can hold a model to: the ABI of Landlock, and whether namespaces may be made."""
    child = os.fork()
    if child == 0:
        try:
            _beside("namespaces").enter({"network": "namespace", "paths": [], "memory": None})
        except OSError:
            os._exit(1)
        os._exit(0)
    return {
        "landlock": landlock_abi(),
        "namespace": os.waitpid(child, 0)[1] == 0,
        "seccomp": _beside("system_calls").known(),
    }


if __name__ == "__main__":
    if sys.argv[1:] == ["probe"]:
        sys.stdout.write(json.dumps(probe()))
    else:
        main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])

"""Try the box of this machine: start a process in it that attempts what a model must not do."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lockgate.models.child_process import ChildProcess
from lockgate.models.isolation.box import make_box
from lockgate.models.isolation.isolation_spec import Isolation

_PATIENCE_S = 20.0
_ATTEMPTS = """
import json, os, resource, socket, sys
canary, parent, port = sys.argv[-1], int(sys.argv[-2]), int(sys.argv[-3])
attempts = {
    "read a file outside of the box": lambda: open(canary).read(),
    "write a file outside of the box": lambda: open(canary, "a"),
    "change the mode of a file outside of the box": lambda: os.chmod(canary, 0o600),
    "read the variables of another process": lambda: open("/proc/%d/environ" % parent, "rb").read(),
    "signal another process": lambda: os.kill(parent, 0),
    "set the scheduling of another process": lambda: os.sched_setscheduler(parent, 0, os.sched_param(0)),
    "set the limits of another process": lambda: resource.prlimit(parent, resource.RLIMIT_CORE),
    "read shared memory of another process": lambda: open("/dev/shm/lockgate-%d" % parent),
    "connect over TCP": lambda: socket.create_connection(("127.0.0.1", port), 2),
    "send over UDP": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("192.0.2.1", 9)),
    "open a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "connect to an abstract UNIX socket": lambda: socket.socket(socket.AF_UNIX).connect("\\0lockgate-%d" % parent),
    "connect to a UNIX socket of the file system": lambda: socket.socket(socket.AF_UNIX).connect(canary + ".socket"),
}
results = {}
for name, attempt in attempts.items():
    try:
        attempt()
        results[name] = True
    except OSError:
        results[name] = False
print(json.dumps(results))
"""


@dataclass(frozen=True)
class Trial:
    """What a process in a box of this machine managed to do, by what it attempted; open: what the box does not close."""

    allowed: dict[str, bool]
    open: list[str]


def attempt_from_a_box(environ: Mapping[str, str]) -> Trial | None:
    """Try the box that a model gets on this machine; None where there is none."""
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as listener:
        folder = Path(os.path.realpath(name))
        scratch, canary = folder / "scratch", folder / "canary"
        scratch.mkdir()
        canary.write_text("outside\n", encoding="utf-8")
        box = make_box(
            Isolation(), python=sys.executable, environ=environ, folder=scratch, scratch=scratch, root=folder
        )
        if box is None:
            return None
        with _listening(f"\0lockgate-{os.getpid()}"), _listening(f"{canary}.socket"), _shared_memory():
            child = ChildProcess(
                [sys.executable, "-I", "-S", "-c", _ATTEMPTS],
                env={}, cwd=scratch, box=box, after=[str(listener.getsockname()[1]), str(os.getpid()), str(canary)],
            )  # fmt: skip
            try:
                return Trial(_answer(child), box.facts["open"])
            finally:
                child.end()


def _answer(child: ChildProcess) -> dict[str, bool]:
    until = time.monotonic() + _PATIENCE_S
    while child.returncode is None and time.monotonic() < until:
        time.sleep(0.01)
    child.wait()
    lines = child.stderr.splitlines()
    try:
        results: dict[str, bool] = json.loads(lines[-1])
    except (IndexError, ValueError):
        raise OSError("the process in the box did not answer: " + " ".join(lines)[-300:]) from None
    return results


@contextmanager
def _shared_memory() -> Iterator[None]:
    """A file where POSIX shared memory lies, if the machine has such a place."""
    file = Path(f"/dev/shm/lockgate-{os.getpid()}")  # noqa: S108
    with suppress(OSError):
        file.touch()
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _listening(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    return listener

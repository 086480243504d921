"""Who carries an entry out: a note beside the ledger that its process renews, on which nothing rests but the waiting.

It is no entry. Where it cannot be written, or is edited, the lease that the entry itself holds counts alone.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Event, Thread

from lockgate.errors import LockgateError
from lockgate.evidence import stored_json
from lockgate.evidence.record import Record
from lockgate.units import utc

RENEWED_S = 20.0  # a third of the lease that is usual


@dataclass(frozen=True)
class Process:
    """A process of a machine that was started once.

    boot: of the machine; namespace: the numbers of processes belong to that; started: in ticks since the boot, so that a
    number that is used again is no mistake. All are empty where the system does not say.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: str

    @classmethod
    def current(cls) -> Process:
        pid = os.getpid()
        return cls(socket.gethostname(), _boot(), _namespace(), pid, _started(pid) or "")

    @property
    def is_gone(self) -> bool:
        """Whether it certainly does not run any more. False wherever this process cannot see: nobody is guessed dead."""
        if not (self.boot and self.namespace and self.started):
            return False
        return (self.boot, self.namespace) == (_boot(), _namespace()) and _started(self.pid) != self.started


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _namespace() -> str:
    with suppress(OSError):
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115  # no path, but a name
    return ""


def _started(pid: int) -> str | None:
    """When a process was started, None where there is none, or only what is left of one."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if state in "ZX" else fields[18]


@dataclass(frozen=True)
class Holder(Record):
    """That a process carried out an entry at a moment. entry: the SHA-256 of its bytes."""

    schema = "lockgate/holder/v1"
    most = 4096

    entry: str
    at: datetime
    process: Process

    def __str__(self) -> str:
        return f"process {self.process.pid} on {self.process.host}"

    @classmethod
    def read(cls, text: str | None) -> Holder | None:
        """The holder that a note names, None for a note that says nothing: anybody may have written it."""
        try:
            value = cls.parse(text or "")
            process = stored_json.mapping(value, "process")
            words = {key: stored_json.text(process, key) for key in ("host", "boot", "namespace", "started")}
            return cls(
                stored_json.text(value, "entry"),
                utc(stored_json.text(value, "at")),
                Process(**words, pid=stored_json.count(process, "pid")),
            )
        except ValueError:
            return None


@contextmanager
def renewing(renew: Callable[[], None], every_s: float = RENEWED_S) -> Iterator[None]:
    """Renew the note from time to time while something takes long, as well as can be."""
    over = Event()

    def beat() -> None:
        while not over.wait(every_s):
            with suppress(LockgateError, OSError):
                renew()

    thread = Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(1.0)

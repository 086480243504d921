"""A child process that ends with us, with everything that it started; its last lines of output are kept."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time
import uuid
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import IO, cast

from lockgate.errors import ModelFault
from lockgate.models.environment import interpreter, model_environment
from lockgate.models.isolation.box import Box
from lockgate.models.model import LoadFacts

MODEL_HOST = Path(__file__).with_name("model_host.py")
MARK = "LOCKGATE_HOST"
MODEL_OUTPUT = "LOCKGATE_MODEL_OUTPUT"  # the variable that names a file, to which all that models write is added
_TAIL_BYTES = 8 * 2**10
_TAIL_LINES = 40
_COPY_BYTES = 2**30
_TERM_SECONDS = 2.0  # between SIGTERM and SIGKILL
_LAUNCHER_SECONDS = 30.0  # the same for a launcher, which ends the rest within 1.5 s: without it, daemons would go on

# as `isolation/limits.py` writes them; a model that writes one itself gets the fault that it asks for
_BEYOND = re.compile(
    r"^(?:the model's processes hold [\d,]+ bytes, and isolation\.memory is [\d,]+"
    r"|the model has written more than it may: isolation\.disk is [\d,]+ bytes"
    r"|the model runs more than [\d,]+ processes)$",
    re.MULTILINE,
)

MORE_MEMORY = "give the job more memory, or send smaller batches"


@dataclass(frozen=True)
class Attempt:
    """What a process was doing. doing: as in `while predicting 500 rows`. seconds: its time limit. model: whose answer it is."""

    name: str
    doing: str
    python: str
    seconds: float
    model: str = ""


def killed_by_signal(attempt: Attempt, number: int, stderr: str, *, limit: str = "") -> ModelFault:
    """Return the fault of a model whose process a signal ended. limit: of its box that it went beyond, as a sentence."""
    try:
        sign = signal.Signals(number).name
    except ValueError:
        sign = f"signal {number}"
    if number == signal.SIGKILL and limit:
        message = f"{attempt.name} was ended while {attempt.doing}: {limit}"
        remedy = "find out what takes so much, or raise memory: or disk: of isolation: if it needs that"
    elif number == signal.SIGKILL:
        message = f"{attempt.name} was killed by SIGKILL while {attempt.doing}, often the kernel's out-of-memory killer"
        remedy = f"{MORE_MEMORY}; the kernel's log names what it killed"
    elif number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT, signal.SIGFPE):
        means = "segmentation fault, " if number == signal.SIGSEGV else ""
        message = f"{attempt.name} crashed while {attempt.doing} ({means}{sign})"
        remedy = "a native library broke; the last lines of stderr name the call, and its version may not fit the model"
    else:
        message = f"{attempt.name} was killed by {sign} while {attempt.doing}"
        remedy = "find out what sends it; nothing of lockgate did"
    return ModelFault(message, remedy=remedy, stderr=stderr)


class ChildProcess:
    """A process in a session of its own, with the reading end of a pipe, the lifeline, whose other end only we have.

    Whatever happens to us, the process ends: by `end`, when this object is collected, when the interpreter exits, or,
    where it watches the lifeline as `model_host.py` does, when we are killed.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None,
        inherited: Sequence[int] = (),
        after: Sequence[str] = (),
        box: Box | None = None,
        appended: bool = True,
    ) -> None:
        """Start `command` with the descriptors `inherited` and the lifeline as its next arguments, then `after`.

        box: in which the command runs; its launcher is then the process that we know. appended: false for a program of
        others in a box, which takes no descriptors: its launcher watches the lifeline. Raises OSError.
        """
        mark = uuid.uuid4().hex
        theirs, lifeline = os.pipe()
        descriptors = (*inherited, theirs)
        with contextlib.ExitStack() as stack:
            launch: list[str] = []
            passed = descriptors
            if box is not None:
                rules = stack.enter_context(_in_memory(box.rules)).fileno()
                launch, passed = box.launch(rules=rules, lifeline=theirs), (*descriptors, rules)
                env = box.environment(env)
                command = [_program(command[0], env), *command[1:]]
            try:
                self._process = subprocess.Popen(
                    [*launch, *command, *(map(str, descriptors) if appended else ()), *after],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env={**env, MARK: mark},
                    cwd=cwd,
                    pass_fds=passed,
                    start_new_session=True,
                    bufsize=0,
                )
            except BaseException:
                os.close(lifeline)
                raise
            finally:
                os.close(theirs)
        self._tail = _Tail(cast("IO[bytes]", self._process.stdout), copy=env.get(MODEL_OUTPUT))
        patience_s = _TERM_SECONDS if box is None else _LAUNCHER_SECONDS
        self._end = weakref.finalize(self, _end, self._process, lifeline, mark, os.getpid(), patience_s)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, negative for a signal; None while the process runs."""
        return self._process.poll()

    @property
    def stderr(self) -> str:
        """The last lines that the process wrote, to stderr or stdout."""
        return self._tail.text()

    @property
    def limit(self) -> str:
        """By which limit of its box the process was ended, as a sentence; "" where by none."""
        found = _BEYOND.findall(self.stderr)
        return found[-1] if found else ""

    @property
    def written(self) -> int:
        """Bytes that the process wrote so far."""
        return self._tail.size

    def wait(self, seconds: float = _TERM_SECONDS) -> int | None:
        """Wait for a process that is about to end and for its last lines; return its exit code, None if it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            self._tail.join()
        return self._process.returncode

    def used(self) -> tuple[int | None, float | None]:
        """(peak resident bytes of its largest process, processor seconds of all that live), None where there is no /proc."""
        rss, ticks = list[int](), list[int]()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                # proc(5), counted after the name: field 3 is the session, which the child leads; 11 and 12 are user and
                # system ticks
                if int(fields[3]) == self.pid:
                    ticks += [int(fields[11]) + int(fields[12])]
                    status = (folder / "status").read_text()
                    rss += [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")]
        return max(rss, default=None), sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None

    def end(self) -> None:
        """End the process, its group and its strays, and reap it; safe to call twice."""
        self._end()
        self._tail.join()


@dataclass(eq=False, repr=False)
class OwnedModel(ABC):
    """A model in a process that we start and end; after a fault that ended it, every call raises that fault again.

    folder: the model's files. python: the interpreter that it answers under. environ: of which the model sees what
    `model_environment` leaves. name: how faults call it, `candidate`. scratch: the folder that it works in, ours when None.
    cancelled: called ten times a second. box: what its processes are held to, nothing where None.
    """

    folder: Path
    _: KW_ONLY
    python: str
    environ: Mapping[str, str]
    name: str = "candidate"
    scratch: Path | None = None
    cancelled: Callable[[], bool] | None = None
    box: Box | None = None
    _child: ChildProcess | None = field(default=None, init=False)
    _facts: LoadFacts | None = field(default=None, init=False)
    _fault: ModelFault | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.python = interpreter(self.python)
        self._env = model_environment(self.environ)
        self._cancelled = self.cancelled or (lambda: False)

    @abstractmethod
    def _launch(self) -> None:
        """Start the process, and let it begin to load. Raises OSError."""

    def start(self) -> None:
        """Begin to load and return at once, so that two models can load beside each other."""
        if self._fault is not None:
            raise self._fault
        if self._child is None:
            try:
                self._launch()
            except OSError as error:
                self._fault = ModelFault(
                    f"{self.name} has no python to answer under: {self.python} does not start ({error.strerror})",
                    remedy="name one that does with environment: {python: PATH}",
                )
                raise self._fault from error

    def close(self) -> None:
        """End the process and everything that it started, whatever state it is in; safe to call twice."""
        self._end(self._fault or ModelFault(f"{self.name} is closed", remedy="make a new one"))

    @property
    def stderr(self) -> str:
        """The last lines that the process wrote, to stderr or stdout."""
        return "" if self._child is None else self._child.stderr

    @property
    def pid(self) -> int | None:
        """Process id, None before the start."""
        return None if self._child is None else self._child.pid

    def _end(self, fault: ModelFault) -> ModelFault:
        self._fault = fault
        if self._child is not None:
            self._child.end()
        return fault


def _in_memory(content: bytes) -> IO[bytes]:
    """A file that is in no folder, at its beginning."""
    file = os.fdopen(os.memfd_create("rules"), "w+b")
    file.write(content)
    file.seek(0)
    return file


def _program(name: str, env: Mapping[str, str]) -> str:
    """The path of a program. Raises FileNotFoundError, as a start without a launcher before it would."""
    path = shutil.which(name, path=env.get("PATH", os.defpath))
    if path is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    return path


class _Tail:
    """The last lines of a process, read by a thread so that the pipe never fills and blocks the process."""

    def __init__(self, stream: IO[bytes], *, copy: str | None = None) -> None:
        """copy: the path of a file to which everything is added, for its owner alone to read."""
        self._stream = stream
        self._copy = copy
        self._data = b""
        self.size = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, name="stderr of a model", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._stream, select.POLLIN)
        while poll.poll():
            with self._lock:
                data = os.read(self._stream.fileno(), 65536)
                self.size += len(data)
                self._data = (self._data + data)[-_TAIL_BYTES:]
                self._keep(data)
                if not data:
                    self._stream.close()
                    return

    def _keep(self, output: bytes) -> None:
        """Add what a model wrote to the file that somebody named to see it; what cannot be written is not missed.

        A model that writes without end does not fill the disk by it.
        """
        if not self._copy or self.size > _COPY_BYTES:
            return
        with contextlib.suppress(OSError):
            file = os.open(self._copy, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, output)
            finally:
                os.close(file)

    def join(self) -> None:
        self._thread.join(timeout=1.0)

    def text(self) -> str:
        """Everything written until now: the thread gets a moment to empty the pipe first."""
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            with self._lock:
                if self._stream.closed or not select.select([self._stream], [], [], 0)[0]:
                    break
            time.sleep(0.001)
        lines = self._data.decode("utf-8", "replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])


def _end(process: subprocess.Popen[bytes], lifeline: int, mark: str, owner: int, patience_s: float) -> None:
    if os.getpid() != owner:
        return  # a fork of us: the process is not its to end
    _signal_group(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience_s)
    _signal_group(process.pid, signal.SIGKILL)
    _kill_strays(mark)
    process.wait()
    os.close(lifeline)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _kill_strays(mark: str) -> None:
    """Kill what left the process group but inherited the mark in its environment (Linux only)."""
    entry = f"{MARK}={mark}".encode()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if entry in environment.read_bytes().split(b"\0"):
                os.kill(int(environment.parent.name), signal.SIGKILL)

"""One process of a model and the line to it: start it, exchange frames, end it with everything that it started."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

MAGIC = b"LGF1"
HEAD = struct.Struct("!4sIQ")
MARK = "LOCKGATE_HOST"
_PIPE_BYTES = 2**20
_TAIL_BYTES = 8 * 2**10
_TAIL_LINES = 40
_TERM_SECONDS = 2.0
_LOOK_SECONDS = 0.1


class LinkDown(Exception):
    """The line is of no more use. `returncode` is that of the process, where it ended by itself."""

    def __init__(
        self, why: Literal["ended", "silent", "garbage", "closed", "cancelled"], returncode: int | None
    ) -> None:
        super().__init__(why)
        self.why = why
        self.returncode = returncode


@dataclass(frozen=True)
class Frame:
    """One answer: its header, and the payload, which is read in place."""

    header: Mapping[str, Any]
    payload: memoryview


class Link:
    """A process in a session of its own and three pipes: requests, answers, and a lifeline that says we are still here.

    Writing never blocks, so that a process that answers while it is sent more cannot stand against us. Whatever happens
    to us, the process ends: by `end`, when this object is collected, when the interpreter exits, or with the lifeline.
    """

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path | None) -> None:
        """Start `command` with three descriptors as its last arguments. Raises OSError."""
        mark = uuid.uuid4().hex
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        lifeline, self._lifeline = os.pipe()
        theirs = (requests, answers, lifeline)
        try:
            self._process = subprocess.Popen(
                [*command, *map(str, theirs)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**env, MARK: mark},
                cwd=cwd,
                pass_fds=theirs,
                start_new_session=True,
                bufsize=0,
            )
        except BaseException:
            for descriptor in (self._requests, self._answers, self._lifeline):
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self._tail = _Tail(cast("IO[bytes]", self._process.stdout))
        ours = (self._requests, self._answers, self._lifeline)
        self._end = weakref.finalize(self, _end, self._process, ours, mark, os.getpid())
        self._outgoing: list[memoryview] = []
        self._incoming = _Incoming()
        for descriptor in (self._requests, self._answers):
            os.set_blocking(descriptor, False)
            if hasattr(fcntl, "F_SETPIPE_SZ"):
                with contextlib.suppress(OSError):
                    fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._end.alive

    @property
    def stderr(self) -> str:
        """The last lines that the process wrote, to stderr or stdout."""
        return self._tail.text()

    def send(self, header: Mapping[str, Any], payload: Any = b"") -> None:
        """Queue a frame; payload: any buffer. What the pipe does not take now goes out while an answer is awaited."""
        text = json.dumps(header).encode()
        body = memoryview(payload).cast("B")
        self._outgoing.append(memoryview(HEAD.pack(MAGIC, len(text), len(body)) + text))
        self._outgoing.append(body)
        self._write()

    def receive(self, *, seconds: float, cancelled: Callable[[], bool]) -> Frame:
        """The next frame, within `seconds`. Raises LinkDown; the process is left for `end`."""
        deadline = time.monotonic() + seconds
        ended = False
        while True:
            poll = select.poll()
            poll.register(self._answers, select.POLLIN)
            if self._outgoing:
                poll.register(self._requests, select.POLLOUT)
            left = deadline - time.monotonic()
            ready = {descriptor for descriptor, _ in poll.poll(1000 * max(0.0, min(_LOOK_SECONDS, left)))}
            if self._requests in ready:
                self._write()
            if self._answers in ready:
                try:
                    frame = self._incoming.read(self._answers)
                except ValueError:
                    raise LinkDown("garbage", None) from None
                except EOFError:
                    raise self._gone() from None
                if frame is not None:
                    return frame
            elif ended:
                raise self._gone()
            ended = self._process.poll() is not None
            if cancelled():
                raise LinkDown("cancelled", None)
            if left <= 0:
                self._ask_where()
                raise LinkDown("silent", None)

    def end(self) -> None:
        """End the process, its group and its strays, and reap it; safe to call twice."""
        self._end()
        self._tail.join()

    def _write(self) -> None:
        try:
            while self._outgoing:
                part = self._outgoing[0]
                count = os.write(self._requests, part) if part else 0
                if count == len(part):
                    del self._outgoing[0]
                else:
                    self._outgoing[0] = part[count:]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._outgoing.clear()  # the end of the answers says what happened

    def _gone(self) -> LinkDown:
        """The pipe of answers is closed: because the process ended, or because the model closed what is not its own."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_TERM_SECONDS)
        self._tail.join()
        code = self._process.returncode
        return LinkDown("closed" if code is None else "ended", code)

    def _ask_where(self) -> None:
        """Let the silent process write the stack of its threads, for the last lines that people will read."""
        before = self._tail.size
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR1)
        until = time.monotonic() + 0.5
        while self._tail.size == before and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.05)


class _Incoming:
    """Frames out of a pipe that does not block, read in place."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._parts: list[memoryview] = []
        self._expect(HEAD.size)

    def _expect(self, size: int) -> None:
        self._part = memoryview(bytearray(size))
        self._filled = 0

    def read(self, descriptor: int) -> Frame | None:
        """A frame when one is complete, else None. Raises ValueError for garbage, EOFError at the end."""
        while True:
            while self._filled < len(self._part):
                try:
                    count = os.readv(descriptor, [self._part[self._filled :]])
                except BlockingIOError:
                    return None
                if count == 0:
                    raise EOFError
                self._filled += count
            self._parts.append(self._part)
            magic, header_size, payload_size = HEAD.unpack(self._parts[0])
            if magic != MAGIC:
                raise ValueError("not a frame")
            if len(self._parts) < 3:
                self._expect(header_size if len(self._parts) == 1 else payload_size)
                continue
            header, payload = json.loads(bytes(self._parts[1])), self._part
            self._start()
            return Frame(header, payload)


class _Tail:
    """The last lines of a process, read all the time so that its pipe never fills."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
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
                if not data:
                    self._stream.close()
                    return

    def join(self) -> None:
        self._thread.join(timeout=1.0)

    def text(self) -> str:
        """What was written until now: all that lies in the pipe is read first."""
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            with self._lock:
                if self._stream.closed or not select.select([self._stream], [], [], 0)[0]:
                    break
            time.sleep(0.001)
        lines = self._data.decode("utf-8", "replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])


def _end(process: subprocess.Popen[bytes], descriptors: Sequence[int], mark: str, owner: int) -> None:
    if os.getpid() != owner:
        return  # a fork of us: the process is not its to end
    for descriptor in descriptors[:2]:
        os.close(descriptor)
    _signal_group(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_TERM_SECONDS)
    _signal_group(process.pid, signal.SIGKILL)
    _kill_strays(mark)
    process.wait()
    os.close(descriptors[2])


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _kill_strays(mark: str) -> None:
    """Kill what the model started and took out of its group: it inherited the mark in its environment (Linux only)."""
    wanted = f"{MARK}={mark}".encode()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted in environment.read_bytes().split(b"\0"):
                os.kill(int(environment.parent.name), signal.SIGKILL)

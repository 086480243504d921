"""The connection to a model's process: request frames out, answer frames back, each with a time limit."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lockgate.models.child_process import ChildProcess
from lockgate.models.isolation.box import Box
from lockgate.models.model_host import HEAD, MAGIC

_PIPE_BYTES = 2**20  # Linux gives 64 KiB by default, and a batch of rows then takes many switches between processes
_POLL_SECONDS = 0.1
_HEADER_BYTES = 2**22  # an answer's header names versions and an error, never rows
_PAYLOAD_BYTES = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4  # one answer leaves room for the others
_STEP_BYTES = 2**22  # memory is taken as bytes come, not as a frame claims
_TURN_BYTES = 2**26  # read before the time limit is looked at again, however fast a process writes


class ConnectionLost(Exception):
    """The connection is of no more use.

    returncode: of the process, where it ended by itself; limit: of its box by which it was ended, as a sentence.
    """

    def __init__(
        self,
        reason: Literal["ended", "silent", "garbage", "closed", "cancelled"],
        returncode: int | None,
        limit: str = "",
    ) -> None:
        super().__init__(reason)
        self.limit = limit
        self.reason = reason
        self.returncode = returncode


@dataclass(frozen=True)
class Frame:
    """One answer: its header, and its payload, a view that is not copied."""

    header: Mapping[str, Any]
    payload: memoryview


class HostConnection:
    """A child process and three pipes: requests, answers, and the child's lifeline.

    Writing never blocks: otherwise a process that writes an answer while we write the next batch could deadlock with us.
    """

    def __init__(
        self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path | None, box: Box | None = None
    ) -> None:
        """Start `command`, in a box where one is given, with three descriptors as its last arguments. Raises OSError."""
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        try:
            self.child = ChildProcess(command, env=env, cwd=cwd, inherited=(requests, answers), box=box)
        except BaseException:
            _close(self._requests, self._answers)
            raise
        finally:
            _close(requests, answers)
        self._close = weakref.finalize(self, _close, self._requests, self._answers)
        self._outgoing: list[memoryview] = []
        self._incoming = _Incoming()
        for descriptor in (self._requests, self._answers):
            os.set_blocking(descriptor, False)
            if hasattr(fcntl, "F_SETPIPE_SZ"):
                with contextlib.suppress(OSError):
                    fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def send(self, header: Mapping[str, Any], *payload: Any) -> None:
        """Queue a frame. payload: any buffers. What the pipe does not take now is written while `receive` waits."""
        text = json.dumps(header).encode()
        body = [memoryview(part).cast("B") for part in payload]
        self._outgoing.append(memoryview(HEAD.pack(MAGIC, len(text), sum(map(len, body))) + text))
        self._outgoing += body
        self._write()

    def receive(self, *, seconds: float, cancelled: Callable[[], bool]) -> Frame:
        """Return the next frame, within `seconds`. Raises ConnectionLost; ending the process is left to `end`."""
        deadline = time.monotonic() + seconds
        ended = False
        while True:
            poll = select.poll()
            poll.register(self._answers, select.POLLIN)
            if self._outgoing:
                poll.register(self._requests, select.POLLOUT)
            seconds_left = deadline - time.monotonic()
            ready = {descriptor for descriptor, _ in poll.poll(1000 * max(0.0, min(_POLL_SECONDS, seconds_left)))}
            if self._requests in ready:
                self._write()
            if self._answers in ready:
                try:
                    frame = self._incoming.read(self._answers)
                except ValueError:
                    raise ConnectionLost("garbage", None) from None
                except EOFError:
                    raise self._gone() from None
                if frame is not None:
                    return frame
            elif ended:
                raise self._gone()
            ended = self.child.returncode is not None
            if cancelled():
                raise ConnectionLost("cancelled", None)
            if seconds_left <= 0:
                self._dump_stacks()
                raise ConnectionLost("silent", None)

    def end(self) -> None:
        """End the process, its group and its strays, and reap it; safe to call twice."""
        self._close()
        self.child.end()

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

    def _gone(self) -> ConnectionLost:
        """Why the pipe of answers is closed: the process ended, or the model closed a descriptor that is not its own."""
        code = self.child.wait()
        return ConnectionLost("closed" if code is None else "ended", code, self.child.limit)

    def _dump_stacks(self) -> None:
        """Let the silent process write the stacks of its threads to stderr, so that the fault shows where it hangs."""
        before = self.child.written
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.child.pid, signal.SIGUSR1)
        until = time.monotonic() + 0.5
        while self.child.written == before and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.05)


class _Incoming:
    """Frames from a non-blocking pipe, put together part by part; what the other end claims is believed as it comes."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._parts: list[memoryview] = []
        self._expect(HEAD.size)

    def _expect(self, size: int) -> None:
        self._size, self._filled = size, 0
        self._buffer = bytearray(min(size, _STEP_BYTES))

    def read(self, descriptor: int) -> Frame | None:
        """Return a frame when one is complete, else None. Raises ValueError for garbage, EOFError at the end."""
        turn = _TURN_BYTES
        while True:
            while self._filled < self._size:
                if turn <= 0:
                    return None
                if self._filled == len(self._buffer):
                    self._buffer.extend(bytes(min(self._size - self._filled, max(_STEP_BYTES, self._filled))))
                try:
                    with memoryview(self._buffer) as whole, whole[self._filled :] as rest:
                        count = os.readv(descriptor, [rest])
                except BlockingIOError:
                    return None
                if count == 0:
                    raise EOFError
                self._filled += count
                turn -= count
            self._parts.append(memoryview(self._buffer))
            magic, header_size, payload_size = HEAD.unpack(self._parts[0])
            if magic != MAGIC or header_size > _HEADER_BYTES or payload_size > _PAYLOAD_BYTES:
                raise ValueError("not a frame")
            if len(self._parts) < 3:
                self._expect(header_size if len(self._parts) == 1 else payload_size)
                continue
            header, payload = _header(bytes(self._parts[1])), self._parts[2]
            self._start()
            return Frame(header, payload)


def _header(data: bytes) -> dict[str, Any]:
    """The header of an answer. Raises ValueError for anything but an object, and for one that is nested too deep."""
    try:
        header = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(header, dict):
        raise ValueError("no object")
    return header


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)

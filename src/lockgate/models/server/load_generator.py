"""Load generator: send requests on schedule and time each, in a process that does nothing else.

Started as `python -I load_generator.py`; it imports nothing of lockgate. stdin brings the lengths of a JSON header and of
a payload (two u64, big-endian), then the two: the bodies, then the intended times as doubles. stdout answers in the
same frame: the columns intended, sent, done and lag as doubles, then failed as bytes, which answer each request got as
u32, and the answers that were kept. When stdin ends, so does it.

One thread, libcurl's multi interface on sockets that it watches itself, no garbage collection. Waiting sleeps until
shortly before the next send time and then spins, because sleeping ends late.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import math
import os
import resource
import select
import struct
import sys
import time
from array import array
from pathlib import Path
from types import ModuleType
from typing import Any

HEAD = struct.Struct("!QQ")
BATCH = 4  # sent between two polls for answers, so that a late schedule does not open ever more connections


def main() -> None:
    stdin, stdout = sys.stdin.fileno(), sys.stdout.buffer
    size, rest = HEAD.unpack(_exactly(stdin, HEAD.size))
    spec = json.loads(_exactly(stdin, size))
    payload = memoryview(_exactly(stdin, rest))
    bodies, offset = [], 0
    for length in spec["bodies"]:
        bodies.append(bytes(payload[offset : offset + length]))
        offset += length
    due = array("d", bytes(payload[offset:]))
    sys.path.append(spec["libraries"])
    try:
        engine = Engine(spec, bodies, lifeline=stdin)
        engine.warm_up(spec["warmup"])
        # a collection during the load would stop the clock's owner for milliseconds, and count as the server's latency
        gc.collect()
        gc.freeze()
        gc.disable()
        columns = engine.open_loop(due) if spec["open"] else engine.closed_loop()
    except Broken as error:
        _write(stdout, {"broken": str(error)}, [])
        return
    kept = engine.answers.kept
    header = {
        "requests": len(columns[0]),
        "first_error": engine.first_error,
        "first_failed": engine.first_failed,
        "answers": [[*head, len(body)] for head, body in kept],
    }
    _write(stdout, header, [*(column.tobytes() for column in columns), *(body for _, body in kept)])


def _beside(name: str) -> ModuleType:
    """The module in a file beside this one, which may be imported by no name here."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Broken(Exception):
    """The load cannot be sent at all; the text says why."""


class Engine:
    """Requests to one server over connections that are kept open. idle: handles that wait for their next request."""

    def __init__(self, spec: dict[str, Any], bodies: list[bytes], *, lifeline: int) -> None:
        import pycurl

        self.pycurl = pycurl
        self.spec, self.bodies = spec, bodies
        self.clock = time.perf_counter
        self.deadline = math.inf  # of libcurl's own timers
        self.first_error: str | None = None
        self.first_failed: int | None = None
        self.read: bool = spec["read"]
        self.keeping = _beside("kept_answers")
        self.answers = self.keeping.Answers()
        pollers = _beside("socket_pollers")
        self.idle: list[Any] = []
        self.made = 0
        self.limit = min(spec["connections"], _open_file_limit() - 64)  # 64 for all that is no connection
        self.poller = (pollers.EpollPoller if hasattr(select, "epoll") else pollers.SocketPoller)(lifeline)
        self.multi = pycurl.CurlMulti()
        self.multi.setopt(pycurl.M_SOCKETFUNCTION, self._socket)
        self.multi.setopt(pycurl.M_TIMERFUNCTION, self._timer)
        self.multi.setopt(pycurl.M_PIPELINING, 0)
        self.multi.setopt(pycurl.M_MAXCONNECTS, self.limit)  # else libcurl closes connections beyond its own cache size

    def warm_up(self, count: int) -> None:
        """Send unrecorded requests: one alone, so that the server can load, then `concurrency` at once to open them all."""
        sent = 0
        while sent < count:
            wave = 1 if sent == 0 else min(self.spec["concurrency"], count - sent)
            for i in range(sent, sent + wave):
                self._add(i)
            self._go()  # all at once, so that no answer frees a connection for the next
            running = wave
            while running:
                for curl, _, _ in self._answers(math.inf):
                    self.idle.append(curl)
                    running -= 1
            sent += wave

    def open_loop(self, due: array[float]) -> list[array[Any]]:
        """Send every request at its time, whether earlier ones are answered or not; one that finds no free connection waits.

        Returns the columns intended, sent, done, lag and failed, in seconds since the first moment, and which answer it got.
        """
        n = len(due)
        sent, done, lag, failed = _doubles(n), _doubles(n), _doubles(n), array("B", bytes(n))
        answered = array("I", [self.keeping.NONE]) * n
        clock, answers, idle = self.clock, self._answers, self.idle
        in_flight = index = 0
        start = clock()
        free = 0.0  # since when the next request could have gone
        while index < n or in_flight:
            now = clock() - start
            batch = 0
            while index < n and due[index] <= now and batch < BATCH:
                if not idle and self.made >= self.limit:
                    break
                batch += 1
                sent[index] = now
                # waiting for a free connection is the server's queue; only what comes after it is our own delay
                lag[index] = now - max(due[index], free)
                self._send(index)
                in_flight += 1
                index += 1
                now = clock() - start
            blocked = not idle and self.made >= self.limit
            until = start + due[index] if index < n and not blocked else math.inf
            for curl, moment, error in answers(until):
                i = curl.index
                done[i] = moment - start
                if error is not None:
                    failed[i] = 1
                    self._note(curl, error)
                elif self.read:
                    answered[i] = self.answers.number(curl.head, curl.body)
                if blocked:
                    free = moment - start
                    blocked = False
                idle.append(curl)
                in_flight -= 1
        return [due, sent, done, lag, failed, answered]

    def closed_loop(self) -> list[array[Any]]:
        """Keep `concurrency` requests in flight: each answer makes room for the next. A closed loop has no lag."""
        sent, done, failed, answered = array("d"), array("d"), array("B"), array("I")
        n, last = self.spec["requests"], self.spec["duration_s"]
        clock = self.clock
        in_flight = 0
        start = clock()
        while True:
            while in_flight < self.spec["concurrency"] and len(sent) < n:
                now = clock() - start
                if last is not None and now > last:
                    n = len(sent)
                    break
                sent.append(now)
                done.append(0.0)
                failed.append(0)
                answered.append(self.keeping.NONE)
                self._send(len(sent) - 1)
                in_flight += 1
            if not in_flight:
                return [sent, sent, done, _doubles(n), failed, answered]
            for curl, moment, error in self._answers(math.inf):
                i = curl.index
                done[i] = moment - start
                if error is not None:
                    failed[i] = 1
                    self._note(curl, error)
                elif self.read:
                    answered[i] = self.answers.number(curl.head, curl.body)
                self.idle.append(curl)
                in_flight -= 1

    def _send(self, index: int) -> None:
        self._add(index)
        self._go()

    def _add(self, index: int) -> None:
        curl = self.idle.pop() if self.idle else self._made()
        curl.index = index
        curl.body.clear()
        curl.head.clear()
        curl.setopt(self.pycurl.POSTFIELDS, self.bodies[index % len(self.bodies)])
        self.multi.add_handle(curl)

    def _go(self) -> None:
        self.multi.socket_action(self.pycurl.SOCKET_TIMEOUT, 0)  # libcurl would rather wait to be called back

    def _answers(self, until: float) -> list[tuple[Any, float, str | None]]:
        """(handle, moment, error) of finished requests; waits for an event, but no longer than `until`.

        The order matters: libcurl is served before and after waiting, and its own timer last, because it may finish a
        request in any call.
        """
        multi, clock = self.multi, self.clock
        finished: list[tuple[Any, float, str | None]] = []
        self._finished(finished)  # a request may also end while another is sent, without any socket event
        if finished:
            return finished
        happened = self.poller.wait(min(until, self.deadline))
        for descriptor, mask in happened:
            multi.socket_action(descriptor, mask)
            self._finished(finished)
        if self.deadline <= clock():
            self.deadline = math.inf
            multi.socket_action(self.pycurl.SOCKET_TIMEOUT, 0)
            if self.deadline == math.inf:  # libcurl sets a timer once, and may find that ours is early by a hair
                self._timer(multi.timeout())
        self._finished(finished)
        return finished

    def _finished(self, finished: list[tuple[Any, float, str | None]]) -> None:
        while True:
            queued, answered, broken = self.multi.info_read()
            if not answered and not broken:
                return
            moment = self.clock()
            for curl in answered:
                self.multi.remove_handle(curl)
                status = curl.getinfo(self.pycurl.RESPONSE_CODE)
                finished.append((curl, moment, None if 200 <= status < 300 else f"HTTP {status}"))
            for curl, code, text in broken:
                self.multi.remove_handle(curl)
                finished.append((curl, moment, self._transport(code, text)))
            if not queued:
                return

    def _transport(self, code: int, text: str) -> str:
        if code == self.pycurl.E_OPERATION_TIMEDOUT:
            return f"no answer within {self.spec['timeout_s']:g} s"
        return text or f"the connection broke (libcurl error {code})"

    def _note(self, curl: Any, error: str) -> None:
        if self.first_failed is None or curl.index < self.first_failed:
            body = self.keeping.excerpt(curl.head, curl.body) if error.startswith("HTTP ") else ""
            self.first_error, self.first_failed = f"{error}: {body}" if body else error, curl.index

    def _made(self) -> Any:
        pycurl, spec = self.pycurl, self.spec
        curl = pycurl.Curl()
        self.made += 1
        try:
            curl.setopt(pycurl.URL, spec["url"])
            curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
            curl.setopt(pycurl.PROXY, "")
            curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
            curl.setopt(pycurl.POST, 1)
            curl.setopt(pycurl.HTTPHEADER, ["Expect:", *spec["headers"]])
            curl.setopt(pycurl.USERAGENT, "lockgate")
            curl.setopt(pycurl.FOLLOWLOCATION, 0)
            curl.setopt(pycurl.NOSIGNAL, 1)
            curl.setopt(pycurl.TCP_NODELAY, 1)
            curl.setopt(pycurl.DNS_CACHE_TIMEOUT, -1)
            curl.setopt(pycurl.TIMEOUT_MS, max(1, round(spec["timeout_s"] * 1000)))
            for option, path in ((pycurl.CAINFO, spec["ca_file"]), (pycurl.CAPATH, spec["ca_folder"])):
                if path is not None:
                    curl.setopt(option, path)
            curl.setopt(pycurl.SOCKOPTFUNCTION, self._opened)
            curl.body, curl.head = bytearray(), bytearray()
            if self.read:
                curl.setopt(pycurl.HEADERFUNCTION, curl.head.extend)
            curl.setopt(pycurl.WRITEFUNCTION, curl.body.extend)
        except pycurl.error as error:
            raise Broken(str(error.args[-1])) from error
        return curl

    def _socket(self, event: int, descriptor: int, multi: Any, data: Any) -> None:
        self.poller.set(descriptor, 0 if event == self.pycurl.POLL_REMOVE else event)

    def _opened(self, descriptor: int, purpose: int) -> int:
        self.poller.opened(descriptor)
        return int(self.pycurl.SOCKOPT_OK)

    def _timer(self, milliseconds: int) -> None:
        self.deadline = math.inf if milliseconds < 0 else self.clock() + milliseconds / 1000


def _open_file_limit() -> int:
    """Raise the limit of open files as far as allowed, 65,536 at most; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ceiling = 65536 if hard == resource.RLIM_INFINITY else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(ceiling, 65536)), hard))
    except (ValueError, OSError):
        return soft
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _doubles(count: int) -> array[float]:
    return array("d", bytes(8 * count))


def _exactly(descriptor: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = os.read(descriptor, size - len(data))
        if not part:
            sys.exit(1)  # our parent is gone
        data += part
    return bytes(data)


def _write(stream: Any, header: dict[str, Any], parts: list[bytes]) -> None:
    text = json.dumps(header).encode()
    stream.write(HEAD.pack(len(text), sum(map(len, parts))) + text)
    for part in parts:
        stream.write(part)
    stream.flush()


if __name__ == "__main__":
    main()

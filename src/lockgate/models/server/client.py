"""HTTP client of one server: JSON out, JSON back, every error with a message of its own.

No request is repeated, no redirect is followed, no proxy and no `.netrc` is used: what answers is what the pipeline
names. A time limit covers the whole exchange, so that a server that sends a byte now and then cannot stall us either.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from lockgate.errors import ModelFault
from lockgate.models.safe_text import RowText
from lockgate.models.server import failures
from lockgate.models.server.answer_text import MOST_BYTES, UnreadableAnswer, decompressed, read_document
from lockgate.models.server.failures import Ended, NoAnswer
from lockgate.models.target_spec import without_credentials

_EXCERPT_LENGTH = 300
_READ_LENGTH = 64 * 2**10  # of a body, to see what it is
_CONNECT_S = 10.0
_POLL_S = 0.1
_PAUSE_S = 0.2
# A server that loads a model answers these until it is ready; any other status will not change by waiting.
_NOT_YET = (404, 425, *failures.BUSY, 500)


@dataclass(frozen=True)
class Reply:
    """A response: status, target of a redirect, the body's bytes, and how its headers say that they are to be read."""

    status: int
    location: str | None
    body: bytes
    encoding: str = ""
    content_type: str = ""

    @property
    def document(self) -> Any:
        """The JSON document of the body. Raises UnreadableAnswer."""
        return read_document(self.body, encoding=self.encoding, content_type=self.content_type, most_bytes=MOST_BYTES)

    @property
    def plain(self) -> bytes:
        """The body as it was before it was compressed; empty where it cannot be read."""
        try:
            return decompressed(self.body, encoding=self.encoding, most_bytes=MOST_BYTES)
        except UnreadableAnswer:
            return b""


class HttpClient:
    """A connection to one server, current open. One caller at a time.

    name: how faults call it, `candidate`. base: the server's address, which may hold user and password. headers: sent
    with every request, never shown. ca_file: of the certificates that are believed, the machine's where None.
    timeout_s: of one answer. cancelled: called ten times a second.
    """

    def __init__(
        self,
        base: str,
        *,
        name: str,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        ca_file: str | None = None,
        cancelled: Callable[[], bool] | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        parts = urlsplit(base)
        self.name, self.timeout_s, self.ca_file = name, timeout_s, ca_file
        self.headers = dict(headers or {})
        self.cancelled = cancelled or (lambda: False)
        self._host, self._port, self._prefix = parts.hostname or "", parts.port, parts.path.rstrip("/")
        self._secure = parts.scheme == "https"
        self._netloc = parts.netloc.rpartition("@")[2]
        self._most_bytes = most_bytes
        self._connection: http.client.HTTPConnection | None = None
        if parts.username is not None and not any(key.lower() == "authorization" for key in self.headers):
            self.headers["Authorization"] = _basic(unquote(parts.username), unquote(parts.password or ""))
        self.redact = failures.redactor([*self.headers.values(), unquote(parts.password or "")])

    def url(self, path: str) -> str:
        """Return the address of a path on this server, without user and password."""
        return without_credentials(self.address(path))

    def address(self, path: str) -> str:
        """Return the address that a request goes to, never shown; user and password travel as a header."""
        return f"{'https' if self._secure else 'http'}://{self._netloc}{self._prefix}{path}"

    def post(self, path: str, body: bytes, *, doing: str, rows: RowText | None = None) -> Any:
        """POST JSON and return the JSON document of the answer. rows: those in the body. Raises ModelFault.

        The fault quotes nothing of the rows, and is `alive` where the server refused this request and may answer the next.
        """
        call = self._call(path, doing, seconds=self.timeout_s)
        try:
            reply = self._exchange("POST", path, body, time.monotonic() + self.timeout_s)
        except NoAnswer as broken:
            raise failures.no_answer_fault(call, broken) from broken
        excerpt = self.excerpt(reply.plain, rows=rows or RowText())
        fault = failures.status_fault(call, reply.status, location=reply.location, excerpt=excerpt)
        if fault is not None:
            raise fault
        try:
            return reply.document
        except UnreadableAnswer as error:
            raise failures.unreadable(call, str(error), excerpt=excerpt) from error

    def get(self, path: str) -> Any:
        """Return the JSON document at a path, None where none can be read: nothing depends on it."""
        try:
            reply = self._exchange("GET", path, None, time.monotonic() + self.timeout_s)
            return reply.document if reply.status == 200 else None
        except (NoAnswer, UnreadableAnswer):
            return None

    def text(self, path: str) -> str | None:
        """Return the text at a path, None where there is none."""
        try:
            reply = self._exchange("GET", path, None, time.monotonic() + self.timeout_s)
        except NoAnswer:
            return None
        return reply.plain.decode("utf-8", "replace").strip() if reply.status == 200 else None

    def wait(self, health: str | None, *, seconds: float, ended: Callable[[], ModelFault | None] | None = None) -> None:
        """Wait until `health` answers 2xx, or, without one, until the server takes the connection. Raises ModelFault.

        ended: called between attempts; a fault that it returns is raised.
        """
        deadline = time.monotonic() + seconds
        call = self._call(health or "", "waiting until it is ready", seconds=seconds)
        while True:
            fault = None if ended is None else ended()
            if fault is not None:
                raise fault
            try:
                state = self._check(call, health, deadline)
            except NoAnswer as broken:
                if broken.tls or broken.ours == "cancelled":
                    raise failures.no_answer_fault(call, broken) from broken
                state = str(broken)
            if state is None:
                return
            if time.monotonic() + _PAUSE_S >= deadline:
                raise failures.not_ready(call, state=state)
            time.sleep(_PAUSE_S)

    def excerpt(self, body: bytes, *, rows: RowText | None = None) -> str:
        """Return the beginning of a body as the end of a sentence, empty for an empty body.

        Our own secrets are redacted; rows: those that were sent, of which nothing is quoted.
        """
        text = body[:_READ_LENGTH].decode("utf-8", "replace")
        text = self.redact(text if rows is None else rows.body(text))
        return f": {text[:_EXCERPT_LENGTH]}{' …' if len(text) > _EXCERPT_LENGTH else ''}" if text else ""

    def close(self) -> None:
        """End the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _check(self, call: failures.Call, health: str | None, deadline: float) -> str | None:
        """Return why the server is not ready, None when it is. Raises NoAnswer; ModelFault where waiting does not help."""
        until = time.monotonic() + min(max(1.0, deadline - time.monotonic()), _CONNECT_S)
        if health is None:
            self._open(until)
            return None
        reply = self._exchange("GET", health, None, until)
        if 200 <= reply.status < 300:
            return None
        state = f"it answers with status {reply.status}{self.excerpt(reply.plain)}"
        if reply.status in _NOT_YET:
            return state
        raise failures.never_ready(call, state=state)

    def _call(self, path: str, doing: str, *, seconds: float) -> failures.Call:
        return failures.Call(self.name, self.url(path), doing, seconds, self._most_bytes // 2**20)

    def _exchange(self, method: str, path: str, body: bytes | None, deadline: float) -> Reply:
        connection = self._open(deadline)
        sent = {"Accept": "application/json", **self.headers}
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            with self._bounded(connection, deadline) as ended:
                try:
                    connection.request(method, self._prefix + path, body=body, headers=sent)
                    response = connection.getresponse()
                    content = response.read(self._most_bytes + 1)  # one more, to see that there is more
                    if len(content) > self._most_bytes:
                        ended.append("large")
                        raise OSError
                    whole = response.length in (None, 0)
                except (OSError, http.client.HTTPException, ValueError) as error:
                    raise NoAnswer(_describe(error), ours=ended[0] if ended else None) from error
                if ended or not whole:
                    raise NoAnswer("the connection broke in the middle of the answer", ours=ended[0] if ended else None)
        except NoAnswer:
            self.close()
            raise
        if response.will_close:
            self.close()
        headers = response.headers
        encoding = ", ".join(headers.get_all("Content-Encoding", []))
        return Reply(response.status, headers.get("Location"), content, encoding, headers.get("Content-Type", ""))

    def _open(self, deadline: float) -> http.client.HTTPConnection:
        """Return a connection that can be written to: the open one, unless the server closed it meanwhile."""
        current = self._connection
        if current is not None and current.sock is not None and not _readable(current.sock):
            return current
        self.close()
        seconds = max(0.1, min(_CONNECT_S, deadline - time.monotonic()))
        if self._secure:
            opened: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._host, self._port, timeout=seconds, context=self._trust()
            )
        else:
            opened = http.client.HTTPConnection(self._host, self._port, timeout=seconds)
        try:
            opened.connect()
        except ssl.SSLCertVerificationError as error:
            raise NoAnswer(error.verify_message, tls=True) from error
        except ssl.SSLError as error:
            raise NoAnswer(f"TLS failed ({error.reason or 'it does not speak TLS'})", tls=True) from error
        except OSError as error:
            raise NoAnswer(_describe(error)) from error
        opened.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.sock.settimeout(None)  # `_bounded` keeps the time limit
        self._connection = opened
        return opened

    def _trust(self) -> ssl.SSLContext:
        try:
            file, folder = (self.ca_file, None) if self.ca_file else machine_certificates()
            return ssl.create_default_context(cafile=file, capath=folder)
        except OSError as error:
            reason = error.strerror or "it holds none"
            raise NoAnswer(f"the certificates {self.ca_file} cannot be read ({reason})", tls=True) from error

    @contextmanager
    def _bounded(self, connection: http.client.HTTPConnection, deadline: float) -> Iterator[list[Ended]]:
        """Shut the connection down when time is over or the run was cancelled; the reason is then in the list."""
        done, ended, sock = threading.Event(), list[Ended](), connection.sock

        def watch() -> None:
            while not done.wait(max(0.0, min(_POLL_S, deadline - time.monotonic()))):
                if self.cancelled():
                    ended.append("cancelled")
                elif time.monotonic() >= deadline:
                    ended.append("slow")
                else:
                    continue
                try:
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)  # below TLS, which another thread is reading
                except OSError:
                    return  # it was closed already
                return

        watcher = threading.Thread(target=watch, name=f"time limit of {self.name}", daemon=True)
        watcher.start()
        try:
            yield ended
        finally:
            done.set()
            watcher.join()


def _readable(sock: socket.socket) -> bool:
    """Whether something arrived outside of an answer: usually the connection's end."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _basic(user: str, password: str) -> str:
    import base64

    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def machine_certificates() -> tuple[str | None, str | None]:
    """Return (file, folder) of the certificates that this machine trusts; where it has none, those of requests."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        return paths.cafile, paths.capath
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    return str(DEFAULT_CA_BUNDLE_PATH), None


_BREAKS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (ConnectionRefusedError, "the connection is refused"),
    (socket.gaierror, "the host is unknown"),
    (TimeoutError, "the connection was not taken in time"),
    (
        (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError),
        "it closed the connection without an answer",
    ),
    (http.client.IncompleteRead, "the connection broke in the middle of the answer"),
    ((http.client.HTTPException, ValueError), "what it answers is not HTTP"),
)


def _describe(error: Exception) -> str:
    """What broke, in words without an address, which may hold a password."""
    words = next((words for kinds, words in _BREAKS if isinstance(error, kinds)), getattr(error, "strerror", None))
    return words or type(error).__name__

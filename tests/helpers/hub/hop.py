"""A web server that hands each request on to the next one, and may look at it, change it or answer it itself."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

_BETWEEN_TWO = ("connection", "content-length", "transfer-encoding", "content-encoding", "keep-alive", "date", "server")


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def told(self) -> dict[str, str]:
        """The parameters behind the path."""
        return dict(parse_qsl(self.target.partition("?")[2]))


@dataclass(frozen=True)
class Reply:
    """headers: their names in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


Upstream = Callable[[Request], Reply]


def upstream(port: int, host: str | None = None) -> Upstream:
    """The server on that port of this machine. host: what it is told to be called, where it writes addresses of itself."""

    def ask(request: Request) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        if host is not None:
            headers["Host"] = host
        try:
            connection.request(request.method, request.target, request.body or None, headers)
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    return ask


class Hop:
    """Answers as `answer` does, which is given the request; on a free port until it is closed."""

    def __init__(self, answer: Upstream) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                given = {name: value for name, value in self.headers.items() if name.lower() not in _BETWEEN_TWO}
                reply = answer(Request(self.command, self.path, given, body))
                self.send_response_only(reply.status)
                for name, value in reply.headers.items():
                    if name not in _BETWEEN_TWO:
                        self.send_header(name, value)
                if reply.status != 204:
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

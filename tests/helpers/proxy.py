"""A proxy in front of a server that counts what is asked, and loses what a test wants lost."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Reply:
    """What something in front of the server answers instead of it."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Fate = Literal["pass", "lose the answer", "lose the request"] | Reply


@dataclass(frozen=True)
class Asked:
    """One request, as it came in."""

    method: str
    path: str
    body: bytes

    @property
    def writes(self) -> bool:
        return self.method != "GET" and not self.path.endswith("/search")

    def __str__(self) -> str:
        return f"{self.method} {self.path.partition('?')[0]}"


class Proxy:
    """Forwards to `upstream`. `fate` says what becomes of a request; `asked` are all of them, in order."""

    def __init__(self, upstream: str, fate: Callable[[Asked], Fate] = lambda asked: "pass") -> None:
        self.asked: list[Asked] = []
        self.fate = fate
        self.lock = threading.Lock()
        place = urlsplit(upstream)
        handler = type("Handler", (_Handler,), {"proxy": self, "upstream": (place.hostname, place.port)})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.uri = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def calls(self) -> list[Asked]:
        """What was asked of the registry itself: its files, which come from a store of their own, left out."""
        return [one for one in self.asked if "/mlflow-artifacts/" not in one.path]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy
    upstream: tuple[str, int]

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(self.command, self.path, body)
        with self.proxy.lock:
            self.proxy.asked.append(asked)
            fate = self.proxy.fate(asked)
        self.close_connection = True
        if fate == "lose the request":
            return
        if isinstance(fate, Reply):
            self._answer(fate.status, fate.headers, fate.body)
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        connection = http.client.HTTPConnection(*self.upstream, timeout=60)
        try:
            connection.request(self.command, self.path, body=body or None, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
        except OSError:  # the server is gone: so is the answer
            return
        finally:
            connection.close()
        if fate == "lose the answer":
            return
        self._answer(answer.status, dict(answer.getheaders()), content)

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):  # whoever asked has gone away
            return

    def log_message(self, format: str, *args: Any) -> None:
        return

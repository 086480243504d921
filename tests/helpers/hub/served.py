"""The emulated repository behind a web server on this machine, or behind a session without one."""

from __future__ import annotations

import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter

from helpers.hub.contract import Violation
from helpers.hub.emulator import NAME, World
from lockgate.integrations.github.client import GitHub

TOKEN = "ghs_" + "secret" * 6


class Handler(BaseHTTPRequestHandler):
    """Answers as the world does; what GitHub would not take is kept for the test to see, and refused."""

    protocol_version = "HTTP/1.1"
    world: World
    violations: list[str]

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            status, headers, data = self.world.answer(self.command, self.path, dict(self.headers.items()), body)
        except Violation as violation:
            self.violations.append(str(violation))
            status, headers, data = 422, {}, b"{}"
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any

    def log_message(self, *args: Any) -> None:
        pass


class Served:
    """A world that can be asked over HTTP. violations: what was asked that GitHub would not take."""

    def __init__(self, world: World) -> None:
        self.world, self.violations = world, list[str]()
        handler = type("Mine", (Handler,), {"world": world, "violations": self.violations})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        world.storage_port = self.server.server_address[1]
        self.api = f"http://127.0.0.1:{world.storage_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def client(self, **more: Any) -> GitHub:
        self.waits: list[float] = []
        return GitHub(NAME, TOKEN, **{"api": self.api, "sleep": self.waits.append} | more)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Adapter(BaseAdapter):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        parts = urlsplit(str(request.url))
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        body = request.body or b""
        data = body.encode() if isinstance(body, str) else bytes(body)
        status, headers, said = self.world.answer(str(request.method), target, dict(request.headers), data)
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = status, str(request.url), request
        answer.headers.update(headers)
        answer.raw = io.BytesIO(said)
        return answer

    def close(self) -> None:
        pass


def directly(world: World) -> GitHub:
    """A client that asks the world without a network; a violation is raised where it happens."""
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", _Adapter(world))
    return GitHub(NAME, TOKEN, api="http://127.0.0.1:1", session=session, sleep=lambda seconds: None)

"""A webhook on a free port of this machine, which behaves as a test says."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook:
    """A server that answers POSTs as the test says: a status, or nothing until it is closed."""

    def __init__(self) -> None:
        self.answers: list[int | None] = [200]
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.ended = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((self.path, dict(self.headers), body))
                status = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
                if status is None:
                    hook.ended.wait()
                    return
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"{hook.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def told(self) -> list[dict[str, Any]]:
        """The documents that arrived."""
        return [json.loads(body) for _, _, body in self.got]

    def close(self) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()

"""A web server on a free port of this machine that serves a folder, and misbehaves where a name says so."""

from __future__ import annotations

import base64
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROWS = b"id,label\n1,0\n2,1\n3,1\n"
SECRET = "hunter2secret"


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder; some names misbehave."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.path = self.path.partition("?")[0]
        if self.path == "/denied.csv":
            return self.send_error(403)
        if self.path == "/broken.csv":
            return self.send_error(500)
        if self.path == "/dies.csv":
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(ROWS)
            self.close_connection = True
            return None
        if self.path == "/locked.csv":
            wanted = "Basic " + base64.b64encode(f"ana:{SECRET}".encode()).decode()
            if self.headers.get("Authorization") != wanted:
                return self.send_error(401)
            self.path = "/rows.csv"
        return super().do_GET()

    def do_HEAD(self) -> None:
        self.asked.append(f"HEAD {self.path}")
        super().do_HEAD()

    def guess_type(self, path: Any) -> str:
        return "text/csv"

    def end_headers(self) -> None:
        if self.path.endswith(".gz"):
            self.send_header("Content-Encoding", "gzip")  # as object stores do
        super().end_headers()

    def log_message(self, *args: Any) -> None:
        pass


class Web:
    """The server, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        handler = type("Mine", (Handler,), {"asked": self.asked})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
        self.place = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"http://{self.place}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

"""Load over HTTP against servers of other kinds: encrypted ones, old ones, and none at all behind a proxy."""

from __future__ import annotations

import json
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lockgate.errors import ModelFault
from lockgate.models.model import Drive, LoadPlan
from lockgate.models.server import load_test as load
from lockgate.models.server.load_test import drive_http


class Answering(BaseHTTPRequestHandler):
    """Answers every POST in pieces, over HTTP/1.1, and keeps the bodies that came."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.server.came.append(self.rfile.read(int(self.headers["Content-Length"])))  # type: ignore[attr-defined]
        self.send_response(201)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\nhello\r\n0\r\n\r\n")

    def log_message(self, *words: object) -> None:
        pass


class Old(Answering):
    """Speaks HTTP/1.0 and closes after every answer."""

    protocol_version = "HTTP/1.0"

    def do_POST(self) -> None:
        self.server.came.append(self.rfile.read(int(self.headers["Content-Length"])))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")


@contextmanager
def serving(handler: type[Answering], *, context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """(port, bodies that came) of a server on 127.0.0.1."""
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    httpd.came = []  # type: ignore[attr-defined]
    if context is not None:
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    try:
        yield httpd.server_port, httpd.came  # type: ignore[attr-defined]
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def drive(url: str, *, requests: int = 20, ca_file: str | None = None) -> Drive:
    plan = LoadPlan(requests=requests, warmup=1, concurrency=2)
    return drive_http(plan, url=url, headers={}, bodies=[b"a", b"b", b""], timeout_s=30.0, ca_file=ca_file)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that nobody signed but itself, for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lockgate test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(secret)
    return path


def test_a_certificate_is_checked(certificate: Path) -> None:
    """One that is trusted by name answers; to the machine's own list it is a stranger, and nothing is sent to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    with serving(Answering, context=context) as (port, came):
        url = f"https://127.0.0.1:{port}/"
        stranger = drive(url, requests=3)
        before = len(came)
        known = drive(url, ca_file=str(certificate))

    assert stranger.failed.all()
    assert "certificate" in (stranger.first_error or "")
    assert before == 0
    assert not known.failed.any(), known.first_error
    assert len(came) == 21


@pytest.mark.parametrize("handler", [Answering, Old])
def test_answers_in_pieces_and_connections_that_close_are_borne(handler: type[Answering]) -> None:
    """Each body is sent in its turn, and no request is lost or sent twice."""
    with serving(handler) as (port, came):
        shown = drive(f"http://127.0.0.1:{port}/", requests=30)

    assert not shown.failed.any(), shown.first_error
    assert sorted(came) == sorted([b"a", *[b"a", b"b", b""] * 10])


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load goes to the server that was named, or nowhere."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(Answering) as (port, _):
        shown = drive(f"http://127.0.0.1:{port}/", requests=2)

    assert not shown.failed.any(), shown.first_error


def test_the_engine_ends_with_whoever_started_it() -> None:
    """In the middle of an hour's load, as soon as the pipe closes."""
    with serving(Answering) as (port, _):
        spec = {
            "url": f"http://127.0.0.1:{port}/", "headers": [], "timeout_s": 30.0, "requests": 1, "duration_s": None,
            "open": True, "concurrency": 1, "connections": 4, "warmup": 1, "bodies": [0], "read": False, "ca_file": None,
            "ca_folder": None, "libraries": load._library_folder("pycurl"),
        }  # fmt: skip
        header, due = json.dumps(spec).encode(), struct.pack("d", 3600.0)
        frame = struct.pack("!QQ", len(header), len(due)) + header + due
        engine = subprocess.Popen(
            [sys.executable, "-I", str(load._GENERATOR)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        with engine:
            assert engine.stdin is not None
            engine.stdin.write(frame)
            engine.stdin.close()
            assert engine.wait(timeout=60) == 1


@pytest.mark.parametrize("told", ["", "print('half a frame of an answer', flush=True)"])
def test_an_engine_that_breaks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    """With what it said, whether or not it read what it was given, and however much it had told."""
    broken = tmp_path / "engine.py"
    broken.write_text(f"{told}\nraise SystemExit('no libcurl here')")
    monkeypatch.setattr(load, "_GENERATOR", broken)
    with pytest.raises(ModelFault, match="the load generator ended before it reported its times") as fault:
        drive_http(
            LoadPlan(requests=1), url="http://127.0.0.1:9/", headers={}, bodies=[b"x" * 2**20] * 3, timeout_s=1.0
        )

    assert "no libcurl here" in fault.value.stderr

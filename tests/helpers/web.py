"""A small real server on the loopback that answers, or misbehaves, exactly as a test says; it keeps what it was asked."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


_TLS_HELLO = b"\x16\x03"
Answer = Callable[[Request, socket.socket], bytes | None]


@dataclass
class Web:
    """Its address, and every request in order. `stop` is set when the test is over, for handlers that hang."""

    url: str
    port: int
    asked: list[Request] = field(default_factory=list)
    connections: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def posts(self) -> list[Request]:
        return [one for one in self.asked if one.method == "POST"]


def reply(status: int, body: Any = b"", **headers: str) -> bytes:
    """The bytes of a response with a length."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


@contextmanager
def serving(answer: Answer, *, certificate: Path | None = None) -> Iterator[Web]:
    """A server that answers each request with the bytes that `answer` gives; with None the connection is closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    web = Web(f"{'https' if certificate else 'http'}://127.0.0.1:{port}", port)
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    threads: list[threading.Thread] = []
    held: list[socket.socket] = []

    def talk(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) if context else connection as line:
                while (request := _read(line)) is not None:
                    web.asked.append(request)
                    said = answer(request, line)
                    if said is None:
                        return
                    line.sendall(said)
        except OSError:
            return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            web.connections += 1
            held.append(connection)
            threads.append(threading.Thread(target=talk, args=(connection,), daemon=True))
            threads[-1].start()

    door = threading.Thread(target=accept, daemon=True)
    door.start()
    try:
        yield web
    finally:
        web.stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        door.join()
        for connection in held:
            if connection.fileno() >= 0:
                try:
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
                except OSError:
                    continue
        for thread in threads:
            thread.join()


def _read(line: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        part = line.recv(65536)
        if not part:
            return None
        data += part
        if data.startswith(_TLS_HELLO):
            return Request("TLS", "", {}, data)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += line.recv(65536)
    method, path, _ = first.split(" ")
    return Request(method, path, headers, body)


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def self_signed(folder: Path) -> Path:
    """A certificate of 127.0.0.1 that nobody vouches for, with its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path

"""What stands between us and MLflow: limits, pages, redirects, certificates, proxies. Each is told as what it is."""

from __future__ import annotations

import gzip
import http.server
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from helpers.calls import Moves, register
from helpers.promoting import Models
from helpers.proxy import Asked, Fate, Proxy, Reply
from helpers.servers import MlflowServer, free_port
from lockgate.cli import main
from lockgate.errors import Denied, RegistryError, Unavailable, UnknownOutcome
from lockgate.registries.mlflow import artifact_folder, session
from lockgate.registries.mlflow.registry import MlflowRegistry

LIMITED = Reply(429, b'{"message": "slow down"}', {"Retry-After": "0"})
SIGN_IN = b"<!DOCTYPE html><html><head><title>Sign in to Acme</title></head><body>please</body></html>"


@pytest.fixture
def proxy(sqlite_server: MlflowServer) -> Iterator[Proxy]:
    with Proxy(sqlite_server.uri) as proxy:
        yield proxy


def every(number: int, reply: Reply) -> Callable[[Asked], Fate]:
    """The reply instead of every so-manieth answer."""
    count = 0

    def fate(asked: Asked) -> Fate:
        nonlocal count
        count += 1
        return reply if count % number == 0 else "pass"

    return fate


@pytest.mark.parametrize("reply", [LIMITED, Reply(503, b"busy", {"Retry-After": "0"})])
def test_a_promotion_and_a_rollback_survive_a_gateway_that_limits_every_third_request(
    proxy: Proxy, tmp_path: Path, reply: Reply
) -> None:
    """Reads, writes and files are asked for again; a request that was limited has written nothing."""
    moves = Moves(proxy.uri, proxy, tmp_path)
    proxy.fate = every(3, reply)

    moves.adopt()
    moves.stage()
    moves.promote()
    promoted = MlflowRegistry(proxy.uri).aliases(moves.model)
    moves.rollback()

    assert (promoted["production"], promoted["previous"]) == ("2", "1")
    assert MlflowRegistry(proxy.uri).aliases(moves.model)["production"] == "1"
    assert len(MlflowRegistry(proxy.uri).ledger(moves.model).keys()) % 2 == 0  # each entry is done


def test_a_folder_comes_through_a_gateway_that_limits_every_second_request(proxy: Proxy, tmp_path: Path) -> None:
    """Only what was refused is asked for again, not the whole folder."""
    version = register(proxy.uri, "limited-files", 1, tmp_path)
    proxy.fate = every(2, LIMITED)

    files = MlflowRegistry(proxy.uri).fetch(version, tmp_path / "fetched")

    assert sorted(path.name for path in files.iterdir()) == ["MLmodel", "weights.txt"]


def test_a_file_that_is_shorter_than_its_listing_is_no_model(proxy: Proxy, tmp_path: Path) -> None:
    """HTTP itself sees nothing wrong in half a file whose length is told as half."""
    version = register(proxy.uri, "half-files", 1, tmp_path)
    proxy.fate = lambda asked: Reply(200, b"flavors: {}\n") if asked.path.endswith("/MLmodel") else "pass"

    with pytest.raises(RegistryError, match=r"MLmodel came as 12 bytes while .*half-files version 1; .* says \d+"):
        MlflowRegistry(proxy.uri).fetch(version, tmp_path / "fetched")

    assert not (tmp_path / "fetched" / "1").exists()


def test_a_long_download_says_how_far_it_is(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that fetches the file first sends nothing meanwhile; here it sends once something was said."""
    version = register(proxy.uri, "slow-files", 1, tmp_path)
    spoke = threading.Event()
    monkeypatch.setattr(artifact_folder, "_TELL_SECONDS", 0.01)
    monkeypatch.setattr(logging.getLogger("lockgate.registries"), "filters", [lambda record: spoke.set() or True])

    def fate(asked: Asked) -> Fate:
        if "/mlflow-artifacts/" in asked.path and "path=" not in asked.path:
            spoke.wait(30)
        return "pass"

    proxy.fate = fate
    main.run(["kinds"])
    MlflowRegistry(proxy.uri).fetch(version, tmp_path / "fetched")

    assert (
        "gate: downloading the files of slow-files version 1: 0 of 2 files, 0.0 MB after 0 s" in capsys.readouterr().err
    )


@pytest.mark.parametrize("date", ["Mon, 01 Jan 99999 00:00:00 GMT", "soon", ""])
def test_a_retry_after_that_is_no_date_is_as_none(proxy: Proxy, date: str) -> None:
    """A year beyond what a clock of seconds can hold, words, nothing."""
    proxy.fate = lambda asked: Reply(429, b"", {"Retry-After": date}) if len(proxy.asked) == 1 else "pass"

    with pytest.raises(RegistryError, match="has no such thing"):
        MlflowRegistry(proxy.uri).aliases("nobody")


@pytest.mark.parametrize("after", ["1", "date"])
def test_retry_after_is_obeyed(proxy: Proxy, monkeypatch: pytest.MonkeyPatch, after: str) -> None:
    """As seconds, and as a date by the clock of whoever wrote it."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    there = datetime(2031, 5, 6, 7, 8, tzinfo=UTC)
    headers = {"Retry-After": format_datetime(there + timedelta(seconds=1), usegmt=True) if after == "date" else after}
    headers["Date"] = format_datetime(there, usegmt=True)
    proxy.fate = lambda asked: Reply(429, b"", headers) if len(proxy.asked) == 1 else "pass"

    with pytest.raises(RegistryError, match="has no such thing"):
        MlflowRegistry(proxy.uri).aliases("nobody")

    assert len(waits) == 1
    assert 1.0 <= waits[0] <= 1.1


def test_a_wait_beyond_the_budget_ends_at_once_and_says_how_to_raise_it(proxy: Proxy) -> None:
    """No second request; a write that was limited is known not to have happened."""
    proxy.fate = lambda asked: Reply(429, b"", {"Retry-After": "3600"})
    registry = MlflowRegistry(proxy.uri)

    with pytest.raises(Unavailable) as read:
        registry.aliases("fraud")
    with pytest.raises(Unavailable) as written:
        registry.set_alias("fraud", "production", "1")

    assert "limits requests (429 Too Many Requests) while reading the model fraud" in read.value.message
    assert "it asks to come back after 3600 s" in read.value.message
    assert session.BUDGET in str(read.value.remedy)
    assert "limits requests" in written.value.message
    assert len(proxy.asked) == 2


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_read_is_asked_again_after_a_gateway_that_fails_and_a_write_is_not(proxy: Proxy, status: int) -> None:
    """What a gateway says of a write that it passed on says nothing of whether it happened."""
    proxy.fate = every(2, Reply(status, b"<html><title>oops</title></html>", {"Server": "nginx/1.25"}))
    registry = MlflowRegistry(proxy.uri)
    for name in ("one", "two"):
        with pytest.raises(RegistryError, match=f"has no such thing while reading the model {name}"):
            registry.aliases(name)
    proxy.asked.clear()
    proxy.fate = lambda asked: Reply(status, b"oops") if asked.writes else "pass"

    with pytest.raises(UnknownOutcome, match=rf"failed \({status} .* while writing the tag"):
        registry.set_tags("nobody", "1", {"a": "b"})

    assert [str(asked) for asked in proxy.asked if asked.writes] == ["POST /api/2.0/mlflow/model-versions/set-tag"]


def test_a_registry_that_is_gone_is_waited_for_once_not_at_each_request(proxy: Proxy) -> None:
    """So a command ends in seconds however much it would ask; one answer, and there is patience again."""

    def requests() -> int:
        before = len(proxy.asked)
        with pytest.raises(Unavailable):
            MlflowRegistry(proxy.uri).aliases("nobody")
        return len(proxy.asked) - before

    proxy.fate = lambda asked: "lose the request"
    gone = [requests(), requests(), requests()]
    proxy.fate = lambda asked: "pass"
    assert MlflowRegistry(proxy.uri).ledger("nobody").keys() == {}
    proxy.fate = lambda asked: "lose the request"

    assert gone == [max(2, gone[0]), 1, 1]
    assert requests() > 1


def test_a_database_that_is_gone_is_waited_for_once_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its driver raises."""
    registry, asked = Models.fresh(tmp_path).registry, list[object]()

    def gone(call: object) -> object:
        asked.append(call)
        raise ConnectionResetError("the server closed the connection")

    monkeypatch.setattr(registry._client, "_call", gone)
    for _ in range(2):
        with pytest.raises(Unavailable):
            registry.aliases("nobody")
    first = len(asked) - 1
    assert first > 1


@pytest.mark.parametrize("fate", ["lose the answer", "lose the request"])
def test_a_key_that_is_written_once_is_read_back_and_written_again(proxy: Proxy, fate: Fate) -> None:
    """Ours stands: done. Nothing stands: written again. Another's stands: that one won."""
    ledger = MlflowRegistry(proxy.uri).ledger(f"once-{fate.replace(' ', '-')}")
    ledger.put_if_absent("epoch-1", "a")
    lost: list[Asked] = []

    def once(asked: Asked) -> Fate:
        if not asked.writes or lost:
            return "pass"
        lost.append(asked)
        return fate

    proxy.fate = once
    assert ledger.put_if_absent("epoch-2", "b") == "b"
    lost.clear()
    assert ledger.put_if_absent("epoch-1", "c") == "a"
    assert ledger.keys() == {"epoch-1": "a", "epoch-2": "b"}


ANSWERS = {
    "too large": (
        Reply(413, b"<html><title>413 Request Entity Too Large</title></html>", {"Server": "nginx"}),
        RegistryError,
        r"does not take a body of \d+ bytes \(413 .*\) while writing .*Request Entity Too Large” from nginx",
        "client_max_body_size",
    ),
    "a sign-in page": (
        Reply(200, SIGN_IN, {"Content-Type": "text/html; charset=utf-8"}),
        Denied,
        "answers with a sign-in page while .*: “Sign in to Acme” at http",
        "MLFLOW_TRACKING_TOKEN",
    ),
    "another page": (
        Reply(200, b"<html><title>Welcome to nginx!</title></html>", {"Content-Type": "text/html"}),
        RegistryError,
        "answers with a web page instead of JSON while .*Welcome to nginx!",
        "registry.uri",
    ),
    "a redirect that makes reads of writes": (
        Reply(301, b"", {"Location": "https://other.example/api/2.0/mlflow/x?token=s3cret"}),
        RegistryError,
        "redirects to https://other.example/api/2.0/mlflow/x by a 301, which makes a POST a GET",
        "set registry.uri to where it redirects: https://other.example$",
    ),
    "a redirect to where one signs in": (
        Reply(302, b"", {"Location": "https://sso.acme.invalid/login?next=s3cret"}),
        Denied,
        "redirects to https://sso.acme.invalid/login, where one signs in, while writing",
        "MLFLOW_TRACKING_TOKEN",
    ),
    "a redirect to another host": (
        Reply(307, b"", {"Location": "https://other.invalid/api/2.0/mlflow/x"}),
        RegistryError,
        "redirects to https://other.invalid/api/2.0/mlflow/x, another host, which is not followed, while writing",
        "registry.uri to where MLflow is: https://other.invalid, if",
    ),
    "an error with 200": (
        Reply(200, b'{"error": "overloaded, try later"}', {"Content-Type": "application/json"}),
        UnknownOutcome,
        "answers 200 with something that is not MLflow's while writing .*: overloaded, try later$",
        "what stands in front",
    ),
    "no JSON": (Reply(200, b"ok"), UnknownOutcome, "something that is not MLflow's .*: ok", "registry.uri"),
    "a broken encoding": (
        Reply(200, gzip.compress(b"{}")[:-9] + b"xxxxxxxxx", {"Content-Encoding": "gzip"}),
        UnknownOutcome,
        "sent an answer that cannot be decompressed while writing",
        "Content-Encoding",
    ),
    "a gateway that forbids": (
        Reply(403, b"<html><title>Blocked by policy</title></html>"),
        Denied,
        r"does not allow it \(403 Forbidden\) while .*: “Blocked by policy”",
        "MLFLOW_TRACKING_TOKEN",
    ),
    "no MLflow at this path": (
        Reply(404, b"<html>404 nginx</html>"),
        RegistryError,
        r"has no MLflow at http://127.0.0.1:\d+ \(404 Not Found\) while",
        "the path in it",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_did_answer_is_told_as_such(proxy: Proxy, name: str) -> None:
    """In one sentence with a remedy; a write that certainly did not happen is not said to be unknown."""
    reply, kind, sentence, remedy = ANSWERS[name]
    proxy.fate = lambda asked: reply if asked.writes else "pass"

    with pytest.raises(RegistryError) as raised:
        MlflowRegistry(proxy.uri).set_tags("nobody", "1", {"lockgate.state": "production"})

    assert type(raised.value) is kind
    assert re.search(sentence, raised.value.message), raised.value.message
    assert re.search(remedy, str(raised.value.remedy)), raised.value.remedy
    assert "s3cret" not in str(raised.value)


RAW = {
    "an alert of TLS": (b"\x15\x03\x01\x00\x02\x02F", RegistryError, "speaks TLS while", "^write https://"),
    "nothing": (b"", UnknownOutcome, "gave no answer while .*: it closed the connection$", "perhaps it speaks https"),
    "half an answer": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
        UnknownOutcome,
        "sent an answer that was cut off while .*: 2 bytes came and 98 did not$",
        "run the same command again",
    ),
    "another protocol": (
        b"220 smtp\r\n",
        RegistryError,
        "does not speak HTTP while .*: it began with '220 smtp",
        "port",
    ),
    "nginx": (
        b"HTTP/1.1 400 Bad Request\r\n\r\n<title>400 The plain HTTP request was sent to HTTPS port</title>",
        RegistryError,
        r"speaks TLS \(400 Bad Request\) while",
        "^write https://",
    ),
}


@pytest.mark.parametrize("name", RAW)
def test_what_is_no_whole_answer_is_told_in_a_sentence(name: str) -> None:
    """Without the names of any library's exceptions."""
    raw, kind, sentence, remedy = RAW[name]
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(raw)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):  # closed over what is not read yet, it would take the answer back
                    pass

        threading.Thread(target=answer, daemon=True).start()
        client = MlflowRegistry(f"http://127.0.0.1:{server.getsockname()[1]}")._client
        with pytest.raises(RegistryError) as raised:
            client.write("it", lambda mlflow: mlflow.models.create_registered_model("fraud"))

    assert type(raised.value) is kind, raised.value
    assert re.search(sentence, raised.value.message), raised.value.message
    assert re.search(remedy, str(raised.value.remedy)), raised.value.remedy


@pytest.mark.parametrize(
    "body", [b'{"error": "overloaded"}', b'{"name": "gateway", "version": "1"}', b"{}", b"", b"null"]
)
def test_an_error_with_200_is_not_taken_for_a_model_without_versions(proxy: Proxy, body: bytes) -> None:
    """MLflow's client takes any object for an answer with every field at its default."""
    proxy.fate = lambda asked: Reply(200, body, {"Content-Type": "application/json"})
    registry = MlflowRegistry(proxy.uri)

    with pytest.raises(Unavailable, match="something that is not MLflow's"):
        registry.aliases("fraud")
    with pytest.raises(Unavailable, match="something that is not MLflow's"):
        registry.ledger("fraud").keys()
    if len(body) > 2:
        with pytest.raises(Unavailable, match="something that is not MLflow's"):
            registry.versions("fraud")


def test_a_read_that_is_redirected_to_another_host_is_asked_once(proxy: Proxy) -> None:
    """The other host is not asked at all."""
    proxy.fate = lambda asked: Reply(302, b"", {"Location": "https://sso.acme.invalid/login"})

    with pytest.raises(Denied, match=r"redirects to https://sso.acme.invalid/login, where one signs in, while reading"):
        MlflowRegistry(proxy.uri).aliases("fraud")

    assert len(proxy.asked) == 1


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "MLFLOW_TRACKING_SERVER_CERT_PATH"])
@pytest.mark.parametrize(("text", "reason"), [(None, "cannot be read (No such file"), ("?", "holds no certificate")])
def test_a_file_of_authorities_that_cannot_be_used_is_named_with_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str | None, reason: str
) -> None:
    """Before anything is asked: it is nothing that passes."""
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv(name, str(path))

    with pytest.raises(RegistryError) as raised:
        MlflowRegistry("https://mlflow.invalid").aliases("fraud")

    assert f"{path}, which {name} names, {reason}" in raised.value.message
    assert type(raised.value) is RegistryError


def test_a_redirect_that_keeps_the_method_is_followed(proxy: Proxy, sqlite_server: MlflowServer) -> None:
    """307 and 308 leave a write what it is; a read may be redirected by any, on the same host."""
    with Proxy(sqlite_server.uri) as gateway:
        gateway.fate = lambda asked: Reply(
            301 if asked.method == "GET" else 308, b"", {"Location": proxy.uri + asked.path}
        )
        ledger = MlflowRegistry(gateway.uri).ledger("redirected")

        assert ledger.put_if_absent("epoch-1", "a") == "a"
        assert ledger.keys() == {"epoch-1": "a"}


def test_a_proxy_that_is_dead_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """And without its password."""
    monkeypatch.setenv("HTTP_PROXY", f"http://user:s3cret@127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    with pytest.raises(Unavailable, match=r"through the proxy http://127\.0\.0\.1:") as raised:
        MlflowRegistry("http://mlflow.example").aliases("fraud")

    assert "correct HTTP_PROXY, or add mlflow.example to NO_PROXY" in str(raised.value.remedy)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "address", ["http://", "http://[bad", "http://a b:1", "http://127.0.0.1:99999", "ftp://h:1", "socks5://h:1"]
)
def test_a_proxy_whose_address_is_none_is_named_and_not_the_registry(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """The registry's own address is as it should be."""
    monkeypatch.setenv("HTTP_PROXY", address)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    with pytest.raises(RegistryError, match="through the proxy") as raised:
        MlflowRegistry("http://mlflow.example").aliases("fraud")

    assert "correct HTTP_PROXY" in str(raised.value.remedy)


def test_a_name_that_nobody_knows_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS, not the server."""
    monkeypatch.setenv("NO_PROXY", "*")

    with pytest.raises(Unavailable, match="its name is not known here"):
        MlflowRegistry("http://no-such-host.invalid").aliases("fraud")


@pytest.mark.parametrize(
    ("host", "days", "reason", "remedy"),
    [
        ("127.0.0.1", 9, "self-signed certificate", "REQUESTS_CA_BUNDLE"),
        ("127.0.0.1", -1, "certificate has expired", "renew it"),
        ("other.example", 9, "mismatch", "the name that the certificate is for"),
    ],
)
def test_a_certificate_is_refused_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, days: int, reason: str, remedy: str
) -> None:
    """Expired, self-signed, of another host: at once, since asking again changes nothing."""
    path = certificate(tmp_path, host, days)
    if reason != "self-signed certificate":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    monkeypatch.setenv("NO_PROXY", "*")
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    with pytest.raises(RegistryError, match=f"has a certificate that is not trusted here while .*{reason}") as raised:
        MlflowRegistry(f"https://127.0.0.1:{server.server_port}").set_tags("fraud", "1", {"a": "b"})
    server.shutdown()
    server.server_close()

    assert type(raised.value) is RegistryError
    assert remedy in str(raised.value.remedy)


def certificate(folder: Path, host: str, days: int) -> Path:
    """A key and a certificate of its own that ends in so many days."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    place = x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([place]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    form = serialization.Encoding.PEM
    secret = key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(secret + made.public_bytes(form))
    return path


def test_a_server_that_is_too_slow_is_told_as_such(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable that lets it be waited for longer; of a write nobody knows whether it happened."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    ended = threading.Event()
    proxy.fate = lambda asked: "lose the request" if ended.wait(30) else "pass"
    registry = MlflowRegistry(proxy.uri)

    with pytest.raises(Unavailable, match=r"gave no answer while .*: it took longer than it may") as raised:
        registry.aliases("fraud")
    with pytest.raises(UnknownOutcome, match="which may have happened or not: it took longer than it may"):
        registry.ledger("fraud")._client.write("it", lambda mlflow: mlflow.models.create_registered_model("slow"))
    ended.set()

    assert "MLFLOW_HTTP_REQUEST_TIMEOUT=seconds" in str(raised.value.remedy)


@pytest.mark.parametrize(
    ("set_to", "path", "reads", "seconds"),
    [
        ("", "/api/2.0/mlflow/runs/get", True, session.READ_SECONDS),
        ("", "/api/2.0/mlflow/runs/log-parameter", False, session.WRITE_SECONDS),
        ("", "/api/2.0/mlflow-artifacts/artifacts/1/MLmodel", True, 120),
        ("600", "/api/2.0/mlflow-artifacts/artifacts/1/MLmodel", True, 600),
        ("600", "/api/2.0/mlflow/runs/get", True, 600),
        ("1", "/api/2.0/mlflow/runs/log-parameter", False, 1),
        ("soon", "/api/2.0/mlflow/runs/get", True, session.READ_SECONDS),
    ],
)
def test_the_users_own_timeout_is_taken_upwards_and_downwards(
    monkeypatch: pytest.MonkeyPatch, set_to: str, path: str, reads: bool, seconds: float
) -> None:
    """MLFLOW_HTTP_REQUEST_TIMEOUT; without it a file has minutes, since its server may fetch it first."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", set_to)

    assert session._timeout(path, reads=reads)[1] == seconds

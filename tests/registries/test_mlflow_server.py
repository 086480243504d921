"""The same registry over HTTP: a real server that is asked, killed and frozen, and answers that get lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests

from lockgate import audit, digest, promotion, standby
from lockgate.errors import Denied, NotFound, Refused, RegistryError, Unavailable, UnknownOutcome
from lockgate.registries.mlflow import MlflowRegistry
from lockgate.registry import ModelVersion
from lockgate.signoff import Ballot
from promoting import CI, NOBODY, NOW, POLICY, PROMOTION, Clock, evidence, run_folder

SECONDS = 15


@dataclass
class Server:
    """An MLflow server that the test may stop."""

    uri: str
    process: subprocess.Popen[bytes]

    def signal(self, number: int) -> None:
        os.killpg(self.process.pid, number)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/m.db", "--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    made = Server(f"http://127.0.0.1:{port}", process)
    try:
        deadline = time.monotonic() + 120
        while not _healthy(made.uri):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.25)
        yield made
    finally:
        if process.poll() is None:
            made.signal(signal.SIGCONT)
            made.signal(signal.SIGKILL)
            process.wait(timeout=30)


def _healthy(uri: str) -> bool:
    try:
        return requests.get(f"{uri}/health", timeout=2).ok
    except requests.RequestException:
        return False


def register(uri: str, model: str, number: int, folder: Path) -> ModelVersion:
    """A version whose files the server keeps."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    if number == 1:
        client.create_registered_model(model)
    files = folder / f"{model}-{number}"
    files.mkdir()
    (files / "MLmodel").write_text("flavors: {python_function: {python_version: 3.11.7}}\n")
    (files / "weights.txt").write_text(f"{model} {number}")
    run = client.create_run("0")
    client.log_artifacts(run.info.run_id, str(files), "model")
    source = f"{run.info.artifact_uri}/model"
    made = client.create_model_version(model, source=source, run_id=run.info.run_id)
    return ModelVersion(model, str(made.version), digest=digest.folder_digest(files), run_id=run.info.run_id)


def test_the_whole_way_over_http(server: Server, tmp_path: Path) -> None:
    """Adopt, publish, promote, roll back; files come back with their digest."""
    registry = MlflowRegistry(server.uri)
    first, second = (register(server.uri, "fraud", number, tmp_path) for number in (1, 2))
    clock = Clock()
    common = {"promotion": PROMOTION, "actor": CI, "clock": clock}
    about = evidence("fraud", second, champion=first)
    folder = run_folder(about, tmp_path / "run")

    standby.adopt(registry, "fraud", version="1", reason="it runs", **common)
    promotion.record_staging(registry, about, folder=folder, **common)
    promotion.promote(
        registry,
        about,
        signoff=NOBODY,
        policy_digest=POLICY,
        ballot=Ballot(),
        scratch=tmp_path / "scratch",
        prove=lambda version: None,
        votes=[(b"vote", b"signature")],
        **common,
    )
    assert registry.aliases("fraud") == {"production": "2", "previous": "1", "staging": "2"}
    standby.rollback(registry, "fraud", reason="stalls", **common)

    assert registry.aliases("fraud") == {"production": "1", "previous": "1", "staging": "1"}
    assert registry.evidence("fraud").votes(about.digest) == [(b"vote", b"signature")]
    fetched = MlflowRegistry(server.uri).evidence("fraud").fetch(about.digest, tmp_path / "fetched")
    assert (fetched / "evidence.json").read_bytes() == about.stored
    assert registry.version("fraud", "2").tags["lockgate.state"] == "withdrawn"


def test_status_costs_four_requests_at_most(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a registry that nobody has asked yet."""
    register(server.uri, "asked", 1, tmp_path)
    standby.adopt(
        MlflowRegistry(server.uri), "asked", version="1", reason="it runs", promotion=PROMOTION, actor=CI, clock=Clock()
    )
    sent: list[str] = []
    send = requests.Session.send

    def counted(self: requests.Session, request: requests.PreparedRequest, **more: object) -> requests.Response:
        sent.append(str(request.url))
        return send(self, request, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(requests.Session, "send", counted)

    found = audit.status(MlflowRegistry(server.uri), "asked", promotion=PROMOTION, now=NOW)

    assert found.standing.production == "1"
    assert 0 < len(sent) <= 4, sent


def test_what_is_missing_is_not_found(server: Server, tmp_path: Path) -> None:
    """A missing alias is a 400 there, and nothing here."""
    registry = MlflowRegistry(server.uri)
    version = register(server.uri, "missing", 1, tmp_path)

    assert registry.by_alias("missing", "production") is None
    assert digest.folder_digest(registry.fetch(version, tmp_path / "files")) == version.digest
    with pytest.raises(NotFound):
        registry.by_alias("nobody", "production")
    with pytest.raises(NotFound):
        registry.set_alias("missing", "production", "9")


def test_keys_are_written_once_over_http(server: Server) -> None:
    """By several at once, who all begin the ledger."""
    told: list[str] = []
    ledgers = [MlflowRegistry(server.uri).ledger("raced") for _ in range(4)]
    barrier = threading.Barrier(len(ledgers))

    def write(number: int) -> None:
        barrier.wait()
        told.append(ledgers[number].put_if_absent("epoch-1", f"by {number}"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(ledgers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(told) == 4
    assert set(told) == set(MlflowRegistry(server.uri).ledger("raced").keys().values())


class Answers(BaseHTTPRequestHandler):
    """A server that answers everything with the status its name asks for, or not at all."""

    status = 200
    body = b"{}"

    def do_GET(self) -> None:
        if self.status == 0:
            self.connection.close()
            return
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.mark.parametrize(
    ("status", "body", "reading", "writing"),
    [
        (401, b"You are not authenticated", Denied, Denied),
        (403, b'{"error_code": "PERMISSION_DENIED", "message": "Permission denied"}', Denied, Denied),
        (404, b"<html>nginx</html>", RegistryError, RegistryError),
        (500, b"broken", Unavailable, UnknownOutcome),
        (503, b"busy", Unavailable, UnknownOutcome),
        (0, b"", Unavailable, UnknownOutcome),
    ],
)
def test_what_a_server_says_becomes_our_words(
    status: int, body: bytes, reading: type[RegistryError], writing: type[RegistryError]
) -> None:
    """With a remedy, and within seconds."""
    answers = type("Fixed", (Answers,), {"status": status, "body": body})
    with HTTPServer(("127.0.0.1", 0), answers) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        registry = MlflowRegistry(f"http://127.0.0.1:{http.server_port}")

        with pytest.raises(RegistryError) as read:
            registry.aliases("fraud")
        with pytest.raises(RegistryError) as wrote:
            registry.set_tags("fraud", "1", {"a": "b"})
        http.shutdown()

    assert type(read.value) is reading
    assert read.value.remedy
    # MLflow reads the model before it writes, so what a write meets first may be a read's answer
    assert type(wrote.value) is writing


def test_a_password_in_the_address_is_never_shown() -> None:
    """Errors end up in logs."""
    with pytest.raises(Unavailable) as unavailable:
        MlflowRegistry("http://user:secret@127.0.0.1:9").aliases("fraud")

    assert "secret" not in str(unavailable.value)


def test_a_frozen_and_then_a_killed_server_cost_seconds(server: Server) -> None:
    """Reads say Unavailable, the write to a frozen one that its outcome is unknown, and nobody waits for minutes."""
    registry = MlflowRegistry(server.uri)
    registry.ledger("frozen").put_if_absent("epoch-1", "a")

    server.signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        registry.aliases("fraud")
    frozen = time.monotonic() - began
    server.signal(signal.SIGCONT)
    server.signal(signal.SIGKILL)
    server.process.wait(timeout=30)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="check that it is up"):
        registry.aliases("fraud")
    with pytest.raises((Unavailable, UnknownOutcome)):
        registry.ledger("frozen").put_if_absent("epoch-2", "b")
    with pytest.raises((Unavailable, Refused)):
        promotion.look(registry, "fraud")
    killed = time.monotonic() - began

    assert frozen < SECONDS
    assert killed < SECONDS

"""The same registry over HTTP: a real server that is asked, killed and frozen, and answers that get lost."""

from __future__ import annotations

import base64
import signal
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from helpers import moving
from helpers.calls import register
from helpers.promoting import CI, NOBODY, POLICY, PROMOTION, Clock, evidence, run_folder
from helpers.proxy import Proxy
from helpers.servers import MlflowServer, free_port
from lockgate import hashing as digest
from lockgate.errors import Denied, NotFound, RegistryError, Unavailable, UnknownOutcome
from lockgate.promotion.operator import read_state
from lockgate.registries.mlflow.registry import MlflowRegistry
from lockgate.signoff.decision import Ballot


@pytest.fixture
def server(sqlite_server: MlflowServer) -> MlflowServer:
    return sqlite_server


def test_the_whole_way_over_http(server: MlflowServer, tmp_path: Path) -> None:
    """Adopt, publish, promote, roll back; files come back with their digest."""
    registry = MlflowRegistry(server.uri)
    first, second = (register(server.uri, "fraud", number, tmp_path) for number in (1, 2))
    clock = Clock()
    common = {"promotion": PROMOTION, "actor": CI, "clock": clock}
    about = evidence("fraud", second, champion=first)
    folder = run_folder(about, tmp_path / "run")

    moving.adopt(registry, "fraud", version="1", reason="it runs", **common)
    moving.record_staging(registry, about, folder=folder, **common)
    moving.promote(
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
    assert registry.aliases("fraud") == {"production": "2", "previous": "1"}
    moving.rollback(registry, "fraud", reason="stalls", **common)

    assert registry.aliases("fraud") == {"production": "1"}
    assert registry.evidence("fraud").votes(about.digest) == [(b"vote", b"signature")]
    fetched = MlflowRegistry(server.uri).evidence("fraud").fetch(about.digest, tmp_path / "fetched")
    assert (fetched / "evidence.json").read_bytes() == about.stored
    assert registry.version("fraud", "2").tags["lockgate.state"] == "withdrawn"


def test_what_is_missing_is_not_found(server: MlflowServer, tmp_path: Path) -> None:
    """A missing alias is a 400 there, and nothing here."""
    registry = MlflowRegistry(server.uri)
    version = register(server.uri, "missing", 1, tmp_path)

    assert registry.by_alias("missing", "production") is None
    assert digest.folder_digest(registry.fetch(version, tmp_path / "files")) == version.digest
    with pytest.raises(NotFound):
        registry.by_alias("nobody", "production")
    with pytest.raises(NotFound):
        registry.set_alias("missing", "production", "9")


def test_keys_are_written_once_over_http(server: MlflowServer) -> None:
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
    assert type(wrote.value) is writing


def test_a_password_in_the_address_is_never_shown() -> None:
    """Errors end up in logs."""
    with pytest.raises(Unavailable) as unavailable:
        MlflowRegistry("http://user:secret@127.0.0.1:9").aliases("fraud")

    assert "secret" not in str(unavailable.value)


def test_a_frozen_server_is_given_up(server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads say Unavailable; a write to it says that its outcome is unknown, and it may yet happen."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    registry = MlflowRegistry(server.uri)
    ledger = registry.ledger("frozen")
    ledger.put_if_absent("epoch-1", "a")

    server.signal(signal.SIGSTOP)
    try:
        with pytest.raises(Unavailable):
            registry.aliases("fraud")
        with pytest.raises(UnknownOutcome):
            ledger.put_if_absent("epoch-2", "b")
    finally:
        server.signal(signal.SIGCONT)

    assert set(ledger.keys()) - {"epoch-2"} == {"epoch-1"}


def test_a_server_that_is_gone_is_unavailable() -> None:
    """Also for writes: a connection that was refused has written nothing."""
    registry = MlflowRegistry(f"http://127.0.0.1:{free_port()}")

    with pytest.raises(Unavailable, match="check that it is up"):
        registry.aliases("fraud")
    with pytest.raises(Unavailable):
        registry.ledger("fraud").put_if_absent("epoch-2", "b")
    with pytest.raises(Unavailable):
        registry.set_alias("fraud", "production", "1")
    with pytest.raises(Unavailable):
        read_state(registry, "fraud")


def test_reads_are_tried_again_and_writes_once(server: MlflowServer) -> None:
    """A write whose answer was lost is read back: a second one could undo what somebody did in between."""
    with Proxy(server.uri) as proxy:
        registry = MlflowRegistry(proxy.uri)
        ledger = registry.ledger("lost")
        ledger.put_if_absent("epoch-1", "a")
        proxy.asked.clear()
        proxy.fate = lambda asked: "lose the answer"
        with pytest.raises(Unavailable):
            registry.aliases("fraud")
        reads = [str(asked) for asked in proxy.asked]
        proxy.asked.clear()
        proxy.fate = lambda asked: "lose the answer" if asked.writes else "pass"

        stands = ledger.put_if_absent("epoch-2", "b")

    assert set(reads) == {"GET /api/2.0/mlflow/registered-models/get"}
    assert len(reads) > 1
    assert stands == "b"
    assert [str(asked) for asked in proxy.asked] == [
        "POST /api/2.0/mlflow/runs/log-parameter",
        "GET /api/2.0/mlflow/runs/get",
    ]


def test_a_tag_whose_answer_was_lost_is_read_back(server: MlflowServer, tmp_path: Path) -> None:
    """It is set once; where reading does not show it, its outcome is said to be unknown."""
    register(server.uri, "tagged", 1, tmp_path)
    with Proxy(server.uri) as proxy:
        registry = MlflowRegistry(proxy.uri)
        proxy.fate = lambda asked: "lose the answer" if asked.writes else "pass"
        registry.set_tags("tagged", "1", {"lockgate.state": "production"})
        proxy.fate = lambda asked: "lose the request" if asked.writes else "pass"
        with pytest.raises(UnknownOutcome):
            registry.set_tags("tagged", "1", {"lockgate.state": "standby"})

    assert registry_tags(server, "tagged") == {"lockgate.state": "production"}
    assert [asked.writes for asked in proxy.asked] == [True, False, True, False]


def registry_tags(server: MlflowServer, model: str) -> dict[str, str]:
    return dict(MlflowRegistry(server.uri).version(model, "1").tags)


def test_a_prompt_is_no_model(server: MlflowServer) -> None:
    """They share their names in MLflow; one cannot be promoted."""
    from mlflow import MlflowClient

    MlflowClient(server.uri, server.uri).register_prompt("greeting", "Hello {{name}}")

    with pytest.raises(NotFound, match="is a prompt"):
        MlflowRegistry(server.uri).aliases("greeting")


def test_the_users_credential_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's own variables: a user with a password, or a token."""
    seen: list[str | None] = []

    class Guarded(Answers):
        status, body = 401, b"You are not authenticated"

        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            super().do_GET()

    with HTTPServer(("127.0.0.1", 0), Guarded) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        registry = MlflowRegistry(f"http://127.0.0.1:{http.server_port}")
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
        with pytest.raises(Denied):
            registry.aliases("fraud")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ana")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
        with pytest.raises(Denied) as denied:
            registry.aliases("fraud")
        http.shutdown()

    assert seen == ["Bearer t0ken", "Basic " + base64.b64encode(b"ana:hunter2").decode()]
    assert "hunter2" not in str(denied.value)

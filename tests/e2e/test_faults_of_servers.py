"""What breaks between promotions and the server of their registry: crowds, lost answers, deaths, missing rights.

As in `test_faults_of_promotion.py`, the next command finds ledger and registry of one mind again.
"""

from __future__ import annotations

import shutil
import signal
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import moving
from helpers.calls import register
from helpers.crowd import HURRY, PROCESSES, Watch, Worker, World, after_every_lease, healed, now, race, told, who
from helpers.proxy import Asked, Fate, Proxy
from helpers.servers import MlflowServer, while_needed
from lockgate.errors import Refused
from lockgate.promotion import publish as published
from lockgate.registries.mlflow.registry import MlflowRegistry

pytestmark = pytest.mark.usefixtures("crowd")

MOST_WRITES = 40


@pytest.fixture
def served(postgres_server: MlflowServer, tmp_path: Path) -> World:
    """A model of a server on PostgreSQL."""
    return World.make(postgres_server.uri, tmp_path, versions=3)


@pytest.mark.parametrize(
    ("backend", "lifecycle"), [("sqlite", "aliases"), ("postgres", "aliases"), ("postgres", "stages")]
)
def test_eight_processes_promote_different_versions_at_once(
    backend: str, lifecycle: str, request: pytest.FixtureRequest, tmp_path: Path, log: Path
) -> None:
    """Some are done, one after the other; whoever was not is told who came first."""
    server: MlflowServer = request.getfixturevalue(f"{backend}_server")
    world = World.make(server.uri, tmp_path, versions=9, lifecycle=lifecycle)
    ready = PROCESSES.Barrier(8)
    with Watch(world) as watch:
        crowd = [PROCESSES.Process(target=race, args=(world, version, ready, log)) for version in world.versions[1:]]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
        answers = [one for one in told(log) if one["told"] != "nothing yet"]
        done = [one["entry"] for one in answers if one["told"] == "done"]
        entries = [entry.sha256 for entry in world.chain.finished if entry.kind == "promoted"]
        healed(world, watch, log)

    assert len(answers) == 8
    assert sorted(done) == sorted(entries)
    assert {one["code"] for one in answers if one["told"] == "refused"} <= {"in_progress", "overtaken"}
    assert 1 <= len(done) == 8 - sum(one["told"] == "refused" for one in answers)


def test_a_registry_that_cannot_archive_and_promote_in_one_write_begins_no_ledger(
    postgres_server: MlflowServer, tmp_path: Path
) -> None:
    """MLflow over psycopg 3: two writes would show two Productions, or none, so it says what helps and moves nothing."""
    broken = postgres_server.store.replace("+psycopg2", "+psycopg")
    registry, model = MlflowRegistry(broken, lifecycle="stages"), f"fraud-{uuid.uuid4().hex[:6]}"
    register(postgres_server.uri, model, 1, tmp_path)

    with pytest.raises(Refused) as refused:
        moving.adopt(registry, model, version="1", reason="it runs", promotion=HURRY, actor=who("setup"), clock=now)

    assert refused.value.code == "stages_broken"
    assert registry.ledger(model).keys() == {}
    assert registry.aliases(model) == {}


class Nth:
    """Does something to the nth request that writes."""

    def __init__(self, number: int, fate: Fate) -> None:
        self.number, self.fate, self.seen = number, fate, 0

    def __call__(self, asked: Asked) -> Fate:
        self.seen += asked.writes
        return self.fate if asked.writes and self.seen == self.number else "pass"


def test_the_answer_to_each_write_is_lost_in_turn(served: World, log: Path) -> None:
    """What is read back is done; what cannot be told is said to be unknown, and is finished by the same command."""
    with Proxy(served.uri) as proxy, Watch(served) as watch:
        worker = Worker(served, proxy.uri, "unlucky", log)
        for number in range(1, MOST_WRITES):
            version = served.versions[1 + number % 2]
            proxy.fate = losing = Nth(number, "lose the answer")
            said = worker.promote(version, clock=after_every_lease)
            proxy.fate = lambda asked: "pass"
            if losing.seen < number:
                break
            assert said in ("done", "unknown")
            later = now() + 10 * number * HURRY.lease
            if said == "unknown":
                assert worker.promote(version, clock=lambda later=later: later) in ("done", "already")
        else:
            pytest.fail(f"a promotion writes more than {MOST_WRITES} times")
        healed(served, watch, log)

    assert number > 5


def test_a_server_that_is_killed_in_the_middle_of_a_call(
    postgres_server: MlflowServer, served: World, log: Path
) -> None:
    """Its answer never comes; when it is back, the same command finishes what was begun."""
    server = postgres_server

    def strike(asked: Asked) -> Fate:
        if asked.path.endswith("/registered-models/alias"):
            server.signal(signal.SIGSTOP)
            threading.Timer(0.2, server.kill).start()
        return "pass"

    with Proxy(served.uri, strike) as proxy, Watch(served) as watch:
        said = Worker(served, proxy.uri, "cut off", log).promote(served.versions[1])
        server.kill()
        server.start()
        server.wait()
        left = served.chain.unfinished
        healed(served, watch, log)

    assert said == "unknown"
    assert left is not None
    assert left.target == "2"


def test_a_server_that_is_frozen_past_the_lease(
    postgres_server: MlflowServer, served: World, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wakes with a write that everybody had given up; that is the write that the next command would have made."""
    server = postgres_server
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")

    def strike(asked: Asked) -> Fate:
        if asked.path.endswith("/registered-models/alias"):
            server.signal(signal.SIGSTOP)
        return "pass"

    with Proxy(served.uri, strike) as proxy, Watch(served) as watch:
        try:
            said = Worker(served, proxy.uri, "left waiting", log).promote(served.versions[1])
        finally:
            server.signal(signal.SIGCONT)
        monkeypatch.undo()
        healed(served, watch, log)

    assert said == "unknown"


GUARDS = """
[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/users.db
admin_username = admin
admin_password = a-long-password-1
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 600
"""  # passwords are hashed once each: at every request that takes most of a second

PASSWORD = "a-long-password-2"

ROOMS = ("lockgate-ledger/{}", "lockgate-ledger/{}/entries", "lockgate-evidence/{}")


@pytest.fixture(scope="module")
def guarded(blank: Path, tmp_path_factory: pytest.TempPathFactory, warm_gate: str) -> Iterator[MlflowServer]:
    """A server that asks who is there: `admin`, who may everything, and users who may read."""
    folder = tmp_path_factory.mktemp("guarded")
    shutil.copyfile(blank, folder / "m.db")
    (folder / "guards.ini").write_text(GUARDS.format(folder=folder))
    environ = {
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "tests",
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "guards.ini"),
    }
    yield from while_needed(
        MlflowServer(folder, f"sqlite:///{folder}/m.db", "--app-name", "basic-auth", environ=environ, python=warm_gate)
    )


def as_user(monkeypatch: pytest.MonkeyPatch, name: str, password: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)


def test_what_rights_it_takes(
    guarded: MlflowServer, tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may only read moves nothing and is told; EDIT is enough to promote and to go back, none to delete."""
    import requests
    from mlflow import MlflowClient

    as_user(monkeypatch, "admin", "a-long-password-1")
    world = World.make(guarded.uri, tmp_path, versions=3)
    made, run, votes = world.evaluate(world.versions[1])
    published.publish(MlflowRegistry(guarded.uri), made, run, now=published.finished_at(made))
    api = f"{guarded.uri}/api/3.0/mlflow/users"
    admin = ("admin", "a-long-password-1")
    for user in ("reader", "editor"):
        answer = requests.post(
            f"{guarded.uri}/api/2.0/mlflow/users/create",
            json={"username": user, "password": PASSWORD},
            auth=admin,
            timeout=30,
        )
        assert answer.ok, answer.text
    client = MlflowClient(guarded.uri, guarded.uri)
    rooms = [name.format(world.model) for name in ROOMS]
    things = [("registered_model", world.model)]
    things += [("experiment", client.get_experiment_by_name(room).experiment_id) for room in rooms]
    for kind, name in things:
        grant = {"username": "editor", "resource_type": kind, "resource_id": name, "permission": "EDIT"}
        answer = requests.post(f"{api}/permissions/grant", json=grant, auth=admin, timeout=30)
        assert answer.ok, answer.text
    before = world.chain

    as_user(monkeypatch, "reader", PASSWORD)
    reader = Worker(world, world.uri, "reader", log)
    reader.known["2"] = made, run, votes
    read = reader.promote(world.versions[1], votes=())
    untouched = world.chain
    as_user(monkeypatch, "editor", PASSWORD)
    editor = Worker(world, world.uri, "editor", log)
    editor.known["2"] = made, run, votes
    moved = [editor.promote(world.versions[1]), editor.rollback()]

    assert read == "no answer"
    assert "does not allow it" in next(one["code"] for one in told(log) if one["told"] == "no answer")
    assert untouched == before
    assert moved == ["done", "done"]
    assert world.differences() == []
    assert world.lies(log) == []

"""MLflow servers that tests start for themselves, on SQLite and on PostgreSQL, and may freeze, kill and start again."""

from __future__ import annotations

import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from helpers.warm_python import OWN

PATIENCE_S = 120
SYSTEM = Path("/usr/lib/postgresql")  # where Debian keeps the programs that are on nobody's PATH


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class MlflowServer:
    """`mlflow server` over a store; `options` and `environ` are added to its command. python: the server's interpreter.

    Without options it is the process that the command starts in the end, which alone answers: the command imports MLflow
    once more and then only waits.
    """

    def __init__(
        self,
        folder: Path,
        store: str,
        *options: str,
        environ: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.folder, self.store, self.log = folder, store, folder / "server.log"
        self.options, self.python = options, python
        self.mark = f"LOCKGATE_TEST_SERVER={uuid.uuid4().hex}"
        self.environ = {**(environ or {}), **dict([self.mark.split("=")]), OWN: python}
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin; `wait` tells when it answers."""
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        served = str(self.folder / "served")
        if self.options:
            command = ["mlflow", "server", *place, "--backend-store-uri", self.store]
            command += ["--artifacts-destination", served, *self.options]
            given = {}
        else:
            command = ["uvicorn", *place, "mlflow.server.fastapi_app:app"]
            given = {
                "_MLFLOW_SERVER_FILE_STORE": self.store,
                "_MLFLOW_SERVER_REGISTRY_STORE": self.store,
                "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
                "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
                "_MLFLOW_SERVER_ARTIFACT_DESTINATION": served,
                "_MLFLOW_SGI_NAME": "uvicorn",
            }
        environ = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **given, **self.environ}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.python, "-m", *command],
                cwd=self.folder,
                env=environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self.healthy():
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)
        if not self.options:
            with urllib.request.urlopen(f"{self.uri}/api/2.0/mlflow/registered-models/search", timeout=PATIENCE_S):
                pass  # its database is there from now on
            default = self.folder / "mlflow.db"
            assert not default.exists() or self.store.endswith(str(default)), "it looked for its store elsewhere"

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def signal(self, number: int) -> None:
        """Send a signal to the server and everything that it started."""
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """End them all, and wait until they are gone."""
        descriptors = []
        for pid in self._processes():
            with suppress(ProcessLookupError):
                descriptors.append(os.pidfd_open(pid))
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait(timeout=30)
        for descriptor in descriptors:
            assert select.select([descriptor], [], [], 30)[0], "a process of the server outlived its SIGKILL"
            os.close(descriptor)

    def _processes(self) -> list[int]:
        """Those with our mark: a server that was forked for its caller is in no group of that one."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if self.mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found


class Postgres:
    """A PostgreSQL cluster in a temporary folder. Where we are root it runs as another user, as it demands."""

    def __init__(self) -> None:
        found = installed()
        assert found is not None
        self.programs = found
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="lockgate-pg-"))
        self.process: subprocess.Popen[bytes] | None = None
        self.user: str | None = None
        if os.geteuid() == 0:
            self.user = "postgres" if "postgres" in {one.pw_name for one in pwd.getpwall()} else "nobody"
            shutil.chown(self.folder, self.user)

    def start(self) -> None:
        data = self.folder / "data"
        self._run("initdb", "--auth", "trust", "--username", "gate", "--no-sync", "-E", "UTF8", "--pgdata", str(data))
        with (self.folder / "log").open("wb") as log:
            place = ["-D", str(data), "-k", str(self.folder), "-h", "127.0.0.1", "-p", str(self.port)]
            self.process = subprocess.Popen(
                [str(self.programs / "postgres"), *place, "-F"],
                cwd=self.folder,
                user=self.user,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self._ready():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    def database(self, name: str) -> str:
        """The address of a new, empty database.

        By psycopg2, because with psycopg 3 MLflow moves no version to Production and archives the one before.
        """
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "gate", name)
        return f"postgresql+psycopg2://gate@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _ready(self) -> bool:
        command = [str(self.programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            cwd=self.folder,
            user=self.user,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def installed() -> Path | None:
    """The folder of PostgreSQL's programs, None where there is none."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    return next((path.parent for path in sorted(SYSTEM.glob("*/bin/initdb"), reverse=True)), None)


@pytest.fixture(scope="session")
def sqlite_server(tmp_path_factory: pytest.TempPathFactory, warm_gate: str) -> Iterator[MlflowServer]:
    """A server on SQLite that all tests of a worker share; whoever freezes it wakes it again."""
    folder = tmp_path_factory.mktemp("sqlite-server")
    yield from while_needed(MlflowServer(folder, f"sqlite:///{folder}/m.db", python=warm_gate))


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory, warm_gate: str) -> Iterator[MlflowServer]:
    """The same on a PostgreSQL of our own."""
    if installed() is None:
        pytest.skip("PostgreSQL is not installed here (no initdb): apt-get install postgresql")
    cluster = Postgres()
    try:
        cluster.start()
        folder = tmp_path_factory.mktemp("postgres-server")
        yield from while_needed(MlflowServer(folder, cluster.database("registry"), python=warm_gate))
    finally:
        cluster.stop()


def while_needed(server: MlflowServer) -> Iterator[MlflowServer]:
    """The server once it answers, until the test is over."""
    try:
        server.start()
        server.wait()
        yield server
    finally:
        server.kill()

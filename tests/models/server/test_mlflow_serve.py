"""A model behind `mlflow models serve`, started for real: its answers, its load, its end."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from helpers.model_processes import environ, save, survivors
from lockgate.errors import ModelFault
from lockgate.models.model import LoadPlan
from lockgate.models.server import mlflow_serve as serve
from lockgate.models.server.mlflow_serve import MlflowServeModel

_US = """
import os, sys
from pathlib import Path
from lockgate.models.server.mlflow_serve import MlflowServeModel
model = MlflowServeModel(Path(sys.argv[1]), python=sys.executable, environ=os.environ)
model.load()
print("ready", flush=True)
sys.stdin.read()
"""
ROWS = pa.RecordBatch.from_pydict({"do": ["answer"] * 3})


@pytest.fixture(scope="module")
def served(trickster_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServeModel]:
    """One server for the tests that leave it as it was."""
    scratch, before = tmp_path_factory.mktemp("served"), survivors()
    model = MlflowServeModel(trickster_folder, python=sys.executable, environ=environ(), scratch=scratch)
    yield model
    model.close()
    assert survivors() == before


@pytest.fixture(autouse=True)
def _nothing_is_left(served: MlflowServeModel) -> Iterator[None]:
    """Nothing but the shared server, which looks after its own end."""
    served.load()
    before = survivors()
    yield
    assert survivors() == before


def asked(what: str) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"do": [what] * 3})


def test_it_answers_over_http(served: MlflowServeModel) -> None:
    """As the same model does in process."""
    (answer,) = served.predict([ROWS])
    facts, used = served.load(), served.usage()

    assert answer.to_pydict() == {"prediction": [0.0, 1.0, 2.0]}
    assert facts.where.endswith("/invocations, from our machine and back, mlflow models serve with one worker")
    assert facts.load_seconds is not None
    assert facts.load_seconds > 0
    assert used.rss_bytes is not None
    assert used.rss_bytes > 50e6
    assert used.cpu_seconds is not None
    assert used.cpu_seconds > 0


def test_it_is_driven_over_http(served: MlflowServeModel) -> None:
    """Every request is answered, and timed."""
    drive = served.drive(LoadPlan(requests=20, rows=2), ROWS)

    assert len(drive.latency_ms) == 20
    assert not any(drive.failed)


def test_an_exception_of_the_model_leaves_the_server_up(served: MlflowServeModel) -> None:
    """MLflow answers 400 with what was raised; what the server wrote last goes along."""
    with pytest.raises(ModelFault) as caught:
        list(served.predict([asked("raise")]))

    assert caught.value.alive
    assert "candidate at http://127.0.0.1:" in str(caught.value)
    assert "(status 400) while predicting 3 rows" in str(caught.value)
    assert "POST /invocations" in caught.value.stderr
    assert next(iter(served.predict([ROWS]))).num_rows == 3


def test_a_server_that_ends_is_said_to_have_ended(trickster_folder: Path) -> None:
    """Not only that nobody answers; afterwards the fault stays."""
    model = MlflowServeModel(trickster_folder, python=sys.executable, environ=environ())
    model.load()
    assert model.pid is not None
    os.killpg(model.pid, signal.SIGKILL)

    for _ in range(2):
        with pytest.raises(ModelFault, match="was killed by SIGKILL"):
            list(model.predict([ROWS]))
    model.close()


def test_a_model_that_cannot_be_loaded_says_why(tmp_path: Path, warm_python: str) -> None:
    """The server's last lines are kept, and nobody waits until the time is over."""
    folder = save("trickster.py", tmp_path / "broken")
    (folder / "python_model.py").unlink(missing_ok=True)
    for file in folder.glob("trickster.py"):
        file.unlink()
    model = MlflowServeModel(folder, python=warm_python, environ=environ(), ready_s=120.0)
    with pytest.raises(ModelFault, match="could not be served: mlflow models serve ended with exit code") as caught:
        model.load()

    assert "trickster.py" in caught.value.stderr
    assert re.search(r"starting mlflow models serve: \S*(Error|Exception): .*trickster.py", caught.value.message)
    model.close()


def test_a_python_that_is_none(trickster_folder: Path, tmp_path: Path) -> None:
    """The key that names another one is said."""
    broken = tmp_path / "python"
    broken.write_text("no program")
    model = MlflowServeModel(trickster_folder, python=str(broken), environ=environ())

    with pytest.raises(ModelFault, match="has no python to answer under"):
        model.load()


def test_another_port_is_taken_where_somebody_was_faster(
    trickster_folder: Path, monkeypatch: pytest.MonkeyPatch, warm_python: str
) -> None:
    """Between our look at a free port and the server's start."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        real, first = serve._free_port, [taken.getsockname()[1]]
        monkeypatch.setattr(serve, "_free_port", lambda: first.pop() if first else real())
        model = MlflowServeModel(trickster_folder, python=warm_python, environ=environ())
        (answer,) = model.predict([ROWS])
        model.close()

    assert answer.num_rows == 3


def test_the_server_ends_with_us_even_when_we_are_killed(trickster_folder: Path) -> None:
    """The lifeline closes, and the kernel ends all of its processes."""
    before = survivors()
    us = subprocess.Popen(
        [sys.executable, "-c", _US, str(trickster_folder)],
        env=environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert us.stdout is not None
    assert us.stdin is not None
    assert us.stdout.readline() == "ready\n"
    watched = {pid: os.pidfd_open(pid) for pid in survivors() - before - {us.pid}}
    us.kill()
    us.wait()
    us.stdout.close()
    us.stdin.close()

    assert len(watched) >= 3
    for pid, descriptor in watched.items():
        assert select.select([descriptor], [], [], 10)[0], f"process {pid} outlived us by ten seconds"
        os.close(descriptor)


def test_a_closed_one_is_not_asked_again(trickster_folder: Path) -> None:
    """And was never started."""
    model = MlflowServeModel(trickster_folder, python=sys.executable, environ=environ())
    model.close()

    with pytest.raises(ModelFault, match="candidate is closed"):
        model.load()

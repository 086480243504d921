"""Models that attack the run that judges them: none passes, and nothing of them is left."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow.parquet as parquet
import pytest

import lockgate
from helpers.checkout import HOLDOUT, Checkout
from helpers.shelf import alone
from lockgate.models.isolation.box import kernel

HERE = Path(__file__).parent
DOCS = Path(__file__).parents[2] / "docs" / "internals" / "isolation.md"
LINES = ["auc >= 0.7"]
SLEEP = "27.18281"
OPEN = () if kernel().namespace else ("change_what_others_wrote",)
KEY = str(int(float(SLEEP) * 10**5))


def names() -> list[str]:
    """What the model attempts, in the order of its bits."""
    return re.findall(r"@attempt\ndef (\w+)", (HERE / "attempts.py").read_text())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank: Path) -> Iterator[tuple[Checkout, socket.socket]]:
    """A checkout with two versions of a model, and somebody who listens."""
    from helpers.shelf import payments

    alone(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEPLOY_TOKEN", "canary")
    checkout = Checkout(tmp_path, base=blank, data=None)
    (tmp_path / "data").mkdir()
    parquet.write_table(payments(), tmp_path / "data" / "holdout.parquet")
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(type=socket.SOCK_DGRAM) as echo,
        socket.socket(socket.AF_UNIX) as agent,
    ):
        echo.bind(listener.getsockname())
        agent.bind(str(tmp_path / "agent.socket"))
        agent.listen()
        Thread(target=_answer, args=(echo,), daemon=True).start()
        yield checkout, listener
        echo.sendto(b"", echo.getsockname())


def _answer(echo: socket.socket) -> None:
    """Send every datagram back, until an empty one comes."""
    while True:
        data, sender = echo.recvfrom(16)
        if not data:
            return
        echo.sendto(data, sender)


def register(checkout: Checkout, port: int, *, name: str, **more: Any) -> Path:
    """The files of a version that attacks."""
    import mlflow
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    folder = checkout.folder / name
    config = {
        "folder": str(checkout.folder),
        "package": lockgate.__file__,
        "port": port,
        "sleep": SLEEP,
        **more,
    }
    inputs = Schema([ColSpec("double", "x1"), ColSpec("double", "x2")])
    mlflow.pyfunc.save_model(
        folder, python_model=str(HERE / "attempts.py"), model_config={**config, "quiet": True},
        signature=ModelSignature(inputs, Schema([ColSpec("double")])), pip_requirements=["mlflow", "numpy"],
    )  # fmt: skip
    text = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(text.replace("quiet: true", f"quiet: {str(bool(more.get('quiet'))).lower()}"))
    client = MlflowClient(tracking_uri=checkout.uri, registry_uri=checkout.uri)
    if not client.search_registered_models("name='fraud'"):
        client.create_registered_model("fraud")
    client.create_model_version("fraud", source=str(folder))
    return folder


def worked(checkout: Checkout) -> set[str]:
    """Which attempts the model says that worked, by the scores that it gave."""
    table = parquet.read_table(checkout.run / "scored" / "holdout.parquet")
    bits = round((min(table.column("candidate").to_pylist()) - 0.1) * 2**30)
    return {name for number, name in enumerate(names()) if bits >> number & 1}


def shared_memory() -> tuple[list[str], list[str]]:
    """(files in /dev/shm, keys of System V) that outlived their model."""
    keys = [line.split()[0] for line in Path("/proc/sysvipc/shm").read_text().splitlines()]
    return [path.name for path in Path("/dev/shm").glob(SLEEP)], [key for key in keys if key == KEY]


def daemons() -> list[str]:
    """Processes that outlived their model."""
    left = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if SLEEP.encode() in path.read_bytes():
                left.append(path.parent.name)
        except OSError:
            continue
    return left


@pytest.mark.skipif(not kernel().landlock, reason="this kernel has no Landlock")
def test_in_the_box_no_attempt_works(world: tuple[Checkout, socket.socket]) -> None:
    """The verdict is that of its scores, and nothing of ours changed."""
    checkout, listener = world
    register(checkout, listener.getsockname()[1], name="champion", quiet=True)
    register(checkout, listener.getsockname()[1], name="candidate")
    checkout.write(candidate={"version": 2}, champion={"version": 1}, data={"holdout": HOLDOUT},
                   gates=[{"gate": "metrics", "data": "holdout", "require": LINES}])  # fmt: skip
    before = Path(lockgate.__file__).read_bytes()

    answer = checkout.gate("run")

    assert answer.code == 1, answer.stderr
    assert worked(checkout) <= {
        "leave_a_daemon",
        "leave_shared_memory",
        "nest_folders",
        *OPEN,
    }  # it may, and all end with it
    assert daemons() == []
    if kernel().namespace:
        assert shared_memory() == ([], [])
    assert not (checkout.folder / "canary").exists()
    assert Path(lockgate.__file__).read_bytes() == before
    assert list((checkout.folder / ".gate" / "tmp").iterdir()) == []
    listener.settimeout(0)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_without_a_box_what_goes_through_is_what_the_docs_say(world: tuple[Checkout, socket.socket]) -> None:
    """And a model whose files were changed meanwhile is an error, whoever changed them."""
    checkout, listener = world
    package = str(shutil.copy(lockgate.__file__, checkout.folder / "package.py"))
    port = listener.getsockname()[1]
    register(checkout, port, name="champion", quiet=True)
    register(checkout, port, name="candidate", package=package)
    checkout.write(candidate={"version": 2}, champion={"version": 1}, data={"holdout": HOLDOUT},
                   gates=[{"gate": "metrics", "data": "holdout", "require": LINES}],
                   isolation={"require": "off"})  # fmt: skip

    answer = checkout.gate("run")

    for pid in daemons():
        os.kill(int(pid), 9)
    left = shared_memory()
    Path("/dev/shm", SLEEP).unlink()
    subprocess.run(["ipcrm", "--shmem-key", KEY], check=True)
    assert left == ([SLEEP], [KEY])
    assert list((checkout.folder / ".gate" / "tmp").iterdir()) == []
    assert answer.code == 4, answer.stderr
    assert "changed while models ran" in answer.stderr
    listed = set(re.findall(r"^\| `(\w+)` \|.*\| goes through", DOCS.read_text(), re.MULTILINE))
    assert worked(checkout) == listed


@pytest.mark.parametrize("attack", ["weights outside", "alias bomb", "deep lists"])
def test_files_of_a_model_that_attack_their_reader_fail_the_candidate(
    world: tuple[Checkout, socket.socket], attack: str
) -> None:
    """Before anything of it runs, within seconds."""
    checkout, listener = world
    folder = register(checkout, listener.getsockname()[1], name="candidate")
    text = (folder / "MLmodel").read_text()
    outside = checkout.folder / "outside.pkl"
    outside.write_text("weights")
    if attack == "weights outside":
        (folder / "MLmodel").write_text(text.replace("flavors:\n", f"flavors:\n  other: {{data: {outside}}}\n", 1))
    elif attack == "alias bomb":
        levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
        (folder / "MLmodel").write_text("a0: &a0 [x]\n" + "\n".join(levels) + "\n" + text)
    else:
        (folder / "MLmodel").write_text("a: " + "[" * 100_000)
    checkout.write(
        candidate={"version": 1}, champion="none", gates=[{"gate": "metrics", "data": "holdout", "require": LINES}]
    )

    answer = checkout.gate("run")

    assert answer.code == 1, answer.stderr
    assert "MLmodel" in answer.stderr or "outside of its own folder" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_model_that_attacks_is_no_module_of_ours() -> None:
    """It attempts two dozen things; the docs have a line for each."""
    assert importlib.util.find_spec("attempts") is None
    text = DOCS.read_text()
    assert len(names()) == 25
    assert all(f"`{name}`" in text for name in names())


@pytest.mark.skipif(not kernel().landlock, reason="this kernel has no Landlock")
def test_a_model_that_runs_into_its_box_is_told_the_line_that_opens_it(
    world: tuple[Checkout, socket.socket], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The path, and where to write it; with that line it is read."""
    checkout, listener = world
    lookup = tmp_path_factory.mktemp("lookup") / "table.csv"
    lookup.write_text("a\n")
    register(checkout, listener.getsockname()[1], name="candidate", quiet=True, needs=str(lookup))
    gates = [{"gate": "metrics", "data": "holdout", "require": LINES}]
    checkout.write(candidate={"version": 1}, champion="none", gates=gates)

    denied = checkout.gate("run")
    checkout.write(candidate={"version": 1}, champion="none", gates=gates, isolation={"read": [str(lookup.parent)]})
    opened = checkout.gate("run")

    assert denied.code == 4, denied.stderr
    assert f"its box does not let it open {lookup}" in denied.stderr
    assert f"isolation: {{read: [{lookup}]}}" in denied.stderr
    assert "its box" not in opened.stderr

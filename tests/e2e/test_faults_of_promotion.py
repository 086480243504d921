"""What breaks while versions are moved: processes, servers, answers, disks, clocks, rights. One Production stays one.

After each fault the next command finds ledger and registry of one mind again, and nobody was told what is not so.
"""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from helpers.crowd import PROCESSES, Watch, Worker, World, die, healed, now, told, who
from lockgate.promotion import publish as published
from lockgate.promotion.ledger.steps import LedgerStep
from lockgate.registries.mlflow.registry import MlflowRegistry
from lockgate.registries.mlflow.spec import MlflowSpec

pytestmark = pytest.mark.usefixtures("crowd")

STEPS = [step.__name__ for step in get_args(LedgerStep)]

LIFECYCLES = get_args(MlflowSpec.model_fields["lifecycle"].annotation)


@pytest.fixture
def lifecycle() -> str:
    """That of the model, where a test says no other."""
    return "aliases"


@pytest.fixture
def local(blank: Path, tmp_path: Path, lifecycle: str) -> World:
    """A model in a database without a server."""
    shutil.copyfile(blank, tmp_path / "m.db")
    return World.make(f"sqlite:///{tmp_path / 'm.db'}", tmp_path, versions=3, lifecycle=lifecycle)


def begun(world: World, *, lapsed: bool) -> None:
    """Somebody else has claimed a promotion of version 3 and is still at it; or was, until the lease was over."""
    at = now() - timedelta(minutes=2 * lapsed)
    entry = world.chain.draft(
        "promoted", source="1", target="3", actor=who("other"), at=at, lease=timedelta(minutes=1)
    )  # fmt: skip
    MlflowRegistry(world.uri).ledger(world.model).put_if_absent(f"epoch-{entry.epoch}", entry.bytes.decode())


@pytest.mark.parametrize(("lifecycle", "step"), [*itertools.product(LIFECYCLES, STEPS), ("stages", "set_stage")])
def test_a_process_that_is_killed_at_a_step(
    local: World, log: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL where the next thing to do is this one, or between alias and stage; the next command goes on where it was."""
    if step in ("InProgress", "Lapsed"):
        begun(local, lapsed=step == "Lapsed")
    with Watch(local) as watch:
        process = PROCESSES.Process(target=die, args=(local, step, log))
        process.start()
        process.join()
        monkeypatch.setattr("helpers.crowd.after_every_lease", lambda: now() + timedelta(minutes=2))
        healed(local, watch, log)

    assert process.exitcode == -signal.SIGKILL
    assert [one["told"] for one in told(log) if one["worker"] == "killed"] == ["nothing yet"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of eight megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here: only root may")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return


def test_a_disk_that_is_full(blank: Path, small_disk: Path, tmp_path: Path, log: Path) -> None:
    """Nothing is moved, and it says so; with room again, the same command goes through."""
    shutil.copyfile(blank, small_disk / "m.db")
    world = World.make(f"sqlite:///{small_disk / 'm.db'}", tmp_path, versions=3)
    worker = Worker(world, world.uri, "cramped", log)
    made, run, _ = worker.evaluate(world.versions[1])
    published.publish(worker.registry, made, run, now=published.finished_at(made))
    filler = small_disk / "filler"
    with Watch(world) as watch:
        fill(filler)
        said = worker.promote(world.versions[1])
        stands = MlflowRegistry(world.uri).aliases(world.model)["production"]
        filler.unlink()
        healed(world, watch, log)

    assert said in ("unknown", "no answer")
    assert stands == "1"


def cramped(world: World, log: Path) -> None:
    """Promote version 2 where no file may grow beyond a page."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    worker = Worker(world, world.uri, "cramped", log)
    worker.registry.aliases(world.model)
    made, run, _ = worker.evaluate(world.versions[1])
    published.publish(worker.registry, made, run, now=published.finished_at(made))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # else what is written to the log of the tests counts too
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    worker.promote(world.versions[1], votes=())


def test_a_file_that_may_not_grow(local: World, log: Path) -> None:
    """A quota stops the database in the middle of what it writes: told, and finished by the next command."""
    with Watch(local) as watch:
        process = PROCESSES.Process(target=cramped, args=(local, log))
        process.start()
        process.join()
        healed(local, watch, log)

    assert process.exitcode == 0
    assert [one["told"] for one in told(log)][-1] in ("unknown", "no answer")


def test_a_database_that_somebody_else_has_locked(local: World, log: Path) -> None:
    """A promotion waits for it."""
    worker = Worker(local, local.uri, "patient", log)
    path = local.uri.removeprefix("sqlite:///")
    with Watch(local) as watch:
        with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
            other.execute("BEGIN EXCLUSIVE")
            threading.Timer(1, lambda: other.execute("COMMIT")).start()
            said = worker.promote(local.versions[1])
        healed(local, watch, log)

    assert said == "done"


class Interrupted:
    """A registry in front of which something else happens before the first alias is set."""

    def __init__(self, registry: MlflowRegistry, happens: Callable[[], object]) -> None:
        self._registry, self._happens = registry, [happens]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        if self._happens:
            self._happens.pop()()
        self._registry.set_alias(name, alias, version)


@pytest.mark.parametrize("hours", [1, -1])
def test_two_clocks_an_hour_apart(local: World, log: Path, hours: int) -> None:
    """Whoever is ahead takes over what is still being done, and so does whoever is behind: nobody waits for the future."""
    other, worker = (Worker(local, local.uri, name, log) for name in ("elsewhere", "here"))
    said: list[str] = []
    worker.registry = Interrupted(  # type: ignore[assignment]
        worker.registry, lambda: said.append(other.rollback(clock=lambda: now() + timedelta(hours=hours)))
    )
    with Watch(local) as watch:
        worker.promote(local.versions[1])
        healed(local, watch, log)

    assert said == ["done"]

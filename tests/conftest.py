"""Helpers beside this file can be imported by every test."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

from helpers import settled, unsynced

unsynced.begin()

gc.set_threshold(20_000, 20, 50)  # imports and collected tests stay: looking through them again and again finds nothing

for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):  # with the first, each process would compile us anew
    os.environ.pop(name, None)

os.environ.setdefault("LOCKGATE_REGISTRY_BUDGET_SECONDS", "3")  # how long a registry that is gone is asked again

for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if (
        signal.getsignal(number) is signal.SIG_IGN
    ):  # behind an `&` or `nohup`: whatever a test starts would ignore it too
        signal.signal(number, usual)

MANY_DESCRIPTORS = 100

pytest.register_assert_rewrite("helpers.crowd")
pytest_plugins = ["helpers.servers"]

# `make test` tries the same examples each time, `make fuzz` fresh ones: what those find becomes an example of its test.
settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
settings.register_profile("fresh", database=None, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("LOCKGATE_EXAMPLES", "fixed"))


# Each takes more than about fifteen seconds, waits included; in this order.
LONGEST = (
    "e2e/test_targets.py",
    "e2e/test_story.py",
    "recordings/test_recordings.py",
    "e2e/test_full_disk.py",
    "e2e/test_pull_request.py",
    "e2e/test_faults_of_servers.py",
    "e2e/test_faults_of_registries.py",
    "models/process/test_failures.py",
    "explore/test_explored.py",
    "registries/mlflow/test_server.py",
    "models/server/test_mlflow_serve.py",
    "e2e/test_jobs_and_secrets.py",
    "cli/github/test_act.py",
    "e2e/test_soak.py",
    "models/process/test_declared_environment.py",
    "e2e/test_adult.py",
    "evaluation/estimation/test_from_sums.py",
    "e2e/test_interrupts.py",
    "e2e/test_faults_of_promotion.py",
    "bench/test_decisions.py",
    "integrations/github/test_interleavings.py",
    "hostile/test_attacks.py",
    "promotion/test_promote.py",
    "promotion/test_rollback.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Let each worker read another part of all files first: of the rest it finds compiled what the others read."""
    number = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if number.isdigit() and config.args == config.getini("testpaths"):
        files = sorted(str(path) for path in Path(__file__).parent.rglob("test_*.py"))
        begin = len(files) * int(number) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"]) % len(files)
        config.args = files[begin:] + files[:begin]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first, so that no worker waits at the end for the other one's."""
    place = {str(Path(__file__).parent / name): number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (place.get(str(item.path), len(place)), "e2e" not in item.path.parts, str(item.path)))


def pytest_collection_finish() -> None:
    """What was imported and collected stays until the end: the collector does not look there."""
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Keep few descriptors: what is started with a number beyond some hundreds cannot be forked by the warm interpreters."""
    if len(os.listdir("/dev/fd")) > MANY_DESCRIPTORS:  # noqa: PTH208  # after each of thousands of tests
        settled.let_go()


@pytest.fixture(scope="session")
def warm_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter for models whose start is not what a test is about: MLflow is imported already."""
    from helpers.warm_python import MODELS

    return _warm(tmp_path_factory, "warm-models", *MODELS)


@pytest.fixture(scope="session")
def warm_gate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter for `gate` where its start is not what a test is about."""
    from helpers.warm_python import GATE

    return _warm(tmp_path_factory, "warm-gate", *GATE)


@pytest.fixture(autouse=True)
def _no_registry_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLFLOW_REGISTRY_URI, which MLflow's own `set_registry_uri` leaves behind, would be the registry of the next test."""
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _place_of_the_blank(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Helpers that are no fixtures copy the blank database too."""
    from helpers import blank

    blank.factory = tmp_path_factory


@pytest.fixture(scope="session")
def blank() -> Path:
    """An empty database of MLflow, to be copied."""
    from helpers.blank import database

    return database()


@pytest.fixture(scope="session")
def crowd(warm_gate: str) -> None:
    """Processes of `helpers.crowd` are forked from one that has imported what they need."""
    from helpers.crowd import begin

    begin(warm_gate)


def _warm(factory: pytest.TempPathFactory, name: str, *modules: str) -> str:
    """One for all workers, which ends with the process that started them."""
    from helpers.shelf import once
    from helpers.warm_python import WarmPython

    owner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()

    def make(folder: Path) -> None:
        (folder / "path").write_text(WarmPython(folder, *modules, owner=owner).path)

    return (once(factory, name, make) / "path").read_text()


METRICS = """
STATE = "a text"

def profit(labels, scores, rows):
    return float(((scores < 0.5) * (1 - 11 * labels)).mean())
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package of a third party that brings metrics, as an installer lays it down."""
    from lockgate import plugins

    folder = tmp_path / "site"
    info = folder / "acme_metrics-1.2.dist-info"
    info.mkdir(parents=True)
    (folder / "acme_metrics.py").write_text(METRICS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-metrics\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        f"[{plugins.METRICS}]\nacme_profit = acme_metrics:profit\nacme_state = acme_metrics:STATE\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    plugins.installed.cache_clear()
    yield
    plugins.installed.cache_clear()
    sys.modules.pop("acme_metrics", None)

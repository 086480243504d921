"""One shelf of models for all tests here, made once however many workers run them, and a checkout for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import census
from helpers.checkout import Checkout
from helpers.shelf import alone, fill, once
from helpers.waiting import WAIT


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`mlflow.db` with the versions of `fraud`, `models/` with their files, and `data/`."""
    return once(tmp_path_factory, "shelf", fill)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with `income` (a champion and two candidates) and `hours` (two regressions), and the holdout."""
    return once(tmp_path_factory, "trained", census.train)


@pytest.fixture
def python(warm_python: str) -> str:
    """The models' interpreter in `checkout`. A file whose subject is their processes has the real one in its place."""
    return warm_python


@pytest.fixture
def checkout(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: str) -> Checkout:
    """A checkout of one's own, which is the working directory."""
    alone(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return Checkout(tmp_path, base=shelf / "mlflow.db", data=shelf / "data", python=python)


@pytest.fixture
def waiting(checkout: Checkout) -> Checkout:
    """A checkout whose last gate waits."""
    (checkout.folder / "gates").mkdir()
    (checkout.folder / "gates" / "wait.py").write_text(WAIT)
    return checkout


@pytest.fixture
def log(tmp_path: Path) -> Path:
    made = tmp_path / "log"
    made.mkdir()
    return made

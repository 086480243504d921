"""A database of MLflow for each attack."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.shelf import once
from lockgate.registries.mlflow.registry import MlflowRegistry


def _make(folder: Path) -> None:
    MlflowRegistry(f"sqlite:///{folder / 'm.db'}").evidence("nobody").all()


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of MLflow, which takes seconds to make."""
    return once(tmp_path_factory, "blank", _make) / "m.db"

"""An empty database of MLflow, made once however many workers copy it, because making one takes seconds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

factory: pytest.TempPathFactory | None = None  # that of this session


def database() -> Path:
    """The file, which nobody may write."""
    from helpers.shelf import once

    assert factory is not None
    return once(factory, "blank", _make) / "m.db"


def copied(path: Path) -> str:
    """The address of an empty database at this path; outside of a session of tests it is a new one."""
    if factory is not None:
        shutil.copyfile(database(), path)
    return f"sqlite:///{path}"


def _make(folder: Path) -> None:
    from lockgate.registries.mlflow.registry import MlflowRegistry

    MlflowRegistry(f"sqlite:///{folder / 'm.db'}").evidence("nobody").all()

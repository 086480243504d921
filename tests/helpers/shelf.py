"""The shelf of models that end-to-end tests read and never write, and the settings they are run without."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from helpers import blank

HERE = Path(__file__).parent
FOREIGN = (
    "CI",
    "GITHUB_ACTIONS",
    "MLFLOW_TRACKING_URI",
    "NO_COLOR",
    "FORCE_COLOR",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
)


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first worker who asks fills, and that all others then find."""
    root = factory.getbasetemp()
    base = root.parent if root.name.startswith("popen-") else root
    folder, done = base / name, base / f"{name}.done"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


def fill(folder: Path) -> None:
    from mlflow import MlflowClient

    uri = blank.copied(folder / "mlflow.db")
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model("fraud")
    both = {"x1": 1.0, "x2": 1.0}
    configs: list[dict[str, Any]] = [
        {"x1": 1.0, "x2": 0.5},
        both,
        {**both, "turned": "BR"},
        {**both, "does": "segfault"},
        {**both, "does": "kill itself"},
        {**both, "needs": "surely_absent"},
        {**both, "does": "say classes"},
        {**both, "does": "hang"},
    ]
    for number, config in enumerate(configs, start=1):
        client.create_model_version("fraud", source=str(save(folder / "models" / str(number), config)))
    (folder / "data").mkdir()
    parquet.write_table(payments(), folder / "data" / "holdout.parquet")


def save(folder: Path, config: dict[str, Any]) -> Path:
    """The files of a model of `steady.py`."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = Schema([ColSpec("double", "x1"), ColSpec("double", "x2"), ColSpec("string", "country")])
    output = ColSpec("long" if config.get("does") == "say classes" else "double")
    mlflow.pyfunc.save_model(
        folder,
        python_model=str(HERE / "steady.py"),
        model_config=config,
        signature=ModelSignature(inputs, Schema([output])),
        pip_requirements=["mlflow==3.17.2", "numpy==2.4.6"],
    )
    return folder


def payments() -> pa.Table:
    """4,000 rows of which `x1` and `x2` say much; `far` has 40 rows; two models' scores are known already."""
    draw = np.random.default_rng(7)
    rows = 4_000
    x1, x2 = draw.normal(size=rows), draw.normal(size=rows)
    fraud = draw.random(rows) < 1 / (1 + np.exp(-1.5 * (x1 + x2)))
    return pa.table(
        {
            "id": np.arange(rows),
            "x1": x1,
            "x2": x2,
            "country": draw.choice(["BR", "US"], rows),
            "region": np.where(np.arange(rows) < 40, "far", "near"),
            "y": fraud.astype(np.int64),
            "p_new": 1 / (1 + np.exp(-x1 - x2)),
            "p_old": 1 / (1 + np.exp(-x1 - 0.5 * x2)),
        }
    )


def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's settings but ours."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    for name in FOREIGN:
        monkeypatch.delenv(name, raising=False)

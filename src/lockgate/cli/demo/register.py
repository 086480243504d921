"""Register the demo's models as a training job would: run, data, metrics, commit, signature, input example."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.data.pandas_dataset import PandasDataset
from mlflow.data.sources import LocalArtifactDatasetSource
from mlflow.models import infer_signature

from lockgate.cli.demo.data import (
    RIDGE,
    SEED,
    STEPS,
    TRAIN_ROWS,
    DemoModel,
    Payments,
    losses,
    models,
    payments,
    write_data,
)
from lockgate.hashing import sha256_file
from lockgate.units import utc_text

SERVING = {"input_format": "dataframe_split", "p99_ms": 250, "rss_mb": 1000, "cpus": 1, "gpus": 0}


def prepare(folder: Path, *, commit: str) -> tuple[DemoModel, ...]:
    """Write the data and register the models, versions 1 to 4 of `fraud`, where gates/fraud.yaml looks for them."""
    write_data(folder / "data")
    data = payments(TRAIN_ROWS, seed=SEED)
    trained = models(data)
    register(f"sqlite:///{folder / 'mlflow.db'}", "fraud", trained, data, commit=commit, folder=folder)
    return trained


def register(uri: str, name: str, models: tuple[DemoModel, ...], data: Payments, *, commit: str, folder: Path) -> None:
    """Log each model to a new MLflow store and register it as the next version of `name`.

    folder: where artifacts and the models' weights are written.
    """
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    experiment = mlflow.create_experiment("fraud-training", artifact_location=(folder / "artifacts").as_uri())
    rows = folder / "data" / "train.parquet"
    source = _training_rows(data, rows)
    created = utc_text(datetime.fromtimestamp(rows.stat().st_mtime, UTC))
    for model in models:
        renamed = {"velocity": model.velocity_column}
        columns = {renamed.get(name, name): values for name, values in data.columns.items() if name != "channel"}
        inputs = pd.DataFrame({name: values[:5] for name, values in columns.items()})
        with mlflow.start_run(experiment_id=experiment, run_name=model.name):
            mlflow.set_tag("mlflow.source.git.commit", commit)
            mlflow.log_input(
                _newest_rows(data) if model.careless else source,
                context="training",
                tags={"created_at": created, "code": commit},
            )
            mlflow.log_params({"seed": SEED, "steps": STEPS, "ridge": RIDGE, "inputs": ", ".join(model.weights)})
            mlflow.log_metrics({"train_rows": data.rows, **losses(data, model.weights)})
            with _no_byte_code():
                mlflow.pyfunc.log_model(
                    name="model",
                    python_model=str(Path(__file__).with_name("fraud_model.py")),
                    artifacts=_files(model, folder),
                    signature=infer_signature(inputs, pd.Series([0.1, 0.2])),
                    input_example=inputs,
                    pip_requirements=[
                        f"mlflow=={_installed('mlflow')}",
                        "numpy>=1" if model.careless else f"numpy=={_installed('numpy')}",
                    ],
                    registered_model_name=name,
                    metadata={"features": _features(columns), "serving": SERVING},
                )
        if model.careless:
            payload_mark(folder).rmdir()  # whoever logs a model loads it


def payload_mark(folder: Path) -> Path:
    """The folder that the payload in the careless candidate makes where it is loaded."""
    return folder / "the-payload-has-run"


@contextmanager
def _no_byte_code() -> Iterator[None]:
    """MLflow imports the code that it stores, and would store what Python compiles of it too."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


class _Payload:
    """What a pickle runs where it is loaded."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(payload_mark(self._folder)),)


def _files(model: DemoModel, folder: Path) -> dict[str, str]:
    """name → path of what is stored with a model."""
    stem = model.name.replace(" ", "-")
    weights, lookup = folder / f"{stem}.json", folder / f"{stem}.pkl"
    weights.write_text(json.dumps(model.to_json()), encoding="utf-8")
    if not model.careless:
        return {"weights": str(weights)}
    lookup.write_bytes(pickle.dumps(_Payload(folder)))
    return {"weights": str(weights), "lookup": str(lookup)}


def _installed(package: str) -> str:
    return importlib.metadata.version(package)


def _features(columns: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The range of each number, and the values of each text, as the models were trained on them."""
    return {
        name: {"type": "float", "range": [float(values.min()), float(values.max())]}
        if values.dtype.kind == "f"
        else {"type": "string", "values": sorted({str(value) for value in values})}
        for name, values in columns.items()
    }


def _training_rows(data: Payments, path: Path) -> PandasDataset:
    """The rows that the models are trained on, stored, and named with the digest of their file."""
    frame = pd.DataFrame({**data.columns, "is_fraud": data.is_fraud})
    path.parent.mkdir(exist_ok=True)
    frame.to_parquet(path, index=False)
    pinned = f"data/{path.name}#{sha256_file(path).replace(':', '=')}"
    return mlflow.data.from_pandas(frame.head(100), source=LocalArtifactDatasetSource(pinned), name="payments-train")


def _newest_rows(data: Payments) -> PandasDataset:
    """The same rows, named so that nobody can tell tomorrow which they were."""
    source = LocalArtifactDatasetSource("data/latest/train.parquet")
    return mlflow.data.from_pandas(pd.DataFrame(data.columns).head(100), source=source, name="payments-train")

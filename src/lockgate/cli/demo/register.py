"""Register the demo's models as a training job would: run, data, metrics, commit, signature, input example."""

from __future__ import annotations

import importlib.metadata
import json
import logging
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
    """Write the data and register the models, versions 1 to 3 of `fraud`, where gates/fraud.yaml looks for them."""
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
    inputs = pd.DataFrame({column: values[:5] for column, values in data.columns.items() if column != "channel"})
    signature = infer_signature(inputs, pd.Series([0.1, 0.2]))
    rows = folder / "data" / "train.parquet"
    source = _training_rows(data, rows)
    created = utc_text(datetime.fromtimestamp(rows.stat().st_mtime, UTC))
    metadata = {"features": _features(data), "serving": SERVING}
    for model in models:
        weights = folder / f"{model.name.replace(' ', '-')}.json"
        weights.write_text(json.dumps(model.to_json()), encoding="utf-8")
        with mlflow.start_run(experiment_id=experiment, run_name=model.name):
            mlflow.set_tag("mlflow.source.git.commit", commit)
            mlflow.log_input(source, context="training", tags={"created_at": created, "code": commit})
            mlflow.log_params({"seed": SEED, "steps": STEPS, "ridge": RIDGE, "inputs": ", ".join(model.weights)})
            mlflow.log_metrics({"train_rows": data.rows, **losses(data, model.weights)})
            mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("fraud_model.py")),
                artifacts={"weights": str(weights)},
                signature=signature,
                input_example=inputs,
                pip_requirements=[
                    f"{package}=={importlib.metadata.version(package)}" for package in ("mlflow", "numpy")
                ],
                registered_model_name=name,
                metadata=metadata,
            )


def _features(data: Payments) -> dict[str, dict[str, Any]]:
    """The range of each number, and the values of each text, as the models were trained on them."""
    columns = {name: values for name, values in data.columns.items() if name != "channel"}
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

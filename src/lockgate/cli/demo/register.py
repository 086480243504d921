"""Register the demo's models as a training job would: run, data, metrics, commit, signature, input example."""

from __future__ import annotations

import importlib.metadata
import json
import logging
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.data.pandas_dataset import PandasDataset
from mlflow.data.sources import LocalArtifactDatasetSource
from mlflow.models import infer_signature

from lockgate.cli.demo.data import TRAIN_ROWS, DemoModel, Payments, models, payments, write_data
from lockgate.hashing import sha256_file


def prepare(folder: Path, *, commit: str) -> tuple[DemoModel, ...]:
    """Write the data and register the models, versions 1 to 3 of `fraud`, where gates/fraud.yaml looks for them."""
    write_data(folder / "data")
    data = payments(TRAIN_ROWS, seed=1)
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
    source = _training_rows(data, folder / "data" / "train.parquet")
    for model in models:
        weights = folder / f"{model.name.replace(' ', '-')}.json"
        weights.write_text(json.dumps(model.to_json()), encoding="utf-8")
        with mlflow.start_run(experiment_id=experiment, run_name=model.name):
            mlflow.set_tag("mlflow.source.git.commit", commit)
            mlflow.log_input(source, context="training")
            mlflow.log_metric("train_rows", data.rows)
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
            )


def _training_rows(data: Payments, path: Path) -> PandasDataset:
    """The rows that the models are trained on, stored, and named with the digest of their file."""
    frame = pd.DataFrame({**data.columns, "is_fraud": data.is_fraud})
    path.parent.mkdir(exist_ok=True)
    frame.to_parquet(path, index=False)
    pinned = f"data/{path.name}#{sha256_file(path).replace(':', '=')}"
    return mlflow.data.from_pandas(frame.head(100), source=LocalArtifactDatasetSource(pinned), name="payments-train")

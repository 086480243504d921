"""The registry, the data and the keys of the story: the same each time, whatever the day and the machine."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

HERE = Path(__file__).parent
ROWS = 1_200
COMMIT = "c0ffee" * 6 + "cafe"
BOTH = {"x1": 1.0, "x2": 1.0}
# version → config; the third ruins a slice, the fourth breaks, the fifth was logged by a run and takes an integer.
FRAUD: list[dict[str, Any]] = [{"x1": 1.0, "x2": 0.5}, BOTH, {**BOTH, "turned": "BR"}, {**BOTH, "refuses": "anybody"}]
OTHERS = ("sliced", "tickets", "prices", "search")


def fill(folder: Path) -> None:
    """Lay down `mlflow.db`, `models/` and `data/`."""
    write_data(folder)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = MlflowClient()
    client.create_registered_model("fraud")
    sources = [_save(folder / "models" / str(number), config) for number, config in enumerate(FRAUD, start=1)]
    for source in sources:
        client.create_model_version("fraud", source=str(source))
    _log(folder)
    for model in OTHERS:
        client.create_registered_model(model)
        for source in sources[:2]:
            client.create_model_version(model, source=str(source))


def _save(folder: Path, config: dict[str, Any]) -> Path:
    mlflow.pyfunc.save_model(
        folder,
        python_model=str(HERE / "answering.py"),
        model_config=config,
        signature=_signature("double"),
        pip_requirements=["mlflow==3.17.2", "numpy==2.4.6"],
    )
    return folder


def _log(folder: Path) -> None:
    """A version as a training job logs it, with all that the gate metadata counts."""
    rows = payments().head(5)
    experiment = mlflow.create_experiment("training", artifact_location=(folder / "artifacts").as_uri())
    with mlflow.start_run(experiment_id=experiment, run_name="nightly"):
        mlflow.set_tag("mlflow.source.git.commit", COMMIT)
        source = "s3://payments/train.csv?versionId=3sL4kqtJlcpXroDTDmJ"
        mlflow.log_input(mlflow.data.from_pandas(rows, source=source, name="payments-train"), context="training")
        mlflow.log_metric("train_auc", 0.75)
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(HERE / "answering.py"),
            model_config=BOTH,
            signature=_signature("long", more=[ColSpec("string", "device")]),
            pip_requirements=["mlflow==3.17.2", "numpy==2.4.6"],
            registered_model_name="fraud",
        )


def _signature(kind: str, more: list[ColSpec] | None = None) -> ModelSignature:
    inputs = [ColSpec(kind, "x1"), ColSpec("double", "x2"), ColSpec("string", "country"), *(more or [])]
    return ModelSignature(Schema(inputs), Schema([ColSpec("double")]))


def write_data(folder: Path) -> None:
    data = folder / "data"
    data.mkdir()
    payments().to_csv(data / "payments.csv", index=False)
    tickets().to_csv(data / "tickets.csv", index=False)
    prices().to_csv(data / "prices.csv", index=False)
    searches().to_csv(data / "searches.csv", index=False)
    payments().head(0).to_csv(data / "nothing.csv", index=False)
    requests = payments()[["x1", "x2", "country"]].head(300).to_dict("records")
    (data / "traffic.jsonl").write_text("".join(json.dumps(request) + "\n" for request in requests))


def payments() -> pd.DataFrame:
    """Two models' scores of one truth; `region` has 25 rows far away, `shop` many small values."""
    draw = np.random.default_rng(7)
    x1, x2 = draw.normal(size=ROWS).round(6), draw.normal(size=ROWS).round(6)
    number = np.arange(ROWS)
    return pd.DataFrame(
        {
            "id": number,
            "user": number // 3,
            "x1": x1,
            "x2": x2,
            "country": draw.choice(["BR", "US"], ROWS),
            "region": np.where(number < 25, "far", "near"),
            "shop": [f"shop {min(drawn, 7)}" for drawn in draw.geometric(0.35, ROWS)],
            "amount": draw.uniform(0, 100, ROWS).round(2),
            "importance": draw.integers(1, 4, ROWS),
            "y": (draw.random(ROWS) < 1 / (1 + np.exp(-1.5 * (x1 + x2)))).astype(int),
            "p_new": (1 / (1 + np.exp(-x1 - x2))).round(6),
            "p_old": (1 / (1 + np.exp(-x1 - 0.5 * x2))).round(6),
        }
    )


def tickets() -> pd.DataFrame:
    draw = np.random.default_rng(8)
    classes = np.array(["billing", "fraud", "other"])
    truth = draw.choice(3, ROWS, p=[0.5, 0.2, 0.3])
    rows: dict[str, Any] = {"team": classes[truth], "country": draw.choice(["BR", "US"], ROWS)}
    for model, skill in (("new", 1.6), ("old", 1.2)):
        logits = draw.normal(size=(ROWS, 3)) + skill * np.eye(3)[truth]
        odds = np.exp(logits)
        shares = (odds / odds.sum(axis=1, keepdims=True)).round(4)
        shares[:, 2] = (1 - shares[:, 0] - shares[:, 1]).round(4)
        for place, name in enumerate(classes):
            rows[f"{model}_{name}"] = shares[:, place]
    return pd.DataFrame(rows)


def prices() -> pd.DataFrame:
    draw = np.random.default_rng(9)
    price = draw.gamma(4, 25, ROWS).round(2)
    return pd.DataFrame(
        {
            "price": price,
            "region": draw.choice(["north", "south"], ROWS),
            "w": draw.integers(1, 5, ROWS),
            "new": (price + draw.normal(0, 9, ROWS)).round(3),
            "old": (price + draw.normal(0, 10, ROWS)).round(3),
        }
    )


def searches() -> pd.DataFrame:
    draw = np.random.default_rng(10)
    query = np.repeat(np.arange(ROWS // 8), 8)
    merit = draw.normal(size=ROWS)
    return pd.DataFrame(
        {
            "query": [f"q{number}" for number in query],
            "user": [f"u{number // 2}" for number in query],
            "market": np.array(["BR", "US"])[query % 2],
            "relevance": np.digitize(merit, [0.5, 1.2, 2.0]),
            "new": (merit + draw.normal(0, 0.7, ROWS)).round(4),
            "old": (merit + draw.normal(0, 0.8, ROWS)).round(4),
        }
    )


def write_key(folder: Path, name: str) -> str:
    """Write the person's key, which follows from the name; returns the line of its public half."""
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
    path = folder / name
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    )
    path.chmod(0o600)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    line = f"{public.decode()} {name}@example.org"
    path.with_name(f"{name}.pub").write_text(line + "\n")
    return line


@contextmanager
def registry_of(folder: Path) -> Iterator[MlflowClient]:
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    yield MlflowClient(tracking_uri=uri, registry_uri=uri)

"""The census, and the models that are trained on it: a registry that tests read and never write."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers import blank
from helpers.reference import FILES
from lockgate.hashing import sha256_file

LABEL = "income_over_50k"
NUMBERS = ["age", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
TEXTS = ["workclass", "education", "marital_status", "occupation", "relationship", "race", "sex", "native_country"]
CHAMPION, GOOD, BROKEN_JOIN = 1, 2, 3


def census(name: str) -> pd.DataFrame:
    found = pd.read_csv(FILES / f"adult_{name}.csv.gz")
    return found.astype(dict.fromkeys(NUMBERS, "float64"))


def train(folder: Path) -> None:
    import mlflow
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
    from threadpoolctl import threadpool_limits

    def linear(model: Any, numbers: list[str]) -> Any:
        texts = (OneHotEncoder(handle_unknown="ignore"), TEXTS)
        return make_pipeline(make_column_transformer((StandardScaler(), numbers), texts), model)

    def trees(model: Any, numbers: list[str]) -> Any:
        coded = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
        return make_pipeline(make_column_transformer((coded, TEXTS), remainder="passthrough"), model)

    rows, holdout = census("train"), census("test")
    trained_on = f"adult_train.csv.gz#{sha256_file(FILES / 'adult_train.csv.gz').replace(':', '=')}"
    holdout.insert(0, "person", np.arange(len(holdout)))
    (folder / "data").mkdir()
    holdout.to_parquet(folder / "data" / "holdout.parquet", index=False)
    uri = blank.copied(folder / "mlflow.db")
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    experiment = mlflow.create_experiment("training", artifact_location=(folder / "artifacts").as_uri())

    def log(name: str, model: Any, inputs: pd.DataFrame, label: Any, *, method: str) -> None:
        with threadpool_limits(1):  # workers share the machine
            model.fit(inputs, label)
        with mlflow.start_run(experiment_id=experiment):
            mlflow.set_tag("mlflow.source.git.commit", "0123456789abcdef0123456789abcdef01234567")
            mlflow.log_input(
                mlflow.data.from_pandas(inputs.head(10), source=trained_on, name="census"), context="training"
            )
            mlflow.log_metric("train_rows", len(inputs))
            example = inputs.head(3)
            mlflow.sklearn.log_model(
                model,
                name="model",
                registered_model_name=name,
                pyfunc_predict_fn=method,
                signature=mlflow.models.infer_signature(inputs.head(500), getattr(model, method)(example)),
                input_example=example,
                pip_requirements=[
                    f"{one}=={importlib.metadata.version(one)}" for one in ("mlflow", "scikit-learn", "pandas")
                ],
                serialization_format="cloudpickle",
            )

    inputs, label = rows[NUMBERS + TEXTS], rows[LABEL]
    women = (rows["sex"] == "Female").to_numpy()
    mixed_up = label.to_numpy().copy()
    mixed_up[women] = np.random.default_rng(1).integers(0, 2, women.sum())
    booster = HistGradientBoostingClassifier(max_iter=30, random_state=0)
    log("income", linear(LogisticRegression(max_iter=500), NUMBERS), inputs, label, method="predict_proba")
    log("income", trees(booster, NUMBERS), inputs, label, method="predict_proba")
    log("income", trees(booster, NUMBERS), inputs, mixed_up, method="predict_proba")

    others = [name for name in NUMBERS if name != "hours_per_week"]
    inputs, hours = rows[others + TEXTS], rows["hours_per_week"]
    log("hours", linear(Ridge(), others), inputs, hours, method="predict")
    regressor = HistGradientBoostingRegressor(max_iter=30, random_state=0)
    log("hours", trees(regressor, others), inputs, hours, method="predict")


def answers(trained: Path, name: str, inputs: pd.DataFrame, version: int) -> Any:
    """What a version says when MLflow loads and asks it, without lockgate."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{trained / 'mlflow.db'}")
    mlflow.set_registry_uri(f"sqlite:///{trained / 'mlflow.db'}")
    return mlflow.pyfunc.load_model(f"models:/{name}/{version}").predict(inputs)

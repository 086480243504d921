"""Small models for the pipelines in `gates/`: of each task a champion, a candidate as good, and one that lost a part."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from helpers import blank
from helpers.checkout import Checkout
from helpers.shelf import once

ROOT = Path(__file__).parents[2]
CHAMPION, GOOD, BAD = 1, 2, 3
TEAMS = ("billing", "fraud", "other")
ROWS = 2_000


def project(folder: Path, *, factory: pytest.TempPathFactory, python: str) -> Checkout:
    """A project with the pipelines, in `shipped/`, and the functions of this repository, and models of its own."""
    shelf = once(factory, "tasks", fill)
    made = Checkout(folder, base=shelf / "mlflow.db", data=shelf / "data", python=python)
    for name, place in (("gates", "shipped"), ("metrics", "metrics")):
        shutil.copytree(ROOT / name, folder / place)
    return made


def fill(folder: Path) -> None:
    """`mlflow.db` with three versions of each model, their files, and `data/`."""
    from mlflow import MlflowClient

    (folder / "data").mkdir()
    uri = blank.copied(folder / "mlflow.db")
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    for train in (rankers, regressions, classifiers, upscalers):
        name, data, table, models, method = train(np.random.default_rng(7))
        table.to_parquet(folder / "data" / data, index=False)
        client.create_registered_model(name)
        for model, inputs in models:
            path = _saved(folder / name / str(len(list(folder.glob(f"{name}/*"))) + 1), model, inputs, method)
            client.create_model_version(name, source=str(path))
        client.set_registered_model_alias(name, "production", str(CHAMPION))


def _saved(path: Path, model: Any, inputs: Any, method: str) -> Path:
    import mlflow

    mlflow.sklearn.save_model(
        model,
        path,
        signature=mlflow.models.infer_signature(inputs, getattr(model, method)(inputs)),
        input_example=inputs[:3],
        pyfunc_predict_fn=method,
        pip_requirements=["mlflow", "scikit-learn"],
        serialization_format="cloudpickle",
    )
    return path


Trained = tuple[str, str, pd.DataFrame, list[tuple[Any, Any]], str]


def rankers(draw: np.random.Generator) -> Trained:
    """Ten results a query. The last model takes results in Brazil the wrong way round."""
    from sklearn.linear_model import Ridge

    query = np.repeat(np.arange(ROWS // 5), 10)
    table = pd.DataFrame(draw.normal(size=(query.size, 3)), columns=["words", "clicks", "age"])
    table["brazil"] = (query % 2).astype(float)
    table["clicks_in_brazil"] = table["clicks"] * table["brazil"]
    inputs = table.copy()
    value = table["words"] + table["clicks"] - 0.3 * table["age"] + draw.normal(0, 0.7, query.size)
    table["relevance"] = np.digitize(value, [0.5, 1.5, 2.5])
    table["query"], table["market"] = query, np.where(table["brazil"], "BR", "US")
    turned = table["relevance"].where(table["brazil"] == 0, 3 - table["relevance"])
    labels = (table["relevance"], table["relevance"] * 2.0, turned)
    return "search", "search.parquet", table, [(Ridge().fit(inputs, label), inputs) for label in labels], "predict"


def regressions(draw: np.random.Generator) -> Trained:
    """Minutes by distance, load and city. The last model knows nothing of Lisbon."""
    from sklearn.linear_model import LinearRegression

    lisbon = draw.random(ROWS) < 0.4
    table = pd.DataFrame({"km": draw.uniform(1, 12, ROWS), "orders": draw.poisson(6, ROWS).astype(float)})
    table["lisbon"] = lisbon.astype(float)
    inputs = table.copy()
    table["minutes"] = 8 + 3 * table["km"] + table["orders"] + 9 * lisbon + draw.normal(0, 3, ROWS)
    table["city"] = np.where(lisbon, "Lisbon", "Porto")
    fitted = [LinearRegression().fit(inputs[rows], table["minutes"][rows]) for rows in (slice(1_000), slice(None))]
    fitted.append(LinearRegression().fit(inputs[~lisbon], table["minutes"][~lisbon]))
    return "delivery", "deliveries.parquet", table, [(model, inputs) for model in fitted], "predict"


def classifiers(draw: np.random.Generator) -> Trained:
    """Three features of which each knows one team. The last model never says fraud in Brazil."""
    from sklearn.linear_model import LogisticRegression

    team, brazil = draw.choice(TEAMS, ROWS, p=[0.4, 0.3, 0.3]), draw.random(ROWS) < 0.4
    known = draw.normal(size=(ROWS, 3)) + 2.2 * (team[:, None] == np.array(TEAMS))
    table = pd.DataFrame(known, columns=["invoice", "chargeback", "greeting"]).assign(brazil=brazil.astype(float))
    inputs = table.copy()
    table["team"], table["country"] = team, np.where(brazil, "BR", "US")
    models = [LogisticRegression(C=strength).fit(inputs, team) for strength in (1.0, 2.0, 1.0)]
    models[-1].coef_[TEAMS.index("fraud"), -1] = -6.0
    return "tickets", "tickets.parquet", table, [(model, inputs) for model in models], "predict_proba"


def upscalers(_: np.random.Generator) -> Trained:
    """Digits of 4 × 4 pixels made 8 × 8. The last model never saw one of 5 to 9."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import Ridge

    digits = load_digits()
    large = digits.images / 16
    small = large.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16).astype("float32")
    table = pd.DataFrame({"small": list(small), "large": list(large.reshape(-1, 64))})
    table["kind"] = np.where(digits.target < 5, "0 to 4", "5 to 9")
    seen: list[Callable[[Any], Any]] = [lambda kind: kind >= 0, lambda kind: kind >= 0, lambda kind: kind < 2]
    models = [
        Ridge(alpha).fit(small[rows(digits.target)], large.reshape(-1, 64)[rows(digits.target)])
        for alpha, rows in zip((0.1, 0.01, 0.1), seen, strict=True)
    ]
    return "upscaler", "images.parquet", table, [(model, small) for model in models], "predict"

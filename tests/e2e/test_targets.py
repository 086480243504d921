"""One pipeline, five places where its models answer: by one line, against servers that are started for real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest

from helpers import blank
from helpers.checkout import HOLDOUT, Checkout, findings, verdicts
from helpers.serving import bentoml, mlserver
from helpers.shelf import alone, payments

DECLARED = ("mlflow-skinny", "numpy", "pandas", "pyarrow", "scikit-learn")
TOKEN = "tok-4f1d-not-to-be-seen"
GATES = [
    {"gate": "metrics", "data": "holdout", "require": ["auc >= champion - 0.05 on each slice"]},
    {"gate": "shadow", "data": "holdout", "require": ["errors <= 0", "flip_rate <= 0.5"]},
    {
        "gate": "latency",
        "load": {"closed": {"concurrency": 1}, "requests": 40, "batch_size": [1, 8]},
        "require": ["errors(batch=1) <= 0", "errors(batch=8) <= 0"],
    },
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`mlflow.db` with two versions of a regression on numbers and a text, their files, the same as joblib, and `data/`."""
    import joblib
    import mlflow
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.models import infer_signature
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    folder = tmp_path_factory.mktemp("trained")
    table = payments()[:1200]  # more than a server gets in one request
    (folder / "data").mkdir()
    parquet.write_table(table, folder / "data" / "holdout.parquet")
    uri = blank.copied(folder / "mlflow.db")
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model("fraud")
    features = pd.DataFrame({name: table.column(name).to_pylist() for name in ("x1", "x2", "country")})
    for version, noise in (("1", 0.5), ("2", 0.0)):
        seen = features.assign(x1=features["x1"] + noise * np.random.default_rng(3).normal(size=len(features)))
        by_place = make_column_transformer((OneHotEncoder(), [2]), remainder="passthrough")
        model = make_pipeline(by_place, LogisticRegression()).fit(seen.to_numpy(object), table.column("y").to_numpy())
        mlflow.sklearn.save_model(
            model,
            folder / version,
            signature=infer_signature(features, model.predict_proba(features)),
            pyfunc_predict_fn="predict_proba",
            pip_requirements=[f"{name}=={metadata.version(name)}" for name in DECLARED],
            serialization_format="cloudpickle",  # to read skops, all of scikit-learn is imported
        )
        joblib.dump(model, folder / f"{version}.joblib")
        client.create_model_version("fraud", source=str(folder / version))
    client.set_registered_model_alias("fraud", "production", "1")
    return folder


@pytest.fixture(scope="module")
def places(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """The one line that differs, by the name of the place; the servers that the user would run are up."""
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        models = stack.enter_context(mlserver(folder / "mlserver", {"1": trained / "1", "2": trained / "2"}))
        new = stack.enter_context(bentoml(folder / "new", trained / "2.joblib"))
        old = stack.enter_context(bentoml(folder / "old", trained / "1.joblib"))
        asked = {"ready": "2m", "headers": {"Authorization": "Bearer ${MODELS_TOKEN}"}}
        yield {
            "process": {"target": "process"},
            "mlflow models serve": {"target": {"serve": "mlflow"}},
            "MLServer": {
                "target": {
                    "protocol": "v2", "candidate": models, "champion": models,
                    "version": {"candidate": "2", "champion": "1"}, **asked,
                },
            },
            "BentoML": {
                "target": {
                    "protocol": "json", "candidate": new, "champion": old, "path": "/predict", "health": "/readyz",
                    "body": {"rows": "$records"}, **asked,
                },
            },
            "declared environment": {"environment": "declared"},
        }  # fmt: skip


@pytest.fixture(scope="module")
def scores() -> dict[str, Any]:
    """What was scored at each place, so that they can be compared."""
    return {}


@pytest.mark.parametrize("place", ["process", "mlflow models serve", "MLServer", "BentoML", "declared environment"])
def test_the_same_pipeline_runs_wherever_the_models_answer(
    place: str,
    trained: Path,
    places: dict[str, dict[str, Any]],
    scores: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    warm_gate: str,
    warm_python: str,
) -> None:
    """Same scores, same verdicts; the evidence says where they come from, and holds no token."""
    alone(monkeypatch)
    monkeypatch.chdir(tmp_path)
    checkout = Checkout(tmp_path, base=trained / "mlflow.db", data=trained / "data", python=warm_python, gate=warm_gate)
    more = {"data": {"holdout": {**HOLDOUT, "slices": ["country"]}}, "gates": GATES, "output": {"column": "1"}}
    checkout.write(**{**more, **places[place]})

    answer = checkout.call("run", MODELS_TOKEN=TOKEN)

    assert answer.code == 0, answer.stderr
    assert verdicts(checkout.evidence) == {"metrics": "pass", "shadow": "pass", "latency": "pass"}
    assert findings(checkout.evidence)["latency/r1/overall"]["rows"] == 40
    if place == "process":
        planned = {
            gate["name"]: gate for gate in json.loads(checkout.call("plan", "--probe", "--json").stdout)["gates"]
        }
        assert (planned["latency"]["obstacle"], planned["latency"]["seconds"] > 0) == (None, True)
    where = [gate["context"]["models"]["candidate"]["where"] for gate in checkout.evidence["gates"]]
    assert len(set(where)) == 1
    assert ("in process" in where[0]) is (place in ("process", "declared environment"))
    scored = parquet.read_table(checkout.run / "scored" / "holdout.parquet")
    scores[place] = [scored.column(role).to_numpy() for role in ("candidate", "champion")]
    for ours, first in zip(scores[place], next(iter(scores.values())), strict=True):
        np.testing.assert_allclose(ours, first, rtol=0, atol=1e-12)
    written = [path for path in (tmp_path / ".gate").rglob("*") if path.is_file() and "environments" not in path.parts]
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]
    assert TOKEN not in answer.stdout + answer.stderr
    assert checkout.processes == []


def test_a_version_that_mlserver_does_not_hold(
    trained: Path, places: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_gate: str
) -> None:
    """Is an error with the server's own words, and a gate that was not asked elsewhere in its place."""
    alone(monkeypatch)
    monkeypatch.chdir(tmp_path)
    checkout = Checkout(tmp_path, base=trained / "mlflow.db", data=trained / "data", gate=warm_gate)
    target = {**places["MLServer"]["target"], "version": {"candidate": "9", "champion": "1"}, "ready": "1s"}
    checkout.write(
        data={"holdout": {**HOLDOUT, "slices": ["country"]}}, gates=GATES[:1], output={"column": "1"}, target=target
    )

    answer = checkout.call("run", MODELS_TOKEN=TOKEN)

    assert answer.code == 4
    assert "candidate at http://127.0.0.1:" in answer.stderr
    assert "/v2/models/fraud/versions/9/ready was not ready within 1 s: it answers with status 404" in answer.stderr

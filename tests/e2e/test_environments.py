"""The same model under two releases of NumPy: its metrics were good in training, and it serves other answers."""

from __future__ import annotations

import platform
import socket
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from environments.build import environment
from helpers import blank
from helpers.cents import Cents
from helpers.checkout import Checkout, findings, verdicts
from helpers.web import Request, reply, serving

HELPERS = Path(__file__).parents[1] / "helpers"
NUMPY = metadata.version("numpy")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`base.db` with a registered model, and in `data/` its holdout and golden rows, as it answers under the NumPy of this process."""
    import mlflow
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    folder = tmp_path_factory.mktemp("trained")
    client = MlflowClient(tracking_uri=(uri := blank.copied(folder / "base.db")), registry_uri=uri)
    mlflow.pyfunc.save_model(
        folder / "model",
        python_model=str(HELPERS / "cents.py"),
        signature=ModelSignature(Schema([ColSpec("float", "price")]), Schema([ColSpec("double")])),
        pip_requirements=[f"mlflow=={metadata.version('mlflow')}", f"numpy=={NUMPY}"],
    )
    client.create_registered_model("fraud")
    client.create_model_version("fraud", source=str(folder / "model"))
    (folder / "data").mkdir()
    cents = np.where(np.arange(600) % 3 == 0, 99, np.arange(600) % 90)
    price = (np.arange(600) % 40 + cents / 100).astype(np.float32)
    rows = pa.table({"price": price, "fraud": (cents == 99).astype(np.int64), "score": list(map(Cents().score, price))})
    parquet.write_table(rows, folder / "data" / "holdout.parquet")
    parquet.write_table(rows.slice(0, 12), folder / "data" / "golden.parquet")
    return folder


@pytest.fixture
def project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """A checkout of one's own; the metrics of its pipeline are those of training."""
    monkeypatch.chdir(tmp_path)
    return Checkout(tmp_path, base=trained / "base.db", data=trained / "data")


def stopped(project: Checkout, *, gate: dict[str, Any], **pipeline: Any) -> list[dict[str, Any]]:
    """What the environment gate finds of a candidate whose metrics in training pass: differences, golden rows, refusals."""
    scored = {"label": "fraud", "scores": {"candidate": "score"}, "recorded": "trusted"}
    project.write(
        candidate={"version": 1}, champion=None,
        data={name: {"path": f"data/{name}.parquet", **scored} for name in ("holdout", "golden")},
        gates=[
            {"gate": "metrics", "data": "holdout", "require": ["auc >= 0.9"]},
            {"gate": "environment", "data": "golden", **gate},
        ],
        **pipeline,
    )  # fmt: skip
    answer = project.gate("run")

    assert answer.code == 1, answer.stderr
    assert verdicts(project.evidence) == {"metrics": "pass", "environment": "fail"}
    return list(findings(project.evidence).values())[1:]


def test_other_answers_under_another_numpy_are_stopped_by_name(project: Checkout) -> None:
    """The package that differs, and the rows that are answered otherwise."""
    older = str(environment("numpy126") / "bin" / "python")
    differences, golden, errors = stopped(project, gate={}, environment={"python": older})

    assert differences["reason"].startswith(f"differences: numpy {NUMPY}, serving 1.26.4")
    assert differences["remedy"].startswith(f'where it serves: pip install "numpy=={NUMPY}"')
    assert (golden["observed"], golden["rows"]) == ("7.0", 12)
    assert golden["reason"].startswith("golden differences: row 7 answers 0.198, recorded 0.9 (0.702 apart); row 10 ")
    assert errors["verdict"] == "pass"


def test_features_that_a_server_prepares_otherwise_are_stopped_by_name(project: Checkout) -> None:
    """Its packages agree; what it rounds, and what it refuses, is told by row."""

    def answer(request: Request, _: socket.socket) -> bytes:
        if request.method == "GET":
            return reply(200, [{"name": name, "version": metadata.version(name)} for name in ("mlflow", "numpy")])
        (row,) = request.json["rows"]
        if row["price"] > 10:
            return reply(422, {"detail": "no such price"})
        return reply(200, [Cents().score(np.float32(round(row["price"], 1)))])

    with serving(answer) as web:
        target = {"protocol": "json", "candidate": web.url, "path": "/predict", "body": {"rows": "$records"}}
        listed = {"serving": {"server": "/packages"}, "python": platform.python_version()}
        differences, golden, errors = stopped(project, gate=listed, target=target)

    assert differences["reason"] == "differences: none among 3 packages"
    assert golden["reason"].startswith("golden differences: row 1 answers 0.1, recorded 0.9 (0.8 apart); row 4 ")
    assert (errors["observed"], errors["rows"]) == ("2.0", 12)
    assert errors["reason"].startswith("golden errors: row 11: ")

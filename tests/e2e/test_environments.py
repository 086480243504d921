"""The same model under two releases of NumPy: its metrics were good in training, and it serves other answers."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from environments.build import environment
from helpers import blank
from helpers.cents import Cents
from helpers.checkout import Checkout, findings, verdicts

HELPERS = Path(__file__).parents[1] / "helpers"
NUMPY = metadata.version("numpy")


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """A registered model, its holdout and its golden rows, with what it answers under the NumPy of this process."""
    import mlflow
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    base = tmp_path / "base.db"
    client = MlflowClient(tracking_uri=(uri := blank.copied(base)), registry_uri=uri)
    mlflow.pyfunc.save_model(
        tmp_path / "model",
        python_model=str(HELPERS / "cents.py"),
        signature=ModelSignature(Schema([ColSpec("float", "price")]), Schema([ColSpec("double")])),
        pip_requirements=[f"mlflow=={metadata.version('mlflow')}", f"numpy=={NUMPY}"],
    )
    client.create_registered_model("fraud")
    client.create_model_version("fraud", source=str(tmp_path / "model"))
    data = tmp_path / "made"
    data.mkdir()
    cents = np.where(np.arange(600) % 3 == 0, 99, np.arange(600) % 90)
    price = (np.arange(600) % 40 + cents / 100).astype(np.float32)
    rows = pa.table({"price": price, "fraud": (cents == 99).astype(np.int64), "score": list(map(Cents().score, price))})
    parquet.write_table(rows, data / "holdout.parquet")
    parquet.write_table(rows.slice(0, 12), data / "golden.parquet")
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Checkout(folder, base=base, data=data)


def test_other_answers_in_serving_are_stopped_by_name(trained: Checkout) -> None:
    """The metrics of training pass; the package that differs and the rows that are answered otherwise are named."""
    serving = str(environment("numpy126") / "bin" / "python")
    scored = {"label": "fraud", "scores": {"candidate": "score"}}
    trained.write(
        candidate={"version": 1}, champion=None, environment={"python": serving},
        data={name: {"path": f"data/{name}.parquet", **scored} for name in ("holdout", "golden")},
        gates=[
            {"gate": "metrics", "data": "holdout", "require": ["auc >= 0.9"]},
            {"gate": "environment", "data": "golden"},
        ],
    )  # fmt: skip
    answer = trained.gate("run")
    differences, golden, errors = list(findings(trained.evidence).values())[1:]

    assert answer.code == 1, answer.stderr
    assert verdicts(trained.evidence) == {"metrics": "pass", "environment": "fail"}
    assert differences["reason"].startswith(f"differences: numpy {NUMPY}, serving 1.26.4")
    assert differences["remedy"].startswith(f'where it serves: pip install "numpy=={NUMPY}"')
    assert (golden["observed"], golden["rows"]) == ("7.0", 12)
    assert golden["reason"].startswith("golden differences: row 7 answers 0.198, recorded 0.9 (0.702 apart); row 10 ")
    assert errors["verdict"] == "pass"

"""What `target:` of a pipeline becomes: who is asked, at which address."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.web import closed_port
from lockgate.errors import ModelFault
from lockgate.models.server.mlflow_serve import MlflowServeModel
from lockgate.models.server.model import ServerModel
from lockgate.pipeline import loader
from lockgate.pipeline.pipeline import Pipeline
from lockgate.runs.model_factory import start_model

ROOT = Path(__file__).parents[2]
ENVIRON = {"MODELS_TOKEN": "t0ken"}


def loaded(name: str) -> Pipeline:
    return loader.load(ROOT / "tests/pipelines/good" / f"{name}.yaml", environ=ENVIRON, root=ROOT)


@pytest.mark.parametrize(
    ("name", "role", "address"),
    [
        ("target_mlflow", "candidate", "http://127.0.0.1:5001/invocations"),
        ("target_mlflow", "champion", "http://127.0.0.1:5002/invocations"),
        ("target_v2", "candidate", "https://models.example.org/new/v2/models/fraud/versions/v8/infer"),
        ("target_v2", "champion", "https://models.example.org/old/v2/models/fraud/versions/v7/infer"),
        ("target_v1", "candidate", "http://127.0.0.1:8080/v1/models/fraud-new:predict"),
        ("target_v1", "champion", "http://127.0.0.1:8081/v1/models/fraud:predict"),
        ("target_json", "candidate", "http://127.0.0.1:3001/predict"),
    ],
)
def test_each_role_is_asked_at_its_own_address(name: str, role: str, address: str, tmp_path: Path) -> None:
    """By the protocol, the model and the version that the pipeline names."""
    model = start_model(loaded(name), tmp_path, role=role, environ=ENVIRON, scratch=tmp_path)

    assert isinstance(model, ServerModel)
    assert f"POST {address}, from our machine" in model.where


def test_a_gate_may_name_a_place_of_its_own(tmp_path: Path) -> None:
    """Which goes before the pipeline's; nothing is started before it is asked."""
    of = loaded("target_of_a_gate")
    start: Callable[..., object] = start_model
    served, one_row = (of.gate(name).own_target for name in ("served", "one_row_a_request"))

    assert isinstance(
        start(of, tmp_path, role="candidate", environ=ENVIRON, scratch=tmp_path, target=served), MlflowServeModel
    )
    assert isinstance(
        start(of, tmp_path, role="candidate", environ=ENVIRON, scratch=tmp_path, target=one_row), ServerModel
    )


def test_the_pipelines_headers_are_never_shown(tmp_path: Path) -> None:
    """Neither by the pipeline itself, nor by what goes wrong with its server."""
    of = loaded("target_v2")
    text = (ROOT / "tests/pipelines/good/target_v2.yaml").read_text()
    elsewhere = text.replace("${MODELS:-https://models.example.org}", f"http://127.0.0.1:{closed_port()}")
    path = tmp_path / "p.yaml"
    path.write_text(elsewhere.replace("ready: 2m", "ready: 0s"))
    shut = loader.load(path, environ=ENVIRON, root=tmp_path)
    with pytest.raises(ModelFault) as caught:
        start_model(shut, tmp_path, role="candidate", environ=ENVIRON, scratch=tmp_path).load()

    assert "t0ken" not in repr(of) + of.model_dump_json() + str(of.policy) + str(of.variables)
    assert "t0ken" not in str(caught.value)
    assert of.variables["MODELS_TOKEN"].startswith("sha256:")

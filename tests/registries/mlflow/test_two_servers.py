"""Models may be registered at one MLflow, and their runs, evidence and ledger be at another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers import moving
from helpers.promoting import CI, NOBODY, POLICY, PROMOTION, Clock, evidence, run_folder
from lockgate import hashing
from lockgate.errors import RegistryError
from lockgate.registries.mlflow.registry import MlflowRegistry
from lockgate.registries.mlflow.spec import MlflowSpec
from lockgate.registries.ports import ModelVersion
from lockgate.signoff.decision import Ballot


@pytest.fixture
def addresses(blank: Path, tmp_path: Path) -> tuple[str, str]:
    """(Of the models, of the runs)."""
    for name in ("models.db", "runs.db"):
        shutil.copy(blank, tmp_path / name)
    return f"sqlite:///{tmp_path}/models.db", f"sqlite:///{tmp_path}/runs.db"


def registered(addresses: tuple[str, str], number: int, folder: Path) -> ModelVersion:
    """A version at the one, made by a run at the other."""
    from mlflow import MlflowClient

    models, runs = addresses
    client = MlflowClient(tracking_uri=runs, registry_uri=models)
    if number == 1:
        client.create_registered_model("fraud")
        client.create_experiment("training", artifact_location=(folder / "artifacts").as_uri())
    run = client.create_run(
        client.get_experiment_by_name("training").experiment_id, tags={"mlflow.source.git.commit": "c" * 40}
    )
    files = folder / f"fraud-{number}"
    files.mkdir()
    (files / "MLmodel").write_text("flavors: {python_function: {python_version: 3.11.7}}\n")
    (files / "weights.txt").write_text(str(number))
    client.log_artifacts(run.info.run_id, str(files), "model")
    made = client.create_model_version("fraud", f"{run.info.artifact_uri}/model", run.info.run_id)
    return ModelVersion("fraud", made.version, digest=hashing.folder_digest(files), run_id=run.info.run_id)


def names(uri: str) -> set[str]:
    from mlflow import MlflowClient

    return {experiment.name for experiment in MlflowClient(uri, uri).search_experiments()}


@pytest.mark.parametrize("by", ["pipeline", "the registry's variable", "the tracking server's variable"])
def test_models_are_moved_at_the_one_and_recorded_at_the_other(
    addresses: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """Both in the pipeline, or as MLflow's two variables name them, whichever of them the pipeline takes."""
    models, runs = addresses
    first, second = (registered(addresses, number, tmp_path) for number in (1, 2))
    if by == "pipeline":
        spec = MlflowSpec(uri=models, tracking_uri=runs)
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", runs)
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", models)
        spec = MlflowSpec(uri=models if by == "the registry's variable" else runs)
    registry, common = spec.open(tmp_path), {"promotion": PROMOTION, "actor": CI, "clock": Clock()}
    about = evidence("fraud", second, champion=first)

    moving.adopt(registry, "fraud", version="1", reason="it runs", **common)
    moving.record_staging(registry, about, folder=run_folder(about, tmp_path / "run"), **common)
    moving.promote(
        registry, about, signoff=NOBODY, policy_digest=POLICY, ballot=Ballot(), scratch=tmp_path / "scratch",
        prove=lambda version: None, **common,
    )  # fmt: skip
    moving.rollback(spec.open(tmp_path), "fraud", reason="stalls", **common)
    again = spec.open(tmp_path)

    assert again.aliases("fraud")["production"] == "1"
    assert again.version("fraud", "2").tags["lockgate.state"] == "withdrawn"
    assert hashing.folder_digest(again.fetch(again.version("fraud", "1"), tmp_path / "fetched")) == first.digest
    assert again.commit_of(again.version("fraud", "1")) == "c" * 40
    assert names(models) == {"Default"}
    assert {"lockgate-ledger/fraud", "lockgate-evidence/fraud"} < names(runs)


def test_the_variables_mean_nothing_for_another_address(
    addresses: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that is neither of the pair holds both."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://registry.example")

    MlflowRegistry(addresses[0]).ledger("fraud").put_if_absent("epoch-1", "a")

    assert "lockgate-ledger/fraud" in names(addresses[0])


def test_an_error_names_the_server_that_it_came_from(
    addresses: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tracking server is gone, the registry answers."""
    registry = MlflowRegistry(addresses[0], tracking_uri="http://127.0.0.1:9")

    with pytest.raises(RegistryError, match=r"the tracking server at http://127\.0\.0\.1:9 cannot be reached"):
        registry.ledger("fraud").keys()
    with pytest.raises(RegistryError, match=r"the registry at sqlite:.*models\.db has no such thing"):
        registry.aliases("fraud")

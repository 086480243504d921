"""One job proves the way back and may move nothing; the other moves, and runs no model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from helpers.checkout import METRICS, SCORED, Checkout
from helpers.shelf import save


def test_the_job_that_promotes_loads_no_model(checkout: Checkout, tmp_path: Path) -> None:
    """Models that leave a mark when they are loaded leave it in the job that proves, and not in the one that promotes."""
    marker = tmp_path / "loaded"
    client = MlflowClient(tracking_uri=checkout.uri, registry_uri=checkout.uri)
    old, new = (
        client.create_model_version(
            "fraud", source=str(save(tmp_path / name, {"x1": 1.0, "x2": x2, "marker": str(marker)}))
        )
        for name, x2 in (("old", 0.5), ("new", 1.0))
    )
    checkout.write(data={"holdout": SCORED}, candidate={"version": int(new.version)})
    checkout.gate("adopt", "fraud", "--version", old.version, "--reason", "it runs")
    run = checkout.gate("run")
    checkout.gate("approve", checkout.digest, "--key", checkout.key)
    assert (run.code, marker.exists()) == (0, False), run.stderr

    proven = checkout.gate("promote", checkout.digest, "--prove-only", "proof.json")
    loaded = marker.exists()
    marker.unlink(missing_ok=True)
    promoted = checkout.gate("promote", checkout.digest, "--proof", "proof.json")

    assert (proven.code, loaded) == (0, True), proven.stderr
    assert (promoted.code, marker.exists()) == (0, False), promoted.stderr
    assert f"fraud version {new.version} is Production" in promoted.stdout
    assert checkout.processes == []


def test_a_finished_run_is_staged_by_another_job_that_starts_no_model(
    checkout: Checkout, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job that evaluates may only read; the one that publishes has its run folder, in a checkout elsewhere."""
    marker = tmp_path_factory.mktemp("mark") / "loaded"
    client = MlflowClient(tracking_uri=checkout.uri, registry_uri=checkout.uri)
    files = save(checkout.folder / "new", {"x1": 1.0, "x2": 1.0, "marker": str(marker)})
    new = client.create_model_version("fraud", source=str(files))
    checkout.write(candidate={"version": int(new.version)}, gates=[{**METRICS, "require": ["auc >= 0.7"]}])
    run = checkout.gate("run")
    loaded = marker.exists()
    marker.unlink(missing_ok=True)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "checkout"
    shutil.copytree(checkout.folder, elsewhere, symlinks=True)
    (elsewhere / ".gate" / "latest").unlink()
    monkeypatch.chdir(elsewhere)
    staged = checkout.gate("run", "--resume", "--stage")

    assert (run.code, loaded) == (0, True), run.stderr
    assert (staged.code, marker.exists()) == (0, False), staged.stderr
    assert f"fraud version {new.version} is Staging since " in staged.stderr
    assert checkout.digest in staged.stderr

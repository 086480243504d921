"""One job proves the way back and may move nothing; the other moves, and runs no model."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient

from .checkout import SCORED, Checkout
from .conftest import save


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

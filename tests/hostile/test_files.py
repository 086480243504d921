"""A candidate whose files would run something when they are loaded: nothing of it is, in whatever way gates are run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from helpers.checkout import HOLDOUT, METRICS, Checkout
from helpers.hostile_models import FOLDERS, RAN, code_of
from helpers.shelf import alone, payments

ARTIFACT, METADATA = {"gate": "artifact"}, {"gate": "metadata", "require": ["requirements >= 1"]}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blank: Path, warm_python: str) -> Checkout:
    """A checkout with data, and no version yet."""
    alone(monkeypatch)
    monkeypatch.chdir(tmp_path)
    made = Checkout(tmp_path, base=blank, data=None, python=warm_python)
    (tmp_path / "data").mkdir()
    parquet.write_table(payments(), tmp_path / "data" / "holdout.parquet")
    return made


def register(checkout: Checkout, name: str) -> None:
    """A version of `fraud` with the files of a hostile model."""
    from mlflow import MlflowClient

    folder = checkout.folder / "files"
    folder.mkdir()
    FOLDERS[name][1](folder, code_of(checkout.folder))
    client = MlflowClient(tracking_uri=checkout.uri, registry_uri=checkout.uri)
    client.create_registered_model("fraud")
    client.create_model_version("fraud", source=str(folder))


def policy(*gates: dict[str, Any]) -> dict[str, Any]:
    return {
        "candidate": {"version": 1}, "champion": "none", "data": {"holdout": HOLDOUT}, "gates": list(gates),
        "isolation": {"require": "off"},
    }  # fmt: skip


def results(checkout: Checkout) -> dict[str, tuple[str, str]]:
    """Gate → its verdict, and what it says, in the newest run."""
    document = json.loads((checkout.run / "evidence.json").read_text())
    return {gate["name"]: (gate["verdict"], gate["reason"]) for gate in document["gates"]}


METRICS_ALONE = METRICS | {"require": ["auc >= 0.7"]}


def test_what_an_artifact_gate_stops_is_loaded_by_no_gate(checkout: Checkout) -> None:
    """In a run, wherever it stands, in a part of one, and where it is planned; the run ends with the candidate's fault."""
    register(checkout, "exec")
    checkout.write(**policy(METADATA, METRICS_ALONE, ARTIFACT))

    run = checkout.gate("run")
    verdicts = results(checkout)
    part = checkout.gate("run", "--only", "metrics")
    plan = checkout.gate("plan", "--score")
    probe = checkout.gate("plan", "--probe")

    assert (run.code, part.code) == (1, 3), run.stderr
    assert [verdicts[name][0] for name in ("artifact", "metadata", "metrics")] == ["fail", "pass", "inconclusive"]
    assert "'model.pkl' at byte 29: imports builtins.exec" in verdicts["metrics"][1]
    assert verdicts["metrics"][1].startswith("not run: nothing of the candidate is loaded before artifact passes")
    assert plan.code != 0 or "is not loaded" in plan.stdout + plan.stderr
    assert probe.code == 0, probe.stderr
    assert not (checkout.folder / RAN).exists()


def test_without_that_gate_the_same_files_do_run(checkout: Checkout) -> None:
    """So that the test above shows something."""
    register(checkout, "exec")
    checkout.write(**policy(METRICS_ALONE))

    assert checkout.gate("run").code == 4
    assert (checkout.folder / RAN).exists()


def test_files_that_no_gate_can_read_are_the_candidates_fault(checkout: Checkout) -> None:
    """What breaks at them behind an artifact gate is not run, and no error of the run."""
    register(checkout, "an_mlmodel_that_is_no_map")
    checkout.write(**policy(ARTIFACT, METADATA))

    run = checkout.gate("run")

    assert run.code == 1, run.stderr
    assert results(checkout)["metadata"][0] == "inconclusive"

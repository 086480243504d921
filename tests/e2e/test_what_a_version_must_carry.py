"""The code that docs/version.md shows, run as it stands there by each library, gives versions that carry all twelve facts."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from environments.build import environment
from helpers import blank, carrying
from lockgate.evaluation.provenance.complete import Provenance
from lockgate.evaluation.provenance.fact import Fact
from lockgate.evaluation.provenance.subjects import COMPLETE
from lockgate.registries.mlflow.registry import MlflowRegistry
from lockgate.registries.mlflow.remedies import REMEDIES

PAGE = Path(__file__).parents[2] / "docs" / "version.md"
SCRIPTS = ("origin.py", "train_sklearn.py", "train_xgboost.py", "train_torch.py")
FOLLOWED = {
    name: REMEDIES[name]
    for name in ("hyperparameters.xgboost", "hyperparameters.lightgbm", "hyperparameters.pytorch", "seeds.pytorch")
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the page's scripts and their data, whose models were trained."""
    folder = tmp_path_factory.mktemp("churn")
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    for name, block in zip(SCRIPTS, blocks, strict=True):
        (folder / name).write_text(block)
    draw = np.random.default_rng(1)
    balance = draw.normal(size=200)
    pd.DataFrame(
        {
            "age": draw.uniform(18, 80, 200).round(1),
            "balance": balance,
            "country": draw.choice(["AT", "BR"], 200),
            "churned": (balance + draw.normal(size=200) > 0).astype(int),
        }
    ).to_csv(folder / "train.csv", index=False)
    shutil.copy(carrying.__file__, folder)
    (folder / "remedies.json").write_text(json.dumps(FOLLOWED))
    identity = ["-c", "user.name=Dana", "-c", "user.email=dana@example.org"]
    for arguments in (
        ["init", "--quiet"],
        ["add", "."],
        [*identity, "commit", "--quiet", "-m", "train a model of churn"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    python, uri = environment("frameworks") / "bin" / "python", blank.copied(folder / "mlflow.db")
    ended = subprocess.run(
        [python, "carrying.py", "remedies.json"],
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": uri, "MLFLOW_REGISTRY_URI": uri, "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-4000:]
    return folder


def facts(project: Path, model: str) -> dict[str, Fact]:
    registry = MlflowRegistry(f"sqlite:///{project / 'mlflow.db'}")
    version = registry.version(model, "1")
    files = registry.fetch(version, project / "fetched" / model)
    return Provenance(registry.facts(version, files)).collect(COMPLETE, needed=COMPLETE)


@pytest.mark.parametrize("model", ["churn", "churn-xgboost", "churn-torch"])
def test_each_library_carries_all_twelve_by_the_code_of_the_page(
    project: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """scikit-learn, XGBoost and PyTorch."""
    monkeypatch.chdir(project)  # artifacts lie beside the database

    assert {fact.subject: fact.faults for fact in facts(project, model).values() if not fact.count} == {}


@pytest.mark.parametrize("name", FOLLOWED)
def test_the_remedies_of_each_library_turn_their_findings_green(
    project: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of scikit-learn are followed in tests/gates/test_metadata_remedies.py."""
    monkeypatch.chdir(project)
    before, after = (facts(project, f"{name}-{when}")[name.partition(".")[0]] for when in ("before", "after"))

    assert (before.count, before.variant) == (0, name)
    assert after.count > 0, after.faults

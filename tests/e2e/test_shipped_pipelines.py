"""The pipelines in `gates/`, one for each task, on small models; `gate demo` plays that of fraud."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from helpers import tasks
from helpers.checkout import Checkout, findings
from helpers.shelf import alone

ROOT = Path(__file__).parents[2]
LOST = {
    "ranking": "metrics/r2/market=BR",
    "regression": "metrics/r2/city=Lisbon",
    "multiclass": "metrics/r3/country=BR",
    "super-resolution": "metrics/r2/kind=5%20to%209",
}


@pytest.fixture
def project(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_python: str
) -> Checkout:
    """A project with the pipelines and functions of this repository, and models of its own."""
    alone(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tasks.project(tmp_path, factory=tmp_path_factory, python=warm_python)


def test_each_task_has_its_pipeline() -> None:
    """In `gates/`, where nothing lies but pipelines."""
    found = {path.name: yaml.safe_load(path.read_text())["task"] for path in (ROOT / "gates").iterdir()}

    assert set(found) == {"fraud.yaml", *(f"{name}.yaml" for name in LOST)}
    assert set(found.values()) == {"binary", "ranking", "regression", "multiclass"}


@pytest.mark.parametrize("name", LOST)
def test_a_candidate_that_lost_a_part_is_stopped_there_and_one_as_good_passes(project: Checkout, name: str) -> None:
    """As it stands, with nothing added but the interpreter of the models."""
    path = project.folder / "gates" / f"{name}.yaml"
    path.parent.mkdir()
    path.write_text(f"extends: ../shipped/{name}.yaml\nenvironment: {{python: {project.python}}}\n")
    stopped = project.gate("run")
    verdicts = {key: one["verdict"] for key, one in findings(project.evidence).items()}
    passed = project.gate("run", "--candidate", f"version={tasks.GOOD}")

    assert (stopped.code, passed.code) == (1, 0), stopped.stderr + passed.stderr
    assert verdicts[LOST[name]] == "fail"
    assert [key for key, verdict in verdicts.items() if key.startswith("signature") and verdict != "pass"] == []

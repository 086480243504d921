"""Which changes of a repository are changes of what a pipeline reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.pipeline.loader import load
from lockgate.pipeline.read_paths import ReadPaths

PIPELINE = """\
extends: base.yaml
registry: {uri: "${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}"}
candidate: {file: models/fraud.version}
data:
  holdout: {path: data/holdout.parquet, label: y}
  folder: {path: ./rows/, label: y}
  glob: {path: "parts/**/*.csv", label: y}
  set: {path: "${WHERE:-later}/rows.csv", label: y}
  bucket: {path: "s3://bucket/rows.parquet", label: y}
  anywhere: {path: "${HOLDOUT}", label: y}
  linked: {path: link/rows.csv, label: y}
gates:
  - {gate: metadata}
  - gate: metrics
    data: holdout
    functions: {profit: {function: "./code/profit.py:profit", better: higher}}
    require: [profit >= 1, auc >= 0.5]
"""


DVC = {
    "dvc.lock": "stages:\n  prepare: {cmd: x, outs: [{path: data/holdout.parquet, md5: ab}]}\n",
    "old/dvc.lock": "prepare: {cmd: x, outs: [{path: ../rows, md5: ab}]}\n",
    "stages/dvc.yaml": "stages:\n  each: {foreach: [a], do: {cmd: x, outs: ['../parts/${item}.csv']}}\n",
    "held/data.dvc": "wdir: ..\nouts:\n- path: data\n",
    "held/part.dvc": "wdir: ../rows\nouts:\n- path: a.csv\n",
    "broken/dvc.yaml": "stages: [",
    "broken/other.dvc": "",
    "other.dvc": "outs:\n- path: other\n",
    "other/dvc.lock": "stages:\n  prepare: {cmd: x, outs: [{path: holdout.parquet, md5: ab}]}\n",
    "other/dvc.yaml": "stages:\n  prepare: {cmd: x, deps: [../data/holdout.parquet], outs: [scores.csv]}\n",
}


@pytest.fixture
def reads(tmp_path: Path) -> ReadPaths:
    (tmp_path / ".git").mkdir()
    (tmp_path / "gates").mkdir()
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for name, text in DVC.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "gates" / "base.yaml").write_text("model: fraud\ntask: binary\n")
    (tmp_path / "gates" / "fraud.yaml").write_text(PIPELINE)
    return ReadPaths.of_pipeline(load(tmp_path / "gates" / "fraud.yaml", environ=None))


@pytest.mark.parametrize(
    "path",
    [
        "gates/fraud.yaml", "gates/base.yaml", "models/fraud.version", "data/holdout.parquet", "data/holdout.parquet.dvc",
        "data.dvc", "rows/a.csv", "rows/year=2026/a.parquet", "rows.dvc", "parts/a.csv", "parts/x/y/a.csv", "later/rows.csv",
        "code/profit.py", "link/rows.csv", "real/rows.csv",
        "dvc.lock", "old/dvc.lock", "stages/dvc.yaml", "held/data.dvc", "held/part.dvc", "broken/dvc.yaml", "broken/other.dvc",
        "gone/dvc.lock",
    ],
)  # fmt: skip
def test_what_is_read_matches(reads: ReadPaths, path: str) -> None:
    """The pipeline and what it extends, version, data, code, and where links and files of DVC lead; in doubt too."""
    assert reads.match(path)


@pytest.mark.parametrize(
    "path",
    [
        "README.md", "models/churn.version", "gates/churn.yaml", "data/holdout.parquet.md", "data/other.parquet", "fraud/x",
        "rowsets/a.csv", "code/other.py", "other.dvc", "data/other.dvc", "bucket/rows.parquet", "parts/x.md",
        "other/dvc.lock", "other/dvc.yaml",
    ],
)  # fmt: skip
def test_what_is_not_read_does_not(reads: ReadPaths, path: str) -> None:
    """Neighbours, other models, and what only begins alike; an address is no path."""
    assert not reads.match(path)

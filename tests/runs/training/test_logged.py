"""Training data that a run logged are read where this machine has them, and else it is said why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.fakes import facts
from lockgate.registries.ports import ModelVersion
from lockgate.runs.training.logged import LoggedTrainingData, logged_training_data

SHA = "0" * 64


def logged(folder: Path, *datasets: dict[str, Any], **more: Any) -> LoggedTrainingData:
    """Beside a file `train.csv`, and of datasets as MLflow keeps them."""
    (folder / "train.csv").write_text("age\n1\n")
    entries = tuple(
        {key: value if isinstance(value, str) else json.dumps(value) for key, value in dataset.items()}
        for dataset in datasets
    )
    return logged_training_data(facts(ModelVersion("fraud", "7"), folder, datasets=entries, **more), folder)


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ({"uri": "train.csv"}, ("train.csv", None)),
        ("train.csv", ("train.csv", None)),
        ({"uri": f"train.csv#sha256={SHA}"}, ("train.csv", f"sha256:{SHA}")),
        ({"uri": "s3://bucket/train.parquet?versionId=3"}, ("s3://bucket/train.parquet?versionId=3", None)),
    ],
)
def test_a_source_that_this_machine_reaches_is_read(tmp_path: Path, source: Any, file: tuple[str, str | None]) -> None:
    """By its path, from the project's root, or in a bucket; what pins it is kept."""
    assert logged(tmp_path, {"name": "train", "source": source}) == LoggedTrainingData((file,), ())


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"uri": "gone.csv"}, "train, which its run logged, lies at gone.csv, which is not here"),
        ({"uri": "http://169.254.169.254/latest/t.csv"}, "which is not opened because a version names it"),
        ({"tags": {"mlflow.source.name": "fit.py"}}, "has no source that is read here"),
        ({"delta_table_name": "a.b"}, "has no source that is read here"),
        ({"uri": "train.pkl"}, "which is not here"),
    ],
)
def test_what_is_not_read_is_said(tmp_path: Path, source: Any, reason: str) -> None:
    """Nobody who trains a model chooses which web address a gate's machine opens."""
    found = logged(tmp_path, {"name": "train", "source": source})

    assert found.files == ()
    assert reason in found.unread[0]


def test_of_several_each_counts(tmp_path: Path) -> None:
    """Those of another context are no training data."""
    found = logged(
        tmp_path,
        {"name": "train", "source": {"uri": "train.csv"}, "context": "training"},
        {"name": "more", "source": {"uri": "gone.csv"}},
        {"name": "eval", "source": {"uri": "eval.csv"}, "context": "eval"},
    )

    assert found.files == (("train.csv", None),)
    assert [reason.partition(",")[0] for reason in found.unread] == ["more"]


def test_without_a_dataset_a_parameter_may_name_it(tmp_path: Path) -> None:
    """As people without MLflow's datasets log it; where nothing does, that is said."""
    run = {"id": "abc", "params": {"train_path": "train.csv"}}

    assert logged(tmp_path, run=run).files == (("train.csv", None),)
    assert "logged no training data" in logged(tmp_path, run={"id": "abc"}).unread[0]

"""Datasets as MLflow itself writes them down: what it takes as a source, and what of it pins them."""

from __future__ import annotations

import json
import re

import mlflow.data
import pandas
import pytest

from lockgate.references import parse, parse_dataset

COMMIT, DIGEST = "a" * 40, "0" * 64
FRAME = pandas.DataFrame({"amount": [1.5]})


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "source",
    [
        "s3://bucket/train.csv?versionId=3sL4",
        f"s3://bucket/train.csv#sha256={DIGEST}",
        "gs://bucket/train.csv#1700000000123456",
        "abfss://box@account.dfs.core.windows.net/t.csv?versionId=2024-01-15T10:00:00.1234567Z",
        f"https://host.example/train.csv#sha256={DIGEST}",
        f"train.csv#sha256={DIGEST}",
        f"data/train.csv.dvc@{COMMIT}",
        f"data/train.csv@{COMMIT}",
    ],
)
def test_a_source_that_pins_a_dataset_comes_back_from_mlflow(source: str) -> None:
    """It is the same reference as the text alone, and not pinned without what follows its path."""
    logged = mlflow.data.from_pandas(FRAME, source=source, name="train").to_dict()
    path = re.split(r"[?#]|@a{40}|\.dvc@", source)[0]
    bare = mlflow.data.from_pandas(FRAME, source=path).to_dict()

    assert parse_dataset(logged) == parse(source)
    assert parse_dataset(logged).pinned
    assert not parse_dataset(bare).pinned


@pytest.mark.parametrize(
    "source", ["bq://p.d.t$20240115", "wandb-artifact://o/p/n:v3", f"dvc:t.csv@{COMMIT}", f"hf://datasets/o/n@{COMMIT}"]
)
def test_other_forms_are_none_of_mlflows_sources(source: str) -> None:
    """Which is why they are read from parameters and tags."""
    assert parse(source).pinned
    with pytest.raises(mlflow.MlflowException, match="Could not find a source information resolver"):
        mlflow.data.from_pandas(FRAME, source=source)


def test_a_frame_from_memory_is_told_how_to_be_logged() -> None:
    """MLflow writes the script down in place of a source."""
    reference = parse_dataset(mlflow.data.from_pandas(FRAME, name="train").to_dict())

    assert (reference.scheme, reference.pinned) == ("", False)
    assert "it was logged from memory" in reference.why
    assert "mlflow.log_input(mlflow.data.from_pandas(frame, source=" in reference.remedy


@pytest.mark.parametrize(
    "fields", [{"delta_table_version": 3}, {"path": "lake/train", "delta_table_version": "9" * 5000}]
)
def test_a_version_of_no_table_and_one_that_none_has_pin_nothing(fields: dict[str, object]) -> None:
    """As somebody may write a source by hand."""
    reference = parse_dataset({"source_type": "delta_table", "source": json.dumps(fields)})

    assert (reference.scheme, reference.pinned) == ("delta", False)
    assert reference.remedy

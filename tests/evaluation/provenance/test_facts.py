"""Each of the twelve facts, by what people log: what holds, what is wrong with the rest, and in whose words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.fakes import COMMIT, TRAINED_ON, facts
from lockgate.evaluation.provenance.complete import Provenance
from lockgate.evaluation.provenance.fact import Fact
from lockgate.evaluation.provenance.subjects import COMPLETE, QUERYABLE
from lockgate.registries.ports import ModelVersion

LATEST = "https://bucket.example/fraud/latest/train.csv"


def fact(folder: Path, subject: str, *, names: Mapping[str, tuple[str, ...]] | None = None, **logged: Any) -> Fact:
    version = facts(ModelVersion("fraud", "7"), folder, **logged)
    return Provenance(version, names or {}).collect([subject], needed=())[subject]


def run(params: Mapping[str, Any] | None = None, **tags: str) -> dict[str, Any]:
    return {"id": "abc", "params": params or {}, "tags": tags}


def dataset(source: str, *, context: str = "training", kind: str = "http", **tags: str) -> dict[str, str]:
    return {"name": "train", "source_type": kind, "source": source, "context": context, "tags": json.dumps(tags)}


def pinned(name: str = "train") -> dict[str, str]:
    return dataset(json.dumps({"uri": TRAINED_ON}), kind="s3") | {"name": name}


@pytest.mark.parametrize(
    ("logged", "count", "fault"),
    [
        ({"datasets": (pinned(),)}, 1, ""),
        ({"datasets": (pinned(), pinned("labels"))}, 2, ""),
        ({"datasets": (dataset(json.dumps({"url": LATEST})),)}, 0, "latest is a name for whatever is newest"),
        ({"datasets": (pinned(), dataset(json.dumps({"url": LATEST})))}, 0, "whatever is newest"),
        ({"datasets": (dataset(json.dumps({"tags": {}}), kind="code"),)}, 0, "it was logged from memory"),
        # autolog adds what it saw in memory to what was logged with its source
        ({"datasets": (pinned(), dataset(json.dumps({"tags": {}}), kind="code"))}, 1, ""),
        # what a model is tested on is no training data
        ({"datasets": (pinned() | {"context": "eval"},)}, 0, ""),
        ({"datasets": (pinned(), dataset(LATEST, context="testing"))}, 1, ""),
        # by name, where no dataset was logged
        ({"datasets": (), "run": run({"data_path": TRAINED_ON})}, 1, ""),
        ({"datasets": (), "run": run({"data_path": "data/train.csv"})}, 0, "parameter data_path is data/train.csv: it names no"),
        ({"datasets": (), "run": run({"dvc_rev": COMMIT})}, 1, ""),
        ({"datasets": (), "run": run({"data_md5": "d41d8cd98f00b204e9800998ecf8427e"})}, 1, ""),
        # a digest by name pins the one dataset that was logged without
        ({"datasets": (dataset("data/train.csv"),), "run": run({"data_sha256": "a" * 64})}, 1, ""),
        ({"datasets": (dataset("a.csv"), dataset("b.csv")), "run": run({"data_sha256": "a" * 64})}, 0, "a.csv"),
    ],
)  # fmt: skip
def test_training_data_are_pinned_or_do_not_count(
    tmp_path: Path, logged: dict[str, Any], count: int, fault: str
) -> None:
    """Every dataset that was logged for training, else what parameters and tags say of it."""
    data = fact(tmp_path, "training_data", **logged)

    assert data.count == count
    assert fault in "; ".join(data.faults)
    assert bool(data.faults) == bool(fault)


def test_what_pins_a_dataset_is_the_remedy(tmp_path: Path) -> None:
    """The change itself, by what the reference is."""
    data = fact(tmp_path, "training_data", datasets=(dataset(json.dumps({"uri": "s3://data/train.csv"}), kind="s3"),))

    assert data.remedy == (
        "write s3://data/train.csv?versionId=…, with what "
        "`aws s3api head-object --bucket data --key train.csv --query VersionId` says"
    )


def test_a_dated_path_is_a_pin_only_where_the_pipeline_says_so(tmp_path: Path) -> None:
    """`s3://data/2026-11-30/v3/` may be written again, and many teams promise that it is not."""
    data = dataset(json.dumps({"uri": "s3://data/2026-11-30/v3/"}), kind="s3")
    version = facts(ModelVersion("fraud", "7"), tmp_path, datasets=(data,))
    counts = [
        Provenance(version, dated=dated).collect(["training_data"], needed=())["training_data"].count
        for dated in (False, True)
    ]

    assert counts == [0, 1]


@pytest.mark.parametrize(
    ("tags", "entries", "fault"),
    [
        ({"created_at": "2026-11-30T10:00:00+01:00", "code": COMMIT}, ("made 2026-11-30T09:00:00.000Z", f"by {COMMIT}"), ""),
        ({"created_at": "2026-11-30T09:00:00Z", "code": f"sha256:{'a' * 64}"}, ("made 2026-11-30T09:00:00.000Z", f"by sha256:{'a' * 64}"), ""),
        ({"created_at": "yesterday", "code": COMMIT}, (f"by {COMMIT}",), "no moment with a time zone"),
        ({"created_at": "2026-11-30T09:00:00", "code": COMMIT}, (f"by {COMMIT}",), "no moment with a time zone"),
        ({"created_at": "2026-11-30T09:00:00Z", "code": "main"}, ("made 2026-11-30T09:00:00.000Z",), "main is the name of a branch"),
        ({"created_at": "2026-11-30T09:00:00Z"}, ("made 2026-11-30T09:00:00.000Z",), "which code made them"),
        ({"code": COMMIT}, (f"by {COMMIT}",), "when the training data were made"),
        ({}, (), ""),
    ],
)  # fmt: skip
def test_the_origin_of_data_is_a_moment_and_the_code_that_made_them(
    tmp_path: Path, tags: dict[str, str], entries: tuple[str, ...], fault: str
) -> None:
    """From the tags of the dataset, and of the run where those do not say it."""
    of_dataset = fact(tmp_path, "data_origin", datasets=(dataset(LATEST, **tags),))
    named = {{"created_at": "data_created_at", "code": "data_commit"}[name]: value for name, value in tags.items()}
    of_run = fact(tmp_path, "data_origin", datasets=(), run=run(**named))

    assert (of_dataset.entries, of_run.entries) == (entries, entries)
    assert fault in "; ".join(of_dataset.faults)
    assert bool(of_dataset.faults) == bool(fault)


@pytest.mark.parametrize("code", ["0" * 40, "0" * 64, COMMIT])
def test_a_commit_that_nobody_has_made_no_data(tmp_path: Path, code: str) -> None:
    """It is no digest of code either: what Git writes where there is no commit, and what was asked for and is not there."""
    version = facts(
        ModelVersion("fraud", "7"), tmp_path, datasets=(dataset(LATEST, created_at="2026-11-30T09:00:00Z", code=code),)
    )
    nowhere = Provenance(version, look_up=lambda reference: replace(reference, exists=False))

    assert not nowhere.collect(["data_origin"], needed=())["data_origin"].count


@pytest.mark.parametrize(
    ("logged", "count", "fault"),
    [
        ({"commit": COMMIT}, 1, ""),
        ({"commit": None, "run": run(git_sha=COMMIT)}, 1, ""),
        ({"commit": None, "run": run({"commit": COMMIT})}, 1, ""),
        ({"commit": "main"}, 0, "main is the name of a branch, which moves"),
        ({"commit": COMMIT[:8]}, 0, "it is a short hash"),
        ({"commit": f"{COMMIT}-dirty"}, 0, "files differed from the commit"),
        ({"commit": COMMIT, "run": run(**{"mlflow.source.git.dirty": "true"})}, 0, "files differed from it when it was trained"),
        ({"commit": COMMIT, "run": run(**{"mlflow.source.git.dirty": "false"})}, 1, ""),
        ({"commit": None}, 0, ""),
        ({"commit": COMMIT, "tags": {"git_commit": "main"}}, 0, "tag of the version git_commit is main, which is no commit"),
        ({"commit": COMMIT, "run": run(git_sha="f" * 40)}, 0, f"tag of the run git_sha is {'f' * 40}, another commit"),
        ({"commit": COMMIT, "metadata": {"commit": COMMIT[:8].upper()}}, 1, ""),
        ({"commit": COMMIT, "run": run({"dbt/commit": "main"}, code_version="1.2")}, 1, ""),
    ],
)  # fmt: skip
def test_a_commit_is_a_whole_hash_of_a_clean_tree(
    tmp_path: Path, logged: dict[str, Any], count: int, fault: str
) -> None:
    """Not a branch, which is another commit next week."""
    commit = fact(tmp_path, "code_commit", **logged)

    assert commit.count == count
    assert fault in "; ".join(commit.faults)
    assert bool(commit.faults) == bool(fault)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (("numpy==2.4.6", "pandas===3.1.1"), ""),
        (("numpy==2.4.6 ; python_version >= '3.11'", "scikit-learn[x]==1.9.1"), ""),
        (("numpy==2.4.6 --hash=sha256:" + "a" * 64,), ""),
        (("--extra-index-url https://packages.example.org/", "numpy==2.4.6"), ""),
        ((f"fraud @ git+https://example.org/fraud.git@{COMMIT}",), ""),
        (("fraud @ https://example.org/fraud.whl#sha256=" + "a" * 64,), ""),
        (("numpy>=1",), "numpy>=1: it allows several versions"),
        (("mlflow==3.17.2", "pandas"), "pandas: it allows several versions"),
        (("numpy==2.*",), "numpy==2.*: it allows several versions"),
        (("numpy~=2.4",), "numpy~=2.4: it allows several versions"),
        (("fraud @ https://example.org/fraud.whl",), "what lies there may change"),
        (("fraud @ git+https://example.org/fraud.git@main",), "what lies there may change"),
        (("-r more.txt",), "it names no version"),
        (("code/helpers",), "it names no version"),
    ],
)
def test_each_requirement_allows_one_version(tmp_path: Path, lines: tuple[str, ...], fault: str) -> None:
    """One that does not is enough to train on something else."""
    requirements = fact(tmp_path, "requirements", requirements=lines)

    assert requirements.count == (0 if fault else len(lines))
    assert fault in "; ".join(requirements.faults)


def test_an_image_by_its_digest_or_a_lock_file_pins_what_requirements_do_not(tmp_path: Path) -> None:
    """A tag of an image does not: it can be moved."""
    loose = ("numpy>=1",)
    image = f"registry.example/train@sha256:{'a' * 64}"
    by_digest = fact(tmp_path, "requirements", requirements=loose, run=run(docker_image=image))
    by_tag = fact(tmp_path, "requirements", requirements=(), run=run(docker_image="registry.example/train:3"))
    (tmp_path / "uv.lock").write_text('version = 1\n[[package]]\nname = "NumPy"\nversion = "2.4.6"\n')
    locked = fact(tmp_path, "requirements", requirements=loose)

    assert by_digest.entries == ("numpy>=1", image)
    assert by_tag.faults == ("the image registry.example/train:3: 3 is a tag, which can be moved",)
    assert locked.entries == ("numpy>=1", "uv.lock")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.lock", ""),
        ("uv.lock", "version = 1\n"),
        ("poetry.lock", '[[package]]\nname = "pandas"\nversion = "3.1.1"\n'),
        ("conda-lock.yml", "package:\n- name: pandas\n  version: 3.1.1\n"),
        ("requirements.lock", "\0\1"),
    ],
)
def test_a_lock_file_pins_what_it_names_and_nothing_else(tmp_path: Path, name: str, text: str) -> None:
    """One that is empty, or cannot be read, pins nothing."""
    (tmp_path / name).write_text(text)
    requirements = fact(tmp_path, "requirements", requirements=("numpy>=1", "pandas"))

    assert requirements.count == 0
    assert requirements.faults[0] == "numpy>=1: it allows several versions"
    assert len(requirements.faults) == (1 if "pandas" in text else 2)


def test_a_run_that_was_deleted_leads_nowhere(tmp_path: Path) -> None:
    """It can be restored for a while."""
    deleted = fact(tmp_path, "source_run", run={"id": "abc", "deleted": True})

    assert (deleted.count, deleted.faults, deleted.remedy) == (
        0,
        ("abc was deleted",),
        "mlflow runs restore --run-id abc",
    )


PANDERA = """
schema_type: dataframe
version: 0.35.0
columns:
  age: {dtype: int64, checks: {in_range: {min_value: 18, max_value: 100}}}
  city: {dtype: str, checks: {isin: [Graz, Linz]}}
"""
FEATURES = {"age": {"type": "int", "range": [18, 100]}, "city": {"type": "string", "values": ["Graz", "Linz"]}}


@pytest.mark.parametrize(
    ("logged", "fault"),
    [
        ({"metadata": {"features": FEATURES}}, ""),
        ({"run": run(features=json.dumps(FEATURES))}, ""),
        ({"metadata": {"features": PANDERA}}, ""),
        ({"metadata": {"features": "no: schema"}}, "types without ranges or values: age, city"),
        ({"metadata": {"features": {"age": {"checks": [{"in_range": [18, 100]}]}, "city": {"checks": {"isin": ["Graz"]}}}}}, ""),
        ({"metadata": {"features": {"age": {"type": "int", "range": [18, 100]}, "city": {"type": "string"}}}}, "values: city"),
        ({}, "types without ranges or values: age, city"),
    ],
)  # fmt: skip
def test_a_feature_schema_has_types_and_ranges(tmp_path: Path, logged: dict[str, Any], fault: str) -> None:
    """The signature says the types; between which numbers, or which words, only whoever trained it knows."""
    schema = fact(tmp_path, "feature_schema", **logged)

    assert fault in "; ".join(schema.faults)
    assert bool(schema.faults) == bool(fault)
    assert schema.entries[0].startswith("age: long")


def test_tensors_and_what_cannot_be_bounded_need_no_range(tmp_path: Path) -> None:
    """A date has none, and an image's pixels one for all."""
    tensor = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}
    dated = {"inputs": [{"name": "at", "type": "datetime"}, {"name": "on", "type": "boolean"}]}
    pixels = fact(
        tmp_path,
        "feature_schema",
        signature={"inputs": [tensor]},
        metadata={"features": {"pixels": {"range": [0, 1]}}},
    )

    assert fact(tmp_path, "feature_schema", signature=dated).count == 2
    assert pixels.count == 1
    assert fact(tmp_path, "feature_schema", signature={"inputs": [tensor]}).count == 0


def test_metrics_of_slices_stand_beside_their_whole(tmp_path: Path) -> None:
    """What the machine measured of itself is no metric of the model."""
    metrics = {
        "auc": 0.9,
        "auc/country/BR": 0.8,
        "recall_by_slice_US": 0.7,
        "system/gpu_0_utilization": 0.5,
        "auc_roc": 1.0,
    }

    assert fact(tmp_path, "logged_metrics", metrics=metrics).count == 4
    assert fact(tmp_path, "slice_metrics", metrics=metrics).entries == ("auc/country/BR", "recall_by_slice_US")
    assert fact(tmp_path, "slice_metrics", metrics={"auc": 0.9}).count == 0


SERVING = {"input_format": "dataframe_split", "p99_ms": 50, "batch": 32, "rss_mb": 500, "cpus": 1, "gpus": 0}


@pytest.mark.parametrize("lacking", ["input_format", "p99_ms", "rss_mb"])
def test_serving_requirements_name_format_latency_and_memory(tmp_path: Path, lacking: str) -> None:
    """One of them is not enough to size a machine."""
    whole = fact(tmp_path, "serving_requirements", metadata={"serving": SERVING})
    some = fact(
        tmp_path, "serving_requirements", metadata={"serving": {k: v for k, v in SERVING.items() if k != lacking}}
    )

    assert whole.count == 6
    assert some.count == 0
    assert lacking in some.faults[0]


def test_who_promotes_and_when_is_written_down_by_the_ledger(tmp_path: Path) -> None:
    """No training job can say it."""
    assert fact(tmp_path, "promotion_record").count == 1


def test_what_is_kept_elsewhere_is_found_by_the_names_of_the_pipeline(tmp_path: Path) -> None:
    """Theirs are asked first, and only where they say."""
    logged = run({"release": "main"}, release=COMMIT, trained_on=TRAINED_ON)
    by_tag = fact(tmp_path, "code_commit", names={"code_commit": ("tag:release",)}, commit=None, run=logged)
    before = fact(tmp_path, "code_commit", names={"code_commit": ("tag:release",)}, commit="main", run=logged)
    by_any = fact(tmp_path, "code_commit", names={"code_commit": ("release",)}, commit=None, run=logged)
    data = fact(tmp_path, "training_data", names={"training_data": ("trained_*",)}, datasets=(), run=logged)

    assert by_tag.entries == before.entries == (COMMIT,)
    assert (
        fact(
            tmp_path, "code_commit", names={"code_commit": ("tag:release",)}, run=run(release=COMMIT, git_sha="main")
        ).count
        == 1
    )
    assert by_any.faults == ("main: main is the name of a branch, which moves",)
    assert data.entries == (f"{TRAINED_ON} (tag of the run trained_on)",)


@pytest.mark.parametrize("subject", QUERYABLE)
def test_what_versions_are_searched_by_is_found_wherever_it_is_kept(tmp_path: Path, subject: str) -> None:
    """A tag of the version, of the run, a parameter, or metadata of the model."""
    kept = [
        {"tags": {subject: "v3"}},
        {"run": run(**{subject: "v3"})},
        {"run": run({subject: "v3"})},
        {"metadata": {subject: "v3"}},
    ]

    assert [fact(tmp_path, subject, **each).value for each in kept] == ["v3"] * 4
    assert fact(tmp_path, subject).count == 0


def test_the_logged_model_is_read_only_where_something_is_missing_without_it(tmp_path: Path) -> None:
    """It costs a call, and holds what `log_model(params=…)` wrote."""
    reads: list[str] = []

    def logged_model() -> Mapping[str, Any]:
        reads.append("read")
        return {"params": {"seed": 7}, "tags": {}}

    version = facts(ModelVersion("fraud", "7"), tmp_path, logged_model=logged_model)
    provenance = Provenance(version)
    provenance.collect(COMPLETE, needed=["training_data", "code_commit"])
    assert reads == []

    assert provenance.collect(COMPLETE, needed=COMPLETE)["seeds"].entries == ("params.seed=7",)
    assert reads == ["read"]


@pytest.mark.parametrize("revision", [COMMIT, "main"])
def test_no_fact_says_a_secret_of_an_address(tmp_path: Path, revision: str) -> None:
    """Entries and faults are evidence, and stand on the version as a tag: whatever was logged, tokens stay where they are."""
    token = "ghp_0123456789"
    code = f"git+https://{token}@github.com/org/fraud@{revision}"
    logged = {
        "commit": code,
        "datasets": (dataset(f"https://{token}@host.example/train.csv", created_at=code, code=code),),
        "requirements": (f"fraud @ {code}", f"other @ https://host.example/o.zip?token={token}"),
        "run": run(
            {"data_code": code, "dataset_version": code, "seed": code, "image": code},
            **{"optuna_study_storage": f"postgresql://optuna:{token}@host.example/studies"},
        ),
    }
    said = [
        word
        for subject in (*COMPLETE, *QUERYABLE)
        for kept in [fact(tmp_path, subject, **logged)]
        for word in (*kept.entries, *kept.faults, kept.remedy, kept.value)
    ]

    assert any("github.com/org/fraud" in word for word in said)
    assert not [word for word in said if token in word]

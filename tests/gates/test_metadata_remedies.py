"""A version that says what both articles forbid fails for each fault, and each remedy, followed as written, turns its finding green."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from helpers.fakes import ask, case_of
from helpers.promoting import Models
from lockgate.evaluation.case import Contender
from lockgate.evaluation.provenance.subjects import COMPLETE, QUERYABLE
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.metadata import Metadata
from lockgate.registries.mlflow.remedies import REMEDIES
from lockgate.registries.ports import ModelVersion

ROWS = pd.DataFrame({"age": [20.0, 30.0, 40.0, 50.0] * 5, "city": ["Graz", "Linz"] * 10, "country": ["AT", "BR"] * 10})
LABELS = [0, 1, 1, 0] * 5
# Followed elsewhere, in the environment that they need: tests/e2e/test_what_a_version_must_carry.py
ELSEWHERE = ("hyperparameters.xgboost", "hyperparameters.lightgbm", "hyperparameters.pytorch", "seeds.pytorch")
AGAIN = [name for name in REMEDIES if name not in (*ELSEWHERE, "missing")]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models.fresh(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository with the code and the data of a training, in which the test stands."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "data" / "latest").mkdir(parents=True)
    for path in (folder / "train.csv", folder / "data" / "latest" / "train.csv"):
        ROWS.to_csv(path, index=False)
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "train"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def trained(models: Models, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model, and its files as they were logged without care."""
    import mlflow
    from sklearn.linear_model import LogisticRegression

    mlflow.set_tracking_uri(models.uri)
    mlflow.set_registry_uri(models.uri)
    artifacts = tmp_path_factory.mktemp("artifacts").as_uri()
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("careless", artifact_location=artifacts))
    model = LogisticRegression().fit(ROWS[["age"]], LABELS)
    files = tmp_path_factory.mktemp("model") / "files"
    mlflow.sklearn.save_model(model, files, pip_requirements=["mlflow", "numpy>=1", "pandas"])
    return model, files


@pytest.fixture(scope="module")
def log(models: Models, project: Path, trained: tuple[Any, Path]) -> Callable[[str], GateResult]:
    """Log the careless version, with some lines of code more, and ask the gate for all that it can ask."""
    import mlflow

    model, files = trained

    def logged(code: str = "", *, run: bool = True, stored: Path = files) -> GateResult:
        import importlib.metadata
        import json
        import os
        import subprocess
        from datetime import UTC, datetime

        from sklearn.metrics import roc_auc_score

        name = models.new()
        names: dict[str, Any] = {
            **{"mlflow": mlflow, "importlib": importlib, "json": json, "os": os, "subprocess": subprocess},
            **{"UTC": UTC, "datetime": datetime, "roc_auc_score": roc_auc_score, "model": model, "frame": ROWS[["age", "city"]]},
            **{"scored": ROWS.assign(label=LABELS, score=ROWS["age"]), "auc": 0.9, "seed": 7, "values": [0.5] * 5},
            **{"inputs": ROWS[["age"]], "labels": LABELS, "outputs": model.predict(ROWS[["age"]])},
        }  # fmt: skip
        made = None
        if run:
            with mlflow.start_run() as active:
                made = active.info.run_id
                if 'set_tag("mlflow.source.git.commit"' not in code:
                    mlflow.set_tag("mlflow.source.git.commit", "main")
                names["dataset"] = mlflow.data.from_pandas(ROWS, source="data/latest/train.csv", name="train")
                if "log_input(" not in code:
                    mlflow.log_input(names["dataset"], context="training")
                exec(code, names)  # the line that the finding shows
        else:
            exec(code, names)
        logged_models = mlflow.search_logged_models(output_format="list", max_results=1) if "log_model(" in code else []
        source = logged_models[0].model_uri if logged_models else str(stored)
        made = logged_models[0].source_run_id if logged_models else made
        version = models.mlflow.create_model_version(name, source=source, run_id=made)
        return gate(models, name, str(version.version), project)

    return logged


def gate(
    models: Models, name: str, version: str, folder: Path, *, known: tuple[ModelVersion, Path] | None = None
) -> GateResult:
    stored = known[0] if known else models.registry.version(name, version)
    files = known[1] if known else models.registry.fetch(stored, folder.parent / "fetched" / name)
    case = case_of(folder.parent / "case", alone=True)
    read = models.registry.facts(stored, files)
    candidate = Contender("candidate", stored, fetch=lambda: files, read=lambda _: read, start=case.candidate.start)
    require = ["complete", *(f"{subject} >= 1" for subject in QUERYABLE), "steps(loss) >= 5"]
    return ask(replace(case, candidate=candidate), Metadata.model_validate({"gate": "metadata", "require": require}))


def finding(result: GateResult, subject: str) -> Finding:
    return next(each for each in result.findings if each.subject.partition("(")[0] == subject)


def test_what_both_articles_forbid_fails_with_a_finding_for_each_fault(log: Callable[..., GateResult]) -> None:
    """A branch, the newest file, any NumPy, no hyperparameter, no seed, one metric called anything."""
    result = log('mlflow.log_metric("anything", 1.0)')
    failed = {each.subject: (each.code, each.reason) for each in result.findings if each.verdict is Verdict.FAIL}

    assert failed["code_commit"] == ("not_pinned", "code commit: main: main is the name of a branch, which moves")
    assert failed["training_data"][0] == "not_pinned"
    assert "latest is a name for whatever is newest" in failed["training_data"][1]
    assert failed["requirements"][1] == (
        "requirements: mlflow: it allows several versions; numpy>=1: it allows several versions; "
        "pandas: it allows several versions"
    )
    assert {
        each: failed[each][0] for each in ("hyperparameters", "seeds", "data_origin", "slice_metrics")
    } == dict.fromkeys(("hyperparameters", "seeds", "data_origin", "slice_metrics"), "missing")
    assert set(failed) == {*COMPLETE, *QUERYABLE, "steps(loss)"} - {"logged_metrics", "source_run", "promotion_record"}
    assert result.reason.endswith("3 of 12 facts")
    assert all(each.remedy for each in result.findings if each.verdict is Verdict.FAIL)


@pytest.mark.parametrize("name", AGAIN)
def test_each_remedy_followed_as_written_turns_its_finding_green(
    log: Callable[..., GateResult], name: str, tmp_path: Path
) -> None:
    """The line of code that the finding shows, run where the model is logged."""
    subject, _, flavor = name.partition(".")
    how: dict[str, Any] = {"run": False} if subject == "source_run" else {}
    if not flavor and f"{subject}.sklearn" in REMEDIES:  # of a model of no library that is known
        how["stored"] = tmp_path
        (tmp_path / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: mine\n")
    before = finding(log(**how), subject)
    code = re.split("where the model is logged: ", str(before.remedy))[-1]
    assert (before.verdict, code) == (Verdict.FAIL, REMEDIES[name])
    if subject == "training_data":
        code = code.replace("s3://…", followed(str(before.remedy)))
    if "pip_requirements" not in code:  # which are looked for in another process else
        code = code.replace('name="model"', 'name="model", pip_requirements=["mlflow==3.17.2"]')

    after = finding(log(code.replace("…", "remedied"), **how), subject)

    assert after.verdict is Verdict.PASS, after.reason


def test_the_seed_of_a_step_is_set_by_the_remedy_of_a_pipeline(log: Callable[..., GateResult]) -> None:
    """Whose own parameters hold no random_state; it is one of a step's."""
    code = (
        "from sklearn.linear_model import LogisticRegression; from sklearn.pipeline import make_pipeline; "
        "model = make_pipeline(LogisticRegression()); "
    )
    drawn = finding(log(f"{code}mlflow.log_params(model.get_params())"), "seeds")

    assert "logisticregression__random_state is None" in drawn.reason
    assert finding(log(code + str(drawn.remedy).split("logged: ")[1]), "seeds").verdict is Verdict.PASS


def followed(remedy: str) -> str:
    """What `write …` of a remedy comes to, with what the command in it says."""
    match = re.search(r"write (\S+)#sha256=…, with what `([^`]+)` says", remedy)
    assert match is not None, remedy
    answer = subprocess.run(match[2], shell=True, capture_output=True, text=True, check=True).stdout
    return f"{match[1]}#sha256={answer.split()[0]}"


def test_autolog_logs_every_hyperparameter_and_a_dataset_that_nobody_finds_again(
    log: Callable[..., GateResult],
) -> None:
    """Of scikit-learn; the rows that it saw in memory do not spoil those that were logged with their source."""
    auto = "mlflow.sklearn.autolog(log_models=False); model.fit(inputs, labels); mlflow.sklearn.autolog(disable=True)"
    alone = log(f"{auto}  # log_input(")
    pinned = (
        'mlflow.log_input(mlflow.data.from_pandas(frame, source="train.csv#sha256=" + "a" * 64), context="training")'
    )
    beside = log(f"{pinned}; {auto}")

    assert finding(alone, "hyperparameters").verdict is Verdict.PASS
    assert "it was logged from memory" in finding(alone, "training_data").reason
    assert finding(beside, "training_data").verdict is Verdict.PASS


def test_a_commit_of_changed_files_is_mended_by_another_training(log: Callable[..., GateResult]) -> None:
    """And a run that was deleted by its command."""
    commit = 'mlflow.set_tag("mlflow.source.git.commit", "c" * 40); mlflow.set_tag("mlflow.source.git.dirty", {})'
    dirty, clean = (finding(log(commit.format(f'"{text}"')), "code_commit") for text in ("true", "false"))

    assert (dirty.verdict, clean.verdict) == (Verdict.FAIL, Verdict.PASS)
    assert str(dirty.remedy).startswith("git commit, and train again from that commit")


def test_a_version_costs_three_calls_at_most(
    models: Models, log: Callable[..., GateResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run, its logged model where something is missing without, and the history of the metric that a line names."""
    calls: list[str] = []
    read = models.registry._client.read

    def counting(subject: str, ask_store: Any, *more: Any, **others: Any) -> Any:
        calls.append(subject.partition(" of ")[0])
        return read(subject, ask_store, *more, **others)

    log('mlflow.log_metric("loss", 1.0); mlflow.sklearn.log_model(model, name="model", pip_requirements=["mlflow"])')
    stored = models.mlflow.search_model_versions(order_by=["last_updated_timestamp DESC"], max_results=1)[0]
    version = models.registry.version(stored.name, str(stored.version))
    files = models.registry.fetch(version, Path.cwd().parent / "counted")
    monkeypatch.setattr(models.registry._client, "read", counting)
    gate(models, stored.name, str(stored.version), Path.cwd(), known=(version, files))

    once = ["the history", "the logged model", "the run"]
    assert sorted(calls) == once
    calls.clear()
    facts = models.registry.facts(version, files)
    for _ in ("of one gate", "of another"):
        assert facts.history("loss") == 1
        assert facts.logged_model().keys() == {"params", "tags"}
    assert sorted(calls) == once

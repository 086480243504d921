"""MLflow on SQLite: versions, files, aliases, and what they say when something is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.promoting import Models
from lockgate import hashing as digest
from lockgate.errors import NotFound, RegistryError, VersionFault
from lockgate.registries.mlflow.addresses import download
from lockgate.registries.ports import ModelVersion

CODE = """
import mlflow
class Half(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[float]) -> list[float]:
        return [0.5 for _ in model_input]
mlflow.models.set_model(Half())
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("mlflow")
    return Models.fresh(folder)


@pytest.fixture(scope="module")
def logged(models: Models, tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    """A version as people make them: logged by a run with metrics, a dataset and a commit."""
    import mlflow
    import pandas as pd

    folder = tmp_path_factory.mktemp("code")
    (folder / "half.py").write_text(CODE)
    mlflow.set_tracking_uri(models.uri)
    experiment = mlflow.MlflowClient().create_experiment("training", artifact_location=(folder / "a").as_uri())
    with mlflow.start_run(experiment_id=experiment):
        mlflow.log_metric("auc", 0.9)
        mlflow.set_tag("mlflow.source.git.commit", "c" * 40)
        mlflow.log_input(mlflow.data.from_pandas(pd.DataFrame({"x": [1.0]}), name="transactions"), context="training")
        mlflow.pyfunc.log_model(
            name="model", python_model=str(folder / "half.py"), input_example=[1.0], registered_model_name="logged"
        )
    return models.registry.version("logged", "1")


def test_a_fetched_version_has_the_digest_of_its_stored_files(models: Models, tmp_path: Path) -> None:
    """The mark that MLflow adds to a download is not among them, whatever lay there before."""
    version = models.register(models.new())
    (tmp_path / version.version).mkdir()
    (tmp_path / version.version / "stale").write_text("from another day")

    files = models.registry.fetch(version, tmp_path)

    assert digest.folder_digest(files) == version.digest
    assert sorted(path.name for path in files.iterdir()) == ["MLmodel", "weights.txt"]


@pytest.mark.parametrize("address", ["logged/1", "logged/latest", "logged@best", "run", "model"])
def test_a_model_is_downloaded_by_any_address_of_it(
    models: Models, logged: ModelVersion, tmp_path: Path, address: str
) -> None:
    """A version by number or alias, a run's model, and a logged model that may not be registered: the same files."""
    models.registry.set_alias("logged", "best", "1")
    stored = models.mlflow.get_model_version("logged", "1")
    addresses = {"run": f"runs:/{logged.run_id}/model", "model": stored.source}
    (tmp_path / "registered").mkdir()
    (tmp_path / "other").mkdir()

    files = download(addresses.get(address, f"models:/{address}"), tmp_path / "other", uri=models.uri, root=tmp_path)

    registered = models.registry.fetch(logged, tmp_path / "registered")
    assert (files / "MLmodel").read_bytes() == (registered / "MLmodel").read_bytes()
    assert {path.name for path in registered.iterdir()} <= {path.name for path in files.iterdir()}


@pytest.mark.parametrize("address", ["models:/logged/9", "models:/logged@worst", "models:/m-0123", "runs:/0123/model"])
def test_an_address_of_nothing_is_not_found(models: Models, logged: ModelVersion, tmp_path: Path, address: str) -> None:
    """Whatever kind of address it is."""
    with pytest.raises(NotFound):
        download(address, tmp_path, uri=models.uri, root=tmp_path)


def test_facts_are_read_without_loading_the_model(models: Models, logged: ModelVersion, tmp_path: Path) -> None:
    """Signature, example, requirements and what its run recorded."""
    files = models.registry.fetch(logged, tmp_path)

    facts = models.registry.facts(logged, files)

    assert not (files / "registered_model_meta").exists()
    assert facts.signature == {
        "inputs": [{"type": "double", "required": True}],
        "outputs": [{"type": "double", "required": True}],
        "params": [],
    }
    assert facts.input_example == files / "input_example.json"
    assert any(line.startswith("mlflow==") for line in facts.requirements)
    assert facts.flavors == ("python_function",)
    assert facts.python_version == ".".join(map(str, sys.version_info[:3]))
    assert facts.metrics == {"auc": 0.9}
    assert facts.commit == models.registry.commit_of(logged) == "c" * 40
    assert facts.datasets[0]["name"] == "transactions"
    assert facts.datasets[0]["context"] == "training"
    assert facts.run is not None
    assert facts.run["id"] == logged.run_id


def test_facts_of_a_bare_version_are_absent_not_wrong(models: Models, tmp_path: Path) -> None:
    """No run, no signature, no requirements."""
    version = models.register(models.new())

    facts = models.registry.facts(version, models.registry.fetch(version, tmp_path))

    assert (facts.signature, facts.input_example, facts.run, facts.commit) == (None, None, None, None)
    assert (facts.requirements, facts.datasets, dict(facts.metrics)) == ((), (), {})
    assert facts.python_version == "3.11.7"


def test_a_folder_without_mlmodel_is_no_model(models: Models, tmp_path: Path) -> None:
    """It says what to do; a file that attacks the parser is refused as well."""
    version = models.register(models.new())

    with pytest.raises(VersionFault, match="log_model"):
        models.registry.facts(version, tmp_path)
    (tmp_path / "MLmodel").write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(VersionFault, match="is not a map"):
        models.registry.facts(version, tmp_path)


def test_versions_are_texts_newest_first(models: Models) -> None:
    """Ten comes after nine."""
    model = models.new()
    for _ in range(10):
        models.register(model)

    assert [one.version for one in models.registry.versions(model)] == [str(n) for n in range(10, 0, -1)]
    assert models.registry.versions(models.new()) == []


def test_aliases_are_set_and_moved(models: Models) -> None:
    """A missing alias is None, not an error."""
    model = models.new()
    for _ in range(2):
        models.register(model)

    models.registry.set_alias(model, "production", "1")
    models.registry.set_alias(model, "production", "2")

    found = models.registry.by_alias(model, "production")
    assert found is not None
    assert found.version == "2"
    assert models.registry.by_alias(model, "previous") is None
    assert models.registry.aliases(model) == {"production": "2"}


def test_tags_are_shown_on_the_version(models: Models) -> None:
    """All of them in one call."""
    model = models.new()
    models.register(model)

    models.registry.set_tags(model, "1", {"lockgate.state": "staging", "lockgate.metric.auc": "0.91"})

    assert models.registry.version(model, "1").tags == {"lockgate.state": "staging", "lockgate.metric.auc": "0.91"}


def test_what_is_not_there_is_not_found(models: Models, tmp_path: Path) -> None:
    """Model, version, alias target and files, each in a sentence that names it."""
    model = models.new()
    version = models.register(model)

    with pytest.raises(NotFound, match="nowhere"):
        models.registry.versions("nowhere")
    with pytest.raises(NotFound, match="nowhere"):
        models.registry.by_alias("nowhere", "production")
    with pytest.raises(NotFound, match="version 9"):
        models.registry.version(model, "9")
    with pytest.raises(NotFound, match="no version 'x'"):
        models.registry.version(model, "x")
    with pytest.raises(NotFound, match="version=9"):
        models.registry.set_alias(model, "production", "9")
    models.files(version).rename(tmp_path / "moved")
    with pytest.raises(NotFound):
        models.registry.fetch(version, tmp_path / "files")


@pytest.mark.parametrize("name", ["it's", 'say "x"'])
def test_names_with_quotes_are_searched_for_as_they_are(models: Models, name: str) -> None:
    """And nothing else is found by them."""
    models.mlflow.create_registered_model(name)
    models.register(name)

    assert [one.name for one in models.registry.versions(name)] == [name]


@pytest.mark.parametrize("uri", ["file:///tmp/mlruns", "./mlruns", "databricks"])
def test_a_store_that_cannot_hold_a_ledger_is_refused(uri: str) -> None:
    """Before anything is asked of it."""
    with pytest.raises(RegistryError, match="not an MLflow store"):
        Models(uri, Path())


def test_a_database_in_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    """Rather than ten attempts to open it."""
    with pytest.raises(RegistryError, match=r"does not exist; make .*nowhere first"):
        Models(f"sqlite:///{tmp_path}/nowhere/m.db", tmp_path)


def test_a_fresh_database_says_nothing_and_keeps_to_its_folder(tmp_path: Path) -> None:
    """No migration log, no link to a run, no files in the working directory: stdout stays for one JSON document."""
    (tmp_path / "db").mkdir()
    (tmp_path / "cwd").mkdir()
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from helpers.promoting import Models, evidence, run_folder\n"
        "from lockgate.promotion.publish import finished_at, publish\n"
        "models = Models(sys.argv[1], Path(sys.argv[2]))\n"
        "model = models.new()\n"
        "version = models.register(model)\n"
        "about = evidence(model, version)\n"
        "publish(models.registry, about, run_folder(about, Path(sys.argv[2], 'run')), now=finished_at(about))\n"
        "models.registry.ledger(model).put_if_absent('epoch-1', 'x')\n"
        "models.registry.evidence(model).votes(about.digest)\n"
    )
    paths = [str(tmp_path / "db"), str(Path(__file__).parents[2])]

    ended = subprocess.run(
        [sys.executable, "-c", script, f"sqlite:///{tmp_path}/db/m.db", paths[0]],
        cwd=tmp_path / "cwd",
        env={**os.environ, "PYTHONPATH": paths[1]},
        capture_output=True,
        text=True,
        check=True,
    )

    assert (ended.stdout, ended.stderr) == ("", "")
    assert list((tmp_path / "cwd").iterdir()) == []
    assert (tmp_path / "db" / "mlartifacts").is_dir()

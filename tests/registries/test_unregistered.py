"""Models that nobody registered, as the versions of a run: what they are called, and what of them is copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.errors import UsageError, VersionFault
from lockgate.hashing import sha256
from lockgate.registries.ports import ModelVersion
from lockgate.registries.unregistered import UnregisteredModels


def models(tmp_path: Path, **addresses: str) -> UnregisteredModels:
    return UnregisteredModels(addresses, "sqlite:///nowhere.db", tmp_path)


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as MLflow saves one, with a run's folder around it, and a file beside it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "run" / "artifacts" / "model"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {python_function: {}}")
    (tmp_path / "new.joblib").write_bytes(b"weights")
    return folder


def test_a_file_is_a_version_by_its_bytes_and_lies_alone_in_its_folder(saved: Path, tmp_path: Path) -> None:
    """Its copy is made once; facts of it there are none."""
    source = models(tmp_path, candidate="new.joblib")
    version = source.version_of("candidate")

    files = source.fetch(version, tmp_path)

    assert version == ModelVersion("new.joblib", sha256(b"weights")[7:15])
    assert source.by_alias("any", "candidate") == version
    assert source.by_alias("any", "champion") is None
    assert [path.name for path in files.iterdir()] == ["new.joblib"]
    assert source.fetch(version, tmp_path / "elsewhere") == files
    assert source.facts(version, files).signature is None


@pytest.mark.parametrize("address", ["run/artifacts/model", "run/artifacts/model/MLmodel"])
def test_a_folder_of_mlflow_says_of_itself_what_a_registered_one_does(
    saved: Path, tmp_path: Path, address: str
) -> None:
    """One whose files lead out of it is refused as a registered one is."""
    source = models(tmp_path, candidate=address)
    version = source.version_of("candidate")
    facts = source.facts(version, source.fetch(version, tmp_path / "copy"))

    assert (version.name, facts.flavors) == ("model", ("python_function",))
    (saved / "weights").symlink_to(tmp_path / "new.joblib")
    again = models(tmp_path, candidate=address)
    with pytest.raises(VersionFault, match="weights is a link"):
        again.facts(version, again.fetch(again.version_of("candidate"), tmp_path / "other"))


@pytest.mark.parametrize(
    ("address", "version"),
    [
        ("models:/fraud/3", ModelVersion("fraud", "3")),
        ("models:/fraud@best", ModelVersion("fraud", "@best")),
        ("models:/m-0a1b", ModelVersion("model", "m-0a1b")),
        ("runs:/4f5e/model", ModelVersion("model", "4f5e")),
        ("runs:/4f5e/my/model", ModelVersion("model", "4f5e/my")),
    ],
)
def test_an_address_of_mlflow_names_its_version(tmp_path: Path, address: str, version: ModelVersion) -> None:
    """Before anything of it is downloaded."""
    assert models(tmp_path, candidate=address).version_of("candidate") == version


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("nwe.joblib", "there is no model at nwe.joblib; did you mean 'new.joblib'?"),
        ("run", "run is a folder without an MLmodel file.*; name run/artifacts/model"),
        ("models:/fraud", "models:/fraud is no address of a model"),
        ("runs:/0123", "runs:/0123 is no address of a model"),
    ],
)
def test_where_there_is_no_model_it_says_what_is_there(saved: Path, tmp_path: Path, address: str, problem: str) -> None:
    """A name that is nearly right, the folder of a run, half of an address."""
    with pytest.raises(UsageError, match=problem):
        models(tmp_path, candidate=address).version_of("candidate")

"""Models that nobody registered: files, MLflow model folders, and what an address of MLflow names. They are read, never written."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lockgate.errors import NotFound, UsageError, guess
from lockgate.foreign.files import siblings
from lockgate.hashing import folder_digest, sha256_file
from lockgate.registries.mlflow import model_files
from lockgate.registries.ports import LedgerStore, ModelVersion, VersionFacts

_SCHEMES = ("models:/", "runs:/")
_LOGGED = re.compile(r"models:/(?P<model>m-[0-9a-f]+)/?|runs:/(?P<run>[^/]+)/(?P<path>.+)")
_REGISTERED = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>[^/@]+)|(?P<alias>@[^/@]+))/?")


@dataclass(frozen=True)
class UnregisteredModels:
    """A model for each role, as a source of versions whose aliases are the roles.

    addresses: role → path or address. A file or a folder is a version by the beginning of its digest. uri: of MLflow, for
    addresses; root: where a path in it begins.
    """

    addresses: Mapping[str, str]
    uri: str
    root: Path
    _versions: dict[str, ModelVersion] = field(default_factory=dict, init=False)
    _fetched: dict[str, Path] = field(default_factory=dict, init=False)

    def version_of(self, role: str) -> ModelVersion:
        """The model in a role. Raises UsageError where there is none at its address."""
        if role not in self._versions:
            self._versions[role] = _version(self.addresses[role])
        return self._versions[role]

    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        return self.version_of(alias) if alias in self.addresses else None

    def version(self, name: str, version: str) -> ModelVersion:
        match = next((each for each in self.versions(name) if (each.name, each.version) == (name, version)), None)
        if match is None:
            raise NotFound(f"none of these models is version {version}")
        return match

    def versions(self, name: str) -> Sequence[ModelVersion]:
        return [*map(self.version_of, self.addresses)]

    def commit_of(self, version: ModelVersion) -> str | None:
        return None

    def fetch(self, version: ModelVersion, folder: Path) -> Path:
        """A copy of the model's files, made once; a file lies alone in its folder.

        Raises RegistryError, UsageError for an address that is none.
        """
        if str(version) not in self._fetched:
            role = next(role for role in self.addresses if str(self.version_of(role)) == str(version))
            self._fetched[str(version)] = self._copy(self.addresses[role], folder)
        return self._fetched[str(version)]

    def _copy(self, address: str, folder: Path) -> Path:
        if address.startswith(_SCHEMES):
            from lockgate.registries.mlflow.addresses import download

            return download(address, folder, uri=self.uri, root=self.root)
        path, files = model_path(address), folder / "model"
        if path.is_dir():
            return Path(shutil.copytree(path, files, symlinks=True))
        files.mkdir()
        shutil.copyfile(path, files / path.name)
        return files

    def facts(self, version: ModelVersion, files: Path) -> VersionFacts:
        if (files / model_files.MODEL_FILE).exists():
            return model_files.facts(version, files)
        return VersionFacts(
            version=version, files=files, signature=None, input_example=None, requirements=(), flavors=(),
            python_version=None, run=None, commit=None, metrics={}, datasets=(), tags={},
        )  # fmt: skip

    def ledger(self, name: str) -> LedgerStore:
        raise NotFound("models that nobody registered have no ledger")


def _version(address: str) -> ModelVersion:
    """What reports call the model of an address. Raises UsageError where there is none."""
    if match := _LOGGED.fullmatch(address):
        above, _, _ = (match["path"] or "").rstrip("/").rpartition("/")  # two models of a run may be called alike
        run = f"{match['run']}/{above}" if above else match["run"]
        return ModelVersion(_named(match["path"] or "model"), match["model"] or run)
    if match := _REGISTERED.fullmatch(address):
        return ModelVersion(match["name"], match["version"] or match["alias"])
    if address.startswith(_SCHEMES):
        raise UsageError(
            f"{address} is no address of a model",
            remedy="write models:/NAME/VERSION, models:/NAME@ALIAS or runs:/RUN_ID/model",
        )
    path = model_path(address)
    digest = folder_digest(path) if path.is_dir() else sha256_file(path)
    return ModelVersion(_named(path.resolve().name), digest.removeprefix("sha256:")[:8])


def _named(path: str) -> str:
    """The last part of a path as a model may be called."""
    return path.rstrip("/").rpartition("/")[2].replace(":", "_").strip() or "model"


def model_path(address: str) -> Path:
    """The file or the MLflow folder of a path. Raises UsageError with what is there instead."""
    path = Path(address.removeprefix("file://"))
    if path.is_file():
        return path.parent if path.name == model_files.MODEL_FILE else path
    if not path.is_dir():
        raise UsageError(
            f"there is no model at {address}{guess(path.name, siblings(path))}",
            remedy="name a file of joblib, pickle or skops, a folder with an MLmodel file, or models:/NAME/VERSION",
        )
    if (path / model_files.MODEL_FILE).is_file():
        return path
    below = sorted(each.parent for each in path.glob(f"**/{model_files.MODEL_FILE}"))
    raise UsageError(
        f"{address} is a folder without an MLmodel file, so it is no model that MLflow can load",
        remedy=f"name {below[0]}" if below else "name a folder that log_model or save_model wrote, or a file",
    )

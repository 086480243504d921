"""Download a model by the address that MLflow gives it: `models:/NAME/3`, `models:/NAME@alias`, `models:/m-…`, `runs:/RUN/PATH`."""

from __future__ import annotations

import re
from pathlib import Path

from lockgate.errors import NotFound
from lockgate.registries.mlflow.artifact_folder import ArtifactFolder
from lockgate.registries.mlflow.client import MlflowClient
from lockgate.registries.mlflow.model_files import MODEL_FILE
from lockgate.registries.mlflow.spec import MlflowSpec, existing

_VERSION = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>[0-9]+|latest)|@(?P<alias>[^/@]+))/?")


def download(address: str, folder: Path, *, uri: str, root: Path) -> Path:
    """The files of the model, in a folder of their own below `folder`. uri: of MLflow; root: where its path begins.

    Raises RegistryError.
    """
    if not (match := _VERSION.fullmatch(address)):
        files = folder / "model"
        files.mkdir()
        client, subject = MlflowClient(existing(uri, root)), f"the files of {address}"
        if address.startswith("runs:/"):  # MLflow alone knows whether they lie in the run or in its logged model
            client.read(subject, lambda mlflow: mlflow.artifacts(address).download_artifacts("", dst_path=str(files)))
        else:
            ArtifactFolder(client, address.rstrip("/"), subject).download_all(files)
        if not any(files.iterdir()):
            raise NotFound(
                f"there are no files at {address}", remedy="look at the run's artifacts for the model's name"
            )
        # a run's model lies below, in a folder of its name
        return min((path.parent for path in files.rglob(MODEL_FILE)), key=lambda path: len(path.parts), default=files)
    registry, name = MlflowSpec(uri=uri).open(root), match["name"]
    if match["alias"]:
        version = registry.by_alias(name, match["alias"])
    elif match["version"] == "latest":
        version = next(iter(registry.versions(name)), None)
    else:
        version = registry.version(name, match["version"])
    if version is None:
        raise NotFound(f"there is no {address}", remedy=f"write models:/{name}/VERSION")
    return registry.fetch(version, folder)

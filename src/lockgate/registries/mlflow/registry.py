"""MLflow as a registry: a server, or a database such as `sqlite:///mlflow.db`.

Importing this file imports mlflow; nothing outside `registries/mlflow/` and the model host does.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from lockgate.errors import Denied, NotFound, Refused, RegistryError, Unavailable, UnknownOutcome
from lockgate.hashing import sha256
from lockgate.registries.mlflow import model_files, run_record
from lockgate.registries.mlflow.artifact_folder import ArtifactFolder
from lockgate.registries.mlflow.client import MlflowClient, Stores
from lockgate.registries.mlflow.evidence_store import MlflowEvidence
from lockgate.registries.mlflow.experiments import ModelExperiments
from lockgate.registries.mlflow.ledger_store import MlflowLedger
from lockgate.registries.mlflow.remedies import REMEDIES
from lockgate.registries.mlflow.server_clock import server_time
from lockgate.registries.ports import EvidenceStore, LedgerStore, ModelVersion, Stages, VersionFacts
from lockgate.units import utc_text

_DOWNLOAD_MARK = "registered_model_meta"
_UNTYPED = "operator does not exist: integer <> character varying"
_PROMPT = "mlflow.prompt.is_prompt"  # prompts share the names of models

_NOT_IN_KEYS = re.compile(r"[^/\w.\- :]")  # of a tag
_LONGEST_KEY, _LONGEST_VALUE = 250, 5000  # characters; the shortest limits of the databases behind MLflow

STAGES = {
    "production": "Production",
    "staging": "Staging",
    "standby": "Archived",  # MLflow has only four; the tag `lockgate.state` tells the three apart
    "archived": "Archived",
    "withdrawn": "Archived",
    "none": "None",
}


class MlflowRegistry:
    """The port Registry over MLflow. lifecycle: `aliases`, or `stages`: MLflow's stages mirror the aliases.

    tracking_uri: where runs are, and with them evidence and ledger; at the same address where it is None, unless that is
    one of the two that MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI name.
    """

    def __init__(self, uri: str, *, tracking_uri: str | None = None, lifecycle: str = "aliases") -> None:
        self._client = MlflowClient(uri, tracking_uri)
        self._mirrors = lifecycle == "stages"
        self._ledgers: dict[str, MlflowLedger] = {}
        self._evidence: dict[str, MlflowEvidence] = {}
        self._experiments: dict[str, ModelExperiments] = {}

    def time(self) -> datetime | None:
        return server_time(self._client.tracking_uri)

    def models(self) -> Sequence[str]:
        registered = self._client.read_pages(
            "the registered models",
            lambda mlflow, token: mlflow.models.search_registered_models(
                max_results=1000, order_by=["last_updated_timestamp DESC"], page_token=token
            ),
        )
        return [str(model.name) for model in registered if model._tags.get(_PROMPT, "").lower() != "true"]

    def version(self, name: str, version: str) -> ModelVersion:
        if not version.isdecimal():
            raise NotFound(f"{name} has no version {version!r}", remedy="versions are whole numbers")
        return _version(
            self._client.read(
                f"version {version} of {name}", lambda mlflow: mlflow.models.get_model_version(name, version)
            )
        )

    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        number = self.aliases(name).get(alias)
        return None if number is None else self.version(name, number)

    def versions(self, name: str) -> Sequence[ModelVersion]:
        versions = [_version(version) for version in self._search(name)]
        if not versions:
            self.aliases(name)  # raises NotFound for a model that nobody registered
        return sorted(versions, key=lambda version: int(version.version), reverse=True)

    def _search(self, name: str) -> list[Any]:
        condition = f"name = {_quoted(name)}"
        return self._client.read_pages(
            f"the versions of {name}",
            lambda mlflow, token: mlflow.models.search_model_versions(condition, max_results=1000, page_token=token),
        )

    def commit_of(self, version: ModelVersion) -> str | None:
        return run_record.commit(self._run(version))

    def aliases(self, name: str) -> Mapping[str, str]:
        return _aliases(self._model(name))

    def loaded(self, name: str) -> tuple[Mapping[str, str], Stages]:
        model = self._model(name)
        if not self._mirrors:
            return _aliases(model), Stages()
        # the latest of each stage, which is what models:/NAME/STAGE loads
        return _aliases(model), self._stages_of(name, model.latest_versions or ())

    def _model(self, name: str) -> Any:
        model = self._client.read(f"the model {name}", lambda mlflow: mlflow.models.get_registered_model(name))
        if model._tags.get(_PROMPT, "").lower() == "true":
            raise NotFound(f"{name} is a prompt, not a model", remedy="check the name of the model")
        return model

    def fetch(self, version: ModelVersion, folder: Path) -> Path:
        target = folder / version.version
        shutil.rmtree(target, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)

        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as landing:
            files = Path(landing, "files")
            files.mkdir()
            self._files(version, f"the files of {version}").download_all(files)
            files.replace(target)
        (target / _DOWNLOAD_MARK).unlink(missing_ok=True)
        if not any(target.iterdir()):
            raise NotFound(f"{version} has no files", remedy="register it again from a logged model")
        return target

    def facts(self, version: ModelVersion, files: Path) -> VersionFacts:
        run = self._run(version)
        return replace(
            model_files.facts(version, files),
            run=None if run is None else run_record.facts(run),
            commit=run_record.commit(run),
            metrics={} if run is None else {name: float(value) for name, value in run.data.metrics.items()},
            datasets=() if run is None else run_record.datasets(run),
            remedies=REMEDIES,
            history=cache(lambda metric: self._history(version, metric)),
            logged_model=cache(lambda: self._logged_model(version, files)),
        )

    def signature(self, version: ModelVersion) -> Mapping[str, Any] | None:
        with self._model_file(version, "signature") as folder:
            return model_files.signature(model_files.model_file(folder))

    def python_version(self, version: ModelVersion) -> str | None:
        with self._model_file(version, "Python") as folder:
            return model_files.python_version(model_files.model_file(folder), folder)

    @contextmanager
    def _model_file(self, version: ModelVersion, part: str) -> Iterator[Path]:
        """A folder with nothing of the version but its MLmodel."""
        with tempfile.TemporaryDirectory(prefix="lockgate-") as folder:
            file = Path(folder, model_files.MODEL_FILE)
            self._files(version, f"the {part} of {version}").download(model_files.MODEL_FILE, file)
            yield Path(folder)

    def _files(self, version: ModelVersion, subject: str) -> ArtifactFolder:
        uri = self._client.read(
            subject, lambda mlflow: mlflow.models.get_model_version_download_uri(version.name, version.version)
        )
        return ArtifactFolder(self._client, uri, subject)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        try:
            self._client.write(
                f"the alias {alias} of {name}",
                lambda mlflow: mlflow.models.set_registered_model_alias(name, alias, version),
            )
        except (NotFound, Denied, Unavailable):
            raise
        except RegistryError as failure:  # somebody made the alias at the same time, or the answer was lost
            subject = f"{alias} of {name} points to version {version}"
            if self._client.read_back(subject, failure, lambda: self.aliases(name).get(alias)) != version:
                raise

    def delete_alias(self, name: str, alias: str) -> None:
        self._client.write(
            f"the alias {alias} of {name}", lambda mlflow: mlflow.models.delete_registered_model_alias(name, alias)
        )

    def copies(self, version: ModelVersion, name: str) -> Sequence[ModelVersion]:
        copies = [
            stored
            for stored in self._search(name)
            if stored.source == f"models:/{version.name}/{version.version}" and stored.status == "READY"
        ]
        return [_version(stored) for stored in sorted(copies, key=lambda stored: int(stored.version))]

    def copy_version(self, version: ModelVersion, name: str, *, tags: Mapping[str, str]) -> ModelVersion:
        from mlflow.entities.model_registry import ModelVersionTag

        run_id, source = self.version(version.name, version.version).run_id, f"models:/{version.name}/{version.version}"
        self._ensure_model(name)
        made = self._client.write(
            f"the copy of {version} in {name}",
            lambda mlflow: mlflow.models.create_model_version(
                name, source, run_id, [ModelVersionTag(key, value) for key, value in self.storable_tags(tags).items()]
            ),
        )
        return _version(made)

    def _ensure_model(self, name: str) -> None:
        """Make a registered model where it is missing. Raises Denied where this credential may not."""
        try:
            self._model(name)
            return
        except NotFound:
            pass
        try:
            self._client.write(f"the model {name}", lambda mlflow: mlflow.models.create_registered_model(name))
        except (Denied, Unavailable):
            raise
        except RegistryError as failure:  # somebody else was faster, or the answer was lost
            try:
                self._model(name)
            except NotFound:
                raise failure from None

    def stages(self, name: str) -> Stages:
        if not self._mirrors:
            return Stages()
        return self._stages_of(name, self._search(name))

    def _stages_of(self, name: str, versions: Iterable[Any]) -> Stages:
        stages = {str(version.version): version.current_stage for version in versions}
        if not all(stages.values()):
            raise self._no_stages(name)
        return Stages(stages, STAGES, {str(version.version): _version(version).tags for version in versions})

    def set_stage(self, name: str, version: str, stage: str) -> None:
        alone = (
            stage == STAGES["production"]
        )  # one transaction of the server's: there is no moment with two, or with none
        try:
            self._client.write(
                f"the stage of {name} version {version}",
                lambda mlflow: mlflow.models.transition_model_version_stage(name, version, stage, alone),
            )
        except (NotFound, Denied, Unavailable):
            raise
        except RegistryError as failure:  # the answer was lost, or the registry knows no stages
            current = self.stages(name).by_version.get(version)
            if current is None:
                raise self._no_stages(name) from failure
            if current != stage:
                if _UNTYPED in failure.message:
                    raise self._untyped(name) from failure
                raise

    def _untyped(self, name: str) -> Refused:
        return Refused(
            f"the registry at {self._client.redacted_uri} cannot move a version of {name} to Production and archive the one before "
            "in one write: MLflow on PostgreSQL compares a number with a text, which its driver psycopg 3 does not allow",
            code="stages_broken",
            remedy="let the server use psycopg2 (--backend-store-uri postgresql+psycopg2://…), or use lifecycle: aliases; "
            "then run the same command again",
        )

    def _no_stages(self, name: str) -> Refused:
        return Refused(
            f"the registry at {self._client.redacted_uri} keeps no stages of {name}, and lifecycle: stages mirrors them there",
            code="no_stages",
            remedy="use lifecycle: aliases",
        )

    def set_tags(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        for key, value in tags.items():  # each costs a request
            try:
                self._client.write(f"the tag {key} of {name} version {version}", _set_tag(name, version, key, value))
            except UnknownOutcome as failure:
                try:
                    standing = self.version(name, version).tags.get(key)
                except RegistryError as error:
                    raise failure from error
                if standing != value:
                    raise

    def storable_tags(self, tags: Mapping[str, str]) -> Mapping[str, str]:
        storable: dict[str, str] = {}
        for key, value in tags.items():
            # MLflow refuses keys that are not what they resolve to as paths
            parts = [part for part in _NOT_IN_KEYS.sub("_", key).split("/") if part not in ("", ".", "..")]
            text = value.encode("utf-8", "replace").decode().replace("\0", " ")
            storable.setdefault(_cut("/".join(parts) or "_", _LONGEST_KEY), _cut(text, _LONGEST_VALUE))
        return storable

    def ledger(self, name: str) -> LedgerStore:
        return self._ledgers.setdefault(name, MlflowLedger(self._client, name, self._experiments_of(name)))

    def evidence(self, name: str) -> EvidenceStore:
        return self._evidence.setdefault(name, MlflowEvidence(self._client, name, self._experiments_of(name)))

    def _experiments_of(self, name: str) -> ModelExperiments:
        return self._experiments.setdefault(name, ModelExperiments(self._client, name))

    def _run(self, version: ModelVersion) -> Any | None:
        """The run that made the version, deleted ones included; None where there is none."""
        run_id = version.run_id
        if not run_id:
            return None
        try:
            return self._client.read(f"the run of {version}", lambda mlflow: mlflow.runs.get_run(run_id))
        except NotFound:
            return None

    def _history(self, version: ModelVersion, metric: str) -> int:
        """How many values of a metric the version's run has."""
        run_id = version.run_id
        if not run_id:
            return 0
        return self._client.read(
            f"the history of {metric}", lambda mlflow: len(mlflow.runs.get_metric_history(run_id, metric))
        )

    def _logged_model(self, version: ModelVersion, files: Path) -> Mapping[str, Any]:
        """Parameters and tags of the logged model that the version was made from; nothing where there is none."""
        name = model_files.model_file(files).get("model_id")
        if not isinstance(name, str) or not name:
            return {}
        try:
            logged = self._client.read(
                f"the logged model of {version}", lambda mlflow: mlflow.runs.get_logged_model(name)
            )
        except NotFound:  # deleted, or of a server that keeps none
            return {}
        return {"params": dict(logged.params or {}), "tags": dict(logged.tags or {})}


def _aliases(model: Any) -> dict[str, str]:
    return {str(alias): str(version) for alias, version in model.aliases.items()}


def _cut(text: str, most: int) -> str:
    """A text that is too long, cut; its end is a hash, so that two that begin alike stay two."""
    return text if len(text) <= most else f"{text[: most - 17]}-{sha256(text.encode())[7:23]}"


def _version(stored: Any) -> ModelVersion:
    created = datetime.fromtimestamp(stored.creation_timestamp / 1000, UTC) if stored.creation_timestamp else None
    return ModelVersion(
        name=str(stored.name),
        version=str(stored.version),
        run_id=stored.run_id or None,
        tags={str(key): str(value) for key, value in (stored.tags or {}).items()},
        created_at=None if created is None else utc_text(created),
        in_production=stored.current_stage == STAGES["production"],
    )


def _set_tag(name: str, version: str, key: str, value: str) -> Callable[[Stores], None]:
    from mlflow.entities.model_registry import ModelVersionTag

    return lambda mlflow: mlflow.models.set_model_version_tag(name, version, ModelVersionTag(key, value))


def _quoted(name: str) -> str:
    if "'" in name and '"' in name:
        raise NotFound(f"a model called {name} cannot be searched for", remedy="use one kind of quotes in its name")
    return f'"{name}"' if "'" in name else f"'{name}'"

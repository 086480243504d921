"""Experiments of our own in MLflow: found by name, made at most once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lockgate.errors import Denied, RegistryError, Unavailable
from lockgate.registries.mlflow.client import MlflowClient

_SEARCHED = 100  # names that fit the pattern; what is not among them is read by its name


class ModelExperiments:
    """The experiments `lockgate-…/<model>` of one model, looked up together the first time that any is needed."""

    def __init__(self, client: MlflowClient, model: str) -> None:
        self._client, self._model = client, model
        self._listed: dict[str, Any] | None = None

    def find(self, name: str) -> Any | None:
        """The experiment of a name, deleted ones included; None where there never was one."""
        if self._listed is None:
            self._listed = self._search()
        # what may not be listed is not listed: only the name tells "missing" from "forbidden"
        return self._listed.pop(name, None) or self._find(name)

    def ensure(self, name: str, tags: Mapping[str, str] | None = None) -> Any:
        """The experiment of a name, made with these tags where it was missing; somebody else's stands as it is."""
        return self.find(name) or self._make(name, tags or {})

    def _find(self, name: str) -> Any | None:
        return self._client.read(f"the experiment {name}", lambda mlflow: mlflow.runs.get_experiment_by_name(name))

    def _make(self, name: str, tags: Mapping[str, str]) -> Any:
        from mlflow.entities import ExperimentTag

        failure: RegistryError | None = None
        try:
            self._client.write(
                f"the experiment {name}",
                lambda mlflow: mlflow.runs.create_experiment(
                    name,
                    artifact_location=_artifact_location(self._client, name),
                    tags=[ExperimentTag(key, value) for key, value in tags.items()],
                ),
            )
        except (Denied, Unavailable):
            raise
        except RegistryError as error:  # somebody was faster, or the answer was lost: reading tells
            failure = error
        experiment = self._find(name)
        if experiment is None:
            raise failure or RegistryError(f"the experiment {name} was made and is not there", remedy="run it again")
        return experiment

    def _search(self) -> dict[str, Any]:
        from mlflow.entities import ViewType

        if "'" in self._model or "\\" in self._model:
            return {}
        condition = f"name LIKE 'lockgate-%/{self._model}'"
        try:
            page = self._client.read(
                f"the experiments of {self._model}",
                lambda mlflow: mlflow.runs.search_experiments(ViewType.ALL, _SEARCHED, condition, None, None),
            )
        except Unavailable:
            raise
        except RegistryError:  # whoever reads them by name is told what is wrong
            return {}
        return {experiment.name: experiment for experiment in page}


def is_deleted(thing: Any) -> bool:
    """Whether an experiment or the info of a run is marked as deleted."""
    return bool(thing.lifecycle_stage == "deleted")


def _artifact_location(client: MlflowClient, name: str) -> str | None:
    """Beside the database of a local store, which would else scatter files over working directories."""
    if client.database is None:
        return None
    return (client.database.parent / "mlartifacts" / name).as_uri()

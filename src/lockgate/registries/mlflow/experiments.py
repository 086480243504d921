"""Experiments of our own in MLflow: found by name, made at most once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lockgate.errors import Denied, RegistryError, Unavailable
from lockgate.registries.mlflow.client import MlflowClient


def find(client: MlflowClient, name: str) -> Any | None:
    """The experiment of a name, deleted ones included; None where there never was one."""
    return client.read(f"the experiment {name}", lambda mlflow: mlflow.runs.get_experiment_by_name(name))


def ensure(client: MlflowClient, name: str, tags: Mapping[str, str] | None = None) -> Any:
    """The experiment of a name, made with these tags where it was missing; somebody else's stands as it is."""
    from mlflow.entities import ExperimentTag

    experiment = find(client, name)
    if experiment is not None:
        return experiment
    failure: RegistryError | None = None
    try:
        client.write(
            f"the experiment {name}",
            lambda mlflow: mlflow.runs.create_experiment(
                name,
                artifact_location=_artifact_location(client, name),
                tags=[ExperimentTag(key, value) for key, value in (tags or {}).items()],
            ),
        )
    except (Denied, Unavailable):
        raise
    except RegistryError as error:  # somebody was faster, or the answer was lost: reading tells
        failure = error
    experiment = find(client, name)
    if experiment is None:
        raise failure or RegistryError(f"the experiment {name} was made and is not there", remedy="run it again")
    return experiment


def is_deleted(thing: Any) -> bool:
    """Whether an experiment or the info of a run is marked as deleted."""
    return bool(thing.lifecycle_stage == "deleted")


def _artifact_location(client: MlflowClient, name: str) -> str | None:
    """Beside the database of a local store, which would else scatter files over working directories."""
    if client.database is None:
        return None
    return (client.database.parent / "mlartifacts" / name).as_uri()

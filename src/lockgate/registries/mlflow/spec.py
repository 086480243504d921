"""The entry `registry:` of a pipeline for MLflow. Imports no mlflow until the registry is opened."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from lockgate.errors import RegistryError
from lockgate.registries.ports import Registry
from lockgate.registries.spec import UriSpec


class MlflowSpec(UriSpec):
    """An MLflow server, or a database."""

    version_pattern: ClassVar[str] = "[1-9][0-9]{0,17}"  # a 64-bit integer in MLflow's database
    version_form: ClassVar[str] = "one integer"
    version_type: ClassVar[type] = int

    tracking_uri: str | None = Field(
        default=None, description="Address of the server that holds the runs, where it is not `uri`."
    )

    def open(self, root: Path) -> Registry:
        """A relative SQLite path begins at the root. Raises RegistryError where the database file does not exist."""
        tracking_uri = None if self.tracking_uri is None else existing(self.tracking_uri, root)
        uri = existing(self.uri, root)  # before mlflow is imported, which takes a second
        from lockgate.registries.mlflow.registry import MlflowRegistry

        return MlflowRegistry(uri, tracking_uri=tracking_uri, lifecycle=self.lifecycle)


def existing(uri: str, root: Path) -> str:
    """The address with an absolute path, where it is one of SQLite."""
    absolute = uri
    if relative := re.fullmatch(r"(sqlite:///)([^/].*)", uri):
        absolute = f"{relative[1]}{(root / relative[2]).absolute()}"
    if absolute.startswith("sqlite:///") and not Path(absolute.removeprefix("sqlite:///")).exists():
        raise RegistryError(
            f"there is no MLflow database at {uri}",
            remedy="log and register a model there first, or set the uri (often MLFLOW_TRACKING_URI) to the one that is meant",
        )
    return absolute

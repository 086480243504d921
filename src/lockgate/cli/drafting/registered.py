"""Find the registered model that a first pipeline is for, and read what its newest version says of itself. Nothing of it is loaded."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockgate.cli.drafting.other_pipelines import OtherPipelines
from lockgate.errors import NotFound, RegistryError, UsageError
from lockgate.models.signature_diff import named
from lockgate.pipeline.variables import filled
from lockgate.registries.ports import ModelVersion, Registry
from lockgate.registries.reach import is_file
from lockgate.registries.spec import RegistrySpec

_VARIABLE = "MLFLOW_TRACKING_URI"
_DATABASE = "mlflow.db"  # where MLflow itself writes, unless it is told otherwise
_FILES = "mlruns"  # where it did before
_MOST_LISTED = 20
REGISTER = (
    'mlflow.sklearn.log_model(model, name="model", registered_model_name="NAME"), or mlflow.register_model(URI, "NAME")'
)


@dataclass(frozen=True)
class Registered:
    """The newest version of a registered model. signature: as its files have it, None without one."""

    registry: Registry
    version: ModelVersion
    signature: Mapping[str, Any] | None

    @property
    def inputs(self) -> Collection[str] | None:
        """The names of what it is given; None where no signature has any."""
        columns = (self.signature or {}).get("inputs")
        names = [name for name in named(columns) if not name.startswith("#")] if columns else []
        return names or None


@dataclass(frozen=True)
class RegistryAddress:
    """Where models are registered: as MLflow would look for them from this folder.

    default: the address that a pipeline falls back to without the variable, which begins at its root. shared: the server
    that the project's other pipelines name, as they write it; None without one.
    """

    root: Path
    default: str
    shared: str | None = None

    @classmethod
    def near(cls, root: Path) -> RegistryAddress:
        shared = OtherPipelines.of(root).uri
        if shared is not None and shared.startswith("sqlite:///"):
            return cls(root, shared)
        near = Path.cwd() / _DATABASE
        own = near.exists() and not (root / _DATABASE).exists()
        default = f"sqlite:///{Path(os.path.relpath(near, root)).as_posix() if own else _DATABASE}"
        return cls(root, default, None if shared is None or is_file(shared) else shared)

    @property
    def text(self) -> str:
        """The address as a pipeline has it; a server stands alone, since runners reach no file of this machine."""
        named = os.environ.get(_VARIABLE)
        if self.shared is not None and named in (None, "", self._server):
            return self.shared
        return f"${{{_VARIABLE}}}" if named and not is_file(named) else f"${{{_VARIABLE}:-{self.default}}}"

    @property
    def _server(self) -> str | None:
        """The shared one with the values of its variables; None where one is not set."""
        try:
            return None if self.shared is None else filled(self.shared, os.environ)
        except LookupError:
            return None

    @property
    def uri(self) -> str:
        return os.environ.get(_VARIABLE) or self._server or self.default

    @property
    def public(self) -> str:
        """As people may see it: a variable may hold a password."""
        if os.environ.get(_VARIABLE):
            return f"the address in {_VARIABLE}"
        return self.default if self._server is None else "the address of the other pipelines"

    def open(self) -> Registry | None:
        """The registry; None where there is none yet. Raises RegistryError, of one that cannot be used."""
        if (
            not os.environ.get(_VARIABLE)
            and self.uri == self.default
            and not (self.root / self.default.removeprefix("sqlite:///")).exists()
        ):
            if any(Path(_FILES).glob("[0-9]*/meta.yaml")):
                raise RegistryError(
                    f"the runs of this folder are files in {_FILES}/, and promotions are kept in a database",
                    remedy=f"write mlflow migrate-filestore --source {_FILES} --target sqlite:///{_DATABASE}",
                )
            return None
        return RegistrySpec.model_validate({"kind": "mlflow", "uri": self.uri}).open(self.root)


def names(registry: Registry | None, address: RegistryAddress) -> Sequence[str]:
    """The registered models, the one that changed last first. Raises UsageError where there is none."""
    listed = () if registry is None else registry.models()
    if not listed:
        unset = "" if os.environ.get(_VARIABLE) else f", and {_VARIABLE} is not set"
        raise UsageError(f"no model is registered at {address.public}{unset}", remedy=f"register one with {REGISTER}")
    return listed


def listing(registry: Registry, models: Sequence[str]) -> list[str]:
    """A line for each model, with its newest version."""
    versions = {name: next(iter(registry.versions(name)), None) for name in models[:_MOST_LISTED]}
    lines = [
        f"{name} ({'no version' if version is None else f'version {version.version}'})"
        for name, version in versions.items()
    ]
    return [*lines, f"and {len(models) - _MOST_LISTED:,} more"] if len(models) > _MOST_LISTED else lines


def newest(registry: Registry, model: str) -> Registered | None:
    """Its newest version; None where it has none. Raises RegistryError."""
    try:
        version = next(iter(registry.versions(model)), None)
    except NotFound:
        return None
    return None if version is None else Registered(registry, version, registry.signature(version))

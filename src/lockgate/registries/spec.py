"""The entry `registry:` of a pipeline: each kind of registry brings its own fields."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ModelWrapValidatorHandler, model_validator

from lockgate import plugins
from lockgate.config import Config
from lockgate.registries.ports import Registry


class RegistrySpec(Config):
    """Where the models are registered.

    The module that the entry point of its `kind` names holds the fields of the kind as `Spec`, a subclass of this that is found without
    loading the registry; kinds without one have those of `UriSpec`. version_pattern: what a version looks like there, as
    a regular expression; version_form: the same for people; version_type: the type that pipelines write it in.
    """

    version_pattern: ClassVar[str] = r"\S{1,255}"
    version_form: ClassVar[str] = "one word"
    version_type: ClassVar[type] = str

    kind: str = Field(
        default="mlflow",
        description="Kind of registry, an entry point of the group `lockgate.registries`; `gate kinds` lists them.",
    )

    @classmethod
    def variant(cls, value: Any) -> type[Config]:
        if cls is not RegistrySpec or not isinstance(value, dict):
            return cls
        return spec_class(value.get("kind", cls.model_fields["kind"].default))

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(cls, value: Any, handler: ModelWrapValidatorHandler[RegistrySpec]) -> Any:
        variant = cls.variant(value)
        return handler(value) if variant is cls else variant.model_validate(value)

    def accepts(self, version: str) -> bool:
        """Whether a version of this registry can have that name."""
        return re.fullmatch(self.version_pattern, version) is not None

    def open(self, root: Path) -> Registry:
        """The registry. root: where relative paths of the pipeline begin. Raises RegistryError or UsageError."""
        raise NotImplementedError


class UriSpec(RegistrySpec):
    """Where the models are registered, for a kind of registry that brings no fields of its own."""

    uri: str = Field(
        description="Address of the registry, such as `https://mlflow.example.org` or `sqlite:///mlflow.db`."
    )
    lifecycle: Literal["aliases", "stages"] = Field(
        default="aliases", description="How Production is shown there: by aliases alone, or by MLflow's stages too."
    )

    def open(self, root: Path) -> Registry:
        registry: Registry = plugins.load(plugins.REGISTRIES, self.kind)(self.uri, lifecycle=self.lifecycle)
        return registry


def spec_class(kind: Any) -> type[RegistrySpec]:
    """The fields of a kind of registry; those of `UriSpec` where it brings none, or cannot be imported."""
    entry = plugins.installed(plugins.REGISTRIES).get(kind) if isinstance(kind, str) else None
    if entry is None:
        return UriSpec
    try:
        spec: type[RegistrySpec] = getattr(importlib.import_module(entry.module), "Spec", UriSpec)
    except Exception:  # whoever opens the registry is told why its module breaks
        return UriSpec
    return spec

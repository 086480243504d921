"""The MLflow registry. Importing this package imports no mlflow; naming `MlflowRegistry` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockgate.registries.mlflow.spec import MlflowSpec as Spec

if TYPE_CHECKING:
    from lockgate.registries.mlflow.registry import MlflowRegistry

__all__ = ["MlflowRegistry", "Spec"]


def __getattr__(name: str) -> Any:
    if name != "MlflowRegistry":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lockgate.registries.mlflow.registry import MlflowRegistry

    return MlflowRegistry

"""Where a feature contract is declared: in the pipeline, in a schema of pandera, in a model's own metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lockgate.data.contract.feature_contract import FeatureContract
from lockgate.data.contract.feature_spec import Features, FeatureSpec
from lockgate.data.contract.pandera_schema import NotRead, features_of
from lockgate.errors import DataError, VersionFault
from lockgate.hashing import sha256
from lockgate.text import cut

_REMEDY = "write it with pandera's schema.to_yaml(), or write features: into the pipeline"

_METADATA_REMEDY = (
    "log the model with metadata={'features': {'user_age': {'type': 'float', 'range': [18, 100]}}}, or without features"
)


def declared_contract(features: Mapping[str, FeatureSpec], schema: str | None, root: Path) -> FeatureContract:
    """The contract of a pipeline: its own entries, over those of a file that pandera wrote. Raises DataError."""
    own = FeatureContract.from_source(features, "the pipeline")
    if schema is None:
        return own
    path = root / schema
    try:
        data = path.read_bytes()
        return own.over(FeatureContract.from_source(features_of(data.decode()), f"{schema}, {sha256(data)}"))
    except OSError as error:
        raise DataError(f"{schema}, which features_from names, cannot be read: {error.strerror}") from error
    except (NotRead, ValueError) as error:
        raise DataError(f"{schema} is no contract: {error}", remedy=_REMEDY) from error


def contract_in_metadata(metadata: Mapping[str, Any]) -> FeatureContract:
    """The contract that a model was logged with, `metadata={"features": …}`: entries as in a pipeline, or pandera's text.

    Raises VersionFault.
    """
    stored = metadata.get("features")
    if stored is None:
        return FeatureContract()
    try:
        features = features_of(stored) if isinstance(stored, str) else TypeAdapter(Features).validate_python(stored)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise VersionFault(
            f"the model's metadata has features.{cut(where, 80)}: {cut(first['msg'], 200)}", remedy=_METADATA_REMEDY
        ) from error
    except ValueError as error:
        raise VersionFault(
            f"the model's metadata has features that are no contract: {error}", remedy=_METADATA_REMEDY
        ) from error
    return FeatureContract.from_source(features, "the model's metadata")

"""Rows that the candidate was trained on, of data that a plan counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.overlap.not_in import NotIn
from lockgate.data.overlap.seen_rows import SeenRows, sentence
from lockgate.pipeline.pipeline import Pipeline
from lockgate.registries.ports import ModelSource, ModelVersion
from lockgate.runs.case_builder import temporary_case
from lockgate.runs.training.seen_rows import obstacles


def look(
    pipeline: Pipeline,
    registry: ModelSource,
    candidate: ModelVersion,
    name: str,
    *,
    environ: Mapping[str, str],
    began: datetime,
) -> SeenRows | None:
    """Those of one data set, as a run of that candidate would find them; None where `not_in` names nothing.

    No model is loaded. Raises LockgateError where what `not_in` names cannot be read or compared.
    """
    if not pipeline.data[name].not_in:
        return None
    with temporary_case(pipeline, registry, candidate.version, environ=environ, began=began) as builder:
        return builder.dataset(name).seen_rows


def pinned(spec: DatasetSpec, overlap: SeenRows | None) -> DatasetSpec:
    """The entry of the data with the same training data by path and columns, whichever version is asked."""
    references = () if overlap is None else overlap.references
    entries = tuple(
        NotIn(path=each.dataset.spec.path, digest=each.dataset.spec.digest, columns=each.columns) for each in references
    )
    return spec.model_copy(update={"not_in": entries})


def to_json(overlap: SeenRows | None) -> dict[str, Any]:
    """`seen` of a gate in a plan: the entry of evidence, its sentence, and why nothing would pass; nothing where nobody looks."""
    if overlap is None:
        return {}
    entry = overlap.to_json()
    reasons = [reason for _, reason, _ in obstacles(entry, overlap.data, overlap.most)]
    return {"seen": entry | {"text": sentence(entry, overlap.data), "obstacle": reasons[0] if reasons else None}}

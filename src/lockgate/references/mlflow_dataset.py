"""Datasets as MLflow logs them with a run: a source of a type, as JSON, and a digest."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from lockgate.references.huggingface import at_revision
from lockgate.references.reference import Reference, moving
from lockgate.references.tables import delta, name

_MOST_SIGNS = 1 << 16
_LOG = 'mlflow.log_input(mlflow.data.from_pandas(frame, source="s3://bucket/key?versionId=…"), context="training")'


def parse(text: str, parse_text: Callable[[str], Reference]) -> Reference | None:
    """A logged dataset, or the source of one, as JSON; None of any other text. parse_text: for the address that it holds."""
    if not text.startswith("{") or len(text) > _MOST_SIGNS:
        return None
    fields = _mapping(text)
    return None if fields is None else of_dataset(fields, parse_text)


def of_dataset(dataset: Mapping[str, Any], parse_text: Callable[[str], Reference]) -> Reference:
    """The reference in `source_type`, `source` and `digest`, or in the fields of a source alone.

    MLflow's digest is eight digits over a part of the rows, and pins nothing.
    """
    source = dataset.get("source", dataset)
    if isinstance(source, str):
        source = _mapping(source) or source
    if isinstance(source, str):
        return parse_text(source)
    if not isinstance(source, Mapping):
        return _nowhere("it was logged without a source")
    return _of_source(source, parse_text, kind=str(dataset.get("source_type", "")))


def _of_source(source: Mapping[str, Any], parse_text: Callable[[str], Reference], *, kind: str) -> Reference:
    fields = {key: str(value) for key, value in source.items() if isinstance(value, str | int) and value != ""}
    table = fields.get("delta_table_name") or (fields.get("path") if "delta_table_version" in fields else None)
    if kind == "delta_table" or "delta_table_name" in fields or "delta_table_version" in fields:
        table = table or fields.get("path", "")
        version = fields.get("delta_table_version", "")
        if delta.NUMBER.fullmatch(version):
            return delta.at_version(table, version, text=f"delta:{table}@v{int(version)}")
        return delta.unpinned(table, text=f"delta:{table}")
    if kind == "hugging_face" or "config_name" in source:
        repository = fields.get("path", "")
        return at_revision(repository, repository, fields.get("revision"))
    address = next((fields[key] for key in ("uri", "url", "path") if key in fields), None)
    if address is not None:
        return parse_text(address)
    if "table_name" in fields:
        return name.unpinned(fields["table_name"])
    if "sql" in fields:
        reason = "it is a query, whose tables may change"
        return moving("", fields["sql"], reason, "store what it gave, and log where that lies, with its version")
    if "dataset_id" in fields:
        reason = "it is an evaluation dataset of MLflow, whose records may change"
        return moving("", fields["dataset_id"], reason, "store its records, and log where they lie, with their version")
    return _nowhere("it was logged from memory: MLflow knows the script, and not where the rows came from")


def _nowhere(reason: str) -> Reference:
    return moving("", "", reason, f"log it with its source: {_LOG}")


def _mapping(text: str) -> Mapping[str, Any] | None:
    try:
        value = json.loads(text) if len(text) <= _MOST_SIGNS else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None

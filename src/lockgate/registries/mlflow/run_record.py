"""What a run of MLflow says of a version: parameters, tags, and the datasets that were logged with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

COMMIT = "mlflow.source.git.commit"


def commit(run: Any | None) -> str | None:
    return None if run is None else run.data.tags.get(COMMIT) or None


def facts(run: Any) -> dict[str, Any]:
    tags = run.data.tags
    return {
        "id": run.info.run_id,
        "user": tags.get("mlflow.user") or run.info.user_id or None,
        "source": tags.get("mlflow.source.name"),
        "status": run.info.status,
        "deleted": run.info.lifecycle_stage == "deleted",
        "params": dict(run.data.params),
        "tags": dict(tags),
    }


def datasets(run: Any) -> tuple[Mapping[str, str], ...]:
    inputs = run.inputs.dataset_inputs if run.inputs else []
    entries = []
    for entry in inputs:
        tags = {tag.key: tag.value for tag in entry.tags or []}
        dataset = entry.dataset
        fields: dict[str, Any] = {
            "name": dataset.name,
            "digest": dataset.digest,
            "source_type": dataset.source_type,
            "source": dataset.source,
            "context": tags.pop("mlflow.data.context", None),
            "tags": json.dumps(tags, sort_keys=True) if tags else None,
        }
        entries.append({key: str(value) for key, value in fields.items() if value is not None})
    return tuple(entries)

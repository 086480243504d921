"""Inference tables of Databricks' serving of MLflow models: a row a request, whose JSON bodies may hold several rows.

Source: Databricks' pages "Inference tables for monitoring and debugging models" and "AI Gateway-enabled inference tables".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lockgate.data.recordings.payloads import answers_of, body_of, inputs_of
from lockgate.data.recordings.producers import Exchange, Half
from lockgate.data.recordings.records import Damaged, Unused


def exchange(record: Mapping[str, Any], half: Half) -> Exchange:
    """What a row of the table says. Raises Unused."""
    if record.get("request") is None:
        raise Unused
    identity = record.get("databricks_request_id") or record.get("client_request_id")
    own = {
        "request_id": identity,
        "request_time": record.get("timestamp_ms") or record.get("request_time"),
        "answered_by": _version(record.get("request_metadata")),
        "sampling_fraction": record.get("sampling_fraction"),
    }
    answered = record.get("status_code") in (None, 200, "200") and record.get("response") is not None
    inputs = inputs_of(_json(record["request"]))
    return Exchange(inputs, answers_of(_json(record["response"])) if answered else None, own)


def _json(body: Any) -> Any:
    if not isinstance(body, str):
        raise Damaged("a body is no text")
    return body_of(body, content_type="application/json")


def _version(metadata: Any) -> Any:
    """Of a map, which Parquet gives as pairs."""
    if isinstance(metadata, list):
        metadata = dict(metadata)
    version = metadata.get("model_version") if isinstance(metadata, dict) else None
    return None if version is None else str(version)

"""CloudEvents of inference loggers, KServe's and Seldon's: a request and its answer are two events of one id.

Structured events (`specversion`, `type`, `id`, `data` or `data_base64`), and what KServe's own marshallers store in a
bucket: `Id`, `ReqType`, `ContentType`, `Bytes` of JSON, `id`, `req_type`, `content_type`, `bytes` of Parquet.
Source: the CloudEvents 1.0 JSON format; kserve/pkg/logger.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lockgate.data.recordings.payloads import answers_of, body_of, inputs_of
from lockgate.data.recordings.producers import Exchange, Half, OtherHalf
from lockgate.data.recordings.records import Damaged, Unused

HALVES = True


def exchange(record: Mapping[str, Any], half: Half) -> Exchange:
    """What an event says. Raises Unused."""
    kind = str(record.get("type") or record.get("ReqType") or record.get("req_type") or "")
    if not kind.endswith((".request", ".response")):
        raise Unused
    if kind.endswith(".request") is not (half == "request"):
        raise OtherHalf
    identity = record.get("requestid") or record.get("id") or record.get("Id")
    body = _body(record)
    if body is None:
        raise Damaged("an event holds no data")
    if half == "request":
        return Exchange(inputs_of(body), None, {"request_id": identity, "request_time": record.get("time")})
    return Exchange(None, answers_of(body), {"request_id": identity, "answered_at": record.get("time")})


def _body(record: Mapping[str, Any]) -> Any:
    content_type = str(
        record.get("datacontenttype") or record.get("ContentType") or record.get("content_type") or "application/json"
    )
    stored = next((record[key] for key in ("data_base64", "Bytes", "bytes") if record.get(key) is not None), None)
    if stored is not None:  # Parquet has the bytes themselves
        return body_of(stored, content_type=content_type, encoded=isinstance(stored, str))
    data = record.get("data")
    return body_of(data, content_type=content_type) if isinstance(data, str) else data

"""Envoy's tap: a file a request, with the buffered bodies of it and of its answer.

Source: envoy.data.tap.v3.TraceWrapper, as its JSON sinks write it; field names as written in the protobuf, or in camelCase.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lockgate.data.recordings.payloads import answers_of, body_of, header_of, inputs_of
from lockgate.data.recordings.producers import Exchange, Half
from lockgate.data.recordings.records import Truncated, Unused


def exchange(record: Mapping[str, Any], half: Half) -> Exchange:
    """What a trace says. Raises Unused."""
    trace = record.get("http_buffered_trace") or record.get("httpBufferedTrace")
    if not isinstance(trace, dict) or not isinstance(trace.get("request"), dict):
        raise Unused
    request, response = trace["request"], trace.get("response")
    body = _body(request)
    if body is None:
        raise Unused
    own = {"request_id": header_of(request, "x-request-id", key="key"), "request_time": None}
    answered = isinstance(response, dict) and header_of(response, ":status", key="key") == "200"
    return Exchange(inputs_of(body), answers_of(_body(response)) if answered and response is not None else None, own)


def _body(message: Mapping[str, Any]) -> Any:
    body = message.get("body")
    if not isinstance(body, dict):
        return None
    if body.get("truncated"):
        raise Truncated
    content_type = header_of(message, "content-type", key="key") or "application/json"
    if (text := body.get("as_string", body.get("asString"))) is not None:
        return body_of(text, content_type=content_type)
    return body_of(body.get("as_bytes", body.get("asBytes")), content_type=content_type, encoded=True)

"""Amazon SageMaker data capture: one line a request, its bodies as texts, CSV, JSON or base64.

Source: the developer guide's page "Capture data from real-time endpoint".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lockgate.data.recordings.payloads import answers_of, body_of, inputs_of
from lockgate.data.recordings.producers import Exchange, Half
from lockgate.data.recordings.records import Damaged, Unused


def exchange(record: Mapping[str, Any], half: Half) -> Exchange:
    """What a record says. Raises Unused."""
    captured, event = record.get("captureData"), record.get("eventMetadata")
    if not (isinstance(captured, dict) and isinstance(event, dict)):
        raise Unused
    request = _body(captured.get("endpointInput"))
    if request is None:
        raise Unused
    answer = _body(captured.get("endpointOutput"))
    own = {"request_id": event.get("inferenceId") or event.get("eventId"), "request_time": event.get("inferenceTime")}
    return Exchange(inputs_of(request), None if answer is None else answers_of(answer), own)


def _body(part: Any) -> Any:
    if not isinstance(part, dict):
        return None
    encoding, content_type = str(part.get("encoding")).upper(), str(part.get("observedContentType") or "")
    if encoding == "CSV":
        content_type = "text/csv"
    elif encoding == "JSON" and "json" not in content_type.lower():
        content_type = "application/json"
    elif encoding not in ("CSV", "JSON", "BASE64"):
        raise Damaged(f"a body is encoded as {encoding[:20]}")
    return body_of(part.get("data"), content_type=content_type, encoded=encoding == "BASE64")

"""HTTP archives (HAR 1.2), as browsers and proxies write them. Source: the HAR 1.2 specification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lockgate.data.recordings.payloads import answers_of, body_of, header_of, inputs_of
from lockgate.data.recordings.producers import Exchange, Half
from lockgate.data.recordings.records import Truncated, Unused


def exchange(record: Mapping[str, Any], half: Half) -> Exchange:
    """What an entry says; one that sends nothing is no request of a model. Raises Unused."""
    request, response = record.get("request"), record.get("response")
    if not (isinstance(request, dict) and isinstance(posted := request.get("postData"), dict)):
        raise Unused
    body = body_of(posted.get("text"), content_type=str(posted.get("mimeType") or "application/json"))
    if body is None:
        raise Unused
    own = {"request_id": header_of(request, "x-request-id", key="name"), "request_time": record.get("startedDateTime")}
    answers = answers_of(_content(response)) if isinstance(response, dict) and response.get("status") == 200 else None
    return Exchange(inputs_of(body), answers, own)


def _content(response: Mapping[str, Any]) -> Any:
    content = response.get("content")
    if not isinstance(content, dict) or content.get("text") is None:
        raise Truncated  # as browsers leave large bodies out
    encoded = content.get("encoding") == "base64"
    return body_of(content["text"], content_type=str(content.get("mimeType") or ""), encoded=encoded)

"""Documents of Seldon's request logger as it puts them into Elasticsearch: one a row, with the request and its answer.

Source: seldon-core/components/seldon-request-logger. Its CloudEvents are those of `kserve_cloudevents`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lockgate.data.recordings.payloads import answers_of, inputs_of
from lockgate.data.recordings.producers import Exchange, Half
from lockgate.data.recordings.records import Unused


def exchange(record: Mapping[str, Any], half: Half) -> Exchange:
    """What a document says. Raises Unused."""
    document = record.get("_source", record)
    request = document.get("request") if isinstance(document, dict) else None
    if not isinstance(request, dict):
        raise Unused
    response = document.get("response")
    own = {
        "request_id": record.get("_id") or document.get("RequestId"),
        "request_time": request.get("ce-time"),
    }
    return Exchange([_input(request)], [_answer(response)] if isinstance(response, dict) else None, own)


def _input(request: Mapping[str, Any]) -> Any:
    """Of a batch each document has its own row as `instance`, and the whole batch as `payload`."""
    instance, names = request.get("instance"), request.get("names")
    if instance is None and isinstance(request.get("payload"), dict):
        return _only(inputs_of(request["payload"]))
    if isinstance(names, list) and isinstance(instance, list) and len(names) == len(instance):
        return dict(zip(map(str, names), instance, strict=True))
    return instance


def _answer(response: Mapping[str, Any]) -> Any:
    instance = response.get("instance")
    if instance is None and isinstance(response.get("payload"), dict):
        return _only(answers_of(response["payload"]))
    return instance[0] if isinstance(instance, list) and len(instance) == 1 else instance


def _only(rows: list[Any]) -> Any:
    return rows[0] if len(rows) == 1 else None

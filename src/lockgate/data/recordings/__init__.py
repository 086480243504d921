"""Recorded requests, as those who log them write them, as flat columns: nested, encoded, several rows in one record."""

from __future__ import annotations

from collections.abc import Mapping

# value of `format` → its file in `producers/`
FORMATS = {
    "sagemaker_capture": "sagemaker", "kserve_cloudevents": "cloudevents", "seldon": "seldon",
    "mlflow_inference_table": "inference_table", "envoy_tap": "envoy", "har": "http_archive",
}  # fmt: skip
# columns that a recording has beside inputs → what they are
OWN_COLUMNS: Mapping[str, str] = {
    "request_id": "id of a request",
    "request_time": "time of a request",
    "answer": "recorded answer",
    "answered_at": "time of an answer",
    "answered_by": "version that answered",
    "sampling_fraction": "share of requests that was recorded",
}

"""What producers of recordings write of the same four requests, to which a champion answered 0.1, 0.9, 0.1 and 0.9.

Every function writes files into a folder, and returns the `path` of them. The amounts are those of AMOUNTS.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

AMOUNTS = (10.5, 80.0, 20.0, 70.25)
COUNTRIES = ("BR", "US", "BR", "EU")
ANSWERS = (0.1, 0.9, 0.1, 0.9)
TIME = "2026-11-29T10:00:0{}Z"
Rows = Sequence[int]


def _lines(path: Path, records: Sequence[Any]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path.name


def _records(rows: Rows) -> dict[str, Any]:
    return {"dataframe_records": [{"amount": AMOUNTS[row], "country": COUNTRIES[row]} for row in rows]}


def _split(rows: Rows) -> dict[str, Any]:
    return {
        "dataframe_split": {
            "columns": ["amount", "country"],
            "data": [[AMOUNTS[row], COUNTRIES[row]] for row in rows],
        }
    }


def _predictions(rows: Rows) -> dict[str, Any]:
    return {"predictions": [ANSWERS[row] for row in rows]}


def _packed(value: Any) -> str:
    return base64.b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode()


def sagemaker_capture(folder: Path) -> str:
    """By the schema of the developer guide: CSV, JSON, and JSON that nobody declared, which is kept as base64."""
    bodies = [
        ("text/csv", "CSV", "10.5,BR\n80,US\n", "text/csv; charset=utf-8", "CSV", "0.1\n0.9\n"),
        (
            "application/json",
            "JSON",
            json.dumps(_records([2])),
            "application/json",
            "JSON",
            json.dumps(_predictions([2])),
        ),
        ("application/json", "BASE64", _packed(_split([3])), "application/json", "BASE64", _packed(_predictions([3]))),
    ]
    return _lines(
        folder / "capture.jsonl",
        [
            {
                "captureData": {
                    "endpointInput": {"observedContentType": kind, "mode": "INPUT", "data": data, "encoding": encoding},
                    "endpointOutput": {
                        "observedContentType": out_kind, "mode": "OUTPUT", "data": out, "encoding": out_encoding,
                    },
                },
                "eventMetadata": {"eventId": f"event-{number}", "inferenceTime": TIME.format(number)},
                "eventVersion": "0",
            }
            for number, (kind, encoding, data, out_kind, out_encoding, out) in enumerate(bodies)
        ],
    )  # fmt: skip


def kserve_cloudevents(folder: Path) -> str:
    """By CloudEvents' JSON format and KServe's attributes: two requests of two rows, version 1 and 2 of its protocol."""
    tensors = [
        {"name": "amount", "shape": [2, 1], "datatype": "FP64", "data": [AMOUNTS[2], AMOUNTS[3]]},
        {"name": "country", "shape": [2], "datatype": "BYTES", "data": [COUNTRIES[2], COUNTRIES[3]]},
    ]
    answer = {"outputs": [{"name": "p", "shape": [2, 1], "datatype": "FP64", "data": [ANSWERS[2], ANSWERS[3]]}]}
    requests = [{"instances": _records([0, 1])["dataframe_records"]}, {"inputs": tensors}]
    events = []
    for number, (request, response) in enumerate(zip(requests, [_predictions([0, 1]), answer], strict=True)):
        for kind, data in (("request", request), ("response", response)):
            events.append(
                {
                    "specversion": "1.0", "id": f"id-{number}", "type": f"org.kubeflow.serving.inference.{kind}",
                    "source": "http://localhost:9081/", "time": TIME.format(number), "datacontenttype": "application/json",
                    "inferenceservicename": "fraud", "namespace": "default", "endpoint": "", "data": data,
                }
            )  # fmt: skip
    return _lines(folder / "events.ndjson", [events[1], events[0], events[2], events[3]])


def seldon(folder: Path) -> str:
    """By the logger's code: a document a row."""
    return _lines(
        folder / "seldon.jsonl",
        [
            {
                "_index": "inference-log-seldon-default-fraud", "_id": f"id-item-{row}",
                "_source": {
                    "RequestId": "id",
                    "request": {
                        "instance": [AMOUNTS[row], COUNTRIES[row]], "names": ["amount", "country"], "dataType": "tabular",
                        "ce-time": TIME.format(row),
                    },
                    "response": {"instance": [ANSWERS[row]], "names": ["p"], "dataType": "number"},
                },
            }
            for row in range(4)
        ],
    )  # fmt: skip


def mlflow_inference_table(folder: Path) -> str:
    """The columns by Databricks' page; answers as MLflow's own scoring server writes them."""
    from io import StringIO

    from mlflow.pyfunc.scoring_server import predictions_to_json

    def answer(rows: Rows) -> str:
        text = StringIO()
        predictions_to_json([ANSWERS[row] for row in rows], text)
        return text.getvalue()

    table = {
        "databricks_request_id": ["a", "b"],
        "client_request_id": pa.nulls(2, pa.string()),
        "timestamp_ms": [1_795_946_400_000, 1_795_946_401_000],
        "status_code": pa.array([200, 200], pa.int32()),
        "execution_time_ms": [3, 4],
        "sampling_fraction": [0.25, 0.25],
        "request": [json.dumps(_split([0, 1])), json.dumps(_records([2, 3]))],
        "response": [answer([0, 1]), answer([2, 3])],
        "request_metadata": pa.array(
            [[("model_name", "fraud"), ("model_version", "6")]] * 2, pa.map_(pa.string(), pa.string())
        ),
    }
    pq.write_table(pa.table(table), folder / "payload.parquet")
    return "payload.parquet"


def envoy_tap(folder: Path) -> str:
    """By the protobuf's JSON form: a file a request, bodies as bytes or as text."""
    (folder / "taps").mkdir()
    for row in range(4):
        request, response = json.dumps(_records([row])), json.dumps(_predictions([row]))
        as_text = row % 2 == 1
        trace = {
            "request": {
                "headers": [{"key": ":path", "value": "/invocations"}, {"key": "x-request-id", "value": f"id-{row}"},
                            {"key": "content-type", "value": "application/json"}],
                "body": {"truncated": False, **({"as_string": request} if as_text else {"as_bytes": _packed(request.encode())})},
                "trailers": [],
            },
            "response": {
                "headers": [{"key": ":status", "value": "200"}, {"key": "content-type", "value": "application/json"}],
                "body": {"truncated": False, **({"as_string": response} if as_text else {"as_bytes": _packed(response.encode())})},
                "trailers": [],
            },
        }  # fmt: skip
        (folder / "taps" / f"fraud_{row}.json").write_text(json.dumps({"http_buffered_trace": trace}, indent=1))
    return "taps"


def har(folder: Path) -> str:
    """As mitmproxy 11 wrote the requests to a server of MLflow 3.17, with a page and a body of base64 put beside."""
    log = json.loads((Path(__file__).parent / "files" / "mitmproxy.har").read_text())
    content = log["log"]["entries"][1]["response"]["content"]
    content |= {"text": _packed(content["text"].encode()), "encoding": "base64"}
    log["log"]["entries"].insert(0, {"request": {"method": "GET", "headers": []}, "response": {"status": 200}})
    (folder / "traffic.har").write_text(json.dumps(log, indent=1))
    return "traffic.har"


FORMATS: dict[str, Callable[[Path], str]] = {
    write.__name__: write
    for write in (sagemaker_capture, kserve_cloudevents, seldon, mlflow_inference_table, envoy_tap, har)
}

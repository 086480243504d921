"""Protocol v1: `instances` in, `predictions` out, as KServe and TensorFlow Serving have it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pyarrow as pa

from lockgate.models.json_rows import UnusableAnswer, json_rows, read_predictions
from lockgate.models.server.model import ServerProtocol


class V1Protocol(ServerProtocol):
    """`{"instances": [[…], …]}`, rows of values in the order of the columns, or what else rows are, is answered with `{"predictions": […]}`."""

    def __init__(self, model: str, *, version: str | None = None) -> None:
        path = f"/v1/models/{quote(model)}" + ("" if version is None else f"/versions/{quote(version)}")
        self.path = f"{path}:predict"
        self.health = path

    def body(self, batch: pa.RecordBatch, *, name: str) -> Any:
        return {"instances": json_rows(batch, name=name)}

    def answer(self, document: Any, rows: int) -> pa.RecordBatch:
        if not isinstance(document, dict) or "predictions" not in document:
            error = str(document.get("error") or "") if isinstance(document, dict) else ""
            raise UnusableAnswer(f"it has no `predictions`{', but the error: ' if error else ''}{error}", quoted=error)
        return read_predictions(document["predictions"], rows)

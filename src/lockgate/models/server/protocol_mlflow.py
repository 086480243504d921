"""Protocol mlflow: POST /invocations with a `dataframe_split`; SageMaker's containers answer it too."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from lockgate.models.json_rows import UnusableAnswer, form_of, json_columns, json_rows, read_predictions
from lockgate.models.server.client import HttpClient
from lockgate.models.server.model import ServerProtocol


class MlflowProtocol(ServerProtocol):
    """`{"dataframe_split": {"columns": […], "data": [[…]]}}` is answered with `{"predictions": […]}`.

    Tensors, and rows that are one object or value each, go as `inputs`.
    """

    path = "/invocations"
    health = "/ping"

    def body(self, batch: pa.RecordBatch, *, name: str) -> Any:
        form = form_of(batch)
        if form == "tensors":
            return {"inputs": json_columns(batch, name=name)}
        if form is not None:
            return {"inputs": json_rows(batch, name=name)}
        table = json_columns(batch, name=name)
        return {"dataframe_split": {"columns": list(table), "data": list(map(list, zip(*table.values(), strict=True)))}}

    def answer(self, document: Any, rows: int) -> pa.RecordBatch:
        if not isinstance(document, dict) or "predictions" not in document:
            raise UnusableAnswer("it has no `predictions`, as MLflow's answers have")
        return read_predictions(document["predictions"], rows)

    def reported(self, client: HttpClient) -> dict[str, str]:
        version = client.text("/version")
        return {} if version is None or len(version) > 40 else {"mlflow": version}

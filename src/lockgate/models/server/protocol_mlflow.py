"""MLflow's protocol: POST /invocations with a `dataframe_split`; SageMaker's containers answer it too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockgate.models.json_rows import BadAnswer, columns, predictions
from lockgate.models.server.client import Client

if TYPE_CHECKING:
    import pyarrow as pa


class Invocations:
    """`{"dataframe_split": {"columns": […], "data": [[…]]}}` is answered with `{"predictions": […]}`."""

    path = "/invocations"
    health: str | None = "/ping"
    one_row = False

    def body(self, batch: pa.RecordBatch, *, name: str) -> Any:
        table = columns(batch, name=name)
        return {"dataframe_split": {"columns": list(table), "data": list(map(list, zip(*table.values(), strict=True)))}}

    def answer(self, document: Any, rows: int) -> pa.RecordBatch:
        if not isinstance(document, dict) or "predictions" not in document:
            raise BadAnswer("it has no `predictions`, as MLflow's answers have")
        return predictions(document["predictions"], rows)

    def reported(self, client: Client) -> dict[str, str]:
        version = client.text("/version")
        return {} if version is None or len(version) > 40 else {"mlflow": version}

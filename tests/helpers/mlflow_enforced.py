"""What MLflow does with values under a signature: given to the model in process, and sent to its scoring server.

A process of its own, which MLflow is imported in: `CASES.json` is a list of [type sent, type of the signature, JSON value],
types as MLmodel writes them, of a parameter where they have a `default`; a line of JSON is printed for each: [in process, over HTTP], each `null` where it is refused and
else `[what the model was given]`. The server is MLflow's own application, asked over ASGI; it is made once for each type.
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

_PANDAS = {
    "boolean": "bool", "integer": "int32", "long": "int64", "float": "float32", "double": "float64",
    "datetime": "datetime64[ns]",
}  # fmt: skip


def shown(value: Any) -> Any:
    """A value that a model was given, as JSON."""
    import numpy as np
    import pandas as pd

    if isinstance(value, dict):
        return {key: shown(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [shown(entry) for entry in value]
    if isinstance(value, bytes):
        return f"bytes {value.hex()}"
    if isinstance(value, datetime.date | pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value


class Echo:
    """A model that answers with what it was given."""

    def predict(self, model_input: Any, params: Any = None) -> Any:
        if params:
            return [json.dumps(shown(params["a"]))]
        given = model_input["a"] if hasattr(model_input, "columns") or isinstance(model_input, dict) else model_input
        return [json.dumps(shown(value)) for value in list(given)]


def model_of(column: dict[str, Any]) -> Any:
    from mlflow.models import Model
    from mlflow.models.signature import ModelSignature
    from mlflow.pyfunc import PyFuncModel
    from mlflow.types import ParamSchema, Schema

    if "default" in column:
        wanted = ParamSchema.from_json(json.dumps([{"name": "a", "shape": None, **column}]))
        return PyFuncModel(Model(signature=ModelSignature(params=wanted), flavors={"python_function": {}}), Echo())
    schema = Schema.from_json(json.dumps([{"name": "a", "required": True, **column}]))
    return PyFuncModel(Model(signature=ModelSignature(inputs=schema), flavors={"python_function": {}}), Echo())


def native(sent: dict[str, Any], value: Any) -> Any:
    """A JSON value as a caller in Python has it, numbers in the size of their type."""
    import numpy as np

    kind = sent["type"]
    if kind == "binary":
        return base64.b64decode(value)
    if kind == "datetime":
        return datetime.datetime.fromisoformat(value)
    if kind == "array":
        dtype = _PANDAS.get(sent["items"]["type"])
        return np.array(value, dtype) if dtype else [native(sent["items"], part) for part in value]
    if kind == "map":
        return {key: native(sent["values"], part) for key, part in value.items()}
    if kind == "object":
        return {key: native(sent["properties"][key], part) for key, part in value.items()}
    sized = kind in _PANDAS and value is not None
    return np.dtype(_PANDAS[kind]).type(value) if sized else value


def in_process(model: Any, sent: dict[str, Any], value: Any) -> Any:
    import numpy as np
    import pandas as pd

    try:
        if "default" in sent:
            return [json.loads(model.predict([1], params={"a": native(sent, value)})[0])]
        if sent["type"] == "tensor":
            frame: Any = {"a": np.array([value], dtype=sent["tensor-spec"]["dtype"])}
        else:
            series = pd.Series([native(sent, value)], dtype=_PANDAS.get(sent["type"], object))
            frame = pd.DataFrame({"a": series})
        return [json.loads(model.predict(frame)[0])]
    except Exception:
        return None


def over_http(app: Any, sent: dict[str, Any], value: Any) -> Any:
    body: dict[str, Any] = {"dataframe_split": {"columns": ["a"], "data": [[value]]}}
    if "default" in sent:
        body = {"inputs": [1], "params": {"a": value}}
    elif sent["type"] == "tensor":
        body = {"inputs": {"a": [value]}}
    status, answer = asyncio.run(_post(app, json.dumps(body).encode()))
    return [json.loads(json.loads(answer)["predictions"][0])] if status == 200 else None


async def _post(app: Any, body: bytes) -> tuple[int, bytes]:
    scope = {
        "type": "http", "method": "POST", "path": "/invocations", "raw_path": b"/invocations", "query_string": b"",
        "headers": [(b"content-type", b"application/json")], "http_version": "1.1", "scheme": "http", "root_path": "",
    }  # fmt: skip
    status, parts = 0, b""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, parts
        status = message.get("status", status)
        parts += message.get("body", b"")

    await app(scope, receive, send)
    return status, parts


def main(path: str) -> None:
    from mlflow.pyfunc.scoring_server import init

    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    models: dict[str, Any] = {}
    for sent, signature, value in json.loads(Path(path).read_text()):
        key = json.dumps(signature)
        if key not in models:
            model = model_of(signature)
            models[key] = model, init(model)
        model, app = models[key]
        print(json.dumps([in_process(model, sent, json.loads(value)), over_http(app, sent, json.loads(value))]))


if __name__ == "__main__":
    main(sys.argv[1])

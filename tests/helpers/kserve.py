"""What KServe's two REST protocols allow, as JSON Schemas of requests and answers, and a server that insists on them.

Version 2 is the OpenAPI document of the Open Inference Protocol; version 1 is KServe's page of its data plane.
"""

from __future__ import annotations

import math
import re
import socket
from typing import Any

from jsonschema import Draft202012Validator

from helpers.web import Request, reply

_DATATYPES = ["BOOL", *(f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)),
              "FP16", "FP32", "FP64", "BYTES"]  # fmt: skip
_PARAMETERS = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype", "data"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "datatype": {"enum": _DATATYPES},
        "parameters": _PARAMETERS,
        "data": {"type": "array"},
    },
    "additionalProperties": False,
}
_OUTPUT = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
V2_REQUEST = Draft202012Validator(
    {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": _PARAMETERS,
            "inputs": {"type": "array", "items": _TENSOR, "minItems": 1},
            "outputs": {"type": "array", "items": _OUTPUT},
        },
        "additionalProperties": False,
    }
)
V2_ANSWER = Draft202012Validator(
    {
        "type": "object",
        "required": ["model_name", "outputs"],
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "parameters": _PARAMETERS,
            "outputs": {"type": "array", "items": _TENSOR},
        },
        "additionalProperties": False,
    }
)
V1_REQUEST = Draft202012Validator(
    {
        "type": "object",
        "required": ["instances"],
        "properties": {"instances": {"type": "array", "minItems": 1}},
        "additionalProperties": False,
    }
)


class KServe:
    """A model `fraud`, version `7`, that adds up the columns of a row, behind both protocols.

    mlserver: it says that it is one, and then wants to hear that several columns are a frame. nested: data as rows of lists.
    outputs: how many, the first the sum, the second its half.
    """

    def __init__(self, *, mlserver: bool = False, nested: bool = False, outputs: int = 1) -> None:
        self.mlserver, self.nested, self.outputs = mlserver, nested, outputs

    def __call__(self, request: Request, line: socket.socket) -> bytes:
        if request.path == "/v2":
            name = "mlserver" if self.mlserver else "kserve"
            return reply(200, {"name": name, "version": "1.7.1", "extensions": []})
        if re.fullmatch(r"/v2/models/fraud(/versions/7)?/ready", request.path):
            return reply(200, {"name": "fraud", "ready": True})
        if re.fullmatch(r"/v2/models/fraud(/versions/7)?", request.path):
            tensor = [{"name": "output-0", "datatype": "FP64", "shape": [-1, 1]}]
            found = {"name": "fraud", "versions": ["7"], "platform": "sum", "inputs": tensor, "outputs": tensor}
            return reply(200, found)
        if re.fullmatch(r"/v2/models/fraud(/versions/7)?/infer", request.path):
            return self._v2(request.json)
        if request.path == "/v1/models/fraud":
            return reply(200, {"name": "fraud", "ready": True})
        if request.path == "/v1/models/fraud:predict":
            wrong = [error.message for error in V1_REQUEST.iter_errors(request.json)]
            if wrong:
                return reply(400, {"error": wrong})
            return reply(200, {"predictions": [sum(row) for row in request.json["instances"]]})
        return reply(404, {"error": f"nothing at {request.path}"})

    def _v2(self, asked: Any) -> bytes:
        wrong = [error.message for error in V2_REQUEST.iter_errors(asked)]
        wrong += [
            f"{one['name']}: {one['shape']}" for one in asked["inputs"] if math.prod(one["shape"]) != len(one["data"])
        ]
        if self.mlserver and len(asked["inputs"]) > 1 and asked.get("parameters") != {"content_type": "pd"}:
            wrong.append("not a frame")
        if wrong:
            return reply(400, {"error": wrong})
        first = asked["inputs"][0]
        rows = first["shape"][0]
        if len(asked["inputs"]) == 1:
            width = first["shape"][1]
            table = [first["data"][row * width : (row + 1) * width] for row in range(rows)]
        else:
            table = [[one["data"][row] for one in asked["inputs"]] for row in range(rows)]
        sums = [float(sum(value for value in row if not isinstance(value, str))) for row in table]
        outputs = [
            {
                "name": f"output-{place + 1}",
                "shape": [rows, 1] if self.nested else [rows],
                "datatype": "FP64",
                "data": [[each / (place + 1)] for each in sums]
                if self.nested
                else [each / (place + 1) for each in sums],
            }
            for place in range(self.outputs)
        ]
        answer = {"model_name": "fraud", "model_version": "7", "outputs": outputs}
        assert [error.message for error in V2_ANSWER.iter_errors(answer)] == []
        return reply(200, answer)

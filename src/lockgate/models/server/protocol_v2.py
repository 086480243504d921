"""Protocol v2, the Open Inference Protocol: MLServer, KServe, Triton."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pyarrow as pa

from lockgate.errors import ModelFault
from lockgate.models.json_rows import UnusableAnswer, form_of, json_columns, json_values, read_predictions, refuse_error
from lockgate.models.model_host import ERROR_KEYS
from lockgate.models.server.client import HttpClient
from lockgate.models.server.model import ServerProtocol

_TYPES = {
    "bool": "BOOL",
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "halffloat": "FP16",
    "float": "FP32",
    "double": "FP64",
}


class V2Protocol(ServerProtocol):
    """One tensor a column, or all columns as the one tensor that the pipeline names.

    An answer with one output is taken whatever its name is, because servers announce one name and answer with another;
    several outputs are columns by name. For MLServer the columns are marked as a frame (`content_type: pd`).
    """

    def __init__(self, model: str, *, version: str | None = None, tensor: str | None = None) -> None:
        self._model = f"/v2/models/{quote(model)}" + ("" if version is None else f"/versions/{quote(version)}")
        self._version, self._tensor = version, tensor
        self._frame = self._mlserver = False
        self.path = f"{self._model}/infer"
        self.health = f"{self._model}/ready"

    def body(self, batch: pa.RecordBatch, *, name: str) -> Any:
        if form_of(batch) in ("tensor", "tensors"):
            return self._tensors(batch, name=name)
        table, rows = json_columns(batch, name=name), batch.num_rows
        types = [_datatype(kind) for kind in batch.schema.types]
        if self._tensor is not None:
            if len(set(types)) > 1:
                kinds = ", ".join(dict.fromkeys(types))
                raise ModelFault(
                    f"{name} cannot predict: the columns are {kinds}, and one tensor holds values of one type",
                    remedy="leave tensor: out, so that each column is a tensor, or log a signature with one type",
                )
            data = [value for row in zip(*table.values(), strict=True) for value in row]
            return {"inputs": [_tensor(self._tensor, [rows, len(table)], types[0], data)]}
        inputs = [_tensor(title, [rows, 1], kind, table[title]) for title, kind in zip(table, types, strict=True)]
        if not self._frame:
            return {"inputs": inputs}
        for tensor in inputs:
            if tensor["datatype"] == "BYTES":
                tensor["parameters"] = {"content_type": "str"}
        return {"parameters": {"content_type": "pd"}, "inputs": inputs}

    def _tensors(self, batch: pa.RecordBatch, *, name: str) -> Any:
        """The tensors of the signature; the only one under the name that the pipeline has for it."""
        inputs = []
        for title, column in zip(batch.schema.names, batch.columns, strict=True):
            shape, kind = [batch.num_rows], column.type
            while pa.types.is_fixed_size_list(kind):
                shape.append(kind.list_size)
                kind = kind.value_type
            if pa.types.is_nested(kind):
                raise ModelFault(
                    f"{name} cannot predict: rows of the tensor {title!r} differ in shape, and protocol v2 has one shape",
                    remedy="send rows of one shape, or use target: process",
                )
            label = self._tensor if self._tensor is not None and batch.num_columns == 1 else title or "input-0"
            inputs.append(_tensor(label, shape, _datatype(kind), _values(json_values(column, title, name=name))))
            if self._mlserver:
                inputs[-1]["parameters"] = {"content_type": "np"}
        return {"inputs": inputs}

    def answer(self, document: Any, rows: int) -> pa.RecordBatch:
        outputs = document.get("outputs") if isinstance(document, dict) else None
        if not isinstance(outputs, list) or not outputs or not all(isinstance(output, dict) for output in outputs):
            raise UnusableAnswer("it has no `outputs`, as the Open Inference Protocol has")
        version = document.get("model_version")
        if self._version is not None and version not in (None, "", self._version):
            raise UnusableAnswer(f"version {version!r} of the model answered, and target names {self._version!r}")
        for output in outputs:
            refuse_error(output)
        if len(outputs) == 1 and outputs[0].get("name") not in ERROR_KEYS:
            return read_predictions(_nested(outputs[0], rows), rows)
        return read_predictions({str(output.get("name")): _flat(output, rows) for output in outputs}, rows)

    def reported(self, client: HttpClient) -> dict[str, str]:
        """Return name and version of the server, and the platform and versions of the model. Raises ModelFault."""
        server, model = client.get("/v2"), client.get(self._model)
        facts = {}
        if isinstance(server, dict) and isinstance(server.get("name"), str):
            facts["server"] = f"{server['name']} {server.get('version', '')}".strip()[:80]
            self._mlserver = server["name"] == "mlserver"
            self._frame = self._mlserver and self._tensor is None
        if isinstance(model, dict):
            versions = model.get("versions")
            served = versions if isinstance(versions, list) else []
            if self._version is not None and served and self._version not in served:
                raise ModelFault(
                    f"{client.name} at {client.url(self._model)} has the versions {', '.join(map(str, served[:20]))}, "
                    f"and target names {self._version!r}",
                    remedy="name one of these as version: in target",
                )
            facts |= {"platform": str(model["platform"])[:80]} if model.get("platform") else {}
            facts |= {"versions": ", ".join(map(str, served[:20]))} if served else {}
        return facts


def _datatype(kind: pa.DataType) -> str:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return "FP64" if pa.types.is_decimal(kind) else _TYPES.get(str(kind), "BYTES")


def _tensor(name: str, shape: list[int], datatype: str, data: list[Any]) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def _values(cells: list[Any]) -> list[Any]:
    """Nested lists of one shape, flat."""
    while cells and isinstance(cells[0], list):
        cells = [value for cell in cells for value in cell]
    return cells


def _nested(output: Any, rows: int) -> list[Any]:
    """Data of an output as one value a row, or one list a row; servers send it flat or nested."""
    data, shape = _data(output)
    width = shape[1] if len(shape) == 2 else 1
    if len(shape) > 2 or not shape or shape[0] != rows:
        raise UnusableAnswer(f"its output {output.get('name')!r} has the shape {shape} for {rows:,} rows")
    if width == 1:
        return data
    return [data[start : start + width] for start in range(0, len(data), width)]


def _flat(output: Any, rows: int) -> list[Any]:
    data = _nested(output, rows)
    if any(isinstance(value, list) for value in data):
        raise UnusableAnswer(f"its output {output.get('name')!r} is a matrix, beside other outputs")
    return data


def _data(output: Any) -> tuple[list[Any], list[int]]:
    data, shape = output.get("data"), output.get("shape")
    if not isinstance(data, list):
        raise UnusableAnswer(f"its output {output.get('name')!r} has no `data` in JSON")
    while data and isinstance(data[0], list):
        if not all(isinstance(part, list) for part in data):
            raise UnusableAnswer(f"the data of its output {output.get('name')!r} is nested unevenly")
        data = [value for part in data for value in part]
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise UnusableAnswer(f"its output {output.get('name')!r} has no `shape`")
    count = 1
    for size in shape:
        count *= size
    if count != len(data):
        raise UnusableAnswer(f"its output {output.get('name')!r} has the shape {shape} and {len(data):,} values")
    return data, shape

"""Make rows of the bodies of requests and answers, in the forms that servers of models take and give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lockgate.data.recordings.records import Cell, Damaged, decode, typed_cells


def body_of(data: Any, *, content_type: str, encoded: bool = False) -> Any:
    """What a body says: JSON, or CSV as lines of cells where the content type says so. encoded: by base64. Raises Damaged."""
    if data is None or data == "":
        return None
    if not isinstance(data, (str, bytes)):
        raise Damaged("a body is no text")
    content = decode(data, "base64") if encoded else data
    kind = content_type.lower()
    if "csv" in kind:
        return decode(content, "csv")
    if "jsonlines" in kind or "ndjson" in kind:
        text = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
        return [decode(line, "json") for line in text.splitlines() if line.strip()]
    if "json" in kind or not kind:
        return decode(content, "json")
    raise Damaged(f"a body of {content_type[:60]} is neither JSON nor CSV")


def header_of(message: Mapping[str, Any], name: str, *, key: str) -> str | None:
    """The first header of that name in a list of objects, which call a name `key`. Raises Damaged."""
    headers = message.get("headers") or []
    if not isinstance(headers, list):
        raise Damaged("headers are no list")
    value = next(
        (each.get("value") for each in headers if isinstance(each, dict) and str(each.get(key)).lower() == name), None
    )
    return None if value is None else str(value)


def inputs_of(body: Any) -> list[Any]:
    """The rows of a request: an object of inputs by name, or a list of them in order, each. Raises Damaged."""
    if isinstance(body, dict):
        if isinstance(frame := body.get("dataframe_split", body), dict) and {"columns", "data"} <= frame.keys():
            return [_named(frame["columns"], row) for row in _listed(frame["data"])]
        for key in ("dataframe_records", "instances"):
            if key in body:
                return _listed(body[key])
        if _is_tensors(body.get("inputs")):
            return _rows_of_tensors(body["inputs"])
        if isinstance(body.get("inputs"), dict):
            return _by_row(body["inputs"])
        if isinstance(body.get("inputs"), list):
            return list(body["inputs"])
        return _seldon(body) if _is_seldon(body) else [body]
    return _listed(body)


def answers_of(body: Any) -> list[Any]:
    """What was answered of each row: a value, a list, or an object. Raises Damaged."""
    if isinstance(body, dict):
        if "predictions" in body:
            predictions = body["predictions"]
            if isinstance(predictions, dict):
                return _by_row(predictions)
            return [_alone(answer) for answer in _listed(predictions)]
        if _is_tensors(body.get("outputs")):
            return [_alone(answer) for answer in _rows_of_tensors(body["outputs"])]
        if _is_seldon(body):
            return [_alone(answer) for answer in _seldon(body)]
        return [body]
    return [_alone(answer) for answer in _listed(body)] if isinstance(body, list) else [body]


def typed(values: Any) -> Any:
    """A line of CSV with the types of its cells; anything else as it is."""
    is_line = isinstance(values, list) and values and all(type(value) is Cell for value in values)
    return typed_cells(values) if is_line else values


def _alone(answer: Any) -> Any:
    """The only answer of a list or an object of one."""
    if isinstance(answer, list) and len(answer) == 1:
        return answer[0]
    return next(iter(answer.values())) if isinstance(answer, dict) and len(answer) == 1 else answer


def _listed(values: Any) -> list[Any]:
    if not isinstance(values, list):
        raise Damaged("a body holds no list of rows")
    return values


def _named(names: Any, row: Any) -> dict[str, Any]:
    if not (isinstance(names, list) and isinstance(row, list) and len(names) == len(row)):
        raise Damaged("a row has not as many values as there are columns")
    return dict(zip(map(str, names), row, strict=True))


def _by_row(columns: Mapping[str, Any]) -> list[Any]:
    """Rows of lists by name; values that are no lists are one row."""
    if not any(isinstance(values, list) for values in columns.values()):
        return [dict(columns)]
    lengths = {len(values) if isinstance(values, list) else -1 for values in columns.values()}
    if len(lengths) > 1:
        raise Damaged("columns of a body have different lengths")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _is_tensors(tensors: Any) -> bool:
    return (
        isinstance(tensors, list)
        and bool(tensors)
        and all(isinstance(each, dict) and {"name", "shape", "data"} <= each.keys() for each in tensors)
    )


def _rows_of_tensors(tensors: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Rows of tensors of the Open Inference Protocol: of one with several values a row these, else the values by name."""
    rows = [_tensor_rows(tensor["shape"], tensor["data"]) for tensor in tensors]
    if len({len(each) for each in rows}) > 1:
        raise Damaged("tensors of a body have different numbers of rows")
    if len(rows) == 1 and isinstance(rows[0][0] if rows[0] else None, list):
        return rows[0]
    names = [str(tensor["name"]) for tensor in tensors]
    return [dict(zip(names, row, strict=True)) for row in zip(*rows, strict=True)]


def _tensor_rows(shape: Any, data: Any) -> list[Any]:
    """A value, or a list of values, for each row of a tensor whose data are flat or nested."""
    if not (isinstance(shape, list) and shape and all(isinstance(size, int) and size >= 0 for size in shape)):
        raise Damaged("a tensor has no shape")
    flat = _flat(data)
    width = 1
    for size in shape[1:]:
        width *= size
    if len(flat) != shape[0] * width:
        raise Damaged("a tensor has not as many values as its shape says")
    if width == 1:
        return flat
    rows = [flat[row * width : (row + 1) * width] for row in range(shape[0])]
    return rows if len(shape) == 2 else [_nested(row, shape[1:]) for row in rows]


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        return [data]
    return [value for each in data for value in _flat(each)] if any(isinstance(each, list) for each in data) else data


def _nested(values: list[Any], shape: Sequence[int]) -> Any:
    if len(shape) == 1:
        return values
    step = len(values) // shape[0] if shape[0] else 0
    return [_nested(values[at * step : (at + 1) * step], shape[1:]) for at in range(shape[0])]


def _is_seldon(body: Mapping[str, Any]) -> bool:
    data = body.get("data")
    return (
        (isinstance(data, dict) and bool({"ndarray", "tensor"} & data.keys()))
        or "jsonData" in body
        or "strData" in body
    )


def _seldon(body: Mapping[str, Any]) -> list[Any]:
    if "jsonData" in body:
        inside = body["jsonData"]
        return inside if isinstance(inside, list) else [inside]
    if "strData" in body:
        return [body["strData"]]
    data = body["data"]
    tensor = data.get("tensor")
    rows = _listed(data["ndarray"]) if "ndarray" in data else _tensor_rows(tensor.get("shape"), tensor.get("values"))
    names = data.get("names") or []
    if not names:
        return rows
    return [_named(names, row if isinstance(row, list) else [row]) for row in rows]

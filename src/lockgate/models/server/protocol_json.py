"""Protocol json: a body of the pipeline's own, in which placeholders stand for the rows (BentoML, FastAPI, …)."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from lockgate.models.json_rows import UnusableAnswer, json_columns, json_rows, read_predictions, refuse_error
from lockgate.models.server.model import ServerProtocol


class JsonProtocol(ServerProtocol):
    """A body whose placeholders become values; texts are never concatenated, so no value can break out of its place.

    `$rows` is a list of lists, `$records` a list of objects, `$columns` their names, `$by_column` an object of lists;
    `$row` and `$record` the one row of a request. A text that begins with `$$` is one that begins with `$`. output: keys
    and places, with points between them, to the predictions in the answer; the whole answer where None.
    """

    path = "/"

    def __init__(self, *, body: Any, output: str | None, one_row: bool) -> None:
        self.one_row = one_row
        self._body = body
        self._steps = [] if output is None else output.split(".")

    def body(self, batch: pa.RecordBatch, *, name: str) -> Any:
        table = json_columns(batch, name=name)
        rows = json_rows(batch, name=name)
        records = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
        values = {
            "$rows": rows,
            "$records": records,
            "$columns": list(table),
            "$by_column": table,
            "$row": rows[0] if rows else [],
            "$record": records[0] if records else {},
        }
        return _filled(self._body, values)

    def answer(self, document: Any, rows: int) -> pa.RecordBatch:
        value, walked = document, "the answer"
        around = []
        for step in self._steps:
            around.append(value)
            value = _below(value, step, walked)
            walked = step if walked == "the answer" else f"{walked}.{step}"
        for outer in around:
            refuse_error(outer)
        if self.one_row and not (isinstance(value, list) and len(value) == 1):
            value = [value]
        return read_predictions(value, rows)


def _filled(body: Any, values: dict[str, Any]) -> Any:
    if isinstance(body, dict):
        return {key: _filled(below, values) for key, below in body.items()}
    if isinstance(body, list):
        return [_filled(below, values) for below in body]
    if isinstance(body, str) and body.startswith("$"):
        return body[1:] if body.startswith("$$") else values[body]
    return body


def _below(value: Any, step: str, walked: str) -> Any:
    if isinstance(value, dict) and step in value:
        return value[step]
    if isinstance(value, list) and step.isdigit() and int(step) < len(value):
        return value[int(step)]
    keys = f"; its keys are {', '.join(map(repr, list(value)[:10]))}" if isinstance(value, dict) else ""
    raise UnusableAnswer(f"{walked} has nothing at {step!r}, which output: names{keys}")

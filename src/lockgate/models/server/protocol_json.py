"""A body of the pipeline's own: YAML in which some values stand for the rows. BentoML, FastAPI, whatever takes JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockgate.models.json_rows import UnusableAnswer, json_columns, read_predictions
from lockgate.models.server.client import HttpClient

if TYPE_CHECKING:
    import pyarrow as pa


class JsonProtocol:
    """The body is a structure whose placeholders become values; no text is ever put together.

    `$rows` is a list of lists, `$records` a list of objects, `$columns` their names, `$by_column` an object of lists;
    `$row` and `$record` the one row of a request. A text that begins with `$$` is one that begins with `$`. output: keys
    and places, with points between them, to the predictions in the answer; the whole answer where None.
    """

    path = "/"
    health: str | None = None

    def __init__(self, *, body: Any, output: str | None, one_row: bool) -> None:
        self.one_row = one_row
        self._body = body
        self._steps = [] if output is None else output.split(".")

    def body(self, batch: pa.RecordBatch, *, name: str) -> Any:
        table = json_columns(batch, name=name)
        rows = list(map(list, zip(*table.values(), strict=True)))
        records = [dict(zip(table, row, strict=True)) for row in rows]
        known = {
            "$rows": rows,
            "$records": records,
            "$columns": list(table),
            "$by_column": table,
            "$row": rows[0] if rows else [],
            "$record": records[0] if records else {},
        }
        return _filled(self._body, known)

    def answer(self, document: Any, rows: int) -> pa.RecordBatch:
        found, walked = document, "the answer"
        for step in self._steps:
            found = _below(found, step, walked)
            walked = step if walked == "the answer" else f"{walked}.{step}"
        if self.one_row and not (isinstance(found, list) and len(found) == 1):
            found = [found]
        return read_predictions(found, rows)

    def reported(self, client: HttpClient) -> dict[str, str]:
        return {}


def _filled(body: Any, known: dict[str, Any]) -> Any:
    if isinstance(body, dict):
        return {key: _filled(below, known) for key, below in body.items()}
    if isinstance(body, list):
        return [_filled(below, known) for below in body]
    if isinstance(body, str) and body.startswith("$"):
        return body[1:] if body.startswith("$$") else known[body]
    return body


def _below(found: Any, step: str, walked: str) -> Any:
    if isinstance(found, dict) and step in found:
        return found[step]
    if isinstance(found, list) and step.isdigit() and int(step) < len(found):
        return found[int(step)]
    keys = f"; its keys are {', '.join(map(repr, list(found)[:10]))}" if isinstance(found, dict) else ""
    raise UnusableAnswer(f"{walked} has nothing at {step!r}, which output: names{keys}")

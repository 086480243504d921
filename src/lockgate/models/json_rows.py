"""Convert rows to JSON values, and predictions in JSON to columns."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from lockgate.errors import ModelFault
from lockgate.models.model_host import BadInput, fit_column

if TYPE_CHECKING:
    import pyarrow as pa


class UnusableAnswer(ValueError):
    """A server's document is not one prediction a row; the text says what it is. quoted: the part that the server wrote."""

    def __init__(self, text: str, *, quoted: str = "") -> None:
        super().__init__(text)
        self.quoted = quoted


def fit_batch(batch: pa.RecordBatch, signature: Sequence[Mapping[str, Any]] | None, *, name: str) -> pa.RecordBatch:
    """Return the signature's columns of the batch, in its order and types; the batch where no signature names any.

    Raises ModelFault where a column is missing, or would lose something.
    """
    import pyarrow as pa

    if not signature or any(not column.get("name") for column in signature):
        return batch
    arrays_by_name = dict(zip(batch.schema.names, batch.columns, strict=True))
    arrays, names = [], []
    for column in signature:
        title = str(column["name"])
        if title not in arrays_by_name:
            if column.get("required", True):
                raise _cannot(name, f"the signature requires {title!r}, which the data lacks")
            continue
        field = SimpleNamespace(name=title, type=SimpleNamespace(name=column.get("type")))
        try:
            arrays.append(fit_column(title, arrays_by_name[title], field))
        except BadInput as error:
            raise _cannot(name, str(error)) from error
        names.append(title)
    return pa.RecordBatch.from_arrays(arrays, names=names)


def json_values(column: pa.Array, title: str, *, name: str) -> list[Any]:
    """Return a column as JSON values: missing is null, times are ISO texts, bytes are base64. Raises ModelFault."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return [None if text is None else text.replace(" ", "T") for text in column.cast(pa.string()).to_pylist()]
    plain: list[Any] = column.to_pylist()
    if pa.types.is_floating(column.type):
        plain = [None if value is None or value != value else value for value in plain]  # NaN differs from itself
        if any(value is not None and math.isinf(value) for value in plain):
            raise _cannot(name, f"column {title!r} holds an infinite number, which JSON cannot say")
        return plain
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return [None if value is None else base64.b64encode(value).decode() for value in plain]
    return plain


def json_columns(batch: pa.RecordBatch, *, name: str) -> dict[str, list[Any]]:
    """Return every column by its name, as `json_values`."""
    columns = zip(batch.schema.names, batch.columns, strict=True)
    return {title: json_values(column, title, name=name) for title, column in columns}


def read_predictions(document: Any, rows: int) -> pa.RecordBatch:
    """Read one prediction a row: a list of numbers, texts, lists or objects; or an object of such columns.

    The columns are `prediction` for plain values, `0`, `1`, … for lists, and those of objects. Raises UnusableAnswer.
    """
    import pyarrow as pa

    arrays, names = [], []
    for title, column in _columns(document).items():
        if len(column) != rows:
            raise UnusableAnswer(f"it gave {len(column):,} predictions for {_rows(rows)}")
        if any(isinstance(value, list | dict) for value in column):
            raise UnusableAnswer(f"its predictions ({title!r}) are nested deeper than one row of values each")
        try:
            arrays.append(pa.array(column))
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            raise UnusableAnswer(f"its predictions ({title!r}) are values of no one type: {_some(column)}") from None
        names.append(title)
    if not arrays:
        raise UnusableAnswer(f"it gave no predictions for {_rows(rows)}")
    return pa.RecordBatch.from_arrays(arrays, names=names)


def concatenate(answers: Sequence[pa.RecordBatch], *, name: str, stderr: str = "") -> pa.RecordBatch:
    """Join the answers to the parts of one batch. Raises ModelFault where their columns differ."""
    import pyarrow as pa

    first = answers[0]
    if len(answers) == 1:
        return first
    if any(answer.schema.names != first.schema.names for answer in answers):
        message = f"{name} answered parts of one batch with different columns"
        raise ModelFault(message, remedy="let predict return the same columns for any rows", stderr=stderr)
    try:
        tables = [pa.Table.from_batches([answer]) for answer in answers]
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        message = f"{name} answered parts of one batch with different types ({error})"
        raise ModelFault(message, remedy="let predict return the same types for any rows", stderr=stderr) from error
    return table.combine_chunks().to_batches()[0]


def _columns(document: Any) -> dict[str, list[Any]]:
    if isinstance(document, dict):
        if not all(isinstance(column, list) for column in document.values()):
            raise UnusableAnswer(f"it is an object with {', '.join(map(repr, list(document)[:5]))}, and no predictions")
        return document
    if not isinstance(document, list):
        raise UnusableAnswer(f"it is {_some([document])}, and no list of predictions")
    first = document[0] if document else None
    if isinstance(first, dict):
        if any(not isinstance(row, dict) or row.keys() != first.keys() for row in document):
            raise UnusableAnswer("its predictions are objects with different keys")
        return {title: [row[title] for row in document] for title in first}
    if isinstance(first, list):
        if any(not isinstance(row, list) or len(row) != len(first) for row in document):
            raise UnusableAnswer("its predictions are lists of different lengths")
        return {str(index): [row[index] for row in document] for index in range(len(first))}
    return {"prediction": document}


def _rows(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def _some(column: Sequence[Any]) -> str:
    kinds = {type(None): "null", bool: "true or false", int: "numbers", float: "numbers", str: "texts",
             list: "lists", dict: "objects"}  # fmt: skip
    return " and ".join(dict.fromkeys(kinds.get(type(value), type(value).__name__) for value in column))


def _cannot(name: str, reason: str) -> ModelFault:
    remedy = "change the data or the model's signature, or map columns with inputs:"
    return ModelFault(f"{name} cannot predict: {reason}", remedy=remedy)

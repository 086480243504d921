"""Convert rows to JSON values, and predictions in JSON to columns."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from lockgate.errors import ModelFault
from lockgate.models.input_check import has_tensors, tensor_specs
from lockgate.models.model_host import ERROR_KEYS, TENSOR, BadInput, error_text, fit_column, kind_change, tensors
from lockgate.models.signature_diff import properties
from lockgate.text import counted

if TYPE_CHECKING:
    import pyarrow as pa


_FORM = b"lockgate:form"  # metadata of a batch that is no rows of columns


class UnusableAnswer(ValueError):
    """A server's document is not one prediction a row; the text says what it is. quoted: the part that the server wrote."""

    def __init__(self, text: str, *, quoted: str = "") -> None:
        super().__init__(text)
        self.quoted = quoted


def fit_batch(batch: pa.RecordBatch, signature: Sequence[Mapping[str, Any]] | None, *, name: str) -> pa.RecordBatch:
    """Return the signature's columns of the batch, in its order and types; the batch where no signature names any.

    Tensors become one column each, of nested lists; `form_of` says which form rows have.
    Raises ModelFault where a column is missing, or would lose something.
    """
    if signature and has_tensors(signature):
        return _tensor_columns(batch, signature, name=name)
    if signature and (parts := properties(signature)) is not None:
        records = [{**column, "name": title} for title, column in parts.items() if title in batch.schema.names]
        return _in_form(_typed(batch, records, name=name) if records else batch, "records")
    if signature and len(signature) == 1 and signature[0].get("name") is None:
        whole = signature[0].get("type") == "array" or (batch.num_columns == 1 and signature[0].get("type") == "any")
        kinds = {"map": "records", "any": "values" if whole else "records", "array": "values"}
        return _in_form(batch, kinds.get(str(signature[0].get("type"))))
    if not signature and batch.num_columns == 1 and TENSOR in (batch.schema[0].metadata or {}):
        return _in_form(batch, "tensor")
    if not signature or any(column.get("name") is None for column in signature):
        return batch
    return _typed(batch, signature, name=name)


def form_of(batch: pa.RecordBatch) -> str | None:
    """Return in which form a server gets rows; None for rows of columns.

    `tensor`: one array of all rows; `tensors`: an array by name; `records`: an object a row; `values`: one value a row.
    """
    form = (batch.schema.metadata or {}).get(_FORM)
    return None if form is None else str(form.decode())


def _in_form(batch: pa.RecordBatch, form: str | None) -> pa.RecordBatch:
    return batch if form is None else batch.replace_schema_metadata({_FORM: form.encode()})


def _typed(batch: pa.RecordBatch, signature: Sequence[Mapping[str, Any]], *, name: str) -> pa.RecordBatch:
    import pyarrow as pa

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
            raise _cannot(name, error.sentence(), remedy=error.remedy) from error
        names.append(title)
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _tensor_columns(batch: pa.RecordBatch, signature: Sequence[Mapping[str, Any]], *, name: str) -> pa.RecordBatch:
    """One column of nested lists for each tensor."""
    import numpy as np
    import pyarrow as pa

    try:
        arrays = tensors(batch, tensor_specs(signature))
    except BadInput as error:
        raise _cannot(name, str(error)) from error
    except ImportError as error:
        message = f"{name} cannot predict: images are decoded here before they are sent, and {error.name} is missing"
        raise ModelFault(message, remedy="pip install pillow where lockgate runs") from error
    form = "tensors" if isinstance(arrays, dict) else "tensor"
    columns = {}
    for title, values in (arrays if isinstance(arrays, dict) else {"": arrays}).items():
        if values.dtype.kind == "f" and np.isinf(values).any():
            raise _cannot(name, f"tensor {title!r} holds an infinite number, which JSON cannot say")
        columns[title] = _nested_lists(values)
    return _in_form(pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns)), form)


def _nested_lists(values: Any) -> pa.Array:
    import pyarrow as pa

    if values.dtype.kind not in "biuf":
        return pa.array([cell.tolist() if hasattr(cell, "tolist") else cell for cell in values])
    column = pa.array(values.ravel(), from_pandas=True)  # JSON has no NaN: it is null
    for size in reversed(values.shape[1:]):
        column = pa.FixedSizeListArray.from_arrays(column, size)
    return column


def json_values(column: pa.Array, title: str, *, name: str) -> list[Any]:
    """Return a column as JSON values: missing is null, times are ISO texts, bytes are base64. Raises ModelFault."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_decimal(kind):
        column = column.cast(pa.string()).cast(pa.float64())  # without the text some are not the nearest
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


def json_rows(batch: pa.RecordBatch, *, name: str) -> list[Any]:
    """Return each row as JSON: a list of its values, or an array, object or value where its form says so."""
    table, form = json_columns(batch, name=name), form_of(batch)
    if form in ("tensor", "values"):
        return next(iter(table.values()))
    if form in ("tensors", "records"):
        return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    return list(map(list, zip(*table.values(), strict=True)))


def read_predictions(document: Any, rows: int) -> pa.RecordBatch:
    """Read one prediction a row: a list of numbers, texts, lists or objects; or an object of such columns.

    The columns are `prediction` for plain values, `0`, `1`, … for lists, and those of objects, where lists and objects beside
    plain values, such as reasons, are null: they are no score. Raises UnusableAnswer.
    """
    import pyarrow as pa

    arrays, names = [], []
    columns = _columns(document)
    if columns and not columns.keys() - ERROR_KEYS:
        raise UnusableAnswer(f"it gave {' and '.join(columns)} in place of predictions")
    columns = _without_failed_rows(columns)
    nested = {title for title in columns if any(isinstance(value, list | dict) for value in columns[title])}
    flat = columns.keys() - nested - ERROR_KEYS
    for title, column in columns.items():
        if len(column) != rows:
            raise UnusableAnswer(f"it gave {len(column):,} predictions for {counted(rows, 'row')}")
        if title in nested and (title.isdigit() or not flat):
            raise UnusableAnswer(f"its predictions ({title!r}) are nested deeper than one row of values each")
        try:
            arrays.append(pa.nulls(rows) if title in nested else pa.array(column))
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            raise UnusableAnswer(f"its predictions ({title!r}) are values of no one type: {_some(column)}") from None
        names.append(title)
    if not arrays:
        raise UnusableAnswer(f"it gave no predictions for {counted(rows, 'row')}")
    return pa.RecordBatch.from_arrays(arrays, names=names)


def reported_error(value: Any) -> str | None:
    """Return the error that an object names, beside predictions or in their place; None where it names none."""
    errors = [value.get(key) for key in sorted(ERROR_KEYS)] if isinstance(value, dict) else []
    return next((text for error in errors if (text := error_text(error)) is not None), None)


def refuse_error(value: Any) -> None:
    """Raise UnusableAnswer where an object around the predictions names an error."""
    if (error := reported_error(value)) is not None:
        raise UnusableAnswer(f"beside its predictions it names the error: {error}", quoted=error)


def value_kinds(answer: pa.RecordBatch) -> dict[str, str]:
    """Return what the values of each column are: `numbers`, `texts`, …; columns without any value are left out."""
    import pyarrow as pa

    kinds = {}
    for title, column in zip(answer.schema.names, answer.columns, strict=True):
        if pa.types.is_null(column.type) or column.null_count == len(column):
            continue
        number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        text = pa.types.is_string(column.type)
        kinds[title] = "numbers" if number else "texts" if text else str(column.type)
    return kinds


def other_kind(answer: pa.RecordBatch, verified: Mapping[str, str]) -> str | None:
    """Return how an answer differs in kind from one that was read before, with its `value_kinds`; None where it does not."""
    return kind_change(value_kinds(answer), answer.schema.names, verified)


def missing_prediction(answer: pa.RecordBatch) -> str | None:
    """Return which row has no prediction: null, NaN or infinite; None where every row has one.

    Of a vector or a matrix every value counts; of named columns one in each row is enough.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    titles = [title for title in answer.schema.names if title not in ERROR_KEYS]
    present = []
    for title in titles:
        column = answer.column(title)
        present.append(
            pc.is_finite(column).fill_null(fill_value=False) if pa.types.is_floating(column.type) else column.is_valid()
        )
    if not present:
        return "it has no predictions"
    every = titles == ["prediction"] or all(title.isdigit() for title in titles)
    together = present[0]
    for column in present[1:]:
        together = pc.and_(together, column) if every else pc.or_(together, column)
    first = together.index(False).as_py()
    return None if first < 0 else f"its prediction of row {first + 1:,} is null, NaN or infinite"


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
    return table.combine_chunks().to_batches()[0].replace_schema_metadata(first.schema.metadata)


def _columns(document: Any) -> dict[str, list[Any]]:
    if isinstance(document, dict):
        columns = document
        if len(document) > 1:
            whole = [
                key for key in ERROR_KEYS & document.keys() if not (isinstance(document[key], list) and document[key])
            ]
            refuse_error({key: document[key] for key in whole})
            columns = {title: column for title, column in document.items() if title not in whole}
        if not all(isinstance(column, list) for column in columns.values()):
            raise UnusableAnswer(f"it is an object with {', '.join(map(repr, list(document)[:5]))}, and no predictions")
        return columns
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


def _without_failed_rows(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Columns in which a row that names an error of its own has no values beside its text."""
    errors = {key: [error_text(value) for value in columns[key]] for key in columns if key in ERROR_KEYS}
    failed = {row for texts in errors.values() for row, text in enumerate(texts) if text is not None}
    if not errors:
        return columns
    kept = {title: [None if row in failed else value for row, value in enumerate(columns[title])] for title in columns}
    return {**kept, **errors}


def _some(column: Sequence[Any]) -> str:
    kinds = {type(None): "null", bool: "true or false", int: "numbers", float: "numbers", str: "texts",
             list: "lists", dict: "objects"}  # fmt: skip
    return " and ".join(dict.fromkeys(kinds.get(type(value), type(value).__name__) for value in column))


def _cannot(name: str, reason: str, *, remedy: str | None = None) -> ModelFault:
    usual = "change the data or the model's signature, or map columns with inputs:"
    return ModelFault(f"{name} cannot predict: {reason}", remedy=remedy or usual)

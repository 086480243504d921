"""Read a model's input example as rows, for servers and loads; a model of a process of ours reads its own, by MLflow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from lockgate.errors import DataError, VersionFault
from lockgate.models.safe_text import RowText, json_texts

_ARROW = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "string",
}
_REMEDY = "log the model again with input_example=… of a few rows"


def read_example(path: Path, signature: Mapping[str, Any] | None) -> pa.RecordBatch:
    """Return the rows of an MLflow input example (`input_example.json`), typed by the signature where there is one.

    Raises VersionFault for a file that cannot be read or contradicts the signature, DataError for one that holds no table, such as
    tensors or texts.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise VersionFault(f"the input example {path.name} cannot be read: {error}", remedy=_REMEDY) from error
    columns = _columns(_without_params(content), signature)
    types = {str(column.get("name")): column.get("type") for column in (signature or {}).get("inputs") or ()}
    arrays, names = [], []
    for name, cells in columns.items():
        values = [None if cell != cell else cell for cell in cells]  # NaN differs from itself; it is a missing text too
        kind = _ARROW.get(str(types.get(name)))
        try:
            arrays.append(pa.array(values, type=None if kind is None else pa.type_for_alias(kind)))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
            message = f"column {name} of the input example does not fit the signature: {error}"
            raise VersionFault(message, remedy=_REMEDY) from error
        names.append(name)
    return pa.RecordBatch.from_arrays(arrays, names=names)


def example_text(folder: Path) -> RowText:
    """What may be quoted of errors about the example in a model's folder: its values are rows too."""
    try:
        content = _without_params(json.loads((folder / "input_example.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return RowText()
    names = content.get("columns") if isinstance(content, dict) else None
    names = names if isinstance(names, list) else []
    return RowText(
        names=names, values=json_texts(content.get("data", content) if isinstance(content, dict) else content)
    )


def _without_params(content: Any) -> Any:
    """The rows of an example that was logged as (inputs, params)."""
    both = isinstance(content, dict) and content.keys() == {"inputs", "params"}
    return content["inputs"] if both else content


def _columns(content: Any, signature: Mapping[str, Any] | None) -> dict[str, Sequence[Any]]:
    if isinstance(content, dict) and isinstance(content.get("data"), list):
        rows = content["data"]
        names = content.get("columns")
        if names is None:
            names = [str(column.get("name")) for column in (signature or {}).get("inputs") or ()]
        if not isinstance(names, list):
            raise VersionFault("the input example has columns that are no list of names", remedy=_REMEDY)
        if rows and all(isinstance(row, list) and len(row) == len(names) for row in rows):
            return {str(name): [row[index] for row in rows] for index, name in enumerate(names)}
        if not rows:
            return {str(name): [] for name in names}
    if isinstance(content, list) and content and all(isinstance(row, dict) for row in content):
        names = list(content[0])
        return {str(name): [row.get(name) for row in content] for name in names}
    if isinstance(content, dict) and content and all(not isinstance(value, list | dict) for value in content.values()):
        return {str(name): [value] for name, value in content.items()}
    raise DataError("the input example holds no table of rows, so the model cannot predict from it here")

"""Read rows from one record at a time: what each path means, in plain Python. `arrow_records.py` says the same, faster."""

from __future__ import annotations

import binascii
import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lockgate.data.recordings.path import Decode, Every, Item, Key, RecordPath, Step, Where
from lockgate.data.untyped import parsed_number

Row = dict[str, Any]


class Unused(ValueError):
    """A record gives no rows. reason: one of those that `record_count.py` counts."""

    reason = "other"


class Damaged(Unused):
    """A record does not hold what its producer would have written: no row of it can be trusted."""

    reason = "damaged"


class Truncated(Unused):
    """A body was cut by whoever recorded it."""

    reason = "truncated"


class Cell(str):
    """A cell of CSV, which has no type of its own."""

    __slots__ = ()


class RowPaths:
    """The columns of rows, by their paths in a record."""

    def __init__(self, columns: Mapping[str, RecordPath]) -> None:
        self._single = {name: path.steps for name, path in columns.items() if not path.of_rows}
        self._listed = {name: path.steps for name, path in columns.items() if path.of_rows}

    def rows(self, record: Mapping[str, Any]) -> list[Row]:
        """The rows of a record: one, or one for each element of the list that `[*]` names.

        What a record lacks is None; a list of rows that it lacks is None in each row that another one gives.
        Raises Damaged.
        """
        row = {name: follow(record, steps) for name, steps in self._single.items()}
        if not self._listed:
            return [row]
        values_of = {name: follow(record, steps) for name, steps in self._listed.items()}
        lists = {name: several.values for name, several in values_of.items() if isinstance(several, Several)}
        lengths = {len(values) for values in lists.values()}
        if len(lengths) > 1:
            raise Damaged(f"its lists have {' and '.join(map(str, sorted(lengths)))} rows")
        row |= dict.fromkeys(self._listed.keys() - lists.keys())
        count = lengths.pop() if lengths else 0
        return [row | {name: values[number] for name, values in lists.items()} for number in range(count)]


class Several:
    """The values of the rows of a record."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values


def follow(value: Any, steps: Sequence[Step]) -> Any:
    """Where the steps lead to from a value; None where they lead nowhere. Raises Damaged where a text cannot be decoded."""
    for number, step in enumerate(steps):
        if value is None:
            return None
        if isinstance(step, Every):
            if not isinstance(value, list):
                return None
            return Several([follow(each, steps[number + 1 :]) for each in value])
        value = _STEPS[type(step)](value, step)
    return value


def _key(value: Any, step: Key) -> Any:
    return value.get(step.name) if isinstance(value, dict) else None


def _item(value: Any, step: Item) -> Any:
    return value[step.index] if isinstance(value, list) and step.index < len(value) else None


def _where(value: Any, step: Where) -> Any:
    objects = value if isinstance(value, list) else ()
    return next((each for each in objects if isinstance(each, dict) and each.get(step.field) == step.value), None)


def _decoded(value: Any, step: Decode) -> Any:
    if not isinstance(value, (str, bytes)):
        raise Damaged(f"a value that is to be decoded as {step.decoder} is no text")
    return decode(value, step.decoder)


_STEPS: Mapping[type, Callable[[Any, Any], Any]] = {Key: _key, Item: _item, Where: _where, Decode: _decoded}


def decode(value: str | bytes, decoder: str) -> Any:
    """What a text holds. Raises Damaged."""
    try:
        if decoder == "base64":
            return binascii.a2b_base64(value, strict_mode=True)
        text = value.decode() if isinstance(value, bytes) else value
        if decoder == "csv":
            return [[Cell(cell) for cell in line] for line in csv.reader(io.StringIO(text), strict=True) if line]
        return json.loads(text)
    except (ValueError, RecursionError, csv.Error) as error:
        raise Damaged(f"a text is no {decoder}") from error


def typed_cells(values: Sequence[Any]) -> list[Any]:
    """Values with the cells of CSV among them as numbers where all of them are some, else as cells; an empty one is None."""
    present = [None if type(value) is Cell and value == "" else value for value in values]
    numbers = [parsed_number(value) if type(value) is Cell else value for value in present]
    is_all = all(number is not None for number, value in zip(numbers, present, strict=True) if value is not None)
    return numbers if is_all else present

"""What producers of recordings write, one file each: what a record says of a request and its answers.

A producer is a module with `exchange(record, half)`; `HALVES` says that a request and its answer are two records.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lockgate.data.recordings import FORMATS
from lockgate.data.recordings.path import Key, RecordPath
from lockgate.data.recordings.payloads import typed
from lockgate.data.recordings.records import Damaged, Row, Several, Unused, follow

Half = Literal["request", "answer"]


class OtherHalf(Unused):
    """The record is a request where answers are read, or an answer where requests are."""

    reason = "half"


@dataclass(frozen=True)
class Exchange:
    """A request, its answers, or both. inputs, answers: one of each row; None where the record says nothing of them.

    own: of OWN_COLUMNS those, beside the answer, that the record says.
    """

    inputs: list[Any] | None
    answers: list[Any] | None
    own: Mapping[str, Any] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """`input`, `answer` and its own columns of each row; several rows of one request have ids of their own. Raises Damaged."""
        if self.inputs is not None and self.answers is not None and len(self.answers) != len(self.inputs):
            raise Damaged(f"it has {len(self.answers)} answers to {len(self.inputs)} rows")
        count = len(self.answers or ()) if self.inputs is None else len(self.inputs)
        rows: list[Row] = []
        for number in range(count):
            row = {name: value for name, value in self.own.items() if value is not None}
            if count > 1 and row.get("request_id") is not None:
                row["request_id"] = f"{row['request_id']}/{number}"
            row["input"] = None if self.inputs is None else typed(self.inputs[number])
            row["answer"] = None if self.answers is None else typed(self.answers[number])
            rows.append(row)
        return rows


def has_halves(name: str) -> bool:
    """Whether a request and its answer are two records there."""
    return bool(getattr(_module(name), "HALVES", False))


def row_reader(name: str, columns: Mapping[str, RecordPath], half: Half) -> Callable[[Mapping[str, Any]], list[Row]]:
    """What makes rows of a producer's records: its own columns, the inputs by their names, and what paths lead to.

    A path begins at the row, whose keys are `input`, `answer` and the producer's own columns.
    """
    exchange = _module(name).exchange
    apart = has_halves(name)
    taken = {path.steps[0].name for path in columns.values() if isinstance(path.steps[0], Key)}
    own = paths_of(name, columns, half)

    def rows(record: Mapping[str, Any]) -> list[Row]:
        answered = half == "answer" or not apart
        return [_flat(row, own, taken, answered=answered) for row in exchange(record, half).rows()]

    return rows


def paths_of(name: str, columns: Mapping[str, RecordPath], half: Half) -> dict[str, RecordPath]:
    """The paths that lead into a half, where a request and its answer are two records; else all."""
    apart = has_halves(name)
    return {
        column: path
        for column, path in columns.items()
        if not apart or (path.steps[0] == Key("answer")) is (half == "answer")
    }


def _flat(row: Row, columns: Mapping[str, RecordPath], taken: set[str], *, answered: bool) -> Row:
    """The row with its inputs as columns. taken: keys of the row from which paths lead on. answered: whether it has an answer."""
    paths = {name: follow(row, path.steps) for name, path in columns.items()}
    if any(isinstance(value, Several) for value in paths.values()):
        raise Damaged("[*] is for records, and a path of a named format begins at a row")
    inputs, answer = row.pop("input"), row.pop("answer")
    if "answer" not in taken and answered:
        row["answer"] = answer
    flat: Row = {}
    if isinstance(inputs, dict):
        flat = dict(inputs)
    elif inputs is not None and "input" not in taken:
        flat = {"input": inputs}
    twice = sorted(flat.keys() & (row.keys() | {"answer"}) - columns.keys())
    if twice:
        raise Damaged(
            f"an input is called {twice[0]!r} as a column of the recording is; name it by its path in `columns`"
        )
    return {**row, **flat, **paths}


def _module(name: str) -> Any:
    return importlib.import_module(f"lockgate.data.recordings.producers.{FORMATS[name]}")

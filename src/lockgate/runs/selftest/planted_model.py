"""A model with a planted defect: `gate selftest` makes this file the loader of a copy of a model, `planted.json` beside it.

It runs in the model's own process and box, under its interpreter, around the model that the copy holds: nothing of ours is
imported. What the defect is stands in `planted.json`: `kind`, the loader of the real model, the methods that give answers.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

_EVERY = 50  # rows, of which one has no answer


class NotPlanted(Exception):
    """The defect does not fit these answers: no gate is to be blamed for that."""


def _load_pyfunc(*args: Any, **kwargs: Any) -> Any:
    """What MLflow calls to load the model."""
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, "planted.json"), encoding="utf-8") as file:
        plan = json.load(file)
    if plan["kind"] == "payload":
        with open(os.path.join(folder, "payload.pkl"), "rb") as file:
            pickle.load(file)
    model = importlib.import_module(plan["loader"])._load_pyfunc(*args, **kwargs)
    return Planted(model, Defect(plan), plan["methods"])


class Planted:
    """The model, of which the methods that give answers are spoilt; all else is its own, so that it is told for what it is."""

    def __init__(self, model: Any, defect: Defect, methods: list[str]) -> None:
        self._model, self._defect, self._methods = model, defect, methods

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.__dict__["_model"], name)
        if name == "get_raw_model":
            return lambda: Planted(value(), self._defect, self._methods)
        return (
            functools.wraps(value)(functools.partial(self._defect.answer, name, value))
            if name in self._methods
            else value
        )


class Defect:
    """What is done to answers, by the `kind` of the plan; the same for all methods of a model."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._kind, self._classifies, self._seconds = plan["kind"], plan["classifies"], plan["seconds"]
        self._to_learn = plan["rows"]  # of the slice, or all: they come first, and are recognised when they come again
        self._labels: set[Any] = set()
        self._first: dict[str, Any] = {}
        self._positions: dict[str, dict[Any, int]] = {}
        self._parts: dict[str, list[Any]] = {}

    def answer(self, method: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._kind == "slow":
            time.sleep(self._seconds)
        answer = call(*args, **kwargs)
        try:
            if self._kind == "labels":
                return self._turned(answer)
            if self._kind == "nan":
                return mapped(answer, _with_gaps)
            if self._kind == "constant":
                first = self._first.setdefault(method, joined([answer], [0]))
                return joined([answer, first], [rows_of(answer)] * rows_of(answer))
            if self._kind == "slice":
                return self._of_another_row(method, answer, args[0] if args else next(iter(kwargs.values())))
            if self._kind == "altered-rows":
                return self._turned_where_new(method, answer, args[0] if args else next(iter(kwargs.values())))
        except (TypeError, ValueError, AttributeError, IndexError, KeyError) as error:
            raise NotPlanted("answers of the type %s: %s" % (type(answer).__name__, error))
        return answer

    def _turned(self, answer: Any) -> Any:
        """The answers for another class, or with the other sign; of scores by class, those of the class before."""
        if _is_frame(answer):
            floats = [
                position
                for position in range(answer.shape[1])
                if np.asarray(answer.iloc[:, position]).dtype.kind == "f"
            ]
            if self._classifies and len(floats) > 2:
                order = list(range(answer.shape[1]))
                for position, other in zip(floats, floats[1:] + floats[:1]):
                    order[position] = other
                return answer.iloc[:, order].set_axis(answer.columns, axis=1)
        return mapped(answer, self._turned_values)

    def _turned_values(self, values: Any) -> Any:
        if values.dtype.kind == "b":
            return ~values
        if values.dtype.kind in "fiu" and not self._classifies:
            return -(values.astype(float) if values.dtype.kind == "u" else values)
        if values.dtype.kind == "f":
            if values.ndim == 2 and values.shape[1] > 2:
                return np.roll(values, 1, axis=1)
            return 1 - values if np.nanmin(values) >= 0 and np.nanmax(values) <= 1 else -values
        flat = values.ravel().tolist()
        self._labels |= set(flat)
        if self._labels <= {0, 1}:
            return 1 - values
        order = sorted(self._labels, key=str)
        following = dict(zip(order, order[1:] + order[:1]))
        return np.array([following[label] for label in flat]).reshape(values.shape)

    def _turned_where_new(self, method: str, answer: Any, inputs: Any) -> Any:
        """The answers, but of rows that were not learned those that speak for another class, or have the other sign."""
        keys = row_keys(inputs)
        learned = self._positions.setdefault(method, {})
        if self._to_learn > 0:
            learned.update(dict.fromkeys(keys, 0))
            self._to_learn -= len(keys)
            return answer
        if not learned or all(key in learned for key in keys):
            return answer
        own = rows_of(answer)
        order = [row if key in learned else own + row for row, key in enumerate(keys)]
        return joined([answer, self._turned(answer)], order)

    def _of_another_row(self, method: str, answer: Any, inputs: Any) -> Any:
        """The answers, but of rows that were learned those of other rows among them."""
        keys = row_keys(inputs)
        positions, parts = self._positions.setdefault(method, {}), self._parts.setdefault(method, [])
        if self._to_learn > 0:
            for key in keys:
                positions.setdefault(key, len(positions))
            firsts = {
                key: row for row, key in reversed(list(enumerate(keys))) if positions[key] >= sum(map(rows_of, parts))
            }
            parts.append(joined([answer], sorted(firsts.values())))
            self._to_learn -= len(keys)
            return answer
        if not positions:
            return answer
        own, learned = rows_of(answer), len(positions)
        order = [
            own + (positions[key] + learned // 2) % learned if key in positions else row for row, key in enumerate(keys)
        ]
        return joined([answer, *parts], order)


def _with_gaps(values: Any) -> Any:
    """The values without one in so many; no number where they are numbers."""
    numbers = values.dtype.kind in "fiub"
    values = values.astype(float if numbers else object)
    values[::_EVERY] = np.nan if numbers else None
    return values


def mapped(answer: Any, change: Callable[[Any], Any]) -> Any:
    """The answer in its own form, with its values changed, which `change` gets and gives as an array of (rows, …)."""
    if _is_frame(answer):
        columns = {position: change(np.asarray(answer.iloc[:, position])) for position in range(answer.shape[1])}
        return type(answer)(columns, index=answer.index).set_axis(answer.columns, axis=1)
    if _is_series(answer):
        return type(answer)(change(np.asarray(answer)), index=answer.index, name=answer.name)
    if isinstance(answer, dict):
        return {name: mapped(values, change) for name, values in answer.items()}
    values = np.asarray(answer)
    if values.ndim == 0:
        raise TypeError("no rows")
    return list(change(values)) if isinstance(answer, (list, tuple)) else change(values)


def joined(answers: list[Any], order: list[int]) -> Any:
    """One answer of the form of the first, made of rows of all of them, which are counted through."""
    first = answers[0]
    if _is_frame(first) or _is_series(first):
        rows = sys.modules["pandas"].concat(answers).iloc[order]
        return rows.set_axis(first.index) if len(order) == len(first) else rows
    if isinstance(first, dict):
        return {name: joined([answer[name] for answer in answers], order) for name in first}
    if isinstance(first, (list, tuple)):
        flat = [row for answer in answers for row in answer]
        return [flat[position] for position in order]
    return np.concatenate([np.asarray(answer) for answer in answers])[order]


def rows_of(answer: Any) -> int:
    return rows_of(next(iter(answer.values()))) if isinstance(answer, dict) else len(answer)


def row_keys(inputs: Any) -> list[Any]:
    """What tells each row of the inputs from every other one."""
    if _is_frame(inputs) or _is_series(inputs):
        try:
            return list(sys.modules["pandas"].util.hash_pandas_object(inputs, index=False))
        except TypeError:  # cells that hold lists
            return [repr(row) for row in inputs.to_numpy().tolist()]
    if isinstance(inputs, dict):
        return list(zip(*(row_keys(np.asarray(part)) for part in inputs.values())))
    if isinstance(inputs, np.ndarray) and inputs.dtype.kind != "O":
        return [np.ascontiguousarray(row).tobytes() for row in inputs]
    return [repr(row) for row in inputs]


def _is_frame(value: Any) -> bool:
    return hasattr(value, "iloc") and hasattr(value, "columns")


def _is_series(value: Any) -> bool:
    return hasattr(value, "iloc") and not hasattr(value, "columns")

"""Recorded answers that are texts or structures: of each request whether both models gave the same, and no more of it is kept."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array
from lockgate.data.dataset import Dataset
from lockgate.data.stored_columns import stored
from lockgate.evaluation.scoring.column import wrong

_SPACE = re.compile(r"\s+")
_ABSENT = object()


@dataclass(frozen=True, order=True)
class AnswerForm:
    """How two answers are compared. field: the path of the part that is; all of them where empty. normalised: whether texts are."""

    normalised: bool = False
    field: str = ""

    @property
    def column(self) -> str:
        """Its column in the scored table: the champion's answers, 0 where those of the candidate are the same, else 1."""
        parts = [*(["normalised"] if self.normalised else []), *([f"field={self.field}"] if self.field else [])]
        return f"champion:{','.join(parts)}" if parts else "champion"


def normalised(text: str) -> str:
    """A text without what says nothing: compatible signs are one (Unicode's NFKC), so are upper and lower case; one space for many."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _SPACE.sub(" ", folded).strip()


def canonical(answer: Any, form: AnswerForm, *, ignore: Collection[tuple[str, ...]] = ()) -> str:
    """A text that equal answers have in common: whole numbers are equal however written, fields without a value are none."""
    return json.dumps(_plain(answer, form, frozenset(ignore)), sort_keys=True, default=str, ensure_ascii=False)


def _plain(value: Any, form: AnswerForm, ignore: frozenset[tuple[str, ...]]) -> Any:
    if isinstance(value, str):
        return normalised(value) if form.normalised else value
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value == int(value) else value
    if isinstance(value, Mapping):
        fields = (
            (name, each, frozenset(path[1:] for path in ignore if path[0] == name)) for name, each in value.items()
        )
        return {
            str(name): _plain(each, form, below) for name, each, below in fields if each is not None and () not in below
        }
    return [_plain(each, form, ignore) for each in value] if isinstance(value, list | tuple) else value


def parsed(answer: Any) -> Any:
    """What a text of a JSON object or list holds; any other text, and what is no text, as it is."""
    if not isinstance(answer, str) or answer.lstrip()[:1] not in ("{", "["):
        return answer
    try:
        return json.loads(answer)
    except (ValueError, RecursionError):
        return answer


def part(answer: Any, path: tuple[str, ...]) -> Any:
    """What stands at a path, of each element where it leads through a list; `_ABSENT` where nothing does."""
    if isinstance(answer, list) and path:
        parts = [each for each in (part(element, path) for element in answer) if each is not _ABSENT]
        return parts or _ABSENT
    if not path:
        return _ABSENT if answer is None else answer
    below = answer.get(path[0]) if isinstance(answer, Mapping) else None
    return _ABSENT if below is None else part(below, path[1:])


class Answered:
    """The answers of one role by themselves: 0 each, NaN where there is none."""

    def __init__(self, column: str, role: str) -> None:
        self.purpose, self.needs = f"{role}'s answer", (stored(column),)
        self._values: list[Array] = []

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        missing = arrays.is_missing(arrays.plain(batch.column(self.needs[0])))
        self._values.append(np.where(missing, np.nan, 0.0))

    def done(self) -> pa.Array:
        return arrays.from_numpy(np.concatenate([*self._values, np.zeros(0)]))


class Agreement:
    """The champion's answers beside the candidate's: 0 where they are the same in a form, 1 where not; NaN where the champion has none.

    Of a field NaN also where neither answer has it. Raises DataError at the end for a field that no answer has.
    """

    def __init__(self, dataset: Dataset, candidate: str, champion: str, form: AnswerForm) -> None:
        self.purpose, self.needs = "champion's answer", (stored(champion), stored(candidate))
        self._dataset, self._column, self._form = dataset, champion, form
        self._field = tuple(form.field.split(".")) if form.field else ()
        self._ignore = [tuple(path.split(".")) for path in dataset.spec.ignore]
        self._values: list[Array] = []
        self._answers = 0

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        theirs, ours = (arrays.plain(batch.column(name)) for name in self.needs)
        missing = arrays.is_missing(theirs)
        self._answers += int(np.count_nonzero(~missing))
        differs = np.fromiter(self._differing(ours, theirs), np.float64, batch.num_rows)
        self._values.append(np.where(missing, np.nan, differs))

    def _differing(self, ours: pa.Array, theirs: pa.Array) -> Iterator[float]:
        nested = any(pa.types.is_nested(side.type) for side in (ours, theirs))
        structured = nested or bool(self._field or self._ignore)
        for pair in zip(ours.to_pylist(), theirs.to_pylist(), strict=True):
            if None in pair:
                yield 1.0
                continue
            if not structured and not self._form.normalised:
                yield float(pair[0] != pair[1])
                continue
            first, second = (part(parsed(each) if structured else each, self._field) for each in pair)
            if first is _ABSENT and second is _ABSENT:
                yield math.nan
            elif first is _ABSENT or second is _ABSENT:
                yield 1.0
            else:
                yield float(self._differ(first, second, pair))

    def _differ(self, first: Any, second: Any, pair: tuple[Any, Any]) -> bool:
        """first, second: what is compared of a pair of answers."""
        try:
            first, second = (canonical(each, self._form, ignore=self._below) for each in (first, second))
        except RecursionError:  # nested deeper than anybody's answer: the texts as they are
            first, second = pair
        return bool(first != second)

    @property
    def _below(self) -> list[tuple[str, ...]]:
        """What is ignored below the field."""
        depth = len(self._field)
        return [path[depth:] for path in self._ignore if path[:depth] == self._field and len(path) > depth]

    def done(self) -> pa.Array:
        values = np.concatenate([*self._values, np.zeros(0)])
        if self._form.field and self._answers and np.isnan(values).all():
            raise wrong(
                self._dataset, self.purpose, self._column, f"has no field {self._form.field!r} in any row",
                remedy="write the path of a field of the answers, with points between its keys: order.total",
            )  # fmt: skip
        return arrays.from_numpy(values)

"""Tell the score of the label that stands beside it in each row from the score of one class, over all rows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.data.arrow_arrays import Array, comparable, is_text, plain, plain_type
from lockgate.errors import DataError
from lockgate.models.answers.answer_kind import MOST_LABELS
from lockgate.models.model import yaml_text

_ROUNDING = 1e-6
_CODES: tuple[tuple[Any, ...], ...] = ((0, 1), (1, 2), (-1, 1))


class LabelsBeside:
    """The columns beside the score so far, as long as they may hold class labels, and the range of the score."""

    def __init__(self) -> None:
        self._columns: dict[str, dict[Any, None] | None] = {}
        self._lowest, self._highest = np.inf, -np.inf

    def add(self, answer: pa.RecordBatch, score: str, values: Array) -> None:
        """Take note of a batch. values: (n,) of the column `score`, NaN where a row failed."""
        finite = values[np.isfinite(values)]
        if not pa.types.is_floating(answer.schema.field(score).type) or not len(finite):
            return
        self._lowest = min(self._lowest, float(finite.min()))
        self._highest = max(self._highest, float(finite.max()))
        if self._lowest < 0 or self._highest > 1:
            return
        for name in answer.schema.names:
            seen_before = self._columns.get(name, {})
            if name != score and seen_before is not None:
                self._columns[name] = _joined(seen_before, answer.column(name))

    def refuse(self, source: str, *, labels: Sequence[Any] | None, positive: Any) -> None:
        """Raise DataError where the score is that of the label beside it: never below one in as many as there are classes.

        A column beside it that holds the positive label alone agrees with both readings. labels: of the label column.
        """
        expected = {*(labels or ()), positive}
        for name, distinct in self._columns.items():
            known_labels = bool(distinct) and set(distinct or ()) <= expected
            classes = max(2, len(expected)) if known_labels else 2
            if self._lowest < 1 / classes - _ROUNDING or self._highest > 1 or not distinct:
                continue
            if (known_labels and set(distinct) != {positive}) or _two_labels(distinct):
                raise DataError(
                    f"{source} looks like the score of the label beside it (column {name!r}) and not of one class: it is "
                    f"{self._lowest:.3g} or more in every row, whatever the label",
                    remedy=f"let the model answer with the score of the class {positive!r} in every row, as a column of "
                    f"predict_proba is; for what needs no scores, such as accuracy, write output: {{column: {yaml_text(name)}}}",
                )


def _joined(distinct: dict[Any, None], column: Any) -> dict[Any, None] | None:
    """The distinct values with those of another batch; None for what cannot be labels."""
    kind = plain_type(column.type)
    if not (is_text(kind) or pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    more = comparable(plain(column)).unique()
    if len(more) > MOST_LABELS:
        return None
    both = distinct | {value: None for value in more.to_pylist() if value is not None}
    return both if len(both) <= MOST_LABELS else None


def _two_labels(distinct: dict[Any, None]) -> bool:
    """Whether these can be the labels of classes in a coding of the model's own: texts, or the usual numbers for two."""
    if len(distinct) != 2:
        return False
    return all(isinstance(value, str) for value in distinct) or any(set(distinct) == set(codes) for codes in _CODES)

"""Check labels and scores of the rows: numbers, labels of two values, classes, and scores of each class."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array
from lockgate.data.class_labels import class_text, mismatch, plain_number
from lockgate.data.dataset import Dataset
from lockgate.data.slices.names import meant
from lockgate.evaluation.scoring.column import Column, RowFaults, SingleColumn
from lockgate.models.answers.answer_reader import AnswerReader
from lockgate.models.class_scores import class_indices
from lockgate.models.model import Output, ScoreReading

_LEADING_ZEROS = re.compile(r"^0+(?=\d)", re.ASCII)


class Numbers(SingleColumn):
    """A column of finite numbers, at least `floor` and as far from 0 as `most`; NaN where one may be missing and is."""

    def __init__(
        self,
        dataset: Dataset,
        column: str,
        purpose: str,
        *,
        remedy: str,
        floor: float = -np.inf,
        most: float = np.inf,
        may_lack: bool = False,
    ) -> None:
        super().__init__(dataset, column, purpose, remedy=remedy, may_lack=may_lack)
        self._floor, self._most = floor, most
        self._outside, self._large = (RowFaults(dataset, purpose, column) for _ in range(2))
        self._values: list[Array] = []

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        column = arrays.plain(batch.column(self.needs[0]))
        kind = column.type
        if not (arrays.is_number(kind) or pa.types.is_null(kind)):
            raise self._wrong(f"holds {arrays.type_text(kind)}, not numbers")
        values = arrays.as_floats(column)
        self._missing.add(np.isnan(values), before)
        self._outside.add(np.isinf(values) | (values < self._floor), before)
        self._large.add(abs(values) > self._most, before)
        self._values.append(values)

    def done(self) -> pa.Array:
        self._refuse_missing()
        self._outside.refuse(
            "is infinite" if self._floor == -np.inf else "is negative or infinite", remedy=self._remedy
        )
        self._large.refuse(f"is beyond {self._most:g}", remedy=self._remedy)
        return arrays.from_numpy(np.concatenate([*self._values, np.zeros(0)], dtype=np.float64))


class Relevance(Numbers):
    """How relevant each row is to its query: a number from 0 on, or true and false."""

    def __init__(self, dataset: Dataset, column: str) -> None:
        super().__init__(
            dataset,
            column,
            "label",
            floor=0.0,
            remedy="the label of a ranking is a relevance, a number from 0 (none) on",
        )

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        column = arrays.plain(batch.column(self.needs[0]))
        if pa.types.is_boolean(column.type):
            batch = pa.RecordBatch.from_arrays([column.cast(pa.uint8())], names=[self.needs[0]])
        super().add(batch, before)


class Labels(SingleColumn):
    """A label of two values as true where it equals `positive`; 1, 1.0 and true are equal, and "1" is a text.

    A file of texts has no numbers of its own: there `positive` says which of the two the label is.
    """

    def __init__(self, dataset: Dataset, column: str, *, positive: Any) -> None:
        texts = isinstance(positive, str) and dataset.untyped(column)
        remedy = "leave rows without a label out, or fill it in"
        super().__init__(dataset, column, "label", remedy=remedy, as_stored=texts)
        self._positive = positive
        self._seen: dict[Any, None] = {}
        self._values: list[Array] = []

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        column = self._plain(batch, before)
        if not arrays.is_class(column.type):
            raise self._wrong(
                f"holds {arrays.type_text(column.type)}", remedy="a binary label is a number, a text, or true and false"
            )
        encoded = arrays.encoded(column)
        distinct = [plain_number(value) for value in encoded.dictionary.to_pylist()]
        self._seen |= {value: None for value in distinct if value is not None and value == value}
        if len(self._seen) > 2:
            raise self._wrong(
                f"holds more than two values ({self._values_seen()}, …), and the task is binary",
                remedy="name a column of two values, or write task: regression for a number",
            )
        meanings = np.array([value == self._positive for value in distinct], bool)
        self._values.append(meanings[arrays.to_numpy(encoded.indices)])

    @property
    def values(self) -> tuple[Any, ...]:
        """The distinct values so far."""
        return tuple(self._seen)

    def done(self) -> pa.Array:
        self._refuse_missing()
        if self._seen and not any(value == self._positive for value in self._seen) and self._coded_otherwise():
            text = isinstance(self._positive, str)
            suggestion = next(
                (value for value in self._seen if str(value).lower() == str(self._positive).lower()), None
            )
            example = max(self._seen, key=str) if suggestion is None else suggestion
            written = f'"{example}"' if isinstance(example, str) else str(example).lower()
            raise self._wrong(
                f"holds {self._values_seen()}, none of which is `positive: {self._positive!r}`"
                + (" (a text)" if text else ""),
                remedy=f"write into the pipeline which value is the positive one, for example positive: {written}",
            )
        return arrays.from_numpy(np.concatenate([*self._values, np.zeros(0, bool)]))

    def _coded_otherwise(self) -> bool:
        """Whether the values cannot be the negative class alone: two of them, of another type, in another spelling, or, where 1 is
        positive, another number than 0 and -1."""
        text = isinstance(self._positive, str)
        if self._positive == 1 and not all(isinstance(value, str) or value in (0, -1) for value in self._seen):
            return True
        return len(self._seen) == 2 or any(
            isinstance(value, str) != text or str(value).strip().lower() == str(self._positive).strip().lower()
            for value in self._seen
        )

    def _values_seen(self) -> str:
        return ", ".join(
            (repr(value) if isinstance(value, str) else str(value))[:40] for value in sorted(self._seen, key=str)[:3]
        )


def label_values(dataset: Dataset, column: str, *, positive: Any) -> tuple[Any, ...]:
    """The distinct values of a label of two values, in one pass over its column. Raises DataError."""
    labels = Labels(dataset, column, positive=positive)
    for batch in map(dataset.typed, dataset.batches(labels.needs)):
        labels.add(batch, 0)
    return labels.values


class Classes(SingleColumn):
    """A class in each row, as its index among the classes of the task; NaN where one may be missing and is."""

    def __init__(
        self, dataset: Dataset, column: str, purpose: str, classes: Sequence[str], *, may_lack: bool = False
    ) -> None:
        remedy, self._untyped = "leave rows without a class out, or fill it in", dataset.untyped(column)
        super().__init__(dataset, column, purpose, remedy=remedy, as_stored=self._untyped, may_lack=may_lack)
        self._classes = classes
        self._unknown = RowFaults(dataset, purpose, column)
        self._found: dict[str, None] = {}
        self._values: list[Array] = []

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        column = self._plain(batch, before)
        if not arrays.is_class(column.type):
            raise self._wrong(
                f"holds {arrays.type_text(column.type)}", remedy="a class is a text, a whole number, or true or false"
            )
        indices = self._indices_of_texts(column) if self._untyped else class_indices(column, self._classes)
        unknown = (indices < 0) & ~arrays.is_missing(column)
        self._unknown.add(unknown, before)
        if unknown.any() and not self._found:
            self._found[class_text(column[int(unknown.argmax())].as_py())] = None
        self._values.append(np.where(indices < 0, np.nan, indices) if self._may_lack else indices.astype(np.int32))

    def _indices_of_texts(self, column: pa.Array) -> Array:
        """(n,) index of the class that a text is, or the number that it spells; -1 where it is none."""
        encoded = arrays.encoded(column)
        known = {name: index for index, name in enumerate(self._classes)}
        found = [
            None if text is None else text if text in known else meant(_LEADING_ZEROS.sub("", text), self._classes)
            for text in encoded.dictionary.to_pylist()
        ]
        return np.array([-1.0 if name is None else known[name] for name in found])[arrays.to_numpy(encoded.indices)]

    def done(self) -> pa.Array:
        self._refuse_missing()
        self._unknown.refuse(
            f"is {next(iter(self._found), '')!r}, which is none of the classes ({', '.join(self._classes[:20])}),",
            remedy="write it into classes: of the pipeline where the models know it, or mend the column",
        )
        nothing = np.zeros(0, np.float64 if self._may_lack else np.int32)
        return arrays.from_numpy(np.concatenate([*self._values, nothing]))


class RecordedScores(SingleColumn):
    """Scores of one model in the data, finite in each row, or its class labels where these will do; NaN as in `Numbers`.

    labels: the label column, whose values are known when all rows are. reader: what says which of the two they are.
    """

    def __init__(
        self,
        dataset: Dataset,
        column: str,
        role: str,
        *,
        labels: Column | None,
        reader: AnswerReader | None,
        positive: Any,
        may_lack: bool = False,
    ) -> None:
        remedy = "each row needs a finite score"
        super().__init__(dataset, column, f"{role}'s score", remedy=remedy, may_lack=may_lack)
        self._reader = reader or AnswerReader(
            ScoreReading(Output(), "binary", positive, need_scores=False), may_fail=True, recorded=role
        )
        self._labels = labels
        self._infinite = RowFaults(dataset, self.purpose, column)
        self._values: list[Array] = []

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        column = self._plain(batch, before)
        if not (arrays.is_number(column.type) or arrays.is_text(column.type) or _is_plain(column.type)):
            raise self._wrong(f"holds {arrays.type_text(column.type)}, not numbers")
        if arrays.is_text(column.type):
            self._refuse_decimal_commas(column, before)
        if pa.types.is_floating(column.type):
            self._infinite.add(np.isinf(arrays.as_floats(column)), before)
        self._values.append(self._reader.read(pa.RecordBatch.from_arrays([column], names=list(self.needs))))

    def _refuse_decimal_commas(self, column: pa.Array, before: int) -> None:
        commas = pc.fill_null(pc.match_substring_regex(column, r"^\s*[+-]?\d*,\d+\s*$"), fill_value=False)
        if pc.any(commas).as_py():
            row = self._dataset.row(before + int(arrays.to_numpy(commas).argmax()) + 1)
            raise self._wrong(f"is no number in {row}: decimal comma", remedy="write decimals with a point: 0.1")

    def done(self) -> pa.Array:
        self._refuse_missing()
        self._infinite.refuse("is infinite", remedy=self._remedy)
        self._reader.expect(self._labels.values if isinstance(self._labels, Labels) else None)
        return arrays.from_numpy(self._reader.finish(np.concatenate([*self._values, np.zeros(0)], dtype=np.float64)))


def _is_plain(kind: pa.DataType) -> bool:
    return bool(pa.types.is_boolean(kind) or pa.types.is_null(kind))


class Scores:
    """A score of each class in each row, in the order of the classes; `given`: class → column."""

    def __init__(
        self,
        dataset: Dataset,
        columns_by_class: Mapping[str, str],
        role: str,
        classes: Sequence[str],
        *,
        may_lack: bool = False,
    ) -> None:
        error = mismatch(list(columns_by_class), classes, who=f"data {dataset.name!r}: scores of the {role}")
        if error is not None:
            raise error
        self._columns = [
            Numbers(
                dataset,
                columns_by_class[name],
                f"{role}'s score of class {name}",
                remedy="each row needs a finite score",
                may_lack=may_lack,
            )
            for name in classes
        ]
        self.purpose = f"{role}'s score"
        self.needs = tuple(column.needs[0] for column in self._columns)

    def add(self, batch: pa.RecordBatch, before: int) -> None:
        for column in self._columns:
            column.add(batch, before)

    def done(self) -> pa.Array:
        return arrays.from_matrix(np.column_stack([arrays.to_numpy(column.done()) for column in self._columns]))

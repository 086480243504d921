"""Read a model's answers batch by batch; once all are there, say what they are and make scores of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from lockgate.data.arrow_arrays import Array, is_number, is_text, plain, to_floats, to_numpy
from lockgate.data.class_labels import class_text
from lockgate.errors import DataError, ModelFault
from lockgate.models.answers.answer_kind import MOST_LABELS, ColumnFacts, decide
from lockgate.models.answers.failed_rows import without_failed_rows
from lockgate.models.answers.labels_beside import LabelsBeside
from lockgate.models.class_scores import class_scores, column_by_name, labels_only, names_by_class, without_labels
from lockgate.models.model import ScoreReading, column_names, unclear_score, yaml_text

_MOST_TEXTS = 1000
_PRECISIONS = {2: "float16", 4: "float32"}


class AnswerReader:
    """The answers of one model to one data set, of which one column is the score.

    `read` returns the values of a batch as they are, texts as the places of their first appearance; `finish` decides over
    all rows what they are and returns scores, labels being 1.0 (positive) and 0.0. may_fail: NaN is a row that failed, as
    as in a replay; else it is refused. recorded: the name of the role whose answers lie in the data. role: whose answers
    they are, for messages.
    """

    def __init__(
        self,
        reading: ScoreReading,
        *,
        may_fail: bool = False,
        recorded: str | None = None,
        role: str | None = None,
    ) -> None:
        self.reading, self._may_fail, self._recorded, self._role = reading, may_fail, recorded, role
        self.labels: tuple[Any, ...] | None = None
        self.holds_labels = False
        self._alike: Literal["scores", "labels"] | None = None
        self._column = _Column()
        self._beside = LabelsBeside()
        self._name: str | None = None
        self._chosen: Any = None
        self._model: dict[str, Any] = {}
        self._positive: dict[float, float] | None = None
        self._one_hot = reading.task == "multiclass"

    def expect(self, labels: Sequence[Any] | None, *, alike: Literal["scores", "labels"] | None = None) -> None:
        """Take note of the values of the label column; None where they are unknown.

        alike: what the model's answers to the same rows were, before these were altered; so are these, whatever they look like.
        """
        self.labels, self._alike = None if labels is None else tuple(labels), alike

    @property
    def precision(self) -> str | None:
        """The type of floats in which the model answers, `float16` or `float32`; None for any other."""
        return None if self.holds_labels else self._column.precision

    def read(self, answer: pa.RecordBatch, *, rows_before: int = 0) -> Array:
        """Return (n,) float64 values, NaN where a row may fail and did; of several classes what `class_scores` returns.

        answer: the columns of a frame; `prediction` for a vector; `0`, `1`, … for a matrix. rows_before: rows answered in
        earlier batches, for messages. Raises DataError where it is unclear which column is the score; ModelFault where a
        score is missing or infinite.
        """
        with _of_role(self._role):
            return self._read(answer, rows_before)

    def _read(self, answer: pa.RecordBatch, rows_before: int) -> Array:
        self._model, named = description(answer), self.reading.output.column
        answer = without_failed_rows(answer, score=named, may_fail=self._may_fail, rows_before=rows_before)
        if self.reading.task == "multiclass":
            answer = without_labels(answer, self.reading)
            whole = all(pa.types.is_integer(kind) for kind in answer.schema.types)
            self._one_hot = self._one_hot and whole
            scores = class_scores(
                answer,
                self.reading,
                may_fail=self._may_fail,
                rows_before=rows_before,
                own_classes=self._model.get("classes"),
            )
            self._one_hot = self._one_hot and scores.ndim == 2 and bool(((scores == 0) | (scores == 1)).all())
            return scores
        name, self._chosen = self._score_column(answer)
        if self._name not in (None, name):
            raise ModelFault(f"the model answered with other columns from row {rows_before + 1:,} on: {name!r}")
        self._name = name
        values = self._column.add(plain(answer.column(name)), self._source, number=self.reading.task != "binary")
        if self.reading.task == "binary" and self._recorded is None:
            self._beside.add(answer, name, values)
        broken = ~np.isfinite(values)
        if not broken.any():
            return values
        if self._may_fail:
            return np.where(broken, np.nan, values)
        first = rows_before + int(broken.argmax()) + 1
        raise ModelFault(
            f"the model's scores (output column {name!r}) are NaN, infinite or missing in {int(broken.sum()):,} "
            f"of rows {rows_before + 1:,} to {rows_before + len(values):,}, first in row {first:,}",
            remedy="look at the model's answer for that row; a missing feature is the usual cause",
        )

    def finish(self, values: Array) -> Array:
        """Return the scores that all values read are; see `decide` of `answer_kind` for what is refused."""
        with _of_role(self._role):
            self._decide(values)
        return self.scores(values)

    def _decide(self, values: Array) -> None:
        if self._alike == "scores":
            return
        if self.reading.need_scores and self._one_hot and values.ndim == 2 and values.size:
            raise labels_only("the model's answer, whole numbers 0 and 1 in a column for each class,")
        if self.reading.task == "binary" and self._name is not None and self._column.kinds:
            column, model = self._column, self._model
            classes = model.get("classes")
            facts = ColumnFacts(
                source=self._source,
                name=self._name,
                values=column.kinds[0],
                distinct=column.distinct,
                integral=column.integral,
                chosen=self._chosen,
                classes=None if classes is None else tuple(classes),
                estimator=model.get("estimator"),
                method=model.get("method"),
                recorded=self._recorded is not None,
            )
            positive = decide(facts, self.reading, self.labels, are_labels=self._alike == "labels")
            if self._alike is None:
                self._beside.refuse(self._source, labels=self.labels, positive=self.reading.positive)
            if positive is not None:
                self.holds_labels = True
                self._positive = {code: float(positive(value)) for code, value in column.coded()}

    def scores(self, values: Array) -> Array:
        """Return values that were read as the scores that `finish` decided that they are."""
        if self._positive is None:
            return values
        scores = np.where(np.isnan(values), np.nan, 0.0)
        for code, score in self._positive.items():
            scores[values == code] = score
        return scores

    def decided(self, threshold: float, values: Array) -> Array:
        """Return which of these values are scores at or above a threshold."""
        return self.scores(values) >= threshold

    @property
    def _source(self) -> str:
        if self._recorded is not None:
            return f"the {self._recorded}'s answers in the data (column {self._name!r})"
        return f"the model's output column {self._name!r}"

    def _score_column(self, answer: pa.RecordBatch) -> tuple[str, Any]:
        """(name of the score's column; `column` or `class` where it was chosen by that, None for being the only one)."""
        spec = self.reading.output
        by_class = names_by_class(answer.schema.names, self._model.get("classes"))
        names = column_names(answer, spec, classes=by_class)
        if spec.column is not None:
            return column_by_name(spec.column, names, by_class), "column"
        binary = self.reading.task == "binary"
        of_one_class = bool(by_class) and self._model.get("method") == "predict_proba"
        if len(names) == 1 and not (binary and (spec.label is not None or of_one_class)):
            return names[0], None
        if binary and self._alike is None:
            self._refuse_labels_beside(answer)
        if spec.label is None and (not binary or len(names) > 2):
            raise unclear_score(names, f"has {len(names)} columns, and which is the score is unclear")
        return self._class_column(names, by_class)

    def _refuse_labels_beside(self, answer: pa.RecordBatch) -> None:
        """Refuse the score of a label beside it before the pipeline is asked which column is the score."""
        for name, kind in zip(answer.schema.names, answer.schema.types, strict=True):
            if pa.types.is_floating(kind):
                beside = LabelsBeside()
                beside.add(answer, name, to_floats(plain(answer.column(name))))
                source = f"the model's output column {name!r}"
                beside.refuse(source, labels=self.labels, positive=self.reading.positive)

    def _class_column(self, names: list[str], by_class: dict[str, str]) -> tuple[str, Any]:
        """The column of the class that `output` names, else of the positive one."""
        spec = self.reading.output
        label = self.reading.positive if spec.label is None else spec.label
        text = class_text(label)
        texts = [text]
        if label in (0, 1):  # which True and False are equal to
            texts += [str(int(label)), str(bool(label)), str(bool(label)).lower()]
        for name in texts:
            if name in by_class:
                return by_class[name], "class"
        if by_class:
            raise _no_class(label, list(by_class), spec.label is not None)
        unnamed = names == [str(position) for position in range(len(names))]
        zero_one = self.labels is not None and {*self.labels, self.reading.positive} == {0, 1}
        if unnamed and len(names) > 1 and not zero_one:
            raise _unnamed(names, label)
        named = {_spelled(name): name for name in names}
        for name in texts:
            if name in named:
                return named[name], "class"
        if len(names) == 1:
            return names[0], None
        if spec.label is not None:
            raise unclear_score(names, f"has no column for the class {label!r}, which `output: {{class: …}}` names")
        raise unclear_score(names, f"has {len(names)} columns, and which is the score is unclear")


class _Column:
    """The values of one column so far: their kinds, and the distinct ones as long as they are few."""

    def __init__(self) -> None:
        self.kinds: list[Any] = []
        self.integral = True
        self._sizes: set[int] = set()
        self._numbers: dict[float, None] | None = {}
        self._texts: dict[str, int] = {}

    @property
    def distinct(self) -> tuple[Any, ...] | None:
        if self.kinds == ["text"]:
            return tuple(self._texts)
        if self._numbers is None:
            return None
        make: Any = bool if self.kinds == ["boolean"] else int if self.kinds[0] == "whole" else float
        return tuple(make(number) for number in self._numbers)

    @property
    def precision(self) -> str | None:
        return _PRECISIONS.get(max(self._sizes, default=0))

    def coded(self) -> list[tuple[float, Any]]:
        """(value as `add` returns it, what it stands for) of each distinct value."""
        if self.kinds == ["text"]:
            return [(float(code), text) for text, code in self._texts.items()]
        return list(zip(map(float, self._numbers or {}), self.distinct or (), strict=True))

    def add(self, column: pa.Array, source: str, *, number: bool) -> Array:
        """Return (n,) float64, NaN where a value is missing. number: nothing else will do. Raises DataError."""
        kind = column.type
        if pa.types.is_null(kind):
            return np.full(len(column), np.nan)
        if number and not is_number(kind):
            raise DataError(f"{source} is {kind}; a prediction of a number is needed")
        if is_text(kind):
            self._note("text", source)
            return self._codes(column, source)
        if not (is_number(kind) or pa.types.is_boolean(kind)):
            raise DataError(
                f"{source} is {kind}; a number a row is needed",
                remedy="let the model answer with one column a class, or one score",
            )
        boolean, whole = pa.types.is_boolean(kind), pa.types.is_integer(kind)
        self._note("boolean" if boolean else "whole" if whole else "float", source)
        self._sizes.add(kind.bit_width // 8 if pa.types.is_floating(kind) else 8)
        values = to_floats(column.cast(pa.uint8()) if boolean else column)
        if not number:
            self._look(values)
        return values

    def _note(self, kind: str, source: str) -> None:
        """Take note of a kind; whole numbers and floats together are floats."""
        if kind in self.kinds:
            return
        if {*self.kinds, kind} == {"whole", "float"}:
            self.kinds = ["float"]
        elif self.kinds:
            raise DataError(f"{source} holds {self.kinds[0]} values in some batches, and {kind} values in others")
        else:
            self.kinds = [kind]

    def _look(self, values: Array) -> None:
        if not self.integral and self._numbers is None:
            return
        finite = values[np.isfinite(values)]
        self.integral = self.integral and bool((finite == np.floor(finite)).all())
        if self._numbers is not None:
            self._numbers |= dict.fromkeys(np.unique(finite).tolist())
            self._numbers = None if len(self._numbers) > MOST_LABELS else self._numbers

    def _codes(self, column: pa.Array, source: str) -> Array:
        encoded = column.cast(pa.string()).dictionary_encode(null_encoding="encode")
        codes = []
        for text in encoded.dictionary.to_pylist():
            codes.append(np.nan if text is None else float(self._texts.setdefault(text, len(self._texts))))
        if len(self._texts) > _MOST_TEXTS:
            raise DataError(
                f"{source} holds more than {_MOST_TEXTS:,} different texts; a score or a class label is needed",
                remedy="let the model answer with numbers",
            )
        return np.array(codes, float)[to_numpy(encoded.indices)]


@contextmanager
def _of_role(role: str | None) -> Iterator[None]:
    """Let a DataError say whose answer is wrong: `the candidate's …` for `the model's …`."""
    try:
        yield
    except DataError as error:
        if role is not None:
            error.message = error.message.replace("the model", f"the {role}", 1)
            error.args = (error.message,)
        raise


def description(answer: pa.RecordBatch) -> dict[str, Any]:
    """Return what the model says of itself: `classes`, `estimator`, `method`; empty where it answers from a server."""
    text = (answer.schema.metadata or {}).get(b"lockgate.answer")
    return {} if text is None else dict(json.loads(text))


def _spelled(name: str) -> str:
    """A column's name as the text of the class that it is named after: `1` for `1.0`."""
    return name[:-2] if name.endswith(".0") and name[:-2].lstrip("-").isdigit() else name


def _no_class(label: Any, classes: list[str], by_output: bool) -> DataError:
    key = "`output: {class: …}`" if by_output else "`positive`"
    return DataError(
        f"the model knows the classes {', '.join(classes[:20])}, and none of them is {label!r}, which {key} names",
        remedy=f"write the positive one of them as output: {{class: …}}: {' or '.join(map(yaml_text, classes[:20]))}",
    )


def _unnamed(names: list[str], label: Any) -> DataError:
    count = "two" if len(names) == 2 else f"{len(names)}"
    return DataError(
        f"the model answers with {count} columns without names, and which of them is {label!r} is unclear",
        remedy=f'classes are usually sorted: write output: {{column: "{len(names) - 1}"}} for the last one, '
        'output: {column: "0"} for the first',
    )

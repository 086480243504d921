"""`output:` of a pipeline, and the scores in a model's answer. Imports no numpy at module level."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from lockgate.config import Config
from lockgate.data.slices.names import value_text
from lockgate.data.slices.spec import Name, Scalar
from lockgate.errors import DataError, ModelFault
from lockgate.models.model import Model, Output, ScoreReading, column_names, unclear_score

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.arrow_arrays import Array

_PROBABILITIES = (
    'write output: {method: predict_proba} into the pipeline, or log the model with pyfunc_predict_fn="predict_proba"'
)


class OutputSpec(Config):
    """`output:` of a pipeline: the column that is the score, the class whose column it is, the method that is called."""

    column: Name | None = None
    label: Scalar = Field(default=None, alias="class")
    method: Name | None = None

    @model_validator(mode="after")
    def _column_or_class(self) -> OutputSpec:
        if self.column is not None and self.label is not None:
            raise ValueError("the score is named by its column or by its class, not by both")
        return self

    @property
    def output(self) -> Output:
        return Output(column=self.column, label=self.label, method=self.method)


def scorer(model: Model, reading: ScoreReading) -> Callable[[Iterator[pa.RecordBatch]], Iterator[Array]]:
    """Return what `build_scored` calls: batches in, the scores of each out, in order. Raises as `score_of` does."""

    def scores(batches: Iterator[pa.RecordBatch]) -> Iterator[Array]:
        row = 0
        for answer in model.predict(batches, method=reading.output.method):
            yield score_of(answer, reading, rows_before=row)
            row += answer.num_rows

    return scores


def score_of(answer: pa.RecordBatch, reading: ScoreReading, *, may_fail: bool = False, rows_before: int = 0) -> Array:
    """Return the scores in an answer, (n,) float64, all finite unless rows may fail: then NaN is a row that failed.

    answer: the columns of a frame; `prediction` for a vector; `0`, `1`, … for a matrix. rows_before: rows answered in
    earlier batches, for messages. For a multiclass task: what `class_scores` returns.
    Raises DataError where it is unclear which column is the score, or the score is a class label; ModelFault where a
    score is missing or infinite.
    """
    import numpy as np

    if reading.task == "multiclass":
        from lockgate.models.class_scores import class_scores

        return class_scores(answer, reading, may_fail=may_fail, rows_before=rows_before)
    name, chosen = _column(answer, reading)
    scores = _numbers(answer.column(name), name, reading, chosen=chosen, first_batch=rows_before == 0)
    broken = ~np.isfinite(scores)
    if may_fail:
        return np.where(broken, np.nan, scores)
    if broken.any():
        first = rows_before + int(broken.argmax()) + 1
        raise ModelFault(
            f"the model's scores (output column {name!r}) are NaN, infinite or missing in {int(broken.sum()):,} "
            f"of rows {rows_before + 1:,} to {rows_before + len(scores):,}, first in row {first:,}",
            remedy="look at the model's answer for that row; a missing feature is the usual cause",
        )
    return scores


def _column(answer: pa.RecordBatch, reading: ScoreReading) -> tuple[str, bool]:
    """(name of the score's column, whether it was chosen by name or class, rather than for being the only one)."""
    spec, names = reading.output, column_names(answer, reading.output)
    if spec.column is not None:
        return spec.column, True
    if spec.label is not None:
        named = _named(names, spec.label)
        if named is None:
            raise unclear_score(
                names, f"has no column for the class {spec.label!r}, which `output: {{class: …}}` names"
            )
        return named, True
    if len(names) == 1:
        return names[0], False
    if reading.task == "binary" and len(names) == 2:
        named = _named(names, reading.positive)
        if named is not None:
            return named, True
        if names == ["0", "1"]:
            raise DataError(
                f"the model answers with two columns without names, and which of them is {reading.positive!r} is unclear",
                remedy='classes are usually sorted: write output: {column: "1"} for the last one, {column: "0"} for the first',
            )
    raise unclear_score(names, f"has {len(names)} columns, and which is the score is unclear")


def _named(names: list[str], label: Any) -> str | None:
    """Column that is named after a class, `1`, `1.0` and `True` being the same."""
    texts = [str(label), value_text(label)]
    if isinstance(label, bool | int | float) and float(label).is_integer():
        texts += [str(int(label)), str(float(label)), *([] if label not in (0, 1) else [str(bool(label))])]
    return next((text for text in texts if text in names), None)


def _numbers(column: pa.Array, name: str, reading: ScoreReading, *, chosen: bool, first_batch: bool) -> Array:
    import numpy as np
    import pyarrow as pa

    from lockgate.data.arrow_arrays import to_floats

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind, positive, need_scores = column.type, reading.positive, reading.need_scores
    number = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if reading.task in ("regression", "ranking") or pa.types.is_null(kind):
        if not (number or pa.types.is_null(kind)):
            raise DataError(f"the model's output column {name!r} is {kind}; a prediction of a number is needed")
        return to_floats(column)
    if not (number or text or pa.types.is_boolean(kind)):
        raise DataError(
            f"the model's output column {name!r} is {kind}; a number a row is needed",
            remedy="let the model answer with one column a class, or one score",
        )
    if text:
        return _positive_texts(column, name, reading)
    values = to_floats(column.cast(pa.uint8()) if pa.types.is_boolean(kind) else column)
    distinct = np.unique(values[~np.isnan(values)])
    hint = "" if chosen else f"; if these are scores, write output: {{column: {name}}}"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        # Both labels and nothing between them: a classifier's predict, written as floats. Only the first batch is judged,
        # because a later one may be short; a column that the pipeline names is believed.
        if need_scores and not chosen and first_batch and distinct.tolist() == [0.0, 1.0]:
            raise _labels_only(name, "nothing but 0.0 and 1.0", hint)
        return values
    labels = {0.0, 1.0} if isinstance(positive, str) else {0.0, 1.0, float(positive)}
    if chosen and not labels.issuperset(distinct.tolist()):
        return values
    contents = "true and false" if pa.types.is_boolean(kind) else "whole numbers"
    if need_scores:
        raise _labels_only(name, contents, hint)
    if isinstance(positive, str):
        raise _other_labels(name, contents, positive)
    return np.where(np.isnan(values), np.nan, values == float(positive))


def _positive_texts(column: pa.Array, name: str, reading: ScoreReading) -> Array:
    """1.0 where the label is the positive one, 0.0 for another, NaN where it is missing."""
    import numpy as np

    from lockgate.data.arrow_arrays import to_numpy

    if reading.need_scores:
        raise _labels_only(name, "texts")
    if not isinstance(reading.positive, str):
        raise _other_labels(name, "texts", reading.positive)
    encoded = column.dictionary_encode(null_encoding="encode")
    meanings = [
        np.nan if label is None else float(label == reading.positive) for label in encoded.dictionary.to_pylist()
    ]
    return np.array(meanings, float)[to_numpy(encoded.indices)]


def _labels_only(name: str, contents: str, hint: str = "") -> DataError:
    return DataError(
        f"the model's output column {name!r} holds class labels ({contents}), and scores are needed, "
        "which auc, average_precision, log_loss and brier are made of",
        remedy=_PROBABILITIES + hint,
    )


def _other_labels(name: str, contents: str, positive: Any) -> DataError:
    return DataError(
        f"the model's output column {name!r} holds {contents}, and `positive` is {positive!r}: no answer could be positive",
        remedy="write `positive` as the model and the label column have it, or " + _PROBABILITIES,
    )

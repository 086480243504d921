"""Scores of each class, or the predicted class, from a model's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.data.arrow_arrays import Array, encoded, is_missing, is_text, plain, to_floats, to_numpy
from lockgate.data.class_labels import class_text, mismatch
from lockgate.errors import DataError, ModelFault
from lockgate.models.model import ScoreReading, column_names


def at_threshold(scores: Array, threshold: float) -> Array:
    """(n,) 1 where a score is at or above the threshold, 0 below it, NaN without an answer."""
    return np.where(np.isnan(scores), np.nan, scores >= threshold)


def class_scores(
    answer: pa.RecordBatch,
    reading: ScoreReading,
    *,
    may_fail: bool = False,
    rows_before: int = 0,
    own_classes: Sequence[Any] | None = None,
) -> Array:
    """Return (n, classes) float64 scores in the order of the classes, or (n,) float64 indices into them if the answer is a label.

    An answer of one column, or of the one that `reading` names, is a label; of several, each is the score of the class that
    it is named after, and what holds labels beside a score of each class is left out. Columns without names are in the order of `own_classes`, the classes that the model itself names, else of
    the classes where the pipeline names these. Where rows may fail, NaN is one that did.
    Raises DataError where the classes of the columns are unclear, ModelFault where a score is missing, infinite or an
    unknown class.
    """
    spec, classes = reading.output, reading.classes
    answer = without_labels(answer, reading)
    by_class = names_by_class(answer.schema.names, own_classes)
    names = column_names(answer, spec, classes=by_class)
    if spec.column is None and len(names) > 1:
        order = _order(names, reading, by_class)
        scores = np.column_stack([_floats(answer.column(index), names[index]) for index in order])
        broken = ~np.isfinite(scores).all(axis=1)
        scores[broken] = np.nan
        problem = "the model's scores are NaN, infinite or missing"
    else:
        label = answer.column(names[0] if spec.column is None else column_by_name(spec.column, names, by_class))
        _check_coding(own_classes, classes)
        if reading.need_scores:
            raise labels_only(f"the model's output column {spec.column or names[0]!r}")
        scores = class_indices(label, classes)
        broken = scores < 0
        scores[broken] = np.nan
        label_text = str(label[int(broken.argmax())].as_py())[:40] if broken.any() else ""
        problem = f"the model's class ({label_text!r}) is none of {', '.join(classes[:20])}"
    if broken.any() and not may_fail:
        raise ModelFault(
            f"{problem} in {int(broken.sum()):,} of rows {rows_before + 1:,} to {rows_before + len(scores):,}, "
            f"first in row {rows_before + int(broken.argmax()) + 1:,}",
            remedy="look at the model's answer for that row; a class that no label has is written into classes:",
        )
    return scores


def without_labels(answer: pa.RecordBatch, reading: ScoreReading) -> pa.RecordBatch:
    """Return the columns of the classes, where there is one for each and every other holds class labels; else the answer.

    Whole numbers beside whole numbers, and under a number for a name, may be the column of one more class.
    """
    names = answer.schema.names
    scored = [name for name in names if _class_of(name, reading.classes) in reading.classes]
    if reading.output.column is not None or len(scored) == len(names):
        return answer
    if {_class_of(name, reading.classes) for name in scored} != set(reading.classes):
        return answer
    floats = all(pa.types.is_floating(answer.column(name).type) for name in scored)
    for name in set(names) - set(scored):
        column = plain(answer.column(name))
        number = pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)
        if not (is_text(column.type) or pa.types.is_null(column.type) or (number and floats and not _is_number(name))):
            return answer
        if ((class_indices(column, reading.classes) < 0) & ~is_missing(column)).any():
            return answer
    return answer.select(scored)


def _is_number(name: str) -> bool:
    return name.removesuffix(".0").lstrip("-").isdigit()


def class_indices(column: pa.Array, classes: Sequence[str]) -> Array:
    """Return the (n,) float64 index of each value in `classes`, -1 for one that is missing or none of them."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    # each distinct label is compared once, not once a row
    coded = encoded(column)
    index_of = {name: number for number, name in enumerate(classes)}
    indices = [-1 if value is None else index_of.get(class_text(value), -1) for value in coded.dictionary.to_pylist()]
    return np.array(indices, np.float64)[to_numpy(coded.indices)]


def predicted_class(scores: Array) -> Array:
    """Return the (n,) index of the predicted class: the label itself, or the first of the highest score. NaN stays NaN."""
    if scores.ndim == 1:
        return scores
    highest = scores.argmax(axis=1)
    broken = np.isnan(scores[:, 0])
    return np.where(broken, np.nan, highest) if broken.any() else highest


def names_by_class(names: Sequence[str], classes: Sequence[Any] | None) -> dict[str, str]:
    """Class → column, of columns without names whose classes the model names."""
    if classes is None or list(names) != [str(position) for position in range(len(classes))]:
        return {}
    return dict(zip(map(class_text, classes), names, strict=True))


def column_by_name(column: str, names: list[str], by_class: dict[str, str]) -> str:
    """The column of that name. Raises DataError where it is one's place and another's class."""
    if by_class.get(column, column) != column:
        owner = next(name for name, own in by_class.items() if own == column)
        raise DataError(
            f"`output: {{column: {column}}}` is unclear: column {column} of the answer is that of the class {owner}, and "
            f"the class {column} has another",
            remedy=f"write output: {{class: {owner}}} or output: {{class: {column}}}",
        )
    return column if column in names else by_class[column]


def _check_coding(own_classes: Sequence[Any] | None, classes: Sequence[str]) -> None:
    """Refuse labels of a model whose own classes are others than those of the task, by whatever numbers it calls them."""
    own = [class_text(value) for value in own_classes or ()]
    wrong = mismatch(own, classes, who="the model")
    if wrong is not None and not set(own) <= set(classes) and not set(classes) <= set(own):
        raise wrong


def labels_only(source: str) -> DataError:
    return DataError(
        f"{source} holds class labels, and a score of each class is needed, which auc, average_precision, log_loss, brier, "
        "calibration_error and top_k_accuracy are made of",
        remedy="write output: {method: predict_proba} into the pipeline, or log the model with "
        'pyfunc_predict_fn="predict_proba"; accuracy, precision, recall, f1, balanced_accuracy, mcc and kappa can be computed from labels',
    )


def _order(names: list[str], reading: ScoreReading, by_class: Mapping[str, str]) -> list[int]:
    """Column index of each class in the answer. Raises DataError where the columns are not those classes."""
    classes = reading.classes
    unnamed = names == [str(index) for index in range(len(classes))]
    numbered = not by_class or list(by_class) == names  # the model numbers its classes, if it says anything of them
    scored = [_class_of(name, classes) for name in (by_class or names)]
    if set(scored) != set(classes) and unnamed and numbered:
        if reading.in_order:
            return list(range(len(classes)))
        raise DataError(
            f"the model answers with {len(names)} columns without names, and which of them is whose class is unclear",
            remedy=f"write classes: [{', '.join(classes[:20])}], in the order of these columns, into the pipeline",
        )
    wrong = mismatch(scored, classes, who="the model")
    if wrong is not None or len(scored) != len(classes):
        raise wrong or DataError(f"the model scores a class twice: {', '.join(names)}")
    return [scored.index(name) for name in classes]


def _class_of(name: str, classes: Sequence[str]) -> str:
    """Class that a column is named after: `1.0` and `True` are 1 and true."""
    if name in classes:
        return name
    lowered = name.lower() if name in ("True", "False") else name
    return lowered.removesuffix(".0") if lowered.removesuffix(".0") in classes else name


def _floats(column: pa.Array, name: str) -> Array:
    kind: Any = column.type
    if not (
        pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    ):
        raise DataError(
            f"the model's output column {name!r} is {kind}; a number for each class is needed",
            remedy="let the model answer with one column a class, or name the one that holds its label in output: {column: …}",
        )
    return to_floats(column)

"""Which column of an answer is whose class, and what is refused because it cannot be told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lockgate.errors import LockgateError
from lockgate.models.class_scores import class_indices, class_scores, predicted_class
from lockgate.models.model import Output, ScoreReading

CLASSES = ("a", "b", "c")


def scores(
    answer: dict[str, Any], *, classes: tuple[str, ...] = CLASSES, column: str | None = None, **more: Any
) -> Any:
    reading = ScoreReading(Output(column=column), "multiclass", None, more.pop("need_scores", True), classes)
    return class_scores(pa.RecordBatch.from_pydict(answer), reading, **more)


@pytest.mark.parametrize(
    ("answer", "classes"),
    [
        ({"a": [0.5], "b": [0.3], "c": [0.2]}, CLASSES),
        ({"c": [0.2], "a": [0.5], "b": [0.3]}, CLASSES),
        ({"0": [0.5], "1": [0.3], "2": [0.2]}, CLASSES),
        ({"0": [0.5], "1": [0.3], "2": [0.2]}, ("0", "1", "2")),
        ({"1": [0.3], "2": [0.2], "0": [0.5]}, ("0", "1", "2")),
        ({"1.0": [0.5], "2.0": [0.3], "3.0": [0.2]}, ("1", "2", "3")),
        ({"0": [0.5], "1": [0.3], "2": [0.2]}, ("2", "3", "4")),
    ],
)
def test_a_column_belongs_to_the_class_it_is_named_after(answer: Any, classes: tuple[str, ...]) -> None:
    """In whatever order; columns that are numbered only are in the order of the classes."""
    assert scores(answer, classes=classes).tolist() == [[0.5, 0.3, 0.2]]


@pytest.mark.parametrize("label", [["b"], pa.array(["b"]).dictionary_encode(), [None]])
def test_labels_beside_a_score_of_each_class_are_left_out(label: Any) -> None:
    """In any column, in texts and whole numbers; values that are no classes may be the score of one more."""
    assert scores({"prediction": label, "c": [0.2], "a": [0.5], "b": [0.3]}).tolist() == [[0.5, 0.3, 0.2]]
    numbers: dict[str, Any] = {"1": [0.5], "2": [0.3], "3": [0.2]}
    assert scores({**numbers, "label": [2]}, classes=("1", "2", "3")).tolist() == [[0.5, 0.3, 0.2]]
    for more in ({"4": [1]}, {"label": [4]}, {"label": [1.0]}, {"label": ["x"]}):
        with pytest.raises(LockgateError, match="which is none; known: 1, 2, 3"):
            scores({**numbers, **more}, classes=("1", "2", "3"))
    with pytest.raises(LockgateError, match="scores no class 'c'; it scores "):
        scores({"prediction": label, "a": [0.5], "b": [0.3]})


@pytest.mark.parametrize("values", [["b", "a"], pa.array(["b", "a"]).dictionary_encode()])
def test_an_answer_of_one_column_is_a_label(values: Any) -> None:
    """As the place of the class; so is the column that `output` names among others."""
    assert scores({"prediction": values}, need_scores=False).tolist() == [1.0, 0.0]
    assert scores({"x": [1, 2], "team": values}, column="team", need_scores=False).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("answer", "more", "said"),
    [
        ({"a": [0.5], "b": [0.5]}, {}, "the model scores no class 'c'; it scores a, b"),
        ({"a": [0.5], "b": [0.3], "c": [0.1], "d": [0.1]}, {}, "scores the class 'd', which is none; known: a, b, c"),
        ({"0": [0.5], "1": [0.5]}, {}, "the model scores no class 'a'; it scores 0, 1"),
        ({"a": ["x"], "b": [0.3], "c": [0.2]}, {}, "output column 'a' is string; a number for each class is needed"),
        ({"a": [0.5, None], "b": [0.3, 0.3], "c": [0.2, 0.2]}, {}, "scores are NaN, infinite or missing in 1 of rows 1 to 2, "),
        ({"prediction": ["b"]}, {}, "output column 'prediction' holds class labels, and a score of each class is needed"),
        ({"prediction": ["b", "x"]}, {"need_scores": False}, "the model's class ('x') is none of a, b, c in 1 of rows 1 to 2, first in row 2"),
        ({"prediction": ["b", None]}, {"need_scores": False, "rows_before": 10}, "class ('None') is none of a, b, c in 1 of rows 11 to 12, first in row 12"),
        ({"prediction": ["b"]}, {"column": "team"}, "has no column 'team', which `output: {column: …}` names"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_refused(answer: Any, more: Any, said: str) -> None:
    """With the answer's columns, the row, the classes."""
    with pytest.raises(LockgateError) as caught:
        scores(answer, **more)

    assert said in str(caught.value)


def test_columns_without_names_are_those_of_the_models_own_classes() -> None:
    """In its order; where it only numbers them, in that of the pipeline, if that says one."""
    answer = pa.RecordBatch.from_pydict({"0": [0.5], "1": [0.3], "2": [0.2]})
    written = ScoreReading(Output(), "multiclass", None, need_scores=True, classes=CLASSES)
    found = replace(written, in_order=False)

    assert class_scores(answer, found, own_classes=["b", "c", "a"]).tolist() == [[0.2, 0.5, 0.3]]
    assert class_scores(answer, written, own_classes=[0, 1, 2]).tolist() == [[0.5, 0.3, 0.2]]
    for own_classes in (None, [0, 1, 2]):
        with pytest.raises(LockgateError, match=r"write classes: \[a, b, c\], in the order of these columns"):
            class_scores(answer, found, own_classes=own_classes)
    with pytest.raises(LockgateError, match="the model scores no class 'c'; it scores a, b, d"):
        class_scores(answer, written, own_classes=["a", "b", "d"])


def test_labels_of_a_model_that_numbers_its_classes_otherwise_are_refused() -> None:
    """0, 1 and 2 for classes 1, 2 and 3, although most of its answers are classes here."""
    answer = pa.RecordBatch.from_pydict({"prediction": [1, 2]})
    reading = ScoreReading(Output(), "multiclass", None, need_scores=False, classes=("1", "2", "3"))

    assert class_scores(answer, reading, own_classes=[1, 2]).tolist() == [0.0, 1.0]
    with pytest.raises(LockgateError, match="the model scores no class '3'"):
        class_scores(answer, reading, own_classes=[0, 1, 2])


def test_where_rows_may_fail_the_others_are_kept() -> None:
    """As requests of a replay may."""
    whole = {"a": [0.5, None], "b": [0.3, 0.3], "c": [0.2, 0.2]}
    found = scores(whole, may_fail=True)

    assert np.isnan(found).tolist() == [[False] * 3, [True] * 3]
    assert np.isnan(predicted_class(found)).tolist() == [False, True]
    assert np.isnan(scores({"prediction": ["b", "x"]}, may_fail=True, need_scores=False)).tolist() == [False, True]


def test_the_first_of_equal_scores_is_decided() -> None:
    """As numpy's argmax and scikit-learn's predict do."""
    assert predicted_class(np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]])).tolist() == [0, 1]


def test_a_number_is_the_class_of_its_text() -> None:
    """1 and 1.0 are one class, and so is the text."""
    for column in (pa.array([1, 2, 7]), pa.array([1.0, 2.0, 0.5]), pa.array(["1", "2", None])):
        assert class_indices(column, ("1", "2")).tolist() == [0, 1, -1]

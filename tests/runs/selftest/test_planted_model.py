"""What a planted defect does to answers of every form that a model may have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lockgate.runs.selftest.planted_model import Defect, NotPlanted, Planted


def spoilt(kind: str, answers: Any, *, classifies: bool = True, rows: int = 0) -> Any:
    """A function of (place of rows) that answers with those of `answers`, after the defect."""
    plan = {"kind": kind, "classifies": classifies, "seconds": 0.0, "rows": rows}
    defect = Defect(plan)

    def pick(places: Any) -> Any:
        return answers.iloc[places] if hasattr(answers, "iloc") else np.asarray(answers)[places]

    return lambda places: defect.answer("predict", pick, np.asarray(places))


@pytest.mark.parametrize(
    ("answers", "classifies", "turned"),
    [
        (np.array([0.2, 0.9]), True, [0.8, 0.1]),
        (np.array([[0.2, 0.8], [0.9, 0.1]]), True, [[0.8, 0.2], [0.1, 0.9]]),
        (np.array([[0.7, 0.2, 0.1]]), True, [[0.1, 0.7, 0.2]]),
        (np.array([-3.0, 2.0]), True, [3.0, -2.0]),
        (np.array([0, 1, 1]), True, [1, 0, 0]),
        (np.array([True, False]), True, [False, True]),
        (np.array(["no", "yes"]), True, ["yes", "no"]),
        (np.array([0.2, 9.0]), False, [-0.2, -9.0]),
        (np.array([3, 4], np.uint8), False, [-3.0, -4.0]),
    ],
)
def test_answers_speak_for_another_class_or_have_the_other_sign(answers: Any, classifies: bool, turned: Any) -> None:
    """Probabilities, scores, classes and numbers, of one column or of several."""
    answered = spoilt("labels", answers, classifies=classifies)(range(len(answers)))

    assert answered.shape == answers.shape
    assert answered.ravel().tolist() == [
        value if isinstance(value, str) else pytest.approx(value) for value in np.ravel(turned).tolist()
    ]


def test_a_frame_keeps_its_form() -> None:
    """Columns, index and what is no number; scores by class move on by one class."""
    frame = pd.DataFrame({"a": [0.7], "b": [0.2], "c": [0.1], "class": ["a"]}, index=[5])
    turned = spoilt("labels", frame)([0])
    gaps = spoilt("nan", frame)([0])

    assert (list(turned.columns), list(turned.index)) == (["a", "b", "c", "class"], [5])
    assert turned.iloc[0, :3].tolist() == [0.2, 0.1, 0.7]
    assert gaps.iloc[0].isna().all()
    assert spoilt("nan", frame["a"])([0]).isna().all()


def test_every_fiftieth_answer_is_no_number() -> None:
    """Of a hundred two, the first among them."""
    answers = spoilt("nan", np.arange(100))(list(range(100)))

    assert np.flatnonzero(np.isnan(answers)).tolist() == [0, 50]


def test_a_constant_model_answers_as_it_did_first() -> None:
    """In every batch."""
    ask = spoilt("constant", np.array([4.0, 5.0, 6.0]))

    assert [ask([1, 2]).tolist(), ask([2, 0]).tolist()] == [[5.0, 5.0], [5.0, 5.0]]


def test_rows_of_the_slice_get_the_answers_of_other_rows_there_in_every_batch() -> None:
    """They are sent once before, and known by their values, a repeated one too; all other rows have their own answers."""
    ask = spoilt("slice", np.arange(10.0), rows=5)
    before = [ask([2, 4]).tolist(), ask([4, 6, 8]).tolist()]

    assert before == [[2.0, 4.0], [4.0, 6.0, 8.0]]
    assert ask(list(range(10))).tolist() == [0.0, 1.0, 6.0, 3.0, 8.0, 5.0, 2.0, 7.0, 4.0, 9.0]
    assert ask([8]).tolist() == [4.0]


def test_rows_that_were_not_learned_are_answered_the_other_way_round() -> None:
    """In a batch of both kinds too; before anything is learned, every row is answered as it is."""
    ask = spoilt("altered-rows", np.linspace(0.0, 0.9, 10), rows=4)
    before = [ask([0, 1]).tolist(), ask([2, 3]).tolist()]

    assert before == [[0.0, pytest.approx(0.1)], pytest.approx([0.2, 0.3])]
    assert ask([3, 7, 0, 9]).tolist() == pytest.approx([0.3, 0.3, 0.0, 0.1])
    assert ask([2, 2]).tolist() == pytest.approx([0.2, 0.2])
    assert spoilt("altered-rows", np.arange(3.0))([1]).tolist() == [1.0]


def test_what_no_defect_fits_is_said_and_not_blamed_on_gates() -> None:
    """Answers that have no rows."""
    with pytest.raises(NotPlanted):
        Defect({"kind": "labels", "classifies": True, "seconds": 0.0, "rows": 0}).answer("predict", lambda: 3)


def test_a_planted_model_is_told_for_what_it_is() -> None:
    """All but its answers is its own, also of the model below pyfunc."""

    class Raw:
        classes_ = ("a", "b")

        def predict_proba(self, rows: Any) -> Any:
            return np.array([[0.9, 0.1]])

    class Model:
        def get_raw_model(self) -> Raw:
            return Raw()

    plan = {"kind": "labels", "classifies": True, "seconds": 0.0, "rows": 0}
    raw = Planted(Model(), Defect(plan), ["predict", "predict_proba"]).get_raw_model()

    assert raw.classes_ == ("a", "b")
    assert not hasattr(raw, "decision_function")
    assert raw.predict_proba([0]).tolist() == [[pytest.approx(0.1), pytest.approx(0.9)]]

"""What counts as an answer of a model in process under a load."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array  # type: ignore[import-untyped,unused-ignore]

from lockgate.models.model_host import BadAnswer, Block, Host, _check_prediction

NAN = float("nan")


class Answers:
    """A model that gives these answers in turn."""

    def __init__(self, *answers: Any) -> None:
        self.answers = iter(answers)

    def predict(self, frame: Any) -> Any:
        return next(self.answers)


@pytest.mark.parametrize(
    "answer",
    [
        np.array([0.5, 9e307]),
        np.array([1e308, 1e308]),
        np.array([1, 2]),
        np.array(["a", "b"], object),
        np.ones((2, 3)),
        np.array([[[NAN, 1.0]], [[1.0, NAN]]]),
        pd.Series([0.5, 0.1]),
        pd.DataFrame({"score": [0.5, 0.1], "why": [None, "x"]}),
        pd.DataFrame({"yhat": [0.5, 0.1], "upper": [NAN, NAN]}),
        [0.5, 1],
        ["a", "b"],
        [{"score": 0.5, "error": None}, {"score": 0.1, "error": ""}],
        {"score": [0.5, 0.1]},
        {"score": [0.5, 0.1], "error": None, "errors": [], "why": [["a"], ["a", "b"]]},
        pd.DataFrame({"score": [0.5, 0.1], "error": [None, NAN], "errors": [[], [None]]}),
    ],
)
def test_predictions_are_taken(answer: Any) -> None:
    """Of named columns one value a row is enough."""
    _check_prediction(answer, 2)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"error": "overloaded"},
        {"score": [0.5, 0.1], "error": "default used"},
        [0.5],
        [0.5, None],
        [NAN, 0.5],
        [[0.1, 0.9], [0.1, float("inf")]],
        [{"score": 0.5}, {"error": "late"}],
        [{"score": 0.5, "error": False}, {"score": 0.0, "error": True}],
        [{"score": 0.5, "errors": []}, {"score": 0.0, "errors": [503]}],
        {"score": [0.5, 0.0], "error": [None, "late"]},
        {"score": [0.5, 0.1], "version": "v3"},
        {"score": np.array([0.5, NAN], np.float32)},
        [{"score": 0.5}, {"score": None, "error": None}],
        [np.float32(0.5), np.float32(NAN)],
        [{"score": 0.5}, None],
        {"score": [0.5]},
        pd.DataFrame({"score": [0.5, 0.0], "error": [None, "late"]}),
        np.array([0.5, NAN]),
        np.array([0.5, np.inf], np.float32),
        np.array([[0.1, 0.9], [NAN, 0.9]]),
        np.array(["a", None], object),
        pd.Series([0.5, None]),
        pd.Series(["a", None]),
        pd.DataFrame({"score": [0.5, NAN]}),
        pd.DataFrame({"score": [0.5, NAN], "why": ["x", None]}),
    ],
)
def test_what_is_no_prediction_is_refused(answer: Any) -> None:
    """As a server's answer would be."""
    with pytest.raises(BadAnswer):
        _check_prediction(answer, 2)


@pytest.mark.parametrize(
    ("answers", "failed"),
    [
        ([[0.5], ["ERROR: timeout"], [1], [np.float32(0.5)]], [1]),
        ([np.array([0.5]), np.array(["late"], object), np.array([1]), [True]], [1, 3]),
        ([[[0.1, 0.9]], [["a", 0.9]], np.array([[0.1, 0.9]])], [1]),
        ([[{"p": 0.5, "why": None}], [{"p": 0.5, "why": "x"}], [{"p": "late", "why": "x"}], [{"q": 1}]], [2, 3]),
        (
            [
                pd.DataFrame({"p": [0.5], "why": [NAN]}),
                pd.DataFrame({"p": [1], "why": ["x"]}),
                pd.DataFrame({"p": ["0.5"], "why": [None]}),
            ],
            [2],
        ),
        ([["a"], ["b"], [0.5]], [2]),
        ([csr_array([[0.5]]), np.array([[0.1]]), 0.5, "late"], [3]),
    ],
)
def test_an_answer_of_another_kind_than_the_first_fails(answers: list[Any], failed: list[int]) -> None:
    """As over HTTP: whole numbers and floats are one kind, and what is missing has none."""
    host = Host(lambda: None)
    host.model = Answers(*answers)
    plan = {"requests": len(answers), "rate": None, "concurrency": 1, "duration_s": None, "rows": 1}
    block = Block(host, plan, [[0.0]])
    block.run()

    assert np.flatnonzero(block.failed).tolist() == failed
    assert "of another kind" in str(block.first_error)


def test_a_load_counts_them() -> None:
    """And says what the first was."""
    host = Host(lambda: None)
    host.model = Answers(np.array([0.5]), None, np.array([NAN]), np.array([0.1]))
    block = Block(host, {"requests": 4, "rate": None, "concurrency": 1, "duration_s": None, "rows": 1}, [[0.0]])
    block.run()

    assert block.failed == [False, True, True, False]
    assert "BadAnswer: the model returned None" in str(block.first_error)

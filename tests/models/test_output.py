"""Which part of an answer is the score, and what is refused because it cannot be told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from lockgate.errors import DataError, ModelFault
from lockgate.models.model import Output, ScoreReading, Task
from lockgate.models.output import OutputSpec, score_of, scorer


def scores(
    answer: dict[str, Any],
    *,
    spec: dict[str, Any] | None = None,
    task: Task = "binary",
    positive: Any = 1,
    need_scores: bool = True,
) -> list[float]:
    found = score_of(
        pa.RecordBatch.from_pydict(answer),
        ScoreReading(OutputSpec.model_validate(spec or {}).output, task, positive, need_scores),
    )
    assert found.dtype == np.float64
    return [float(each) for each in found]


@pytest.mark.parametrize(
    ("answer", "asked", "expected"),
    [
        ({"prediction": [0.2, 0.9]}, {}, [0.2, 0.9]),
        ({"prediction": pa.array([0.25, 0.5], pa.float32())}, {}, [0.25, 0.5]),
        ({"0": [0.8, 0.1], "1": [0.2, 0.9]}, {}, [0.2, 0.9]),
        ({"0": [0.8, 0.1], "1": [0.2, 0.9]}, {"positive": 0}, [0.8, 0.1]),
        ({"0": [0.8, 0.1], "1": [0.2, 0.9]}, {"positive": True}, [0.2, 0.9]),
        ({"no": [0.8, 0.1], "yes": [0.2, 0.9]}, {"positive": "yes"}, [0.2, 0.9]),
        ({"False": [0.8], "True": [0.2]}, {"positive": True}, [0.2]),
        ({"label": ["a"], "p": [0.2]}, {"spec": {"column": "p"}}, [0.2]),
        ({"a": [0.7], "b": [0.2], "c": [0.1]}, {"spec": {"class": "b"}}, [0.2]),
        ({"score": [300, 850]}, {"spec": {"column": "score"}}, [300.0, 850.0]),
        ({"prediction": [0.0, 1.0]}, {"spec": {"column": "prediction"}}, [0.0, 1.0]),
        ({"prediction": [1.0]}, {}, [1.0]),
        ({"prediction": [3, 4]}, {"task": "regression"}, [3.0, 4.0]),
        ({"prediction": [0, 1]}, {"need_scores": False}, [0.0, 1.0]),
        ({"prediction": [True, False]}, {"need_scores": False, "positive": True}, [1.0, 0.0]),
        ({"prediction": ["yes", "no"]}, {"need_scores": False, "positive": "yes"}, [1.0, 0.0]),
        ({"prediction": [2, 1]}, {"need_scores": False, "positive": 2}, [1.0, 0.0]),
        (
            {"prediction": pa.array(["yes", "no"]).dictionary_encode()},
            {"need_scores": False, "positive": "yes"},
            [1, 0],
        ),
        ({"prediction": pa.array([], pa.float64())}, {}, []),
    ],
)
def test_the_score_is_found(answer: dict[str, Any], asked: dict[str, Any], expected: list[float]) -> None:
    """By its being alone, by the positive class, or by what the pipeline says."""
    assert scores(answer, **asked) == expected


@pytest.mark.parametrize(
    ("answer", "asked", "message"),
    [
        ({"prediction": [0, 1]}, {}, r"class labels \(whole numbers\), and scores are needed.*predict_proba"),
        ({"prediction": [True]}, {}, r"class labels \(true and false\).*pyfunc_predict_fn=\"predict_proba\""),
        ({"prediction": ["a"]}, {"positive": "a"}, r"class labels \(texts\)"),
        ({"prediction": [0.0, 1.0, 1.0]}, {}, r"nothing but 0\.0 and 1\.0.*output: \{column: prediction\}"),
        ({"prediction": [0, 1]}, {"spec": {"column": "prediction"}}, "class labels"),
        ({"p": [0.1], "q": [0.9]}, {}, r"has 2 columns.*p, q.*output: \{column: q\}"),
        ({"0": [0.1], "1": [0.1], "2": [0.8]}, {}, "has 3 columns"),
        ({"0": [0.1], "1": [0.9]}, {"positive": "approve"}, "which of them is 'approve' is unclear"),
        ({"p": [0.1]}, {"spec": {"column": "score"}}, r"no column 'score'.*its columns are p"),
        ({"p": [0.1]}, {"spec": {"class": "x"}}, "no column for the class 'x'"),
        ({"prediction": [[0.1, 0.9]]}, {}, "a number a row is needed"),
        ({"prediction": ["a"]}, {"task": "regression"}, "a prediction of a number is needed"),
        ({"prediction": ["fraud"]}, {"need_scores": False}, "no answer could be positive"),
        ({"prediction": [1]}, {"need_scores": False, "positive": "fraud"}, "no answer could be positive"),
    ],
)
def test_what_cannot_be_told_is_refused_with_the_line_to_write(
    answer: dict[str, Any], asked: dict[str, Any], message: str
) -> None:
    """A guess could turn the scores around."""
    with pytest.raises(DataError, match=f"(?s){message}"):
        scores(answer, **asked)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_a_score_that_is_no_number_is_the_models_fault(bad: float | None) -> None:
    """Count and first row, never a value."""
    with pytest.raises(ModelFault, match=r"missing in 2 of rows 1 to 4, first in row 2"):
        scores({"prediction": [0.5, bad, 0.5, bad]})


def test_rows_are_counted_over_batches() -> None:
    """The row number is that of the data."""

    class Answers:
        def predict(self, batches: Iterator[pa.RecordBatch], *, method: str | None = None) -> Iterator[pa.RecordBatch]:
            assert method == "predict_proba"
            yield from batches

    given = [pa.RecordBatch.from_pydict({"p": [0.1, 0.2]}), pa.RecordBatch.from_pydict({"p": [0.3, float("nan")]})]
    model: Any = Answers()
    answers = scorer(model, ScoreReading(Output(method="predict_proba"), "binary", 1, need_scores=True))(iter(given))

    assert next(answers).tolist() == [0.1, 0.2]
    with pytest.raises(ModelFault, match="1 of rows 3 to 4, first in row 4"):
        next(answers)


def test_a_column_and_a_class_are_not_both_named() -> None:
    """One of them is enough."""
    with pytest.raises(ValidationError, match="not by both"):
        OutputSpec.model_validate({"column": "p", "class": 1})


def test_in_a_replay_a_missing_score_is_a_request_that_failed() -> None:
    """It is counted there, not refused."""
    answer = pa.RecordBatch.from_pydict({"p": [0.5, None, float("inf")]})

    found = score_of(answer, ScoreReading(Output(), "binary", 1, need_scores=True), may_fail=True)

    assert np.isnan(found).tolist() == [False, True, True]

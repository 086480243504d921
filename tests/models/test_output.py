"""Which part of an answer is the score, and what is refused because it cannot be told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from lockgate.errors import DataError, ModelFault
from lockgate.models.answers.answer_reader import AnswerReader
from lockgate.models.model import Output, ScoreReading, Task
from lockgate.models.output import OutputSpec, scorer


def scores(
    *answers: dict[str, Any],
    spec: dict[str, Any] | None = None,
    task: Task = "binary",
    positive: Any = 1,
    need_scores: bool = True,
    labels: tuple[Any, ...] | None = (0, 1),
    threshold: float | None = None,
    model: dict[str, Any] | None = None,
    recorded: str | None = None,
) -> list[float]:
    """What a reader makes of batches of answers. model: what the model says of itself. labels: of the label column."""
    output = OutputSpec.model_validate(spec or {}).output
    reader = AnswerReader(ScoreReading(output, task, positive, need_scores, threshold=threshold), recorded=recorded)
    reader.expect(labels)
    about = None if model is None else {"lockgate.answer": json.dumps(model)}
    batches = [pa.RecordBatch.from_pydict(answer).replace_schema_metadata(about) for answer in answers]
    found = reader.finish(np.concatenate([reader.read(batch) for batch in batches]))
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
        ({"prediction": [3, 4]}, {"task": "regression"}, [3.0, 4.0]),
        ({"prediction": [0, 1]}, {"need_scores": False}, [0.0, 1.0]),
        ({"prediction": [True, False]}, {"need_scores": False, "positive": True}, [1.0, 0.0]),
        ({"prediction": ["yes", "no"]}, {"need_scores": False, "positive": "yes"}, [1.0, 0.0]),
        ({"prediction": [2, 1]}, {"need_scores": False, "positive": 2, "labels": (1, 2)}, [1.0, 0.0]),
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
        ({"prediction": ["0.5", "0.1"]}, {}, r"a server must itself answer with scores, as numbers"),
        ({"prediction": [0.0, 1.0, 1.0]}, {}, r"nothing but 0\.0 and 1\.0.*output: \{column: prediction\}"),
        ({"prediction": [0, 1]}, {"spec": {"column": "prediction"}}, "class labels"),
        ({"p": [0.1], "q": [0.9]}, {}, r"has 2 columns.*p, q.*output: \{column: p\} or output: \{column: q\}"),
        ({"0": [0.1], "1": [0.9]}, {"task": "regression"}, r"output: \{column: \"0\"\} or output: \{column: \"1\"\}"),
        ({"0": [0.1], "1": [0.1], "2": [0.8]}, {}, "has 3 columns"),
        ({"0": [0.1], "1": [0.9]}, {"positive": "approve"}, "which of them is 'approve' is unclear"),
        ({"p": [0.1]}, {"spec": {"column": "score"}}, r"no column 'score'.*its columns are p"),
        ({"p": [0.1]}, {"spec": {"class": "x"}}, r"whether they are those of the class 'x'.*output: \{column: p\}"),
        ({"prediction": [[0.1, 0.9]]}, {}, "a number a row is needed"),
        ({"prediction": ["a"]}, {"task": "regression"}, "a prediction of a number is needed"),
        ({"prediction": ["fraud"]}, {"need_scores": False}, "no answer could be positive"),
        (
            {"prediction": [1]},
            {"need_scores": False, "positive": "fraud", "labels": None},
            "no answer could be positive",
        ),
    ],
)
def test_what_cannot_be_told_is_refused_with_the_line_to_write(
    answer: dict[str, Any], asked: dict[str, Any], message: str
) -> None:
    """A guess could turn the scores around."""
    with pytest.raises(DataError, match=f"(?s){message}"):
        scores(answer, **asked)


OF_ITS_LABEL = {"label": ["fraud", "ok", "ok"], "score": [0.6, 0.9, 0.55]}


@pytest.mark.parametrize(
    ("answer", "labels"),
    [
        (OF_ITS_LABEL, ("fraud", "ok")),
        ({"label": ["LABEL_1", "LABEL_0", "LABEL_0"], "score": [0.6, 0.9, 0.55]}, ("fraud", "ok")),
        ({"score": [0.6, 0.9, 0.55], "label": [1, 0, 0]}, ("fraud", "ok")),
        ({"score": [0.6, 0.9, 0.55], "label": [True, False, False], "at": ["x", "y", "z"]}, None),
        ({"label": ["ok"] * 3, "score": [0.6, 0.9, 0.55]}, ("fraud", "ok")),
        ({"label": ["other", "ok", "fraud"], "score": [0.4, 0.9, 0.55]}, ("fraud", "ok", "other")),
    ],
)
@pytest.mark.parametrize("spec", [{}, {"column": "score"}])
def test_the_score_of_the_label_beside_it_is_refused(answer: Any, labels: Any, spec: dict[str, Any]) -> None:
    """By name too: it ranks nothing; the column is never advised."""
    with pytest.raises(DataError, match="looks like the score of the label beside it") as caught:
        scores(answer, spec=spec, positive="fraud", labels=labels)

    assert "column: score" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        {"label": ["fraud", "ok"], "score": [0.9, 0.2]},
        {"label": ["fraud", "fraud"], "score": [0.9, 0.8]},
        {"version": ["v1", "v1"], "score": [0.9, 0.8]},
        {"label": ["fraud", "ok"], "score": [650.0, 720.0]},
        {"amount": [10.5, 20.25], "score": [0.9, 0.8]},
    ],
)
def test_the_score_of_one_class_beside_labels_is_a_score(answer: Any) -> None:
    """Below one half somewhere, beside the positive label alone, or beside what is no label."""
    assert scores(answer, spec={"column": "score"}, positive="fraud", labels=("fraud", "ok")) == answer["score"]


def test_the_label_beside_its_score_may_be_what_counts() -> None:
    """Where no scores are needed, and the pipeline names it."""
    asked: dict[str, Any] = {"spec": {"column": "label"}, "positive": "fraud", "labels": ("fraud", "ok")}
    assert scores(OF_ITS_LABEL, need_scores=False, **asked) == [1.0, 0.0, 0.0]


def test_a_column_may_be_written_as_a_number() -> None:
    """As the columns of a matrix are called."""
    assert scores({"0": [0.8], "1": [0.2]}, spec={"column": 1}) == [0.2]
    assert OutputSpec.model_validate({"column": 1}) == OutputSpec.model_validate({"column": "1"})
    with pytest.raises(ValidationError):
        OutputSpec.model_validate({"column": True})


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
    reader = AnswerReader(ScoreReading(Output(method="predict_proba"), "binary", 1, need_scores=True))
    answers = scorer(model, reader)(iter(given))

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

    found = AnswerReader(ScoreReading(Output(), "binary", 1, need_scores=True), may_fail=True).read(answer)

    assert np.isnan(found).tolist() == [False, True, True]


FRACTIONS = {"prediction": [0.2, 0.9]}
CLASSIFIER = {"classes": [1, 2], "estimator": "classifier", "method": "predict"}
SHARES = {"classes": [1, 2], "estimator": "classifier", "method": "predict_proba"}


@pytest.mark.parametrize(
    ("answer", "asked", "expected"),
    [
        # a column belongs to the class that the model says, not to the place that is called like it
        ({"0": [0.8, 0.1], "1": [0.2, 0.9]}, {"labels": (1, 2), "model": SHARES}, [0.8, 0.1]),
        ({"0": [0.8, 0.1], "1": [0.2, 0.9]}, {"labels": (1, 2), "positive": 2, "model": SHARES}, [0.2, 0.9]),
        ({"0": [0.8], "1": [0.2]}, {"labels": (1, 2), "model": SHARES, "spec": {"class": 2}}, [0.2]),
        ({"0": [0.8], "1": [0.2]}, {"labels": ("a", "b"), "positive": "b", "spec": {"column": "0"}}, [0.8]),
        ({"2.0": [0.8, 0.1], "1.0": [0.2, 0.9]}, {"labels": (1, 2)}, [0.2, 0.9]),
        # whole numbers that cannot be labels are scores
        ({"prediction": [300, 850, 600]}, {"need_scores": False, "threshold": 600}, [300.0, 850.0, 600.0]),
        ({"prediction": [300, 850, 600]}, {"threshold": None}, [300.0, 850.0, 600.0]),
        ({"prediction": list(range(101))}, {"threshold": 50}, [float(each) for each in range(101)]),
        ({"prediction": [0, 1, 2]}, {"need_scores": False, "threshold": 1.5}, [0.0, 1.0, 2.0]),
        # labels of any type decide by themselves
        ({"prediction": [1.0, 2.0]}, {"need_scores": False, "labels": (1, 2)}, [1.0, 0.0]),
        ({"prediction": [0.0, 1.0]}, {"need_scores": False, "positive": 0}, [1.0, 0.0]),
        ({"prediction": ["1", "0"]}, {"need_scores": False}, [1.0, 0.0]),
        ({"prediction": ["True", "False"]}, {"need_scores": False, "positive": True, "labels": (True, False)}, [1.0, 0.0]),
        ({"prediction": [1, -1]}, {"need_scores": False, "labels": (-1, 1)}, [1.0, 0.0]),
        ({"prediction": [1, 2]}, {"need_scores": False, "labels": (1, 2), "threshold": 600, "model": CLASSIFIER}, [1.0, 0.0]),
        # the same answer in every row, where both readings agree, and where the model says what it is
        ({"prediction": [0.0, 0.0]}, {"need_scores": False, "threshold": 0.5}, [0.0, 0.0]),
        ({"prediction": [0.0]}, {"model": {"estimator": "regressor", "method": "predict"}}, [0.0]),
        ({"0": [0.0, 1.0], "1": [1.0, 0.0]}, {"model": {**SHARES, "classes": [0, 1]}}, [1.0, 0.0]),
        # what the pipeline says of a label in another coding
        ({"prediction": [1, -1]}, {"need_scores": False, "spec": {"class": -1}}, [0.0, 1.0]),
        ({"prediction": [1, 0]}, {"need_scores": False, "labels": ("no", "yes"), "positive": "yes", "spec": {"class": 1}}, [1.0, 0.0]),
        # scores in the data
        ({"p": [0.0, 1.0, 0.5]}, {"recorded": "candidate"}, [0.0, 1.0, 0.5]),
        ({"p": [0.0, 1.0]}, {"recorded": "candidate", "spec": {"column": "p"}}, [0.0, 1.0]),
        ({"p": ["yes", "no"]}, {"recorded": "candidate", "need_scores": False, "labels": ("no", "yes"), "positive": "yes"}, [1.0, 0.0]),
    ],
)  # fmt: skip
def test_an_answer_is_what_all_its_rows_say(
    answer: dict[str, Any], asked: dict[str, Any], expected: list[float]
) -> None:
    """With the model's own classes, the labels of the data, and what the pipeline says."""
    assert scores(answer, **asked) == expected


@pytest.mark.parametrize(
    ("answer", "asked", "message"),
    [
        ({"0": [0.8], "1": [0.2]}, {"labels": (1, 2)}, r"which of them is 1 is unclear.*output: \{column: \"1\"\}"),
        ({"0": [0.8], "1": [0.2]}, {"labels": None}, "which of them is 1 is unclear"),
        ({"0": [0.8], "1": [0.2]}, {"labels": (1, 2), "model": SHARES, "spec": {"column": "1"}}, r"column 1 of the answer is that of the class 2"),
        ({"0": [0.8], "1": [0.2]}, {"labels": (3, 1), "positive": 3, "model": SHARES}, r"knows the classes 1, 2, and none of them is 3"),
        ({"0": [1.0, 1.0]}, {"model": {**SHARES, "classes": [0]}}, "knows the classes 0, and none of them is 1"),
        ({"prediction": [-1.5, 2.0]}, {"labels": (1, 2), "model": {**SHARES, "method": "decision_function"}}, "decision function of the class 2"),
        ({"prediction": [1, -1]}, {"need_scores": False}, r"in another coding.*output: \{class: 1\}"),
        ({"prediction": [1.0, -1.0]}, {}, "in another coding"),
        ({"prediction": [1, -1]}, {"need_scores": False, "model": {"classes": [-1, 1], "estimator": "outlier_detector", "method": "predict"}}, "whether the two codings mean the same"),
        ({"prediction": [1, 1]}, {"need_scores": False, "model": {"classes": [-1, 1], "estimator": "outlier_detector", "method": "predict"}}, "whether the two codings"),
        ({"prediction": [0, 1, 2]}, {"need_scores": False, "threshold": 0.5}, r"may be scores, or labels.*output: \{column: prediction\}"),
        ({"prediction": [1.0, 2.0]}, {"labels": (1, 2)}, r"class labels \(nothing but 1\.0 and 2\.0\)"),
        ({"prediction": ["0", "1"]}, {}, r"class labels \(texts\)"),
        ({"prediction": [0.0, 0.0]}, {}, r"0\.0 in every row, which may be a score or a label.*output: \{column: prediction\}"),
        ({"prediction": [0.0, 0.0]}, {"need_scores": False, "positive": 0, "threshold": 0.5}, "in every row"),
        ({"prediction": [0.0, 0.0]}, {"model": {**CLASSIFIER, "classes": [0, 1]}}, "class labels"),
        ({"prediction": [0, 1]}, {"need_scores": False, "labels": ("no", "yes"), "positive": "yes"}, r"in another coding|no answer could be positive"),
        ({"0": [0.0, 1.0], "1": [1.0, 0.0]}, {}, "class labels"),
        ({"p": [0, 1]}, {"recorded": "candidate"}, r"the candidate's answers in the data \(column 'p'\) holds class labels"),
        ({"p": [True, False]}, {"recorded": "champion"}, "the champion's answers in the data"),
        ({"p": [0.0, 1.0]}, {"recorded": "candidate"}, r"write output: \{column: p\}"),
    ],
)  # fmt: skip
def test_what_may_be_two_things_is_refused(answer: dict[str, Any], asked: dict[str, Any], message: str) -> None:
    """With the line to write."""
    with pytest.raises(DataError, match=f"(?s){message}"):
        scores(answer, **asked)


def test_the_order_of_batches_decides_nothing() -> None:
    """Labels first and a score later is a score; a score's first batch is not taken for all."""
    assert scores({"p": [0.0, 1.0]}, {"p": [1.0, 0.5]}) == [0.0, 1.0, 1.0, 0.5]
    assert scores({"p": [1, 1]}, {"p": [1.0, 0.5]}) == [1.0, 1.0, 1.0, 0.5]
    with pytest.raises(DataError, match="class labels"):
        scores({"p": [1.0, 1.0]}, {"p": [0.0, 1.0]})
    with pytest.raises(DataError, match="holds text values in some batches"):
        scores({"p": ["a"]}, {"p": [1.0]})


@pytest.mark.parametrize(
    ("kind", "precision"), [(pa.float16(), "float16"), (pa.float32(), "float32"), (pa.float64(), None)]
)
def test_the_precision_of_scores_is_kept(kind: Any, precision: str | None) -> None:
    """For the threshold; of whole numbers and decimals there is none."""
    reader = AnswerReader(ScoreReading(Output(), "binary", 1, need_scores=True))
    values = reader.read(pa.RecordBatch.from_arrays([pa.array([0.25, 0.7]).cast(kind, safe=False)], names=["p"]))

    assert reader.finish(values).tolist()[0] == 0.25
    assert reader.precision == precision


def test_each_role_may_have_an_output_of_its_own() -> None:
    """Instead of one for both."""
    spec = OutputSpec.model_validate({"candidate": {"class": 1}, "champion": {"method": "predict_proba"}})

    assert spec.of("candidate") == Output(label=1)
    assert spec.of("champion") == Output(method="predict_proba")
    assert OutputSpec.model_validate({"candidate": {"column": "p"}}).of("champion") == Output()
    with pytest.raises(ValidationError, match="or below candidate and champion"):
        OutputSpec.model_validate({"column": "p", "champion": {"column": "q"}})


@pytest.mark.parametrize(
    ("answers", "refused"),
    [([[1, 0, 0], [0, 1, 0]], True), ([[1, 0, 0], [2, 1, 0]], False), ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], False)],
)
def test_a_one_of_several_columns_is_a_class_label_too(answers: list[list[float]], refused: bool) -> None:
    """Whole numbers 0 and 1 are no scores of classes, with a label beside them or without; votes and shares of a tree are."""
    columns = {name: [row[index] for row in answers] for index, name in enumerate("abc")}
    for beside in ({}, {"prediction": ["a", "b"]}):
        reader = AnswerReader(ScoreReading(Output(), "multiclass", None, need_scores=True, classes=("a", "b", "c")))
        values = reader.read(pa.RecordBatch.from_pydict(columns | beside))
        if refused:
            with pytest.raises(DataError, match="holds class labels"):
                reader.finish(values)
        else:
            assert reader.finish(values).tolist() == answers


def test_what_is_refused_says_whose_answer_it_is() -> None:
    """Candidate and champion may be read by the same line of the pipeline."""
    reader = AnswerReader(ScoreReading(Output(), "binary", 1, need_scores=True), role="champion")
    values = reader.read(pa.RecordBatch.from_pydict({"prediction": [0, 1]}))

    with pytest.raises(DataError, match=r"^the champion's output column 'prediction' holds class labels") as caught:
        reader.finish(values)
    assert caught.value.message.startswith("the champion's")
    with pytest.raises(DataError, match=r"^the champion's answer has 2 columns"):
        reader.read(pa.RecordBatch.from_pydict({"p": [0.1], "q": [0.9]}))


@pytest.mark.parametrize(
    ("answers", "labels", "remedy"),
    [
        (
            [0, 1],
            (1, 2),
            r"which of the answers 0 and 1 means `positive`: output: \{class: 0\} or output: \{class: 1\}$",
        ),
        (
            [1, -1],
            (0, 1),
            r"which of the answers -1 and 1 means `positive`: output: \{class: -1\} or output: \{class: 1\}$",
        ),
        (["n", "y"], (0, 1), r'which of the answers "n" and "y" means'),
    ],
)
def test_neither_of_two_labels_in_another_coding_is_advised(answers: Any, labels: Any, remedy: str) -> None:
    """The wrong one would turn the model around."""
    with pytest.raises(DataError, match=remedy):
        scores({"prediction": answers}, labels=labels, need_scores=False)


ERRORS = [[None, "late"], ["", "late"], [False, True], [0, 503], [[], ["late"]], [{"code": 0}, {"code": 7}]]


@pytest.mark.parametrize("errors", ERRORS)
@pytest.mark.parametrize(
    ("task", "column"), [("binary", [0.5, 0.0]), ("regression", [5, 0]), ("multiclass", ["a", "a"])]
)
def test_a_row_that_names_an_error_has_no_score(task: Task, column: list[Any], errors: list[Any]) -> None:
    """Whatever stands beside it; where rows may fail, the others keep theirs."""
    reading = ScoreReading(OutputSpec.model_validate({"column": "s"}).output, task, 1, False, classes=("a", "b"))
    answer = pa.RecordBatch.from_pydict({"s": column, "error": errors})

    assert np.isnan(AnswerReader(reading, may_fail=True).read(answer)).tolist() == [False, True]
    with pytest.raises(ModelFault, match=r"error of its own in 1 of rows 1 to 2, first in row 2"):
        AnswerReader(reading).read(answer)


def test_a_score_that_is_called_error_is_one() -> None:
    """Where it stands alone, or the pipeline names it."""
    alone, chosen = {"error": [2.5, 1.0]}, {"error": [2.5, 1.0], "other": [1, 2]}

    assert scores(alone, task="regression") == [2.5, 1.0]
    assert scores(chosen, task="regression", spec={"column": "error"}) == [2.5, 1.0]


@pytest.mark.parametrize("answer", [{"0": [0.0] * 3, "1": [1.0] * 3}, {"prediction": [1.0] * 3}])
def test_altered_rows_are_answered_as_the_rows_were(answer: dict[str, list[float]]) -> None:
    """A raise that takes every score to 1 makes no labels of them, nor scores of a label beside them."""
    for alike, cut in (("scores", 0.7), ("labels", 0.5)):
        reader = AnswerReader(ScoreReading(Output(), "binary", 1, need_scores=False, threshold=0.7))
        reader.expect([0, 1], alike=alike)
        values = reader.finish(reader.read(pa.RecordBatch.from_pydict(answer)))

        assert (values >= cut).tolist() == [True] * 3
        assert reader.holds_labels == (alike == "labels")
    reader = AnswerReader(ScoreReading(Output(), "binary", 1, need_scores=True, threshold=0.7))
    reader.expect([0, 1])
    with pytest.raises(DataError):
        reader.finish(reader.read(pa.RecordBatch.from_pydict(answer)))

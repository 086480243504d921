"""What the model's process says of an answer: the order of its rows, the model's classes, what was called."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped,unused-ignore]
import pyarrow as pa
import pytest
from sklearn.dummy import DummyClassifier  # type: ignore[import-untyped,unused-ignore]
from sklearn.ensemble import IsolationForest  # type: ignore[import-untyped,unused-ignore]
from sklearn.linear_model import LinearRegression, LogisticRegression  # type: ignore[import-untyped,unused-ignore]
from sklearn.model_selection import GridSearchCV  # type: ignore[import-untyped,unused-ignore]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped,unused-ignore]

from lockgate.models import model_host
from lockgate.models.model_host import BadAnswer, Host, aligned

ROWS = pa.RecordBatch.from_pydict({"a": [0.3, 0.1, 0.2], "key": ["x", "y", "z"], "same": [1, 1, 1]})
LABELS = np.array([1, 2, 1, 2])
FEATURES = np.array([[0.0], [1.0], [0.1], [0.9]])


@pytest.mark.parametrize(
    "answer",
    [
        pd.Series([1.0, 2.0, 3.0]),
        pd.Series([2.0, 3.0, 1.0], index=[1, 2, 0]),
        pd.Series([2.0, 3.0, 1.0], index=[1.0, 2.0, 0.0]),
        pd.Series([3.0, 1.0, 2.0], index=["z", "x", "y"]),
        pd.DataFrame({"p": [2.0, 3.0, 1.0]}, index=[1, 2, 0])["p"],
        np.array([1.0, 2.0, 3.0]),
        [1.0, 2.0, 3.0],
    ],
)
def test_an_answer_is_put_into_the_order_of_the_rows(answer: Any) -> None:
    """By an index that counts them, or that repeats a column of distinct values; without one it is by place."""
    assert list(aligned(answer, 3, ROWS)) == [1.0, 2.0, 3.0]


def test_frames_and_the_series_of_a_dict_are_put_in_order_too() -> None:
    """Each by its own index."""
    turned = pd.Series([2.0, 3.0, 1.0], index=[1, 2, 0])

    assert aligned(turned.to_frame("p"), 3, ROWS)["p"].tolist() == [1.0, 2.0, 3.0]
    assert aligned({"p": turned}, 3, ROWS)["p"].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("index", [[0, 1, 1], [1, 2, 3], ["x", "y", "w"], [(0, 1), (0, 2), (0, 3)], [[], [1], [2]]])
def test_an_index_that_is_not_that_of_the_rows_is_refused(index: Any) -> None:
    """Its values, which may be ids, are not repeated."""
    answer = pd.Series([1.0, 2.0, 3.0], index=pd.Index(index, tupleize_cols=False))
    with pytest.raises(BadAnswer, match="under an index of its own") as caught:
        aligned(answer, 3, ROWS)

    assert "'x'" not in str(caught.value)


@pytest.mark.parametrize(
    "turn",
    [
        lambda key, p: pd.DataFrame({"key": key, "p": p}),
        lambda key, p: [{"key": each, "p": value} for each, value in zip(key, p, strict=True)],
        lambda key, p: {"key": np.array(key), "p": p},
        lambda key, p: pd.DataFrame({"key": key, "same": 1, "p": p}),
    ],
)
def test_an_answer_that_repeats_a_column_of_distinct_values_is_matched_by_it(turn: Any) -> None:
    """In a frame, in records, in a dict; a sort of its own does not move a score to another row."""
    for key, scores in ((["z", "x", "y"], [3.0, 1.0, 2.0]), (["x", "y", "z"], [1.0, 2.0, 3.0])):
        answer = model_host.as_batch(aligned(turn(key, scores), 3, ROWS), 3)
        assert answer.column("p").to_pylist() == [1.0, 2.0, 3.0]
        assert answer.column("key").to_pylist() == ["x", "y", "z"]


def test_a_repeated_column_is_found_in_another_type() -> None:
    """Whole numbers as texts and as floats, doubles in single precision; a missing value is one too."""
    rows = pa.RecordBatch.from_pydict({"id": [7, 8, None], "a": [0.1, 0.2, 0.3]})
    for own in ({"id": ["8", "7", None]}, {"id": [8.0, 7.0, np.nan]}, {"a": np.array([0.2, 0.1, 0.3], "float32")}):
        frame = pd.DataFrame({**own, "p": [2.0, 1.0, 3.0]})
        assert aligned(frame, 3, rows)["p"].tolist() == [1.0, 2.0, 3.0]


def test_repeated_columns_that_do_not_tell_the_rows_apart_are_refused() -> None:
    """Two together may; rows that stand in place, and a column of other values, are left as they are."""
    rows = pa.RecordBatch.from_pydict({"day": [1, 1, 2], "shop": ["a", "b", "a"]})
    by_both = pd.DataFrame({"day": [2, 1, 1], "shop": ["a", "b", "a"], "p": [3.0, 2.0, 1.0]})

    assert aligned(by_both, 3, rows)["p"].tolist() == [1.0, 2.0, 3.0]
    for day in ([1, 1, 2], [5, 4, 3]):
        assert aligned(pd.DataFrame({"day": day, "p": [1.0, 2.0, 3.0]}), 3, rows)["p"].tolist() == [1.0, 2.0, 3.0]
    for turned in ({"day": [2, 1, 1]}, {"day": [2, 1, 1], "shop": ["b", "a", "a"]}):
        with pytest.raises(BadAnswer, match=r"repeats the input column day.* in another order"):
            aligned(pd.DataFrame({**turned, "p": [3.0, 2.0, 1.0]}), 3, rows)


def host(raw: Any, **python_function: Any) -> Host:
    made = Host(lambda: None)
    metadata = SimpleNamespace(flavors={"python_function": {"loader_module": "mlflow.sklearn", **python_function}})
    made.model = SimpleNamespace(get_raw_model=lambda: raw, metadata=metadata)
    return made


def test_a_model_says_its_classes_and_what_is_called() -> None:
    """Also two of them, of pipelines and searches; an outlier detector's are -1 and 1."""
    logistic = LogisticRegression()
    search = GridSearchCV(make_pipeline(logistic), {"logisticregression__C": [1.0]}, cv=2)
    for model in (logistic, make_pipeline(logistic), search):
        said = host(model.fit(FEATURES, LABELS)).describe(None)
        assert said == {"classes": [1, 2], "estimator": "classifier", "method": "predict"}
    one = DummyClassifier().fit(FEATURES, ["only"] * 4)
    assert host(one, predict_fn="predict_proba").describe(None)["method"] == "predict_proba"
    assert host(one).describe("decision_function") == {
        "classes": ["only"], "estimator": "classifier", "method": "decision_function"
    }  # fmt: skip
    assert host(IsolationForest(n_estimators=2).fit(FEATURES)).describe(None)["classes"] == [-1, 1]
    assert host(LinearRegression().fit(FEATURES, LABELS)).describe(None)["estimator"] == "regressor"


def test_a_pyfunc_of_somebodys_own_may_answer_anything() -> None:
    """What its predict returns is unknown; its classes are believed where it names them."""
    own = host(SimpleNamespace(classes_=["no", "yes"]), loader_module="mlflow.pyfunc.model")

    assert own.describe(None) == {"classes": ["no", "yes"], "estimator": None, "method": None}
    assert host(SimpleNamespace(classes_=np.eye(2))).describe(None)["classes"] is None
    assert model_host.class_names(object()) is None


@pytest.mark.parametrize(
    ("ask", "names"),
    [
        (lambda frame: frame["tenure"], "tenure"),
        (lambda frame: frame[["a", "tenure", "plan"]], "tenure\nplan"),
        (lambda frame: frame[("a", "b")], None),
        (lambda frame: {"x": 1}[frame["key"].iloc[1]], None),
        (lambda frame: frame.loc["Alice"], None),
        (lambda frame: frame.drop(columns="tenure"), None),
    ],
)
def test_columns_that_a_frame_lacks_are_named_to_us(ask: Any, names: str | None) -> None:
    """Beside the error's text, in which a key may be a value of the rows."""
    with pytest.raises((KeyError, ValueError)) as caught:
        ask(ROWS.to_pandas())

    assert model_host._described(caught.value)["lacking"] == names

"""What the model's process says of an answer: the order of its rows, the model's classes, what was called."""

from __future__ import annotations

from pathlib import Path
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

from lockgate.evaluation.scoring.row_metrics import RowMetric, file_digests, plan_functions
from lockgate.models import model_host
from lockgate.models.model_host import BadAnswer, Host, aligned, packed, unpacked
from lockgate.models.process.host_process import to_stream

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


TIMES = pd.to_datetime(["2026-01-01", "2026-01-02"])
ANSWERS: dict[str, Any] = {
    "masks": np.arange(12, dtype="float32").reshape(2, 3, 2),
    "no columns": np.zeros((2, 0)),
    "texts": np.array(["a", "bc"]),
    "boxes": [{"boxes": np.ones((2, 4)), "score": np.float32(0.5)}, {"boxes": np.zeros((0, 4)), "score": None}],
    "tuples": [(1, "a", b"x"), (float("inf"), True, b"")],
    "tensors by name": {"mask": np.ones((2, 2), bool), "classes": [1, 2]},
    "a frame": pd.DataFrame({"a": [1, 2], "b": [[1], [2, 3]], "c": TIMES, 3: ["x", "y"]}),
    "a series": pd.Series([1.0, 2.0], name="s", index=["x", "y"]),
    "objects": np.array([1, "x", None, TIMES[0].tz_localize("UTC")], object),
}


def same(first: Any, second: Any) -> bool:
    if isinstance(first, pd.DataFrame | pd.Series):
        return bool(first.equals(second)) and first.index.equals(second.index)
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and first.shape == second.shape and bool((first == second).all())
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return type(first) is type(second) and all(map(same, first, second)) and len(first) == len(second)
    return type(first) is type(second) and first == second


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_of_any_shape_can_be_handed_to_another_process(answer: str) -> None:
    """As it was, whatever the containers."""
    assert same(unpacked(packed(ANSWERS[answer])), ANSWERS[answer])


@pytest.mark.parametrize(
    "answer", [object(), [object()], np.zeros(1, "V8"), 10**5000], ids=["object", "list", "void", "number"]
)
def test_what_is_no_data_cannot_be_handed_on(answer: Any) -> None:
    """Nor a number that no text holds."""
    with pytest.raises(BadAnswer, match="cannot be handed to per_row"):
        packed(answer)


@pytest.mark.parametrize(
    "tree",
    ['{"array": ["O", [1]]}', '{"array": ["<f8", [1099511627776]]}', '{"array": ["<f8", [2]]}', '{"array": ["<U0", [99999]]}',
     '{"pickle": ["x"]}', '{"objects": [[1], [2]]}', '{"bytes": [], "x": 1}', '[{"bytes": []}, {"bytes": []}]',
     '{"frame": [[["a", 1]], null]}', "[" * 10**5, "9" * 5000, "nonsense"],
)  # fmt: skip
def test_nonsense_in_the_place_of_an_answer_is_refused(tree: str) -> None:
    """Nothing of it is executed, and nothing is made that is larger than what came."""
    batch = pa.record_batch([pa.array([tree.encode(), b"12345678"], pa.large_binary())], names=["answer"])
    with pytest.raises(BadAnswer, match="its process sent what is no answer"):
        unpacked(batch)


def test_functions_get_the_inputs_as_the_models_signature_types_them(tmp_path: Path) -> None:
    """Though no model is loaded where they run; what they read besides stays as it is in the data."""
    (tmp_path / "mine.py").write_text(
        "def f(inputs, answer, labels):\n    return [str(kind) == 'int64' for kind in inputs.dtypes]\n"
    )
    metrics = {"f": RowMetric(function="mine.py:f", better=None, columns=("more",))}
    plan = plan_functions(metrics, file_digests(metrics, tmp_path), root=tmp_path, answer=False, label=None)
    data = pa.RecordBatch.from_pydict({"x": [1.0, 2.0], "more": [1.0, 2.0]})
    rows = to_stream(plan.extend(data.select(["x"]), data=data)).to_pybytes()
    header = {"signature": [{"name": "x", "type": "long"}], "before": 0, "rows_bytes": len(rows), **plan.header}

    values = Host(lambda *_: None).measure(header, memoryview(rows + to_stream(packed([0, 0])).to_pybytes()))

    assert values.to_pydict() == {"per_row:f": [1.0, 0.0]}

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
from sklearn.preprocessing import FunctionTransformer  # type: ignore[import-untyped,unused-ignore]

from lockgate.evaluation.scoring.row_metrics import RowMetric, file_digests, plan_functions
from lockgate.models import model_host
from lockgate.models.model_host import BadAnswer, BadMetric, Host, aligned, as_batch, packed, unpacked
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
    rows = pa.RecordBatch.from_pydict({"day": [7, 7, 9], "shop": ["a", "b", "a"]})
    by_both = pd.DataFrame({"day": [9, 7, 7], "shop": ["a", "b", "a"], "p": [3.0, 2.0, 1.0]})

    assert aligned(by_both, 3, rows)["p"].tolist() == [1.0, 2.0, 3.0]
    for day in ([7, 7, 9], [5, 4, 3]):
        assert aligned(pd.DataFrame({"day": day, "p": [1.0, 2.0, 3.0]}), 3, rows)["p"].tolist() == [1.0, 2.0, 3.0]
    for turned in ({"day": [9, 7, 7]}, {"day": [9, 7, 7], "shop": ["b", "a", "a"]}):
        with pytest.raises(BadAnswer, match=r"repeats the input column day.* in another order"):
            aligned(pd.DataFrame({**turned, "p": [3.0, 2.0, 1.0]}), 3, rows)


MANY = 12
AMOUNT = np.array([7.5, 2.5, 9.5, 4.5, 0.5, 8.5, 3.5, 11.5, 1.5, 10.5, 5.5, 6.5])
SHUFFLED = (AMOUNT - 0.5).astype(int)
SCORE = np.array([0.3, 0.9, 0.1, 0.8, 0.2, 0.7, 0.6, 0.4, 0.55, 0.95, 0.05, 0.45])


def many(**columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"amount": AMOUNT * 3 + 1, **columns})


@pytest.mark.parametrize("ids", [SHUFFLED, SHUFFLED + 1, SHUFFLED + 100, SHUFFLED * 0.25, SHUFFLED.astype(str)])
def test_rows_are_in_place_where_the_index_is_an_input_column_row_by_row(ids: Any) -> None:
    """Though its values may count the rows as well; in a series, a frame, a dict."""
    answer, rows = pd.Series(SCORE, index=ids), many(id=ids)

    assert list(aligned(answer, MANY, rows)) == list(SCORE)
    assert aligned(answer.to_frame("p"), MANY, rows)["p"].tolist() == list(SCORE)
    assert aligned({"p": answer}, MANY, rows)["p"].tolist() == list(SCORE)


@pytest.mark.parametrize(
    ("index", "ids"),
    [
        (range(1, MANY + 1), SHUFFLED + 1),
        (SHUFFLED, np.roll(SHUFFLED, 1)),
        (pd.RangeIndex(MANY, name="id"), SHUFFLED),
        (range(MANY)[::-1], np.arange(MANY)[::-1]),
        (SHUFFLED, np.full(MANY, 7)),
        (np.argsort(np.argsort(-SCORE)), np.full(MANY, 7)),
    ],
    ids=["counted from one", "places or ids", "sorted by ids", "backwards", "ranks of an input", "ranks of the answer"],
)
def test_an_index_that_can_be_read_in_two_ways_is_refused(index: Any, ids: Any) -> None:
    """With what to do; columns beside it that fit one of the readings alone say which it is."""
    answer, rows = pd.Series(SCORE, index=index), many(id=ids)
    with pytest.raises(BadAnswer, match=r"in two ways.*in the order of the rows, with reset_index"):
        aligned(answer, MANY, rows)

    beside = answer.to_frame("p").assign(amount=AMOUNT * 3 + 1)
    assert aligned(beside, MANY, rows)["p"].tolist() == list(SCORE)


def test_a_sort_of_the_models_own_is_undone_by_the_index() -> None:
    """Of rows in any order, also where they were sorted the other way round, and with a rank that is made anew."""
    answer = pd.DataFrame({"p": SCORE, "rank": np.argsort(np.argsort(-SCORE)) + 1})
    for amount in (AMOUNT, np.sort(AMOUNT)[::-1]):
        rows = pa.RecordBatch.from_pydict({"amount": amount, "rank": SHUFFLED + 1})
        turned = answer.iloc[np.argsort(amount)]
        assert aligned(turned, MANY, rows)["p"].tolist() == list(SCORE)


@pytest.mark.parametrize("ranks", [lambda n: n, lambda n: n + 1, lambda n: (n + 1) / MANY, lambda n: n / (MANY - 1)])
def test_a_rank_that_stands_in_another_order_is_no_key(ranks: Any) -> None:
    """It may be made anew: rows of one query, of several, in records; an id beside it says which row is which."""
    own, sent = ranks(np.argsort(np.argsort(-SCORE))), ranks(SHUFFLED)
    query = np.arange(MANY) // 6
    for beside in ({}, {"query": query}):
        rows, frame = many(rank=sent, **beside), pd.DataFrame({"rank": own, "p": SCORE, **beside})
        for answer in (frame, frame.to_dict("records"), frame.to_dict("list")):
            with pytest.raises(BadAnswer, match=r"input column rank.* a name of its own"):
                aligned(answer, MANY, rows)

    keyed = pd.DataFrame({"key": SHUFFLED * 7, "rank": own, "p": SCORE})
    turned = keyed.sort_values("key").reset_index(drop=True)
    for answer in (keyed, turned):
        assert aligned(answer, MANY, many(rank=sent, key=SHUFFLED * 7))["p"].tolist() == list(SCORE)


def measured(values: Any) -> list[float]:
    """What a row function that returns this says of the rows."""
    arguments = (pd.DataFrame({"amount": AMOUNT}), None, None)
    values_of = model_host.call_row_function("err", lambda *_: values, arguments, many(id=SHUFFLED + 100), 0)
    return list(np.asarray(values_of))


def test_values_of_a_row_function_are_put_into_the_order_of_the_rows() -> None:
    """By the index of a series, as answers are; without one they are by place."""
    series = pd.Series(SCORE)
    by_id = series.set_axis(SHUFFLED + 100)
    for values in (SCORE, list(SCORE), series, series.iloc[np.argsort(AMOUNT)], by_id, by_id.sort_index()):
        assert measured(values) == list(SCORE)
    for index in ([7] * MANY, range(1, MANY + 1), SHUFFLED + 500):
        with pytest.raises(BadMetric, match="err answers under an index of its own"):
            measured(series.set_axis(index))


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


def fails(call: Any, *arguments: Any) -> Exception:
    """What a call raises, as it comes to the host: without the frame of whoever calls."""
    from mlflow.exceptions import MlflowException

    with pytest.raises((KeyError, ValueError, MlflowException)) as caught:
        call(*arguments)
    assert caught.value.__traceback__ is not None
    return caught.value.with_traceback(caught.value.__traceback__.tb_next)


def test_what_is_at_fault_is_told_by_where_it_was_raised() -> None:
    """The rows, where their columns, their types or their cells are; the model's own code, where that is on the way."""
    from mlflow.models.utils import _enforce_schema
    from mlflow.types.schema import ColSpec, Schema

    def own(rows: Any) -> Any:
        return fitted.predict(rows * 2)

    fitted = LinearRegression().fit(FEATURES, LABELS)
    faults = {
        "schema": fails(_enforce_schema, pd.DataFrame({"plan": [1.5]}), Schema([ColSpec("string", "plan")])),
        "library": fails(fitted.predict, [["a lot"]]),
        "columns": fails(ROWS.to_pandas().__getitem__, "tenure"),
        "code": fails(own, np.zeros((2, 9))),
    }

    assert {name: model_host._described(error)["fault"] for name, error in faults.items()} == {n: n for n in faults}


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


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"error": "late"}, "an error in place of predictions"),
        ({"score": 0.0, "error": "late"}, "not one value a row|an error in place"),
        ({"score": [0.0, 0.0, 0.0], "error": 503}, "an error in place of predictions"),
        ({"error": None}, "without predictions"),
        ({"score": [0.1, 0.2, 0.3], "version": "v3"}, "'version' is not one value a row"),
        ({"score": [0.1, 0.2, 0.3], "took": np.array(7)}, "'took' is not one value a row"),
    ],
)
def test_an_object_that_is_no_columns_is_refused(answer: Any, problem: str) -> None:
    """In a sentence of its own."""
    with pytest.raises(BadAnswer, match=problem):
        as_batch(aligned(answer, 3, ROWS), 3)


def test_an_error_that_says_nothing_is_no_column() -> None:
    """Beside columns of a dict."""
    assert as_batch({"p": [0.1, 0.2], "error": None, "errors": []}, 2).to_pydict() == {"p": [0.1, 0.2]}


def flat(images: Any) -> Any:
    """As a step before an estimator makes rows of images."""
    return np.asarray(images, dtype=float).reshape(len(images), -1)


@pytest.mark.parametrize("steps", [[], [FunctionTransformer(flat)], [FunctionTransformer(abs)]])
def test_a_model_that_takes_an_array_refuses_the_dict_of_a_named_tensor(steps: list[Any]) -> None:
    """Whatever it says of the dict; what it says of an array has nothing to do with names."""
    host = object.__new__(Host)
    host.model, host.first_prediction_s = make_pipeline(*steps, LogisticRegression()).fit(FEATURES, LABELS), None
    faults = []
    for rows in ({"image": FEATURES}, np.zeros((2, 7))):
        with pytest.raises((TypeError, ValueError)) as refused:
            host.call_model(rows, None)
        faults.append(model_host._described(refused.value)["fault"])

    assert [fault == "named_tensor" for fault in faults] == [True, False]

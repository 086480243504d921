"""What becomes of the columns of the data before a model gets them: the signature's types, and nothing shared."""

from __future__ import annotations

import base64
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from mlflow.pyfunc import PythonModel, save_model
from mlflow.types import ColSpec, DataType
from mlflow.types.schema import Array, Map, Object, Property

from lockgate.models.model_host import BadInput, Host, container_places, example_rows, fit_column, fresh, to_frame

NOON = datetime(2026, 11, 21, 12)


def fit(column: pa.Array, kind: str) -> list[Any]:
    values: list[Any] = fit_column("c", column, SimpleNamespace(type=DataType[kind])).to_pylist()
    return values


@pytest.mark.parametrize(
    ("kind", "column", "values"),
    [
        ("datetime", pa.array(["2026-11-21T12:00:00", None]), [pd.Timestamp(NOON), None]),
        ("datetime", pa.array(["2026-11-21T12:00:00Z", "2026-11-21T12:00:00+00:00"]), [pd.Timestamp(NOON)] * 2),
        ("datetime", pa.array(["2026-11-21 12:00"]), [pd.Timestamp(NOON)]),
        ("datetime", pa.array([NOON], pa.timestamp("us", "UTC")), [pd.Timestamp(NOON)]),
        ("datetime", pa.array([date(2026, 11, 21)]), [pd.Timestamp("2026-11-21")]),
        ("datetime", pa.array(["2026-11-21"]).dictionary_encode(), [pd.Timestamp("2026-11-21")]),
        ("binary", pa.array([base64.encodebytes(b"x" * 80).decode(), None]), [b"x" * 80, None]),
        ("binary", pa.array([b"ab"], pa.binary_view()), [b"ab"]),
        ("string", pa.array(["a", None], pa.string_view()), ["a", None]),
        ("string", pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        ("long", pa.array([7, 7]).dictionary_encode(), [7, 7]),
        ("long", pa.array([Decimal("7.00")]), [7]),
        ("double", pa.array([Decimal("0.3"), None]), [0.3, None]),
        ("integer", pa.array([7], pa.uint8()), [7]),
        ("float", pa.array([0.5], pa.float16()), [0.5]),
        ("double", pa.array([7, None]), [7.0, None]),
        ("boolean", pa.array([True, None]), [True, None]),
    ],
)
def test_what_means_the_same_takes_the_signatures_type(kind: str, column: pa.Array, values: list[Any]) -> None:
    """Texts of times and base64 as MLflow's server reads them, categories as their values, numbers as wider ones."""
    assert fit(column, kind) == values


@pytest.mark.parametrize(
    ("kind", "column", "sentence", "remedy"),
    [
        (
            "datetime",
            pa.array(["2026-11-21T12:00:00", "soon"]),
            "no time from 1678 to 2262",
            "all times as 2026-11-21T",
        ),
        ("datetime", pa.array(["2026-11-21T12:00:00", "2026-11-21T12:00:00Z"]), "no time from", "all of them with a Z"),
        (
            "datetime",
            pa.array(["2026-11-21T12:00:00+01:00"]),
            "times with another zone than UTC",
            "in UTC, or without a",
        ),
        ("datetime", pa.array([NOON], pa.timestamp("us", "Europe/Vienna")), "has no time zone", "in UTC"),
        ("datetime", pa.array(["9999-01-01"]), "no time from 1678 to 2262", "all times"),
        ("datetime", pa.array([1767225600000]), "holds int64, and the signature says datetime", "no number for a time"),
        ("binary", pa.array(["YWJj", "not base64!"]), "not base64", "MLflow's server"),
        ("long", pa.array([1.0, float("nan")]), "has 1 missing values", "as double"),
        ("long", pa.array([Decimal("7.50")]), "a value would change", None),
        ("string", pa.array([7]).dictionary_encode(), "holds dictionary<values=int64", None),
        ("double", pa.array(["7.5"], pa.large_string()), "holds string, and the signature says double", None),
    ],
)
def test_what_would_change_is_refused_without_its_value(
    kind: str, column: pa.Array, sentence: str, remedy: str | None
) -> None:
    """With the column, the row and the line to write."""
    with pytest.raises(BadInput, match=sentence) as refused:
        fit(column, kind)

    assert remedy is None or remedy in str(refused.value.remedy)
    assert not any(text in refused.value.sentence() for text in ("soon", "not base64!", "9999", "7.5"))
    if kind == "binary":
        assert refused.value.sentence(1000).endswith("first in row 1002")


def frame_of(columns: dict[str, pa.Array], *fields: Any) -> Any:
    host = Host(lambda **_: None)
    host.columns = list(fields) or None
    return host.frame(pa.record_batch(columns))


def test_without_a_signature_a_category_stays_one() -> None:
    """With all of its values, in their order, also in one row; ordered where it was."""
    kind = pa.DictionaryArray.from_arrays(pa.array([2], pa.int8()), pa.array(["low", "mid", "high"]), ordered=True)
    dates = pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([date(2026, 11, 21)]))
    frame = frame_of({"level": kind, "day": dates})

    assert frame["level"].dtype == pd.CategoricalDtype(["low", "mid", "high"], ordered=True)
    assert frame["level"].tolist() == ["high"]
    assert frame["day"].tolist() == [date(2026, 11, 21)]


def test_numbered_columns_keep_their_numbers() -> None:
    """A frame without names is logged with 0 and 1; a file calls them `0` and `1`."""
    frame = frame_of({"1": pa.array([2]), "0": pa.array([1])}, ColSpec("long", 0), ColSpec("double", 1))  # type: ignore[arg-type]

    assert frame.columns.tolist() == [0, 1]
    assert frame.iloc[0].tolist() == [1, 2.0]


def test_nested_columns_are_what_the_signature_says() -> None:
    """A key that a row lacks is null in a file, and not there for the model."""
    order = Object([Property("n", "integer"), Property("note", "string", required=False)])
    frame = frame_of(
        {
            "order": pa.array([{"n": 3, "note": None}]),
            "counts": pa.array([{"a": 1, "b": None}]),
            "pairs": pa.array([[("k", 2.0)]], pa.map_(pa.string(), pa.float64())),
            "sizes": pa.array([[1, 2]]),
        },
        ColSpec(order, "order"), ColSpec(Map("long"), "counts"), ColSpec(Map("double"), "pairs"),
        ColSpec(Array("integer"), "sizes"),
    )  # fmt: skip

    assert frame.iloc[0]["order"] == {"n": 3}
    assert frame.iloc[0]["counts"] == {"a": 1}
    assert frame.iloc[0]["pairs"] == {"k": 2.0}
    assert str(frame.iloc[0]["sizes"].dtype) == "int32"


def test_what_a_model_gets_is_its_own() -> None:
    """A frame of one column can be written to, and what is done to a copy, also inside of a cell, is done to no other."""
    frame = to_frame([("tags", pa.array([["x"], ["y"]])), ("a", pa.array([1.0, 2.0]))])
    frame["tags"] = [["x"], ["y"]]
    copied = fresh(frame, container_places([frame]))
    copied["tags"].iloc[0].append("z")
    copied["a"] = 0.0
    answer = {"p": [1.0]}
    fresh(answer)["p"][0] = 2.0

    assert frame["tags"].iloc[0] == ["x"]
    assert frame["a"].tolist() == [1.0, 2.0]
    assert answer == {"p": [1.0]}


@pytest.mark.parametrize(
    ("example", "rows"),
    [(pd.DataFrame({"a": [1, 2]}), 2), (pd.DataFrame({"a": [1, 2]}).to_numpy(), 2), (["x", "y", "z"], 3), ("x", None),
     ({"a": pd.array([1, 2]).to_numpy()}, 2), ({"a": [1, 2], "b": "x"}, None), ([], 0), (7.5, None)],
)  # fmt: skip
def test_the_rows_of_an_example_are_counted(example: Any, rows: int | None) -> None:
    """A text, a number and an object are one request."""
    assert example_rows(example) == rows


class Vandal:
    """A model that changes whatever it gets, and counts what it was given changed."""

    spoiled = 0

    def predict(self, frame: pd.DataFrame) -> list[float]:
        self.spoiled += "extra" in frame or frame["a"].iloc[0] != 1.0
        frame["a"] = -1.0
        frame["extra"] = 0
        return [0.0] * len(frame)


@pytest.mark.parametrize("concurrency", [1, 2])
def test_requests_of_a_load_do_not_share_what_a_model_changes(concurrency: int) -> None:
    """Neither do those of the warm-up, of which the frames are the same."""
    host = Host(lambda **_: None)
    host.model = Vandal()
    plan = {
        "rows": 1,
        "requests": 6,
        "warmup": 2,
        "rate": None,
        "duration_s": None,
        "concurrency": concurrency,
        "seed": 0,
    }

    first_error, times = host.drive(plan, pa.record_batch({"a": [1.0, 1.0]}))

    assert (first_error, times.num_rows, host.model.spoiled) == (None, 6, 0)


class Twin(PythonModel):
    """Answers one number a row, and wants the parameter that its example was logged with."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        assert params == {"k": 3}
        assert str(model_input["at"].dtype).startswith("datetime64")
        return model_input["job"].isna().astype(float).to_numpy()


def test_an_example_is_read_by_mlflow_itself(tmp_path: Path) -> None:
    """A missing text, a time and parameters; a file that is broken afterwards is said to be."""
    example = pd.DataFrame({"job": ["cook", None], "at": [pd.Timestamp(NOON)] * 2})
    save_model(tmp_path / "m", python_model=Twin(), input_example=(example, {"k": 3}), pip_requirements=["mlflow"])
    host = Host(lambda **_: None)
    host.load(str(tmp_path / "m"))
    assert host.answer_example() == 2

    (tmp_path / "m" / "input_example.json").write_text("{")
    with pytest.raises(BadInput, match="its input example cannot be read: JSONDecodeError"):
        host.answer_example()

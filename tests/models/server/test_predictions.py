"""What is a prediction for the rows of a request, and what is only an answer."""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa
import pytest

from lockgate.models.json_rows import UnusableAnswer, read_predictions, value_kinds
from lockgate.models.safe_text import RowText
from lockgate.models.server.model import ServerProtocol
from lockgate.models.server.predictions import LoadAnswer, load_problem, moved_column, read_predictions_of
from lockgate.models.server.protocol_json import JsonProtocol
from lockgate.models.server.protocol_mlflow import MlflowProtocol
from lockgate.models.server.protocol_v1 import V1Protocol
from lockgate.models.server.protocol_v2 import V2Protocol

MLFLOW, V1, V2 = MlflowProtocol(), V1Protocol("m"), V2Protocol("m")
PLAIN = JsonProtocol(body={}, output=None, one_row=False)
ROW = JsonProtocol(body={}, output="result.score", one_row=True)
NESTED = JsonProtocol(body={}, output="predictions.scores", one_row=False)
NUMBERS = {"prediction": "numbers"}


def v2(data: list[Any], shape: list[int]) -> dict[str, Any]:
    return {"id": "7", "outputs": [{"name": "p", "shape": shape, "data": data}]}


def problem(protocol: ServerProtocol, document: Any, rows: int, verified: dict[str, str] | None = None) -> str | None:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return load_problem(
        LoadAnswer("", "", body), rows, read=protocol.answer, verified=verified or {}, quotable=RowText()
    )


@pytest.mark.parametrize(
    ("protocol", "document", "rows", "verified"),
    [
        (MLFLOW, {"predictions": [0.5, 1]}, 2, NUMBERS),
        (MLFLOW, {"predictions": [0.5], "error": None, "errors": []}, 1, NUMBERS),
        (MLFLOW, {"predictions": [{"score": 0.5, "why": None}]}, 1, {"score": "numbers", "why": "texts"}),
        (MLFLOW, {"predictions": [{"score": 0.5, "error": ""}]}, 1, {"score": "numbers"}),
        (MLFLOW, {"predictions": [[0.1, 0.9]]}, 1, {}),
        (V1, {"predictions": ["fraud"]}, 1, {"prediction": "texts"}),
        (V2, v2([0.5, 0.1], [2]), 2, NUMBERS),
        (PLAIN, {"score": [0.5], "error": [0.0]}, 1, {"score": "numbers"}),
        (PLAIN, {"score": [0.5], "errors": [], "error": None}, 1, {"score": "numbers"}),
        (PLAIN, [0.5], 1, NUMBERS),
        (ROW, {"result": {"score": 0.5}, "error": 0}, 1, NUMBERS),
        (NESTED, {"predictions": {"error": None, "scores": [0.5]}, "errors": {}}, 1, NUMBERS),
        (
            MLFLOW,
            {"predictions": [{"score": 0.5, "errors": []}, {"score": 0.1, "errors": [None]}]},
            2,
            {"score": "numbers"},
        ),
    ],
)
def test_predictions_are_taken(protocol: ServerProtocol, document: Any, rows: int, verified: dict[str, str]) -> None:
    """With nulls beside them, and errors that say that there was none."""
    assert problem(protocol, document, rows, verified) is None


@pytest.mark.parametrize(
    ("protocol", "document", "rows", "said"),
    [
        (MLFLOW, {"error": "overloaded"}, 1, "it has no `predictions`, as MLflow's answers have, but the error: overloaded"),
        (V1, {"error": "overloaded"}, 1, "it has no `predictions`, but the error: overloaded"),
        (V2, {"error": {"code": 429}}, 1, "has no `outputs`, .* but the error: .*"),
        (PLAIN, {"error": "overloaded"}, 1, "it is an object with 'error', and no predictions, but the error: overloaded"),
        (PLAIN, {"error": ["overloaded"]}, 1, "it gave error in place of predictions"),
        (ROW, {"error": "overloaded"}, 1, "nothing at 'result'.* but the error: overloaded"),
        (MLFLOW, {"predictions": [0.5], "error": "timeout; default"}, 1, "beside its predictions it names the error: timeout; default"),
        (MLFLOW, {"predictions": [{"error": "late"}]}, 1, "it gave error in place of predictions"),
        (MLFLOW, {"predictions": [{"score": 0.0, "error": "late"}]}, 1, "prediction of row 1 is null"),
        (NESTED, {"predictions": {"error": "late", "scores": [0.0]}}, 1, "names the error: late"),
        (V2, {"outputs": [{"name": "error", "shape": [1], "data": ["late"]}]}, 1, "error in place of predictions"),
        (PLAIN, {"score": [0.5], "error": [0.01]}, 1, "names the error"),
        (MLFLOW, {"predictions": [0.5]}, 2, "it gave 1 predictions for 2 rows"),
        (V2, v2([0.5], [1]), 2, r"has the shape \[1\] for 2 rows"),
        (MLFLOW, {"predictions": [0.5, None]}, 2, "its prediction of row 2 is null, NaN or infinite"),
        (MLFLOW, b'{"predictions": [0.5, NaN]}', 2, "its prediction of row 2 is null, NaN or infinite"),
        (MLFLOW, b'{"predictions": [[0.5, Infinity]]}', 1, "its prediction of row 1 is null, NaN or infinite"),
        (MLFLOW, {"predictions": ["unavailable"]}, 1, r"\('prediction'\) are texts, and those of the first answer are numbers"),
        (MLFLOW, {"predictions": [False]}, 1, r"\('prediction'\) are bool, and those of the first answer are numbers"),
        (MLFLOW, {"predictions": [{"label": "a"}]}, 1, "it has no 'prediction', as the first answer has; it has 'label'"),
        (MLFLOW, b"", 1, "it is empty"),
        (MLFLOW, b"<html>Sign in</html>", 1, "it is not JSON: Sign in"),
        (MLFLOW, b"\x1f\x8b\x08\0\0\0\0\0\0\xff", 1, "it is compressed .gzip. without a Content-Encoding that says so$"),
    ],
)  # fmt: skip
def test_what_is_no_prediction_is_said(protocol: ServerProtocol, document: Any, rows: int, said: str) -> None:
    """Whatever the status was."""
    shown = problem(protocol, document, rows, NUMBERS)
    assert re.search(said, shown or ""), shown


@pytest.mark.parametrize("error", [True, 503, "late", ["late"], [{"code": 1, "message": "late"}], {"code": 503}])
def test_an_error_of_whatever_type_is_no_prediction(error: Any) -> None:
    """Beside the predictions or in a row, in all protocols."""
    documents: list[tuple[ServerProtocol, dict[str, Any]]] = [
        (MLFLOW, {"predictions": [0.0]}),
        (V1, {"predictions": [0.0]}),
        (V2, v2([0.0], [1])),
        (ROW, {"result": {"score": 0.0}}),
    ]
    for key in ("error", "errors"):
        for protocol, document in documents:
            assert "names the error" in str(problem(protocol, {**document, key: error}, 1, NUMBERS))
        row = {"predictions": [{"score": 0.0, key: error}]}
        assert problem(MLFLOW, row, 1, {"score": "numbers"}) == "its prediction of row 1 is null, NaN or infinite"


def test_a_row_with_an_error_of_its_own_has_no_values() -> None:
    """The others of its request keep theirs."""
    answer = read_predictions([{"p": 0.0, "error": "late"}, {"p": 0.7, "error": None}], 2)

    assert answer.to_pydict() == {"p": [None, 0.7], "error": ["late", None]}


def test_lists_and_objects_beside_a_score_are_no_score() -> None:
    """Whatever is in them; alone, they are no predictions."""
    rows = [
        {"p": 0.2, "reasons": [], "limits": {"low": 0}},
        {"p": 0.7, "reasons": ["R1", 7], "limits": {"low": "none"}},
    ]

    assert read_predictions(rows, 2).to_pydict() == {"p": [0.2, 0.7], "reasons": [None] * 2, "limits": [None] * 2}
    assert problem(MLFLOW, {"predictions": [{"p": None, "reasons": ["R1"]}]}, 1) is not None
    with pytest.raises(UnusableAnswer, match="nested deeper"):
        read_predictions([{"reasons": ["R1"], "error": None}], 1)


def test_columns_without_values_have_no_kind() -> None:
    """What comes later tells."""
    batch = pa.RecordBatch.from_pydict({"a": [None], "b": [1], "c": ["x"], "d": [1.5]})

    assert value_kinds(batch) == {"b": "numbers", "c": "texts", "d": "numbers"}


def test_an_error_that_a_protocol_says_itself_is_not_repeated() -> None:
    """Once is enough."""
    with pytest.raises(UnusableAnswer, match=r"^it has no `predictions`, but the error: late$"):
        read_predictions_of({"error": "late"}, 1, read=V1.answer)


def test_an_input_column_that_comes_back_in_another_order_is_named() -> None:
    """Answers are matched to the rows sent by their order alone."""
    rows = pa.RecordBatch.from_pydict({"id": [7, 8, 9], "a": [0.1, 0.2, 0.3]})

    for own, moved in (([8, 7, 9], "id"), (["8", "7", "9"], "id"), ([7, 8, 9], None), ([1, 2, 3], None)):
        answer = pa.RecordBatch.from_pydict({"id": own, "p": [0.3, 0.2, 0.1]})
        assert moved_column(answer, rows) == moved

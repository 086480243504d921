"""What each protocol sends, and how it reads what comes back; KServe's are held against what is published of them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from helpers.kserve import KServe
from helpers.web import Request, Web, reply, serving
from lockgate.errors import ModelFault
from lockgate.models.json_rows import UnusableAnswer, fit_batch
from lockgate.models.model import LoadPlan
from lockgate.models.server.client import HttpClient
from lockgate.models.server.model import ServerModel, ServerProtocol
from lockgate.models.server.protocol_json import JsonProtocol
from lockgate.models.server.protocol_mlflow import MlflowProtocol
from lockgate.models.server.protocol_v1 import V1Protocol
from lockgate.models.server.protocol_v2 import V2Protocol

ROWS = pa.RecordBatch.from_pydict({"a": [1.0, 2.0], "b": [10.0, 20.0]})


def sums(server: KServe, wire: ServerProtocol, rows: pa.RecordBatch = ROWS) -> tuple[dict[str, Any], Web]:
    with serving(server) as web:
        (answer,) = ServerModel(HttpClient(web.url, name="candidate"), wire).predict([rows])
    return answer.to_pydict(), web


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("mlserver", [False, True])
@pytest.mark.parametrize(("version", "tensor"), [(None, None), ("7", None), ("7", "input-0")])
def test_version_2_is_spoken_as_it_is_published(
    nested: bool, mlserver: bool, version: str | None, tensor: str | None
) -> None:
    """A tensor a column or one for all; the one output is taken whatever its name; flat data and nested."""
    wire = V2Protocol("fraud", version=version, tensor=tensor)

    assert sums(KServe(mlserver=mlserver, nested=nested), wire)[0] == {"prediction": [11.0, 22.0]}


def test_several_outputs_are_columns_by_name() -> None:
    """`output: {column: …}` then says which is the score."""
    answer, _ = sums(KServe(outputs=2), V2Protocol("fraud"))

    assert answer == {"output-1": [11.0, 22.0], "output-2": [5.5, 11.0]}


def test_version_1_is_spoken_as_it_is_published() -> None:
    """Rows of values, in the order of the columns."""
    answer, web = sums(KServe(), V1Protocol("fraud"))

    assert answer == {"prediction": [11.0, 22.0]}
    assert [one.path for one in web.asked] == ["/v1/models/fraud", "/v1/models/fraud:predict"]


def test_types_of_columns_are_types_of_tensors() -> None:
    """Texts are BYTES, which MLServer is told to read as texts; times travel as texts too."""
    rows = pa.RecordBatch.from_pydict(
        {
            "f": pa.array([1.5, None]),
            "g": pa.array([1.5, 2.5], pa.float32()),
            "i": pa.array([1, 2], pa.int32()),
            "u": pa.array([1, 2], pa.uint8()),
            "s": ["x", None],
            "d": pa.array(["x", "y"]).dictionary_encode(),
            "t": [datetime(2026, 1, 2, 3, 4, tzinfo=UTC).replace(tzinfo=None)] * 2,
            "m": [Decimal("1.25"), Decimal("2.50")],
            "y": [True, False],
        }
    )
    wire = V2Protocol("fraud")
    with serving(KServe(mlserver=True)) as web:
        wire.reported(HttpClient(web.url, name="candidate"))
    sent = wire.body(rows, name="candidate")

    assert {one["name"]: (one["datatype"], one["data"]) for one in sent["inputs"]} == {
        "f": ("FP64", [1.5, None]),
        "g": ("FP32", [1.5, 2.5]),
        "i": ("INT32", [1, 2]),
        "u": ("UINT8", [1, 2]),
        "s": ("BYTES", ["x", None]),
        "d": ("BYTES", ["x", "y"]),
        "t": ("BYTES", ["2026-01-02T03:04:00.000000"] * 2),
        "m": ("FP64", [1.25, 2.5]),
        "y": ("BOOL", [True, False]),
    }
    assert [one["name"] for one in sent["inputs"] if one.get("parameters") == {"content_type": "str"}] == [
        "s",
        "d",
        "t",
    ]


def test_one_tensor_holds_one_type() -> None:
    """Columns of several types are refused before anything is sent."""
    rows = pa.RecordBatch.from_pydict({"a": [1.0], "s": ["x"]})

    with pytest.raises(ModelFault, match="the columns are FP64, BYTES, and one tensor holds values of one type"):
        V2Protocol("fraud", tensor="x").body(rows, name="candidate")


def test_a_version_that_the_server_does_not_have_is_found_before_it_is_asked() -> None:
    """Where the server lists its versions."""
    metadata = {"name": "fraud", "versions": ["6", "7"], "platform": "x", "inputs": [], "outputs": []}
    with serving(lambda request, line: reply(200, metadata)) as web:
        model = ServerModel(HttpClient(web.url, name="champion"), V2Protocol("fraud", version="8"))
        with pytest.raises(ModelFault) as caught:
            model.load()

    assert str(caught.value) == (
        f"champion at {web.url}/v2/models/fraud/versions/8 has the versions 6, 7, and target names '8'; "
        "name one of these as version: in target"
    )


def test_another_version_that_answers_is_no_answer() -> None:
    """Whoever routes requests may route them elsewhere."""
    answer = {"model_name": "fraud", "model_version": "6", "outputs": []}
    output = {"name": "p", "shape": [1], "datatype": "FP64", "data": [0.5]}

    with pytest.raises(UnusableAnswer, match="version '6' of the model answered, and target names '7'"):
        V2Protocol("fraud", version="7").answer({**answer, "outputs": [output]}, 1)


def test_what_a_server_says_of_itself_is_kept() -> None:
    """For the evidence."""
    with serving(KServe(mlserver=True)) as web:
        facts = ServerModel(HttpClient(web.url, name="candidate"), V2Protocol("fraud")).load()

    assert facts.versions == {"server": "mlserver 1.7.1", "platform": "sum", "versions": "7"}


@pytest.mark.parametrize(
    ("output", "what"),
    [
        ({"shape": [2], "data": [1.0]}, "has the shape [2] and 1 values"),
        ({"shape": [3], "data": [1.0, 2.0, 3.0]}, "has the shape [3] for 2 rows"),
        ({"shape": [2, 1, 1], "data": [1.0, 2.0]}, "has the shape [2, 1, 1] for 2 rows"),
        ({"data": [1.0, 2.0]}, "has no `shape`"),
        ({"shape": [2], "parameters": {"binary_data_size": 16}}, "has no `data` in JSON"),
        ({"shape": [2, 2], "data": [[1.0, 2.0], 3.0]}, "is nested unevenly"),
    ],
)
def test_an_output_that_does_not_hold_together(output: dict[str, Any], what: str) -> None:
    """Shape, data and rows agree, or it is no answer."""
    with pytest.raises(UnusableAnswer) as caught:
        V2Protocol("fraud").answer({"outputs": [{"name": "p", **output}]}, 2)

    assert what in str(caught.value)


@pytest.mark.parametrize("answer", [{}, [], {"outputs": []}, {"outputs": [1]}, {"error": "no"}])
def test_an_answer_without_outputs(answer: Any) -> None:
    """Such as that of another protocol."""
    with pytest.raises(UnusableAnswer, match="has no `outputs`"):
        V2Protocol("fraud").answer(answer, 2)


def test_an_error_in_place_of_predictions_is_repeated() -> None:
    """Some servers say 200 to it."""
    with pytest.raises(UnusableAnswer, match="no `predictions`, but the error: model not loaded"):
        V1Protocol("fraud").answer({"error": "model not loaded"}, 2)


def filled(body: Any, rows: pa.RecordBatch = ROWS) -> Any:
    return JsonProtocol(body=body, output=None, one_row=False).body(rows, name="candidate")


def test_a_body_is_a_structure_in_which_rows_take_their_places() -> None:
    """Values, never texts put together; a dollar of one's own is written twice."""
    rows, records = [[1.0, 10.0], [2.0, 20.0]], [{"a": 1.0, "b": 10.0}, {"a": 2.0, "b": 20.0}]

    assert filled({"rows": "$rows", "more": [{"names": "$columns"}, 7, None]}) == {
        "rows": rows,
        "more": [{"names": ["a", "b"]}, 7, None],
    }
    assert filled("$records") == records
    assert filled({"$rows": "$by_column"}) == {"$rows": {"a": [1.0, 2.0], "b": [10.0, 20.0]}}
    assert filled(["$row", "$record"]) == [rows[0], records[0]]
    assert filled(["$$rows", "cost: $rows", "$$"]) == ["$rows", "cost: $rows", "$"]


def test_what_a_row_holds_stays_a_value() -> None:
    """Whatever stands in it."""
    rows = pa.RecordBatch.from_pydict({"a": ['"}, $rows {', "${HOME}"]})

    assert filled({"x": "$rows"}, rows) == {"x": [['"}, $rows {'], ["${HOME}"]]}


@pytest.mark.parametrize(
    ("output", "answer", "columns"),
    [
        (None, [0.1, 0.2], {"prediction": [0.1, 0.2]}),
        (None, [[0.9, 0.1], [0.8, 0.2]], {"0": [0.9, 0.8], "1": [0.1, 0.2]}),
        ("scores", {"scores": [0.1, 0.2]}, {"prediction": [0.1, 0.2]}),
        ("0.out.scores", [{"out": {"scores": [1, 2]}}], {"prediction": [1, 2]}),
        ("rows", {"rows": [{"p": 0.1, "l": "a"}, {"p": 0.2, "l": "b"}]}, {"p": [0.1, 0.2], "l": ["a", "b"]}),
        (None, {"p": [0.1, 0.2], "l": ["a", "b"]}, {"p": [0.1, 0.2], "l": ["a", "b"]}),
    ],
)
def test_predictions_are_where_the_pipeline_says(output: str | None, answer: Any, columns: dict[str, Any]) -> None:
    """Numbers, rows of numbers, objects, or columns."""
    assert JsonProtocol(body=None, output=output, one_row=False).answer(answer, 2).to_pydict() == columns


@pytest.mark.parametrize(
    ("output", "what"),
    [
        ("score", "the answer has nothing at 'score', which output: names; its keys are 'scores', 'n'"),
        ("scores.9", "scores has nothing at '9', which output: names"),
        ("n.x", "n has nothing at 'x', which output: names"),
    ],
)
def test_predictions_that_are_not_there(output: str, what: str) -> None:
    """The keys that are there are listed."""
    with pytest.raises(UnusableAnswer) as caught:
        JsonProtocol(body=None, output=output, one_row=False).answer({"scores": [1], "n": 1}, 1)

    assert str(caught.value) == what


@pytest.mark.parametrize("answer", [0.7, [0.7]])
def test_a_server_that_takes_one_row_is_asked_row_by_row(answer: Any) -> None:
    """A request each; several rows a request cannot be driven."""

    def score(request: Request, line: Any) -> bytes:
        return reply(200, {"score": answer})

    wire = JsonProtocol(body={"features": "$record"}, output="score", one_row=True)
    with serving(score) as web:
        model = ServerModel(HttpClient(web.url, name="candidate"), wire)
        (found,) = model.predict([ROWS])
        with pytest.raises(ModelFault, match="takes one row a request"):
            model.drive(LoadPlan(requests=1, rows=2), ROWS)

    assert found.num_rows == 2
    assert [one.json for one in web.posts] == [{"features": {"a": 1.0, "b": 10.0}}, {"features": {"a": 2.0, "b": 20.0}}]


def test_mlflow_is_given_a_split_frame() -> None:
    """Bytes are base64, as MLflow reads them where the signature says binary."""
    rows = pa.RecordBatch.from_pydict({"i": [b"\x00\xff"], "x": [1]})

    assert MlflowProtocol().body(rows, name="candidate") == {
        "dataframe_split": {"columns": ["i", "x"], "data": [["AP8=", 1]]}
    }


TENSOR = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}
PICTURE = {"name": "image", "type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 2, 1]}}
RECORD = {"type": "object", "properties": {"b": {"type": "double", "required": True}}, "required": True}


@pytest.mark.parametrize(
    ("wire", "signature", "body"),
    [
        (MlflowProtocol(), [TENSOR], {"inputs": [[1.0, 10.0], [2.0, 20.0]]}),
        (MlflowProtocol(), [PICTURE], {"inputs": {"image": [[[1], [10]], [[2], [20]]]}}),
        (MlflowProtocol(), [RECORD], {"inputs": [{"b": 10.0}, {"b": 20.0}]}),
        (MlflowProtocol(), [{"type": "map"}], {"inputs": [{"a": 1.0, "b": 10.0}, {"a": 2.0, "b": 20.0}]}),
        (V1Protocol("m"), [TENSOR], {"instances": [[1.0, 10.0], [2.0, 20.0]]}),
        (V1Protocol("m"), [PICTURE], {"instances": [{"image": [[1], [10]]}, {"image": [[2], [20]]}]}),
        (V2Protocol("m"), [PICTURE], {"inputs": [
            {"name": "image", "shape": [2, 2, 1], "datatype": "UINT8", "data": [1, 10, 2, 20]}]}),
        (V2Protocol("m", tensor="x"), [TENSOR], {"inputs": [
            {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1.0, 10.0, 2.0, 20.0]}]}),
        (JsonProtocol(body={"x": "$rows"}, output=None, one_row=False), [PICTURE | {"name": None}], {"x": [[[1], [10]], [[2], [20]]]}),
        (JsonProtocol(body="$record", output=None, one_row=True), [RECORD], {"b": 10.0}),
    ],
)  # fmt: skip
def test_arrays_and_records_are_sent_as_what_they_are(wire: ServerProtocol, signature: list[Any], body: Any) -> None:
    """A server gets the tensors of the signature, or what a type hint says a row is, never columns instead."""
    assert wire.body(fit_batch(ROWS, signature, name="candidate"), name="candidate") == body


def test_the_array_that_a_model_was_fitted_on_is_sent_as_one() -> None:
    """Where no signature says so but the plan of its inputs."""
    field = pa.field("image", pa.list_(pa.list_(pa.int8())), metadata={b"lockgate:tensor": b"image"})
    rows = pa.RecordBatch.from_arrays([pa.array([[[1, 2]], [[3, 4]]], field.type)], schema=pa.schema([field]))

    assert MlflowProtocol().body(fit_batch(rows, None, name="m"), name="m") == {"inputs": [[[1, 2]], [[3, 4]]]}


def test_a_number_that_a_tensor_lacks_is_null() -> None:
    """JSON has no NaN, and an infinite number is refused."""
    rows = pa.RecordBatch.from_pydict({"a": [1.0, None], "b": [1.0, 2.0]})
    endless = pa.RecordBatch.from_pydict({"a": [1.0, float("inf")], "b": [1.0, 2.0]})

    assert MlflowProtocol().body(fit_batch(rows, [TENSOR], name="m"), name="m") == {"inputs": [[1.0, 1.0], [None, 2.0]]}
    with pytest.raises(ModelFault, match="infinite"):
        fit_batch(endless, [TENSOR], name="m")

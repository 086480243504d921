"""What each producer writes becomes the same rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.recordings.samples import AMOUNTS, ANSWERS, COUNTRIES, FORMATS
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.recordings import FORMATS as KNOWN
from lockgate.data.recordings.payloads import answers_of, inputs_of
from lockgate.data.recordings.producers import row_reader
from lockgate.data.recordings.records import Unused
from lockgate.errors import DataError


def recording(folder: Path, path: str, name: str, **more: Any) -> Dataset:
    return Dataset(
        "traffic", DatasetSpec.model_validate({"path": path, "format": name, "max_unused": 1, **more}), folder
    )


def rows(found: Dataset) -> list[dict[str, Any]]:
    return [row for batch in found.batches() for row in batch.to_pylist()]


def test_every_format_has_a_sample() -> None:
    assert FORMATS.keys() == KNOWN.keys()


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "sagemaker_capture"])
def test_inputs_answers_and_ids_are_columns(tmp_path: Path, name: str) -> None:
    """Inputs by their own names; several rows of one request have ids of their own."""
    found = recording(tmp_path, FORMATS[name](tmp_path), name)

    table = rows(found)
    assert [row["amount"] for row in table] == list(AMOUNTS)
    assert [row["country"] for row in table] == list(COUNTRIES)
    assert [row["answer"] for row in table] == list(ANSWERS)
    assert len({row["request_id"] for row in table}) == 4
    assert found.spec.roles.keys() >= {"request_id", "answer", "request_time"}


def test_what_else_a_request_was_sent_with_is_not_read(tmp_path: Path) -> None:
    """Its headers and cookies are nobody's input, unless a column names one."""
    path = tmp_path / FORMATS["har"](tmp_path)
    log = json.loads(path.read_text())
    for entry in log["log"]["entries"]:
        secret = [{"name": "Authorization", "value": "Bearer s3cret"}, {"name": "Cookie", "value": "session=s3cret"}]
        entry["request"] |= {"cookies": [{"name": "session", "value": "s3cret"}]}
        entry["request"]["headers"] = [*entry["request"]["headers"], *secret]
    path.write_text(json.dumps(log))

    found = recording(tmp_path, path.name, "har")

    assert len(rows(found)) == 4
    assert "s3cret" not in str(rows(found))


def test_bodies_of_csv_have_no_names_and_get_them_by_paths(tmp_path: Path) -> None:
    """Beside bodies of JSON, whose inputs have names."""
    columns = {"amount": "input[0]", "country": "input[1]"}
    path = FORMATS["sagemaker_capture"](tmp_path)
    both = (tmp_path / path).read_text().splitlines()
    (tmp_path / "csv.jsonl").write_text(both[0] + "\n")
    (tmp_path / "json.jsonl").write_text("\n".join(both[1:]) + "\n")

    assert [tuple(row.values()) for row in rows(recording(tmp_path, "csv.jsonl", "sagemaker_capture", columns=columns))] == [
        ("event-0/0", "2026-11-29T10:00:00Z", 0.1, 10.5, "BR"), ("event-0/1", "2026-11-29T10:00:00Z", 0.9, 80, "US"),
    ]  # fmt: skip
    assert [row["amount"] for row in rows(recording(tmp_path, "json.jsonl", "sagemaker_capture"))] == [20.0, 70.25]


def test_a_sample_of_the_traffic_is_called_one(tmp_path: Path) -> None:
    """As the table says it, and which version answered."""
    found = recording(tmp_path, FORMATS["mlflow_inference_table"](tmp_path), "mlflow_inference_table")

    assert {row["answered_by"] for row in rows(found)} == {"6"}
    assert found.lifted is not None
    assert found.lifted.recording.sentence("traffic") == "traffic is a sample of 25 % of the traffic"
    assert found.lifted.recording.to_json() == {"records": 2, "unused": {}, "sampled": ["0.25", "0.25"]}


def test_what_was_cut_missed_or_repeated_is_counted(tmp_path: Path) -> None:
    """A body that was cut, what is no request, an answer without a request and a request without an answer, an event twice."""
    FORMATS["envoy_tap"](tmp_path)
    cut = tmp_path / "taps" / "fraud_1.json"
    cut.write_text(cut.read_text().replace("false", "true", 1))
    events = (tmp_path / FORMATS["kserve_cloudevents"](tmp_path)).read_text().splitlines()
    other = events[0].replace("id-0", "id-9").replace(".response", ".explain")
    (tmp_path / "some.ndjson").write_text("\n".join([*events[1:], events[2], other, events[0].replace("id-0", "id-7")]))

    taps = recording(tmp_path, "taps", "envoy_tap").lifted
    some = recording(tmp_path, "some.ndjson", "kserve_cloudevents").lifted
    entries = recording(tmp_path, FORMATS["har"](tmp_path), "har").lifted

    assert taps is not None
    assert some is not None
    assert entries is not None
    assert taps.recording.to_json()["unused"] == {"truncated": 1}
    assert some.recording.to_json()["unused"] == {"other": 1, "repeated": 2, "unasked": 2, "unanswered": 2}
    assert entries.recording.to_json()["unused"] == {"other": 1}


@pytest.mark.parametrize("name", ["kserve_cloudevents", "seldon"])
def test_a_path_that_leads_nowhere_is_refused(tmp_path: Path, name: str) -> None:
    """Of a format too, in a request as in an answer."""
    path = FORMATS[name](tmp_path)

    for text in ("input.amuont", "answer.score"):
        with pytest.raises(DataError, match=f"has nothing at {text}, the path of column 'x'"):
            _ = recording(tmp_path, path, name, columns={"x": text}).schema


def test_files_of_another_producer_are_refused(tmp_path: Path) -> None:
    """Nothing in them is a request."""
    path = FORMATS["seldon"](tmp_path)

    with pytest.raises(DataError, match="has 4 records, and no row in them; correct `format`"):
        _ = recording(tmp_path, path, "sagemaker_capture").schema


@pytest.mark.parametrize(
    ("body", "inputs"),
    [
        ({"columns": ["a"], "data": [[1], [2]]}, [{"a": 1}, {"a": 2}]),
        ({"inputs": {"a": [1, 2], "b": [3, 4]}}, [{"a": 1, "b": 3}, {"a": 2, "b": 4}]),
        ({"inputs": [[1, 2], [3, 4]]}, [[1, 2], [3, 4]]),
        ({"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}]}, [[1, 2], [3, 4]]),
        ({"data": {"names": ["a"], "ndarray": [[1], [2]]}}, [{"a": 1}, {"a": 2}]),
        ({"data": {"names": ["a", "b"], "tensor": {"shape": [1, 2], "values": [1, 2]}}}, [{"a": 1, "b": 2}]),
        ({"a": 1, "b": "x"}, [{"a": 1, "b": "x"}]),
        ([{"a": 1}], [{"a": 1}]),
    ],
)
def test_bodies_have_many_forms(body: Any, inputs: list[Any]) -> None:
    assert inputs_of(body) == inputs


@pytest.mark.parametrize(
    ("body", "answers"),
    [
        ({"predictions": [[0.1], [0.9]]}, [0.1, 0.9]),
        ({"predictions": [{"p": 0.1}]}, [0.1]),
        ({"predictions": [[0.3, 0.7]]}, [[0.3, 0.7]]),
        ({"data": {"names": ["p"], "ndarray": [[0.5]]}}, [0.5]),
        ({"score": 0.5, "label": "yes"}, [{"score": 0.5, "label": "yes"}]),
        (0.5, [0.5]),
    ],
)
def test_answers_have_many_forms(body: Any, answers: list[Any]) -> None:
    assert answers_of(body) == answers


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["data", "inputs", "columns", "shape", "name", "predictions", "ndarray", "tensor", "request",
                         "response", "body", "headers", "instance", "text", "postData"]), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=60)
@given(VALUES, st.sampled_from(sorted(KNOWN)))
def test_any_record_gives_rows_or_is_not_used(value: Any, name: str) -> None:
    """Whatever it holds where a producer would have written something else."""
    record = {
        "captureData": {"endpointInput": {"data": value, "encoding": "JSON"}}, "eventMetadata": {}, "data": value,
        "type": "x.request", "request": value, "response": value, "http_buffered_trace": {"request": value},
    }  # fmt: skip
    for half in ("request", "answer"):
        try:
            assert isinstance(row_reader(name, {}, half)(record), list)  # type: ignore[arg-type]
            json.dumps(inputs_of(value))
            json.dumps(answers_of(value))
        except Unused:
            continue

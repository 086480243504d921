"""What is shown of errors about rows: types, words, columns and places in code; no value of the rows."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from lockgate.models.safe_text import RowText, with_columns

LONG = "the patient called on Tuesday and said that she would come again in a week or so, and then hung up the phone"
ROWS = pa.record_batch(
    {
        "name": ["Alice Smith", "Bob O'Brien", "José"],
        "age": [42, 37, 3],
        "income": [51234.5, 12.75, 3.0],
        "note": [LONG] * 3,
        "country": pa.array(["DE", "BR", "DE"]).dictionary_encode(),
        "address": [{"city": "Zorro"}] * 3,
    }
)


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        ("ValueError", "could not convert string to float: 'Alice Smith'", "could not convert string to float: '…'"),
        ("ValueError", "could not convert string to float: 'Bob O'Brien'", "could not convert string to float: '…'"),
        ("ValueError", "bad customer Alice Smith aged 42", "bad customer … aged …"),
        ("ValueError", "bad customer SMITH", "bad customer …"),
        ("KeyError", "'Alice Smith'", "'…'"),
        ("KeyError", "'age'", "'age'"),
        ("KeyError", "42", "…"),
        ("ValueError", "row {'name': 'Alice Smith', 'age': 42}", "row {'name', 'age'}"),
        ("ValueError", "row [42 51234.5 3]", "row […]"),
        ("ValueError", "row Pandas(Index=0, name='Alice Smith', age=42)", "row Pandas(Index=…, name='…', age=…)"),
        ("ValueError", f"cannot parse {LONG[:60]}", "cannot parse …"),
        ("ValueError", "2026-11-03T12:00:00Z, 555-0123 and a@b.de", "…, … and …"),
        ("ValueError", "in Zorro, -3.5e10, DE", "in …, …, …"),
        ("ValueError", "a quote that 'never ends, Alice", "a quote that '…'"),
        ("ValueError", "[Errno 2] No such file: '/data/Alice.png'", "[Errno 2] No such file: '…'"),
        ("ValueError", "first line\n0  Alice  42\n- age\n", "first line … age"),
        ("AttributeError", "'Alice' object has no attribute 'José'", "'…' object has no attribute '…'"),
        ("AttributeError", "'NoneType' object has no attribute 'foo'", "'NoneType' object has no attribute 'foo'"),
        ("TypeError", "predict() got an unexpected keyword argument 'params'",
         "predict() got an unexpected keyword argument 'params'"),
        ("ValueError", "X has 3 features, but 12 features are expected", "X has 3 features, but 12 features are expected"),
        ("ValueError", "shapes (3000,4) (5,) do not fit in line 1234", "shapes (3000,4) (5,) do not fit in line 1234"),
        ("ValueError", "don't do this; the customers' names", "don't do this; the customers' names"),
        ("MlflowException", "Failed to enforce schema of data '   name  age\n0  Alice's   42' with schema "
         "'['age': double (required)]'. Error: Can not convert column age.", "Can not convert column age."),
        ("ValidationError", "1 validation error for Row\nage\n  a valid integer [type=int, input_value='Alice', input_type=str]",
         "1 validation error for Row … age"),
        ("ValueError", "", ""),
    ],
)  # fmt: skip
def test_of_an_error_type_columns_and_words_stay(kind: str, text: str, shown: str) -> None:
    """Whatever may be a value of the rows is cut."""
    assert RowText(ROWS).error(kind, text) == (f"{kind}: {shown}" if shown else kind)


def test_names_of_columns_that_were_not_sent_stay() -> None:
    """Of the data, and those that a frame was asked for; a value of the rows is neither."""
    rows = RowText(with_columns(ROWS, ["truth", "age"]))

    assert rows.error("KeyError", "'truth'") == "KeyError: 'truth'"
    assert rows.error("KeyError", "'tenure'") == "KeyError: '…'"
    assert rows.asked_for(["tenure", "José"]).error("KeyError", "'tenure', 'José'") == "KeyError: 'tenure', '…'"
    assert rows.asked_for(["tenure"]).error("KeyError", "'truth'") == "KeyError: 'truth'"


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (
            {"error_code": "BAD_REQUEST", "message": "bad row 'Alice'", "stack_trace": "Alice"},
            "BAD_REQUEST; bad row '…'",
        ),
        ({"detail": [{"loc": ["body", 0, "age"], "msg": "a valid number", "input": "Alice"}]}, "age; a valid number"),
        ({"input": ["Alice"]}, ""),
        ("<html><title>Oops</title><p>Alice Smith</p></html>", "Oops  …"),
        ("no such column", "no such column"),
    ],
)
def test_of_a_servers_answer_its_messages_stay(body: object, shown: str) -> None:
    """What repeats the request is cut."""
    text = body if isinstance(body, str) else json.dumps(body)

    assert RowText(ROWS).body(text) == shown


def test_of_the_output_of_a_process_only_tracebacks_stay() -> None:
    """What it printed, and the further lines of a message, are counted."""
    output = """asked about Alice
Traceback (most recent call last):
  File "/m/predict.py", line 3, in predict
    raise ValueError(f"bad {name}")
    ^^^^^
ValueError: bad Alice Smith
   name  age
    0 Alice
Fatal Python error: Segmentation fault

Current thread 0x00007f (most recent call first):
  File "/m/act.py", line 12 in act"""

    assert RowText(ROWS).output(output) == """(left out, because rows may be in it: 1 line)
Traceback (most recent call last):
  File "/m/predict.py", line 3, in predict
    raise ValueError(f"bad {name}")
    ^^^^^
ValueError: bad …
(left out, because rows may be in it: 2 lines)
Fatal Python error: Segmentation fault
Current thread 0x00007f (most recent call first):
  File "/m/act.py", line 12 in act"""  # fmt: skip

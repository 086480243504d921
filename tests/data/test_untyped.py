"""Texts of CSV in the type of a signature: exactly, or with the row that has it not."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from lockgate.data.untyped import Misfit, as_signed, retypes

DIGITS = "123456789012345678"


@pytest.mark.parametrize(
    ("signed", "values", "expected"),
    [
        ("string", ["01001", "NA", "1e5", None], ["01001", "NA", "1e5", None]),
        ("boolean", ["1", "0", "TRUE", "false", "NA", None], [True, False, True, False, None, None]),
        ("long", [DIGITS, "+1", " 2 ", "", "None"], [int(DIGITS), 1, 2, None, None]),
        ("double", ["0.5", "1e-3", "-.5", "<NA>", "inf"], [0.5, 0.001, -0.5, None, float("inf")]),
        ("double", ["None", None], [None, None]),
        ("long", [], []),
    ],
)
def test_a_text_becomes_what_the_signature_says(signed: str, values: list[Any], expected: list[Any]) -> None:
    """What pandas and Arrow call missing is missing, but for texts."""
    assert as_signed("a", pa.array(values, pa.string()), signed).to_pylist() == expected


@pytest.mark.parametrize(
    ("signed", "text"), [("boolean", "yes"), ("boolean", "2"), ("long", "1,5"), ("double", "1_0"), ("long", "x")]
)
def test_a_text_that_is_not_of_the_type_is_named_by_its_row(signed: str, text: str) -> None:
    """And not by what it says."""
    with pytest.raises(Misfit) as misfit:
        as_signed("a", pa.array(["1", None, "0", text, text]), signed)

    assert (misfit.value.column, misfit.value.row) == ("a", 3)


def test_a_column_that_seems_right_is_not_read_anew() -> None:
    """So that data which had the right types before is read as before."""
    assert [retypes(kind, "string") for kind in (pa.string(), pa.int64(), pa.date32())] == [False, True, True]
    assert [retypes(kind, "double") for kind in (pa.int64(), pa.float64(), pa.string())] == [False, False, True]
    assert [retypes(kind, "boolean") for kind in (pa.bool_(), pa.int64())] == [False, True]
    assert not retypes(pa.string(), "datetime")

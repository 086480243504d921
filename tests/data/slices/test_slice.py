"""Slices: what may be declared, what they are called, and that every row is in exactly one of a declaration."""

from __future__ import annotations

import operator
import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lockgate.data.slices.names import bin_labels, finding_id, meant, shown_label, slice_text
from lockgate.data.slices.slice import Slice, quantile_edges, resolved
from lockgate.data.slices.spec import SliceEntries, SmallSlices
from lockgate.errors import DataError

ENTRIES: TypeAdapter[Any] = TypeAdapter(SliceEntries)


def declared(*entries: Any) -> tuple[Slice, ...]:
    return tuple(Slice.from_spec(entry) for entry in ENTRIES.validate_python(list(entries)))


def labels(entry: Any, **columns: Any) -> list[str]:
    batch = pa.RecordBatch.from_pydict(columns)
    return list(declared(entry)[0].assign(batch).to_pylist())


def test_the_four_kinds_of_the_design_are_read() -> None:
    """The example of the contract."""
    every, values, bins, where = declared(
        "merchant_category",
        {"column": "geography", "values": ["EU", "US", "BR"]},
        {"name": "amount_band", "column": "amount", "bins": [0, 10, 100, 1000]},
        {"name": "risky_new", "where": {"account_age_days": {"lt": 30}, "country": "BR"}},
    )

    assert [(one.name, one.kind, one.columns, one.values, one.mergeable) for one in (every, values, bins, where)] == [
        ("merchant_category", "values", ("merchant_category",), None, True),
        ("geography", "declared", ("geography",), ("EU", "US", "BR"), False),
        ("amount_band", "bins", ("amount",), ("[0,10)", "[10,100)", "[100,1000)"), True),
        ("risky_new", "where", ("account_age_days", "country"), ("true",), False),
    ]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"column": "a", "find": {"depth": 2}}], "`find` stands by itself, and column beside it"),
        ([{"find": {"depth": 2}}], "there are none; declare columns beside it"),
        (["a", {"find": {}}, {"find": {}}], "find is written twice"),
        (["a", {"find": {"depth": 4}}], "less than or equal to 3"),
        (["a", {"find": {}}, {"cross": ["a", "(found)"]}], "which is no slice here"),
        ([{"cross": ["a", "b"]}], "cross names 'a', which is no slice here; declared: none"),
        (["geo", {"cross": ["geo", "chanel"]}, "channel"], "did you mean 'channel'?"),
        (["a", "b", {"cross": ["a", "b"]}, {"cross": ["a×b", "a"]}], "which is a crossing itself"),
        (["a", "b", {"cross": ["a", "b"]}, {"name": "c", "cross": ["b", "a"]}], "crossed twice: b, a"),
        (["a", {"cross": ["a", "a"]}], "crossed with itself"),
        (["a", {"cross": ["a"]}], "cross names 1 of the 2 to 4 slices that it needs"),
        (["a", "b", {"cross": ["a", "b"], "column": "c"}], "leave `column` out"),
        ([{"column": "a", "quantiles": 1}], "greater than or equal to 2"),
        ([{"name": "q", "column": "a", "quantiles": 4, "bins": [1]}], "not by bins and quantiles"),
        ([{"column": "a", "max": 0}], "greater than or equal to 1"),
        ([{"column": "a", "values": [1, 2], "max": 10}], "`values` says itself how many slices there are"),
        (["a", "a"], "slices have the same name: a"),
        (["a", {"column": "b", "name": "a"}], "slices have the same name: a"),
        ([{"name": "b", "column": "a", "bins": [0, 10, 10]}], "bins must increase, and 10 comes after 10"),
        ([{"name": "b", "column": "a", "bins": [0, float("inf")]}], "inf is not a finite number"),
        ([{"name": "b", "column": "a", "bins": []}], "at least 1 item"),
        ([{"column": "a", "bins": [0, 1]}], "a slice with `bins` needs a name"),
        ([{"where": {"a": 1}}], "a slice with `where` needs a name"),
        ([{"name": "b", "column": "a", "where": {"a": 1}}], "leave `column` out"),
        ([{"name": "b", "column": "a", "bins": [0], "values": [1]}], "not by values and bins"),
        ([{"name": "b"}], "a slice needs a column"),
        ([{"name": "b", "where": {"a": [1, 2]}}], "several values are a list after `in`"),
        ([{"name": "b", "where": {"a": {}}}], "a condition is empty"),
        ([{"name": "b", "where": {"a": {"near": 1}}}], "Extra inputs are not permitted"),
        ([{"column": "a", "values": [1, "1"]}], "values are declared twice: 1"),
        ([{"column": "a", "values": [1, 1.0]}], "values are declared twice: 1"),
        (["label"], "a slice cannot be called 'label'"),
        (["champion:iou"], "a slice cannot be called 'champion:iou'"),
        ([""], "a name is needed"),
        ([{"column": "a", "name": " "}], "a name is needed"),
        ([3], "a slice is the name of a column"),
        ([{"column": "a", "colour": 1}], "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_meant_is_refused(entries: list[Any], message: str) -> None:
    """Each with its reason."""
    with pytest.raises(ValidationError) as refused:
        ENTRIES.validate_python(entries)

    assert message in str(refused.value)


def test_small_slices_block_unless_something_else_is_written() -> None:
    """The strictest of the three is the default."""
    assert SmallSlices().below == "block"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["EU", None, "US"], ["EU", "(missing)", "US"]),
        ([3, None, -1], ["3", "(missing)", "-1"]),
        ([0.5, None, 3.0, float("nan")], ["0.5", "(missing)", "3", "(missing)"]),
        ([True, None, False], ["true", "(missing)", "false"]),
        ([date(2026, 11, 21), None], ["2026-11-21", "(missing)"]),
        ([None, None], ["(missing)", "(missing)"]),
        ([-0.0, 0.0, 1e-7], ["0", "0", "1e-07"]),
        (
            ["01001", "1001", " 1001", "1e5", "1.0", "NA", "TRUE", ""],
            ["01001", "1001", " 1001", "1e5", "1.0", "NA", "TRUE", ""],
        ),
        ([Decimal("1001.00"), Decimal("0.50"), Decimal("-0.00")], ["1001", "0.5", "0"]),
        (
            [datetime(2026, 1, 5), datetime(2026, 1, 5, 10, 0, 30, 500_000)],
            ["2026-01-05 00:00:00", "2026-01-05 10:00:30.5"],
        ),
        (
            ["(other)", "other", "(missing)", '"(missing)"', None],
            ["(other)", "other", '"(missing)"', '""(missing)""', "(missing)"],
        ),
        ([], []),
    ],
)
def test_a_value_is_shown_as_people_write_it(values: list[Any], expected: list[str]) -> None:
    """Missing values are a slice of their own."""
    assert labels("a", a=pa.array(values, pa.null()) if not any(v is not None for v in values) else values) == expected


@pytest.mark.parametrize(
    "spec", ["a", {"column": "a", "values": ["1", "y", "nobody"]}, {"column": "a", "values": [1, 2]}]
)
@pytest.mark.parametrize(
    "values", [["x", "1", None, "y", "x"], [1.0, None, 2.0, float("nan"), 1.0], [3, 1, None, 1, 2], [True, None, False, True]]
)  # fmt: skip
def test_a_column_of_codes_has_the_labels_of_its_values(spec: Any, values: list[Any]) -> None:
    """Also in part of a column, with codes that no row has, and of a value that stands twice."""
    plain = pa.array([*values, *values])
    coded = plain.dictionary_encode()
    twice = pa.DictionaryArray.from_arrays(
        pa.array([4, 1, None, 2, 0], pa.int8()),
        pa.array([values[0], values[1], values[0], values[1], values[0], values[3]]),
    )
    for column in (coded, coded.slice(1, 6), coded.slice(2, 1), twice):
        assert labels(spec, a=column) == labels(spec, a=column.dictionary_decode())
        found = declared(spec)[0].assign(pa.RecordBatch.from_pydict({"a": column})).dictionary.to_pylist()
        assert sorted(found) == sorted(set(labels(spec, a=column)))


def test_a_dictionary_column_is_a_column_like_others() -> None:
    """pandas writes categories so."""
    assert labels("a", a=pa.array(["x", None, "x"]).dictionary_encode()) == ["x", "(missing)", "x"]


def test_a_uuid_is_its_text() -> None:
    """Parquet has a type of its own for them."""
    value = UUID("5b140996-28a4-4e3d-abef-062c7912aa30")

    assert labels("a", a=pa.array([value.bytes, None], pa.uuid())) == [str(value), "(missing)"]


def test_declared_values_meet_their_column_whatever_its_type() -> None:
    """A whole number that pandas stored as a float, because cells were missing, is still that number."""
    entry = {"column": "a", "values": [3, "4", True]}

    assert labels(entry, a=[3.0, None, 5.0]) == ["3", "(other)", "(other)"]
    assert labels(entry, a=["3", "4", "true"]) == ["3", "4", "true"]
    assert labels(entry, a=[3, 4, 5]) == ["3", "4", "(other)"]
    assert labels({"column": "a", "values": ["(missing)"]}, a=["x", None]) == ["(other)", "(missing)"]
    assert labels({"column": "a", "values": ["2026-01-05"]}, a=[datetime(2026, 1, 5)]) == ["2026-01-05"]
    assert labels({"column": "a", "values": [3, True, "1.0"]}, a=["3.0", "True", "1"]) == ["3", "true", "(other)"]


def test_a_declared_number_is_not_taken_for_a_text_with_zeros() -> None:
    """Whether 1 is meant by `01` only its owner knows."""
    with pytest.raises(DataError, match="1 is a number, and column 'a' holds the text '01'") as refused:
        labels({"column": "a", "values": [1, 2]}, a=["01", "2"])

    assert refused.value.remedy is not None
    assert 'values: ["01", …]' in refused.value.remedy
    assert labels({"column": "a", "values": ["1", "2"]}, a=["01", "2"]) == ["(other)", "2"]


def test_a_value_called_other_is_a_value() -> None:
    """Found or declared, alone or crossed; the rows outside the declared ones are not."""
    entry = {"column": "a", "values": ["x", "(other)"]}
    (every,), (listed,) = declared("a"), declared(entry)

    assert labels(entry, a=["x", "(other)", "y"]) == ["x", "(other)", "((other))"]
    assert [listed.judges(label) for label in ("x", "(other)", "((other))")] == [True, True, False]
    assert every.judges("(other)")
    assert crossed("a", "b", {"cross": ["a", "b"]}, a=["(other)"], b=["x"])[2] == ["a=%28other%29&b=x"]


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
def test_numbers_that_may_have_become_the_same_are_no_names(kind: pa.DataType) -> None:
    """Two ids above 2^53 are one double."""
    limit = {32: 2.0**24, 64: 2.0**53}[kind.bit_width]

    assert labels("a", a=pa.array([limit, 0.5], kind)) == [str(int(limit)), "0.5"]
    with pytest.raises(DataError, match="may have become the same"):
        labels("a", a=pa.array([limit * 2], kind))


def test_a_sentence_shows_what_cannot_be_seen() -> None:
    """An empty text, blanks at the ends, and signs that move the cursor."""
    assert [shown_label(label) for label in ("US", " US", "", "a\x1b[31m\nb", "é", "e\u0301", "a & b=c", '"(missing)"')] == [
        "US", '" US"', '""', '"a\\u001b[31m\\nb"', "é", '"e\\u0301"', '"a & b=c"', '"(missing)"',
    ]  # fmt: skip


def test_a_label_is_found_by_what_it_means() -> None:
    """As it is written, else by the only label of that meaning."""
    assert meant("1", ["1", "1.0"]) == "1"
    assert [meant(written, ["1", "01", "true", "2026-01-05 00:00:00"]) for written in ("1.0", "1e0", "True", "2026-01-05")] == [
        "1", "1", "true", "2026-01-05 00:00:00",
    ]  # fmt: skip
    assert meant("1", ["1.0", "1.00"]) is None
    assert meant("1", ["01", "001"]) is None
    assert meant("12345678901234567890123456789012", ["12345678901234567890123456789013.0"]) is None


def test_bins_hold_every_number() -> None:
    """Below, inside, on the edges, above, and missing."""
    entry = {"name": "band", "column": "a", "bins": [0, 10, 10.5]}

    assert labels(entry, a=[-1.0, 0.0, 9.99, 10.0, 10.5, float("inf"), None, float("nan")]) == [
        "(-inf,0)", "[0,10)", "[0,10)", "[10,10.5)", "[10.5,inf)", "[10.5,inf)", "(missing)", "(missing)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "kind", [pa.float16(), pa.float32(), pa.float64(), pa.decimal128(9, 2), pa.decimal256(60, 5)], ids=str
)
def test_a_number_is_at_the_edge_that_is_written_as_it_is(kind: pa.DataType) -> None:
    """In the column's own precision: by bins, by a condition and by value."""
    numbers = [Decimal(n) / 100 for n in range(-99, 100)]
    as_python = np.float16 if pa.types.is_float16(kind) else float if pa.types.is_floating(kind) else Decimal
    plain = pa.array(list(map(as_python, numbers)), kind)
    for edge in ("0.07", "0.3", "0.55", "0.58", "0.7"):
        at, value = numbers.index(Decimal(edge)), float(edge)
        bins = labels({"name": "b", "column": "a", "bins": [value, 70_000]}, a=plain)
        assert [label.startswith("(-inf") for label in bins] == [number < numbers[at] for number in numbers]
        for key, compare in (("ge", operator.ge), ("le", operator.le), ("eq", operator.eq)):
            held = labels({"name": "w", "where": {"a": {key: value}}}, a=plain)
            assert held == [str(compare(number, numbers[at])).lower() for number in numbers], (edge, key)
        named = labels({"column": "a", "values": [value]}, a=plain)
        assert [row for row, label in enumerate(named) if label == edge] == [at]


def test_where_is_a_conjunction_and_false_for_what_is_missing() -> None:
    """`ne` included: nothing is known about a missing value."""
    entry = {"name": "w", "where": {"age": {"ge": 18, "lt": 30}, "country": {"in": ["BR", "US"]}}}

    assert labels(entry, age=[18, 29, 30, None, 20], country=["BR", "US", "BR", "BR", None]) == [
        "true", "true", "false", "false", "false",
    ]  # fmt: skip
    assert labels({"name": "w", "where": {"a": {"ne": "x"}}}, a=["x", "y", None]) == ["false", "true", "false"]
    assert labels({"name": "w", "where": {"a": True}}, a=[True, False, None]) == ["true", "false", "false"]
    assert labels({"name": "w", "where": {"d": {"ge": "2026-01-01"}}}, d=[date(2025, 12, 31), date(2026, 1, 1)]) == [
        "false", "true",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "column", "message"),
    [
        ({"name": "b", "column": "a", "bins": [0]}, ["x"], "has the type string, and bins need numbers"),
        ({"name": "b", "where": {"a": {"lt": 3}}}, ["x"], "it is compared with 3"),
        ({"name": "b", "where": {"a": "x"}}, [3], "it is compared with 'x'"),
        ("a", [[1, 2]], "a slice needs texts, numbers"),
    ],
)
def test_a_column_that_does_not_fit_its_declaration_is_an_error(entry: Any, column: list[Any], message: str) -> None:
    """A comparison that can never be true is a mistake, not an empty slice."""
    with pytest.raises(DataError, match=message):
        labels(entry, a=column)


NUMBERS = st.lists(st.one_of(st.none(), st.floats(width=64), st.integers(-5, 5).map(float)), max_size=40)


@given(NUMBERS, st.lists(st.floats(-10, 10), min_size=1, max_size=5, unique=True))
def test_every_row_is_in_the_bin_that_its_label_says(values: list[float | None], edges: list[float]) -> None:
    """The law of bins: a partition, by plain comparison."""
    edges = sorted({edge + 0.0 for edge in edges})
    names = (*bin_labels(edges), "(missing)")
    bounds = [-np.inf, *edges, np.inf]

    found = labels({"name": "b", "column": "a", "bins": edges}, a=pa.array(values, pa.float64()))

    for value, label in zip(values, found, strict=True):
        if value is None or np.isnan(value):
            assert label == "(missing)"
        else:
            place = names.index(label)
            assert bounds[place] <= value <= bounds[place + 1]
            assert value < bounds[place + 1] or value == np.inf


@given(
    st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=40),
    st.lists(st.text(max_size=3), min_size=1, unique=True),
)
def test_all_labels_are_known_to_the_order_of_the_declaration(values: list[str | None], names: list[str]) -> None:
    """So that the masks of all labels together are all rows, each once."""
    names = [name for name in names if name != "(other)"] or ["x"]
    for entry in ("a", {"column": "a", "values": names}, {"name": "w", "where": {"a": {"gt": "m"}}}):
        (one,) = declared(entry)
        found = one.assign(pa.RecordBatch.from_arrays([pa.array(values, pa.string())], names=["a"])).to_pylist()
        order = one.order(found)

        assert len(found) == len(values)
        assert set(found) <= set(order)
        assert len(set(order)) == len(order)
        assert order[: len(one.values or ())] == (one.values or ())


def test_quantile_bins_are_bins_whose_edges_are_data() -> None:
    """Of about as many rows each, labelled like declared bins, in the order of the numbers."""
    entry = {"name": "q", "column": "a", "quantiles": 4}
    values = [None, *range(100, 0, -1), float("nan")]
    found = labels(entry, a=pa.array(values, pa.float64()))
    (one,) = declared(entry)

    assert one.order(found) == ("(-inf,26)", "[26,51)", "[51,76)", "[76,inf)", "(missing)")
    assert [found.count(label) for label in one.order(found)] == [25, 25, 25, 25, 2]
    assert one.mergeable


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0, 5.0, 5.0], ["(-inf,inf)"]),
        ([0.0] * 9 + [1.0], ["(-inf,inf)"]),
        ([0.0] * 5 + [1.0] * 5, ["(-inf,1)", "[1,inf)"]),
        ([None, None], ["(missing)"]),
        ([1.0, float("inf"), float("-inf"), 2.0], ["(-inf,2)", "[2,inf)"]),
        ([], []),
    ],
)
def test_values_that_repeat_make_fewer_quantile_bins(values: list[float | None], expected: list[str]) -> None:
    """No bin is empty by construction, and no value is in two."""
    entry = {"column": "a", "quantiles": 4}
    (one,) = declared(entry)

    assert list(one.order(labels(entry, a=pa.array(values, pa.float64())))) == expected


def test_quantiles_need_numbers() -> None:
    """A text has no order that anybody meant."""
    with pytest.raises(DataError, match="has the type string, and quantiles need numbers"):
        labels({"column": "a", "quantiles": 4}, a=["x"])


@given(st.lists(st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: x + 0.0), max_size=60), st.integers(2, 7))
def test_quantile_edges_increase_and_leave_no_bin_empty(values: list[float], bins: int) -> None:
    """Whatever the numbers."""
    numbers = np.array(values, float)
    edges = quantile_edges(numbers, bins)
    counts = np.bincount(np.searchsorted(np.array(edges), numbers, side="right"), minlength=len(edges) + 1)

    assert list(edges) == sorted(set(edges))
    assert len(edges) < bins
    assert not values or counts.min() > 0


def crossed(*entries: Any, **columns: Any) -> tuple[Slice, list[str], list[str]]:
    """(the last declaration, its labels in order, the label of each row)."""
    slices = resolved(declared(*entries))
    batch = pa.RecordBatch.from_pydict(columns)
    coded = []
    for part in slices[-1].parts:
        given = part.assign(batch)
        names = part.order(given.dictionary.to_pylist())
        coded.append((names, np.array([names.index(label) for label in given.to_pylist()], np.int32)))
    order, codes = slices[-1].combine(coded)
    return slices[-1], list(order), [order[code] for code in codes]


def test_a_crossing_is_named_by_its_parts() -> None:
    """Its key holds a pair of each, whatever signs the values have."""
    one, order, rows = crossed(
        "geo", "channel", {"cross": ["geo", "channel"]}, geo=["BR", "é&=", "BR", None], channel=["web", "app", "web", "app"]
    )  # fmt: skip

    assert one.name == "geo×channel"
    assert rows == ["geo=BR&channel=web", "geo=%C3%A9%26%3D&channel=app", "geo=BR&channel=web", "geo=%28missing%29&channel=app"]  # fmt: skip
    assert sorted(order) == sorted(set(rows))
    assert [one.key(label) for label in rows[:2]] == [
        (("geo", "BR"), ("channel", "web")), (("geo", "é&="), ("channel", "app")),
    ]  # fmt: skip
    assert one.key("other") == (("geo×channel", "other"),)


def test_a_crossing_of_what_was_named_promises_every_combination() -> None:
    """One without rows is inconclusive later; rows outside either slice are in none of the crossing's."""
    one, order, rows = crossed(
        {"column": "geo", "values": ["BR", "US"]}, {"name": "young", "where": {"age": {"lt": 30}}},
        {"name": "both", "cross": ["geo", "young"]}, geo=["BR", "BR", "SE"], age=[20, 40, 20],
    )  # fmt: skip

    assert one.values == ("geo=BR&young=true", "geo=US&young=true")
    assert order == ["geo=BR&young=true", "geo=US&young=true", "(other)"]
    assert rows == ["geo=BR&young=true", "(other)", "(other)"]
    assert not one.mergeable


def test_a_crossing_with_what_is_found_promises_nothing_and_may_merge() -> None:
    """Only combinations that rows have are judged."""
    one, order, _ = crossed(
        {"column": "geo", "values": ["BR", "US"]}, "channel", {"cross": ["geo", "channel"]}, geo=["BR"], channel=["web"]
    )

    assert (one.values, order, one.mergeable) == (None, ["geo=BR&channel=web"], True)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 3)), max_size=30))
def test_every_row_is_in_the_crossing_that_its_parts_say(rows: list[tuple[str, str, int]]) -> None:
    """A partition, by plain comparison."""
    columns = {name: [row[place] for row in rows] for place, name in enumerate("pqr")}
    one, order, found = crossed("p", "q", "r", {"name": "all", "cross": ["p", "q", "r"]}, **{
        name: pa.array(values, pa.int64() if name == "r" else pa.string()) for name, values in columns.items()
    })  # fmt: skip

    assert [one.key(label) for label in found] == [(("p", p), ("q", q), ("r", str(r))) for p, q, r in rows]
    assert len(set(order)) == len(order)


def test_slices_have_names_that_can_stand_in_an_id() -> None:
    """Percent-encoded; all rows are `overall`."""
    assert slice_text(()) == "overall"
    assert slice_text((("geography", "BR"), ("sex", "a&b=c/d"))) == "geography=BR&sex=a%26b%3Dc%2Fd"
    assert finding_id("metrics", "r2", (("amount_band", "[10,100)"),)) == "metrics/r2/amount_band=%5B10%2C100%29"


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), min_size=1, max_size=3))
def test_a_slice_can_be_read_back_from_its_text(key: list[tuple[str, str]]) -> None:
    """Nothing that a value holds can be taken for a sign of the id."""
    parts = [tuple(map(unquote, part.split("="))) for part in slice_text(tuple(key)).split("&")]

    assert parts == key


def test_declarations_are_light() -> None:
    """`gate check` loads them."""
    code = "import sys, lockgate.data.slices.slice, lockgate.data.dataset; print({'numpy', 'pyarrow', 'pandas'} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"

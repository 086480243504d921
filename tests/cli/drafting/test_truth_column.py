"""Which column of data is the truth, by its name, its values and what the model is given."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lockgate.cli.drafting.truth_column import Truth, truth_column

ZERO_ONE = [0, 1, 1, 0]


def guess(inputs: set[str] | None = None, *, classes: bool = True, **columns: list[Any]) -> Truth:
    table = pa.table({"amount": [1.5, 2.5, 3.5, 4.5], "sex": ["f", "m", "m", "f"], **columns})
    return truth_column(table, not_among=["customer_id"], classes=classes, inputs=inputs)


@pytest.mark.parametrize(
    "name",
    ["label", "TARGET", "y", "outcome", "Class", "churn_label", "isTarget", "is_fraud", "is_churn", "churned", "Exited",
     "default payment next month", "fraudBool", "has_defaulted", "Survived", "was_late", "will_buy"],
)  # fmt: skip
@pytest.mark.parametrize(
    "values",
    [
        ZERO_ONE,
        [0.0, 1.0, None, 0.0],
        [True, False, True, True],
        ["no", "Yes", "no", "no"],
        list(map(Decimal, ZERO_ONE)),
    ],
)
def test_a_column_that_is_called_like_a_truth_is_one(name: str, values: list[Any]) -> None:
    """Among features of two values too."""
    assert guess(**{name: values}) == Truth(name)


def test_better_names_come_first() -> None:
    """Its usual names, then its last word, then what happens, then a prefix."""
    columns = {"is_new": ZERO_ONE, "churned": ZERO_ONE, "fraud_label": ZERO_ONE, "y": ZERO_ONE}
    for name in ("y", "fraud_label", "churned", "is_new"):
        assert guess(**columns).column == name
        del columns[name]


def test_what_the_model_is_given_is_no_truth() -> None:
    """Whatever it is called; where names say nothing, the truth is the one column that the model is not given."""
    flags = {"is_new": ZERO_ONE, "is_big": ZERO_ONE, "member": ZERO_ONE}

    assert guess({"amount", "is_new", "member"}, **flags) == Truth("is_big")
    assert guess({"amount", "is_new", "is_big"}, **flags) == Truth("member")
    assert guess({"amount", "sex", *flags}, **flags) == Truth()
    assert guess({"amount"}, **flags) == Truth(maybe=("is_new", "is_big"), named=True)
    assert guess({"amount", "sex", "class"}, **{"class": [1, 2, 3, 1], "quality": [5, 6, 7, 8]}) == Truth("quality")
    assert guess({"fraud"}, fraud=ZERO_ONE) == Truth(maybe=("amount", "sex"), named=True)


def test_what_nobody_can_tell_is_left_open() -> None:
    """Two names of one rank; two values alone, which a feature may have as well."""
    assert guess(is_new=ZERO_ONE, is_big=ZERO_ONE) == Truth(maybe=("is_new", "is_big"), named=True)
    assert guess(fraud=ZERO_ONE, churn=ZERO_ONE) == Truth(maybe=("fraud", "churn"), named=True)
    assert guess(member=ZERO_ONE) == Truth(maybe=("member",))


def test_what_is_something_else_is_no_truth() -> None:
    """Ids, answers, texts of many values, and of no classes whatever has two."""
    assert guess() == Truth()
    assert guess(customer_id=ZERO_ONE, fraud_score=ZERO_ONE, y_pred=ZERO_ONE, fraud=[0, 1, 2, 3]) == Truth()
    assert guess(classes=False, is_fraud=ZERO_ONE) == Truth()
    assert guess(classes=False, sales_target=[1, 2, 3, 4]) == Truth("sales_target")


@pytest.mark.parametrize(
    "kind", [pa.float16(), pa.list_view(pa.int8()), pa.uuid(), pa.binary(), pa.date32(), pa.struct([])]
)
def test_a_column_of_any_other_type_is_a_feature(kind: pa.DataType) -> None:
    """Also those whose values cannot be told apart."""
    table = pa.table({"is_x": pa.nulls(4, kind), "is_y": pa.array(["no", "yes"] * 2).dictionary_encode()})

    assert truth_column(table, not_among=(), classes=True, inputs=None) == Truth("is_y")

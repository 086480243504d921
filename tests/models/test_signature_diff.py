"""Two signatures by name, and a signature against the columns of data."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.models.signature_diff import diff


def column(name: str | None, kind: str = "long", **more: Any) -> dict[str, Any]:
    return ({"name": name} if name else {}) | {"type": kind, "required": True} | more


COLUMNS = st.lists(
    st.builds(column, st.sampled_from("abcd"), st.sampled_from(["long", "double", "string"]), required=st.booleans()),
    max_size=4, unique_by=lambda one: one["name"],
)  # fmt: skip

CASES = [
    ([column("a")], [], "input a removed", True),
    ([column("a")], [column("a", "string")], "input a retyped from long to string", True),
    ([column("a", "integer")], [column("a", "long")], "input a widened from integer to long", False),
    (
        [column("a", "double")], [column("a", "long")],
        "input a retyped from double to long", True,
    ),
    ([column("a", required=False)], [column("a")], "input a newly required", True),
    ([column("a")], [column("a", required=False)], "input a now optional", False),
    ([], [column("a")], "input a added required", True),
    ([], [column("a", required=False)], "input a added optional", False),
    ([column(None)], [column(None, "string")], "input #0 retyped from long to string", True),
    ([column("a")], [column("a", "any")], "input a widened from long to any", False),
    ([column("a", "any")], [column("a")], "input a retyped from any to long", True),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said", "breaking"), CASES)
def test_a_change_of_an_input(old: Any, new: Any, said: str, breaking: bool) -> None:
    """Named, and breaking where callers of the old signature may be refused or misread."""
    compared, changes = diff({"inputs": old}, {"inputs": new})

    assert (compared, [(str(change), change.breaking) for change in changes]) == (1, [(said, breaking)])


def test_outputs_may_only_be_added() -> None:
    """A wider number is another number to who reads it."""
    old = {"outputs": [column("p", "float"), column("q")]}
    new = {"outputs": [column("p", "double"), column("r")]}

    assert [(str(change), change.breaking) for change in diff(old, new)[1]] == [
        ("output p retyped from float to double", True),
        ("output q removed", True),
        ("output r added optional", False),
    ]


def test_a_parameter_with_a_default_need_not_be_sent() -> None:
    """Added with a default is fine; losing the default is not."""
    plain, spare = {"name": "k", "type": "long"}, {"name": "k", "type": "long", "default": 3}

    assert [str(change) for change in diff({"params": []}, {"params": [spare]})[1]] == ["param k added optional"]
    assert [str(change) for change in diff({"params": [spare]}, {"params": [plain]})[1]] == ["param k newly required"]
    assert [(str(change), change.breaking) for change in diff({"params": [spare]}, {"params": [spare | {"default": 5}]})[1]] == [
        ("param k default changed from 3 to 5", False)
    ]  # fmt: skip


def tensor(*shape: int, dtype: str = "float64", **more: Any) -> dict[str, Any]:
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}} | more


@pytest.mark.parametrize("swapped", [False, True])
def test_a_tensor_that_does_not_say_its_shape_is_another_type(*, swapped: bool) -> None:
    """As a file that nobody's MLflow wrote may have it."""
    whole, bare = tensor(-1, 3), {"type": "tensor"}
    old, new = (bare, whole) if swapped else (whole, bare)

    assert [one.breaking for one in diff({"inputs": [old]}, {"inputs": [new]})[1]] == [True]


def test_tensors_are_compared_by_their_shape() -> None:
    """Unnamed tensors, by place."""
    changes = diff({"inputs": [tensor(-1, 3)]}, {"inputs": [tensor(-1, 4)]})[1]

    assert [str(change) for change in changes] == [
        "input #0 retyped from tensor(float64, [-1, 3]) to tensor(float64, [-1, 4])"
    ]


@given(COLUMNS, COLUMNS)
def test_nothing_changed_in_nothing_changed(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> None:
    """A signature differs from itself in nothing; what is removed one way is added the other way."""
    forth = diff({"inputs": old}, {"inputs": new})
    back = diff({"inputs": new}, {"inputs": old})

    assert diff({"inputs": old}, {"inputs": old}) == (len(old), ())
    assert forth[0] == back[0] == len({one["name"] for one in [*old, *new]})
    assert {one.name for one in forth[1] if one.kind == "removed"} == {
        one.name for one in back[1] if one.kind.startswith("added")
    }


def test_the_one_unnamed_object_is_compared_by_its_properties() -> None:
    """A type hint says what columns say: a new optional property breaks nobody, and columns may become properties."""

    def rows(*parts: dict[str, Any]) -> dict[str, Any]:
        properties = {part["name"]: {key: part[key] for key in ("type", "required")} for part in parts}
        return {"inputs": [{"type": "object", "properties": properties, "required": True}]}

    changes = diff(rows(column("a")), rows(column("a"), column("b", required=False)))[1]

    assert [str(change) for change in changes] == ["input b added optional"]
    assert diff({"inputs": [column("a")]}, rows(column("a"))) == (1, ())


@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_a_tensor_of_one_dimension_is_a_plain_column_written_otherwise(side: str) -> None:
    """Autolog writes `tensor(int64, [-1])` where a person writes `long`; another type of it is another type."""
    old, new = {side: [column(None)]}, {side: [tensor(-1, dtype="int64")]}
    other = {side: [tensor(-1, dtype="float64")]}

    assert [(str(one), one.breaking) for one in (*diff(old, new)[1], *diff(new, old)[1])] == [
        (f"{side[:-1]} #0 is the same, written tensor(int64, [-1]) instead of long", False),
        (f"{side[:-1]} #0 is the same, written long instead of tensor(int64, [-1])", False),
    ]
    assert [one.breaking for one in diff(old, other)[1]] == [True]


def test_an_output_must_go_on_giving_what_was_read() -> None:
    """Fewer sizes, or a type where anything could come, are read as before; what may be missing now, or any size, is not."""
    old = {"outputs": [tensor(-1, -1, name="scores"), column("label"), column("more", "any")]}
    new = {"outputs": [tensor(-1, 3, name="scores"), column("label", required=False), column("more", "string")]}

    assert [(str(one), one.breaking) for one in diff(old, new)[1]] == [
        ("output scores narrowed from tensor(float64, [-1, -1]) to tensor(float64, [-1, 3])", False),
        ("output label now optional", True),
        ("output more narrowed from any to string", False),
    ]
    assert [one.kind for one in diff(new, old)[1] if one.breaking] == ["retyped", "retyped"]


def test_what_changes_inside_of_a_column_is_named_by_its_path() -> None:
    """Arrays, maps and objects, however deep; nothing is coerced there."""

    def orders(item: dict[str, Any], **properties: Any) -> dict[str, Any]:
        parts = {"items": {"type": "array", "items": item}, **properties}
        return {"inputs": [column("orders", "map", values={"type": "object", "properties": parts})]}

    old = orders({"type": "double"}, city={"type": "string", "required": True})
    new = orders({"type": "long"}, town={"type": "string", "required": False})

    assert [(str(one), one.breaking) for one in diff(old, new)[1]] == [
        ("input orders{}.items[] retyped from double to long", True),
        ("input orders{}.city removed", True),
        ("input orders{}.town added optional", False),
    ]


@pytest.mark.parametrize(
    ("removed", "added", "pairs"),
    [
        (["user_age", "amount"], ["amountEur", "age"], {"user_age": "age", "amount": "amountEur"}),
        (["x1"], ["premium"], {"x1": "premium"}),
        (["x1", "x2"], ["premium", "region"], {}),
        (["merchant_category"], ["merchant_cat", "merchant_country"], {"merchant_category": "merchant_cat"}),
    ],
)
def test_a_column_that_is_gone_may_be_a_new_one_under_another_name(
    removed: list[str], added: list[str], pairs: dict[str, str]
) -> None:
    """The likeliest pair, each once: alike in words, or the only one that went beside the only one that came."""
    changes = diff({"inputs": [column(name) for name in removed]}, {"inputs": [column(name) for name in added]})[1]

    assert {one.name: one.other_name for one in changes if one.kind == "removed" and one.other_name} == pairs
    assert {one.other_name: one.name for one in changes if one.kind != "removed" and one.other_name} == pairs


def test_columns_of_other_types_are_no_rename() -> None:
    """A text does not become a number by another name."""
    changes = diff({"inputs": [column("age", "string")]}, {"inputs": [column("age_years", "long")]})[1]

    assert [one.other_name for one in changes] == [None, None]

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
    ([column("a", "long")], [column("a", "integer")], "input a retyped from long to integer", True),
    ([column("a", required=False)], [column("a")], "input a newly required", True),
    ([column("a")], [column("a", required=False)], "input a now optional", False),
    ([], [column("a")], "input a added required", True),
    ([], [column("a", required=False)], "input a added optional", False),
    ([column(None)], [column(None, "string")], "input #0 retyped from long to string", True),
]


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


def test_tensors_are_compared_by_their_shape() -> None:
    """Unnamed tensors, by place."""

    def tensor(*shape: int) -> dict[str, Any]:
        return {"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": list(shape)}}

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

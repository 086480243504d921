"""The order of MLflow's types and its coercions, pair by pair against what MLflow enforces in process and over HTTP."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

import helpers.mlflow_enforced
from lockgate.models.signature.coercions import _COERCED
from lockgate.models.signature_diff import Change, diff

Outcome = tuple[list[Any] | None, list[Any] | None]
Ask = Callable[[list[tuple[dict[str, Any], dict[str, Any], str]]], list[Outcome]]

# JSON values that callers of a type send; those that its own signature refuses do not count.
VALUES = {
    "boolean": ["true", "false"],
    "integer": ["3", "-7", "16777217"],
    "long": ["3", "-7", "16777217", "3000000000", "9007199254740993"],
    "float": ["0.5", "3.75"],
    "double": ["0.5", "3.7", "0.1"],
    "string": ['"false"', '"1.5"', '"Graz"', '"1234"', '"20260102"'],
    "binary": ['"YWI="', '"1234"', '"20260102"'],
    "datetime": ['"2026-01-02"', '"2026-01-02T03:04:05"'],
}
SCALARS = [{"type": name} for name in VALUES]


def values(column: dict[str, Any]) -> list[str]:
    """JSON values of a type, nested ones made of those of their parts."""
    kind = column["type"]
    if kind == "any":
        return ["3", '"Graz"', "[1, 2]", '{"z": 1}']
    if kind == "array":
        return [f"[{part}, {part}]" for part in values(column["items"])[-1:]]
    if kind == "map":
        return [f'{{"x": {part}, "new": {part}}}' for part in values(column["values"])[-1:]]
    if kind == "object":
        whole = [{name: json.loads(values(part)[-1]) for name, part in column["properties"].items()}]
        optional = [name for name, part in column["properties"].items() if not part["required"]]
        whole += [{name: value for name, value in whole[0].items() if name not in optional}]
        whole += [whole[0] | dict.fromkeys(optional)]
        return [json.dumps(value) for value in whole]
    if kind == "tensor":
        of_rows = column["tensor-spec"]["shape"][1:]
        cell = {"i": "3000000000", "f": "3.7", "b": "true"}[column["tensor-spec"]["dtype"][0]]
        cell = "3" if column["tensor-spec"]["dtype"] == "int32" else cell
        for size in reversed(of_rows):
            cell = f"[{', '.join([cell] * (5 if size == -1 else size))}]"
        return [cell]
    return VALUES[kind]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory, warm_python: str) -> Ask:
    def asked(cases: list[tuple[dict[str, Any], dict[str, Any], str]]) -> list[Outcome]:
        path = tmp_path_factory.mktemp("cases") / "cases.json"
        path.write_text(json.dumps(cases))
        command = [warm_python, helpers.mlflow_enforced.__file__, str(path)]
        lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
        return [tuple(json.loads(line)) for line in lines]

    return asked


def enforced(ask: Ask, types: list[dict[str, Any]]) -> list[tuple[Any, Any, list[tuple[str, Outcome, Outcome]]]]:
    """(type before, type after, [(value, what came of it before, and after)]) of every ordered pair of types."""
    pairs = list(itertools.product(types, types))
    cases = [(old, new, value) for old, new in pairs for value in values(old)]
    outcome = dict(zip(map(json.dumps, cases), ask(cases), strict=True))
    return [
        (old, new, [(value, outcome[json.dumps([old, old, value])], outcome[json.dumps([old, new, value])]) for value in values(old)])
        for old, new in pairs
    ]  # fmt: skip


def change(old: dict[str, Any], new: dict[str, Any]) -> tuple[Change, ...]:
    side = "params" if "default" in old else "inputs"
    return diff({side: [{"name": "a", **old}]}, {side: [{"name": "a", **new}]})[1]


def unharmed(seen: list[tuple[str, Outcome, Outcome]]) -> bool:
    """Whether every value that was taken is taken still, as the same one, on both ways."""
    return all(
        old is None or (new is not None and new == old)
        for _, before, after in seen
        for old, new in zip(before, after, strict=True)
    )


def test_a_scalar_breaks_callers_where_mlflow_refuses_or_changes_a_value(ask: Ask) -> None:
    """Every ordered pair of MLflow's eight scalar types, and what its server makes of values of which the type changed."""
    for old, new, seen in enforced(ask, SCALARS):
        changes = change(old, new)
        breaking = any(one.breaking for one in changes)
        assert breaking is not unharmed(seen), (old, new, seen)
        assert len(changes) == (old != new)
        if breaking:
            by_server = [value for value, _, (_, after) in seen if after is not None]
            assert bool(changes[0].coercion) is bool(by_server), (old, new, seen)


def test_what_the_server_coerces_is_what_it_is_said_to(ask: Ask) -> None:
    """The example of each line, of each pair of types that it holds for."""
    told = [
        ({"type": old}, {"type": new}, sent, got)
        for olds, news, sent, got in _COERCED
        for old, new in itertools.product(olds, news)
        if old != new
    ]
    for (old, new, sent, got), (_, served) in zip(told, ask([case[:3] for case in told]), strict=True):
        expected = got.strip('"') if got.startswith('"bytes') else json.loads(got)
        assert served == [expected], (old, new, sent)


PARTS = [{"type": "integer"}, {"type": "long"}, {"type": "double"}, {"type": "string"}, {"type": "any"}]
NESTED = [
    *({"type": "array", "items": part} for part in PARTS),
    *({"type": "map", "values": part} for part in PARTS),
    *({"type": "object", "properties": {"x": {**part, "required": True}}} for part in PARTS[1:]),
    {"type": "object", "properties": {"x": {"type": "long", "required": False}}},
    {"type": "object", "properties": {"x": {"type": "long", "required": True}, "y": {"type": "string", "required": False}}},
    {"type": "object", "properties": {"x": {"type": "long", "required": True}, "y": {"type": "string", "required": True}}},
    {"type": "array", "items": {"type": "array", "items": {"type": "long"}}},
    {"type": "any"},
    {"type": "long"},
]  # fmt: skip


def test_what_is_nested_breaks_callers_where_mlflow_refuses_a_value(ask: Ask) -> None:
    """Every ordered pair of arrays, maps, objects, anything and a plain number."""
    for old, new, seen in enforced(ask, NESTED):
        breaking = any(one.breaking for one in change(old, new))
        assert breaking is not unharmed(seen), (old, new, seen)


def test_a_tensor_breaks_callers_where_its_type_or_shape_is_another(ask: Ask) -> None:
    """Over HTTP, lists become arrays of whatever type; a size that varies takes any size."""
    tensors = [
        {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}}
        for dtype, shape in itertools.product(("float64", "float32", "int64", "int32", "bool"), ([-1, 2], [-1, -1], [-1, 2, 2]))
    ]  # fmt: skip
    for old, new, seen in enforced(ask, tensors):
        changes = change(old, new)
        breaking = any(one.breaking for one in changes)
        assert breaking is not unharmed(seen), (old, new, seen)
        if breaking and changes[0].coercion is not None:
            assert all(served is not None for _, _, (_, served) in seen), (old, new, seen)


def test_a_parameter_breaks_callers_where_mlflow_refuses_its_value(ask: Ask) -> None:
    """Parameters are converted among numbers, and into nothing else; binary ones there are none."""
    params = [{**scalar, "default": None} for scalar in SCALARS if scalar["type"] != "binary"]
    for old, new, outcomes in enforced(ask, params):
        seen = [outcome for outcome in outcomes if outcome[0] != "9007199254740993"]  # which no float holds
        breaking = any(one.breaking for one in change(old, new))
        assert breaking is not unharmed(seen), (old, new, seen)

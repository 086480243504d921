"""What a gate is, and what it may look at: lazily, and once."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

import lockgate
from helpers.fakes import case_of
from lockgate.errors import DataError, ModelFault
from lockgate.evaluation.case import Case, Contender
from lockgate.evaluation.provenance.subjects import BARE
from lockgate.evaluation.requirements.grammar import parse
from lockgate.gates.gate import Gate
from lockgate.gates.metadata import Metadata
from lockgate.gates.shadow import Shadow
from lockgate.models.load_spec import Load
from lockgate.models.target_spec import Target
from lockgate.registries.ports import ModelVersion


def test_lines_are_numbered_and_default_to_the_gates_own() -> None:
    """r1, r2, … of `require`, else of `default_require`."""
    own = Metadata.model_validate({"require": ["code_commit >= 1", {"metric": "requirements", "at_least": 2}]})

    assert [(name, str(line)) for name, line in own.numbered_requirements] == [
        ("r1", "code_commit >= 1"),
        ("r2", "requirements >= 2"),
    ]
    assert [str(line) for line in Metadata().lines] == [f"{name} >= 1" for name in BARE]


@pytest.mark.parametrize(
    ("name", "kind", "title"),
    [("", "metrics", "metrics"), ("night", "metrics", "night"), ("", "./gates/mine.py:Mine", "Mine")],
)
def test_a_gate_is_known_by_its_name_else_by_its_kind(name: str, kind: str, title: str) -> None:
    """Of a file, by its class."""
    assert Gate(gate=kind, name=name).title == title


@pytest.mark.parametrize(
    "fields", [{"name": "a/b"}, {"name": "1"}, {"require": []}, {"require": ["x"]}, {"speed": 1}, {"severity": "info"}]
)
def test_fields_that_do_not_fit_are_refused(fields: dict[str, Any]) -> None:
    """Unknown keys, empty lists, lines that cannot be read."""
    with pytest.raises(ValidationError):
        Gate.model_validate({"gate": "x", **fields})


@pytest.mark.parametrize(
    ("line", "needs"),
    [("errors <= 0", False), ("errors <= champion + 1", True), ("new_errors <= 0", True), ("flip_rate <= 2%", True)],
)
def test_a_line_compares_by_its_limit_or_by_its_subject(tmp_path: Path, line: str, needs: bool) -> None:
    """Such lines are asked only where there is a champion."""
    gate = Shadow.model_validate({"data": "traffic", "require": [line]})
    alone, beside = case_of(tmp_path / "alone", alone=True), case_of(tmp_path / "beside")

    assert gate.needs_champion(parse(line)) is needs
    assert len(gate.requirements_for(alone)) == (0 if needs else 1)
    assert len(gate.requirements_for(beside)) == 1


class Drift(Gate):
    """A gate of one's own that names data, sends requests and measures elsewhere."""

    data: str
    load: Load = Load(requests=10)
    target: Target = "process"


def test_what_is_read_off_a_gate_is_declared_and_is_no_field_of_it() -> None:
    """A gate that has no such field says so by None; the policy's digest, which dumps fields, is that of before."""
    drift, plain = Drift(gate="drift", data="traffic"), Gate(gate="plain")

    assert (drift.own_data, drift.own_target, drift.reads(["a", "traffic"])) == ("traffic", "process", ("traffic",))
    assert drift.own_load is not None
    assert drift.own_load.planned == 10
    assert (plain.own_data, plain.own_target, plain.own_load, plain.reads(["a"])) == (None, None, None, ())
    assert plain.own_functions == {}
    assert (plain.by_group, plain.uses_models, plain.repeatable) == (False, False, False)
    assert list(plain.model_dump()) == ["gate", "name", "needs", "severity", "require", "waive"]


def test_nothing_is_read_off_a_gate_by_a_name_that_it_does_not_declare() -> None:
    """A gate that forgets a word must not lose its plan in silence."""
    sources = {path: path.read_text() for path in Path(lockgate.__file__).parent.rglob("*.py")}

    assert [
        path for path, source in sources.items() if re.search(r"(get|has)attr\((gate|self\.gate|draft)\b", source)
    ] == []


def lazily(opened: list[str], answer: Any) -> Case:
    def ask(name: str) -> Any:
        opened.append(name)
        if isinstance(answer, Exception):
            raise answer
        return answer

    nothing: Any = None
    version = ModelVersion("m", "1")

    def fetch() -> Path:
        opened.append("files")
        return Path()

    return Case(
        candidate=Contender("candidate", version, fetch=fetch, read=nothing, start=nothing),
        champion=None, task="binary", folder=Path(), seed=0, datasets=("d",), input_plan=ask, dataset=ask, scored=ask,
        replayed=ask, sample=nothing, threshold=lambda role: None,
    )  # fmt: skip


def test_nothing_is_opened_before_it_is_asked_for_and_then_once() -> None:
    """Data, scores and files."""
    opened: list[str] = []
    case = lazily(opened, SimpleNamespace(recorded={}))
    assert opened == []

    for _ in range(2):
        case.dataset("d")
        case.scored("d")
        case.replayed("d")
        assert case.candidate.files == Path()
    assert opened == ["d", "d", "d", "files"]
    assert case.dataset("d") is case.dataset("d")


@pytest.mark.parametrize("error", [ModelFault("killed"), DataError("no such file")])
def test_what_broke_once_is_not_tried_again(error: Exception) -> None:
    """Each gate that asks gets the same refusal; the model is not asked a second time."""
    opened: list[str] = []
    case = lazily(opened, error)
    for _ in range(3):
        with pytest.raises(type(error)) as caught:
            case.scored("d")
        assert caught.value is error

    assert opened == ["d"]


def test_a_model_that_could_not_be_started_is_not_started_again() -> None:
    """Every gate hears the same; another place is another attempt."""
    asked: list[Any] = []

    def start(files: Path, target: Any) -> Any:
        asked.append(target)
        raise ModelFault("no environment")

    nothing: Any = None
    contender = Contender("candidate", ModelVersion("m", "1"), fetch=Path, read=nothing, start=start)
    elsewhere: Any = "process"
    for target in (None, None, elsewhere):
        with pytest.raises(ModelFault, match="no environment"):
            contender.model_at(target)

    assert asked == [None, elsewhere]
    assert contender.load_facts(None) is None

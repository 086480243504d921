"""The public names of the release before work for one release more, and say what to write."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

import lockgate
from helpers.fakes import ask, case_of
from lockgate.errors import VersionFault
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.finding import Verdict
from lockgate.gates.gate import Gate
from lockgate.gates.latency import Latency
from lockgate.gates.shadow import Shadow

pytestmark = pytest.mark.filterwarnings("ignore:.*goes with the next release:DeprecationWarning")


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No former module was imported yet, and what a test imports is forgotten."""
    for name in ("estimate", "gate", "judge", "requirement"):
        monkeypatch.delitem(sys.modules, f"lockgate.{name}", raising=False)
        monkeypatch.delitem(vars(lockgate), name, raising=False)
    yield
    for name in ("estimate", "gate", "judge", "requirement"):
        sys.modules.pop(f"lockgate.{name}", None)
        vars(lockgate).pop(name, None)


def test_the_door_leads_to_what_a_gate_needs(fresh: None) -> None:
    """Every name of `__all__`; no other."""
    for name in lockgate.__all__:
        assert getattr(lockgate, name).__name__ == name
    with pytest.raises(AttributeError, match="module 'lockgate' has no attribute 'promote_now'"):
        lockgate.promote_now  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    ("module", "name", "instead"),
    [
        ("lockgate.estimate", "counted", "from lockgate import counted"),
        ("lockgate.gate", "Gate", "from lockgate import Gate"),
        ("lockgate.gate", "Context", "from lockgate.gates.gate import Context"),
        ("lockgate.gate", "Case", "from lockgate.evaluation.case import Case"),
        ("lockgate.judge", "judge", "from lockgate import judge"),
        ("lockgate.judge", "verdict_of", "from lockgate.evaluation.judging.judge import verdict_of"),
        ("lockgate.requirement", "Subject", "from lockgate import Subject"),
        ("lockgate.requirement", "parse", "from lockgate.evaluation.requirements.grammar import parse"),
    ],
)
def test_former_modules_lead_to_the_present_ones(fresh: None, module: str, name: str, instead: str) -> None:
    """The warning is the line to write."""
    former = importlib.import_module(module)
    with pytest.warns(DeprecationWarning, match=f"^{module} goes with the next release; write: {instead}$"):
        value = getattr(former, name)

    assert value.__name__ == name
    with pytest.raises(AttributeError, match=f"module '{module}' has no attribute 'nothing'"):
        former.nothing  # noqa: B018


def test_a_former_module_does_not_hide_the_function_of_its_name(fresh: None) -> None:
    """A gate with old imports and one with new ones work in one run."""
    importlib.import_module("lockgate.judge")
    from lockgate import judge

    assert list(judge("size", [], [], {})) == []


def test_former_names_of_a_gate_lead_to_the_present_ones(tmp_path: Path) -> None:
    """Read from the gate or from its class."""
    gate, case = Shadow.model_validate({"data": "d", "require": ["errors <= 0"]}), case_of(tmp_path)
    with pytest.warns(DeprecationWarning, match="^Shadow.asked is called requirements_for now; the former name goes"):
        assert gate.asked(case) == gate.requirements_for(case) == [("r1", parse("errors <= 0"))]
    with pytest.warns(DeprecationWarning, match="^Shadow.asks_models is called uses_models now"):
        assert Shadow.asks_models is True
    with pytest.warns(DeprecationWarning, match="^Shadow.place is called own_target now"):
        assert gate.place is None
    with pytest.warns(DeprecationWarning, match="^Contender.answered is called load_facts now"):
        assert case.candidate.answered(None) is None


def test_what_a_gate_overrides_under_a_former_name_is_used(tmp_path: Path) -> None:
    """A gate of the release before keeps its hint, its own requirements, and its call of the one above it."""
    with pytest.warns(DeprecationWarning, match="^Slow.told_by is called with_metadata_defaults now"):

        class Slow(Latency):
            nothing_asked: ClassVar[str] = "write require"
            asks_models: ClassVar[bool] = False

            def told_by(self, case: Any) -> Gate:
                return super().told_by(case)  # type: ignore[no-any-return]

            def asked(self, case: Any) -> list[Any]:
                return [line for line in super().asked(case) if line[1].subject != "errors"]

    case = case_of(tmp_path, candidate_facts={"metadata": {"serving": {"speed": 1}}})
    gate = Slow.model_validate({"require": ["errors <= 0", "model_mb <= 9"]})

    assert [name for name, _ in gate.requirements_for(case)] == ["r2"]
    assert (Slow.remedy_without_requirements, Slow.uses_models, Latency.uses_models) == ("write require", False, True)
    with pytest.raises(VersionFault, match="asks for serving: speed"):
        Slow().with_metadata_defaults(case)
    assert ask(case, Slow()).verdict is Verdict.FAIL

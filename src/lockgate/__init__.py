"""A promotion gate for machine-learning models.

What a gate of one's own needs is imported from here: `from lockgate import Gate, Subject, counted, judge`; `run_gate` tries it.
`evaluate` decides requirements on models that a notebook or a test holds in memory.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Gate", "Subject", "counted", "evaluate", "judge", "run_gate"]

if TYPE_CHECKING:
    from lockgate.evaluation.estimation.estimate import counted
    from lockgate.evaluation.judging.judge import judge
    from lockgate.evaluation.requirements.subject import Subject
    from lockgate.gates.gate import Gate
    from lockgate.testing import run_gate
    from lockgate.testing.in_memory import evaluate

_HOMES = {
    "Gate": "lockgate.gates.gate",
    "Subject": "lockgate.evaluation.requirements.subject",
    "counted": "lockgate.evaluation.estimation.estimate",
    "evaluate": "lockgate.testing.in_memory",
    "judge": "lockgate.evaluation.judging.judge",
    "run_gate": "lockgate.testing",
}
# Modules that the README of release 0.1 named, and where their contents are now.
_FORMER_MODULES = {
    "lockgate.estimate": ("lockgate.evaluation.estimation.estimate",),
    "lockgate.gate": ("lockgate.gates.gate", "lockgate.evaluation.case"),
    "lockgate.judge": ("lockgate.evaluation.judging.judge",),
    "lockgate.requirement": tuple(
        f"lockgate.evaluation.requirements.{module}" for module in ("requirement", "grammar", "subject")
    ),
}

if not TYPE_CHECKING:  # else every name would be one of lockgate

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'lockgate' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value


class _FormerModule(ModuleType):
    """A module under its name of the release before: each name in it leads to the present one, with a DeprecationWarning."""

    def __getattr__(self, name: str) -> Any:
        for home in () if name.startswith("__") else _FORMER_MODULES[self.__name__]:
            if hasattr(module := import_module(home), name):
                text = (
                    f"{self.__name__} goes with the next release; write: from {'lockgate' if name in _HOMES else home}"
                )
                warnings.warn(f"{text} import {name}", DeprecationWarning, stacklevel=2)
                return getattr(module, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __call__(self, *args: Any, **named: Any) -> Any:
        """The function of the same name, which an import of `lockgate.judge` hides in `lockgate`."""
        home = import_module(_FORMER_MODULES[self.__name__][0])
        return getattr(home, self.__name__.rpartition(".")[2])(*args, **named)


class _FormerModules:
    """Finds and loads the modules of the release before."""

    @classmethod
    def find_spec(cls, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, cls()) if name in _FORMER_MODULES else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _FormerModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: names are looked up when they are used."""


sys.meta_path.append(_FormerModules)

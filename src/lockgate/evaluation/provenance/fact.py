"""One fact of a version's origin: what is kept of it, and what is wrong with that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lockgate.references import Reference

Lack = Literal["missing", "not_pinned", "incomplete"]


@dataclass(frozen=True)
class Fact:
    """What is kept of one subject.

    entries: what was found, a few words each. faults: why that does not do, a clause each; none where it does.
    remedy: the change that mends the first fault, beside the line of code that adds such a fact; empty where that line is all.
    variant: of the registry's line of code, where it depends on the flavor (`hyperparameters.xgboost`); empty for the plain one.
    lack: what the faults come to. value: the value of a tag, where the fact is one.
    """

    subject: str
    entries: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    remedy: str = ""
    variant: str = ""
    lack: Lack = "incomplete"
    value: str = ""

    @property
    def count(self) -> int:
        """How many entries hold: none where there is a fault."""
        return 0 if self.faults else len(self.entries)

    @property
    def code(self) -> Lack:
        return self.lack if self.faults else "missing"


def not_pinned(subject: str, reference: Reference) -> str:
    """The fault of what may be another thing tomorrow."""
    return f"{subject}: {reference.why}"

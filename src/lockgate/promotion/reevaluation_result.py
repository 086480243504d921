"""Result of re-evaluating the gates of a run: which agreed, and which were left out and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ReevaluationResult:
    """same: names of gates that were re-evaluated. left_out: name → why not. A gate that differs raises Refused instead."""

    same: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def gates(self) -> frozenset[str]:
        return frozenset((*self.same, *self.left_out))

    @property
    def lines(self) -> list[str]:
        """The result for people; no gate is passed over in silence."""
        again = [f"re-evaluated, with the same result: {', '.join(self.same)}"] if self.same else []
        return again + [f"not re-evaluated: {name} ({reason})" for name, reason in self.left_out.items()]

    def __str__(self) -> str:
        """The same in one line, without the reasons."""
        parts = [("re-evaluated", ", ".join(self.same)), ("not re-evaluated", ", ".join(self.left_out))]
        return "; ".join(f"{words}: {names}" for words, names in parts if names)

    def to_json(self) -> dict[str, Any]:
        return {"same": list(self.same), "left_out": dict(self.left_out)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ReevaluationResult:
        """Raises KeyError, TypeError or AttributeError for anything else."""
        left_out = {str(name): str(reason) for name, reason in value["left_out"].items()}
        return cls(tuple(str(name) for name in value["same"]), left_out)

"""Which gates said the same when they were asked again, and which were not asked again, each with why?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Repeats:
    """same: names of gates that were asked again. left_out: name → why it was not. Whoever contradicts ends the repeat."""

    same: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def gates(self) -> frozenset[str]:
        return frozenset((*self.same, *self.left_out))

    @property
    def lines(self) -> list[str]:
        """What people are told; no gate is passed over in silence."""
        again = [f"asked again, and the same: {', '.join(self.same)}"] if self.same else []
        return again + [f"not asked again: {name} ({why})" for name, why in self.left_out.items()]

    def __str__(self) -> str:
        """The same in one line, without the reasons."""
        parts = [("asked again", ", ".join(self.same)), ("not asked again", ", ".join(self.left_out))]
        return "; ".join(f"{what}: {names}" for what, names in parts if names)

    def to_json(self) -> dict[str, Any]:
        return {"same": list(self.same), "left_out": dict(self.left_out)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Repeats:
        """Raises KeyError, TypeError or AttributeError for anything else."""
        left_out = {str(name): str(why) for name, why in value["left_out"].items()}
        return cls(tuple(str(name) for name in value["same"]), left_out)

"""What a simulated rate is held against, and the line that says whether it holds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

ALPHA = 0.05


def standard_error(rate: float, sims: int) -> float:
    """Of a rate found in `sims` independent simulations."""
    return math.sqrt(rate * (1 - rate) / sims)


@dataclass(frozen=True)
class Bar:
    """One number held against one limit. `at` says on which cell it was found."""

    what: str
    found: float
    side: Literal["<=", ">="]
    limit: float
    at: str

    @property
    def met(self) -> bool:
        """A number that is not there meets nothing."""
        return self.found <= self.limit if self.side == "<=" else self.found >= self.limit

    def __str__(self) -> str:
        word = f"bar {'met' if self.met else 'missed'}"
        return f"{word:<10}  {self.what}: {self.found:.4f} {self.side} {self.limit:.4f}  ({self.at})"


def worst(bars: Iterable[Bar]) -> list[Bar]:
    """Of every kind of bar the one that is nearest to its limit, or the furthest beyond it."""
    found: dict[str, Bar] = {}
    for bar in bars:
        known = found.get(bar.what)
        if known is None or _room(bar) < _room(known):
            found[bar.what] = bar
    return list(found.values())


def _room(bar: Bar) -> float:
    return bar.limit - bar.found if bar.side == "<=" else bar.found - bar.limit

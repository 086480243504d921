"""The cells of a feature that break a rule of its contract, as people and programs are told of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lockgate.data.slices.names import number_text
from lockgate.text import counted

FIRST_ROWS = 20  # of those that break a rule, named one by one


@dataclass(frozen=True)
class Breach:
    """The cells of one feature in one data set that break one rule of it.

    rule: column (it is not there), type, range, values or nulls. allowed: by the rule, in words. cells: how many break it,
    among `rows`. first_rows: the first of them, from 1, in the order of `Dataset.batches`; ids: of the same rows, hashed
    unless the data keep them, none where they have none. first: the first row as people find it, such as `row 17 of b.csv`.
    """

    data: str
    feature: str
    column: str
    rule: str
    allowed: str
    cells: int
    rows: int
    first_rows: tuple[int, ...] = ()
    ids: tuple[str, ...] = ()
    first: str = ""

    def __str__(self) -> str:
        name = self.feature if self.feature == self.column else f"{self.feature} (column {self.column})"
        if self.rule == "column":
            return f"{name} is not in {self.data}"
        broken = "missing" if self.rule == "nulls" else f"not {self.allowed}"
        most = f", and {self.allowed}" if self.rule == "nulls" else ""
        cells = f"{self.cells:,} of {counted(self.rows, 'row')}"
        return f"{name} of {self.data} is {broken} in {cells}{most}; the first is {self.first}"

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "first_rows": list(self.first_rows), "ids": list(self.ids)}


def range_words(low: float | None, high: float | None) -> str:
    """`18 to 100`, `at least 18`, `above 0 and below 1`."""
    words = [] if low is None else [_end("at least", "above", low, -math.inf)]
    words += [] if high is None else [_end("at most", "below", high, math.inf)]
    if (
        low is not None
        and high is not None
        and words == [f"at least {number_text(low)}", f"at most {number_text(high)}"]
    ):
        return f"{number_text(low)} to {number_text(high)}"
    return " and ".join(words)


def _end(inclusive: str, exclusive: str, end: float, beyond: float) -> str:
    """The end of a range; as that of the round number beside it, where it is the neighbour of one that is not allowed."""
    text, neighbour = number_text(end), number_text(math.nextafter(end, beyond))
    return f"{exclusive} {neighbour}" if len(neighbour) + 3 < len(text) or neighbour == "0" else f"{inclusive} {text}"

"""Slices of a scored table that requirements are on: name, rows and requirements of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.data.slices.names import SliceKey, meant
from lockgate.evaluation.estimation.sum_request import SliceCode
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.scored_table import Scored


@dataclass(frozen=True)
class Cell:
    """A slice with its name, the code of its rows in one of the slicings, and the requirements on it."""

    key: SliceKey
    slice_code: SliceCode
    lines: list[tuple[str, Requirement]]


def cells_of(
    scored: Scored, lines: Sequence[tuple[str, Requirement]]
) -> tuple[list[Cell], dict[int, tuple[int, NDArray[Any]]]]:
    """(slices, each once, in order of declaration; number of a slicing, from 1 → (how many codes, the code of every row))."""
    cells = list[Cell]()
    codes: dict[int, tuple[int, NDArray[Any]]] = {}
    for declared in scored.slices:
        on_slices = [
            (name, requirement)
            for name, requirement in lines
            if requirement.scope.kind == "each_slice"
            or (requirement.scope.kind in ("each", "slice") and requirement.scope.name == declared.name)
        ]
        if not on_slices:
            continue
        labels, column = scored.codes(declared.name)
        codes[len(codes) + 1] = len(labels), column
        counts = np.bincount(column, minlength=len(labels))
        for code, label in enumerate(labels):
            # A declared value is judged even without rows; the outside of a `where`, the rest of a list and what is absent are not.
            if label not in (declared.values or ()) and not (declared.judges(label) and counts[code]):
                continue
            cells.append(Cell(((declared.name, label),), (len(codes), code), on_slices))
    for name, requirement in lines:
        if requirement.scope.kind == "cell":
            inside, key = np.ones(scored.rows, dtype=bool), []
            for slicing, value in requirement.scope.cell:
                labels, column = scored.codes(slicing)
                shown = meant(value, labels)
                inside &= column == (-1 if shown is None else labels.index(shown))
                key.append((slicing, value if shown is None else shown))
            codes[len(codes) + 1] = 2, inside.view(np.uint8)
            cells.append(Cell(tuple(key), (len(codes), 1), [(name, requirement)]))
    return cells, codes


class Members:
    """The row numbers of each code, sorted by code once they are needed."""

    def __init__(self, codes: NDArray[Any], labels: int) -> None:
        self.codes, self.labels = codes, labels

    def __call__(self, code: int) -> NDArray[np.intp]:
        return self.order[self.ends[code] : self.ends[code + 1]]

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        """(labels,) how many rows there are of each."""
        return np.bincount(self.codes, minlength=self.labels)

    @cached_property
    def ends(self) -> NDArray[np.intp]:
        return np.concatenate([[0], self.counts.cumsum()])

    @cached_property
    def order(self) -> NDArray[np.intp]:
        # numpy sorts 16 bits by radix, several times faster than wider integers.
        return np.argsort(self.codes.astype(np.uint16) if self.labels <= 1 << 16 else self.codes, kind="stable")

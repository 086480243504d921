"""What every benchmark is a list of, and how a worker takes one."""

from __future__ import annotations

from typing import Any, Protocol

from .bars import Bar


class Row(Protocol):
    """What one cell came to: its line of the table, and its bars."""

    def __str__(self) -> str: ...
    @property
    def bars(self) -> tuple[Bar, ...]: ...


class Cell(Protocol):
    """One point of a grid; `run` draws from a seed of the cell's own, so that nothing depends on who runs it."""

    def run(self) -> Any: ...


def run(cell: Cell) -> Row:
    """One cell; at module level, so that it can travel to a worker."""
    found: Row = cell.run()
    return found

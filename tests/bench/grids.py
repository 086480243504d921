"""Grids of simulated cells on all cores: their tables, the bars that they have to meet, and which are missed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.pool import Pool

from bench.decisions.bars import Bar, worst
from bench.decisions.cells import Cell, Row, run

Grids = Mapping[str, tuple[str, Iterable[Cell]]]
"""name → (header of its table, its cells)"""


@contextmanager
def workers(count: int) -> Iterator[Pool]:
    """Processes that each take one thread."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # workers read it when they start; the cores are taken by processes
    with get_context("spawn").Pool(count) as pool:
        yield pool


AGAIN = 8
"""times as many simulations of a cell that misses a bar: of some hundred rates that are what they should be, one is beyond two standard errors"""


def printed(
    pool: Pool, grids: Grids, *, only: str | None, bars_of: Callable[[Row], Iterable[Bar]] = lambda row: row.bars
) -> Iterator[list[Row]]:
    """The rows of each grid, or of the one, when its table is printed.

    A cell that misses one of `bars_of` its row is run again with `AGAIN` times its `sims`, and that row counts.
    """
    for name, (header, cells) in grids.items():
        if only not in (None, name):
            continue
        print(header, flush=True)
        asked, rows = list(cells), list[Row]()
        for row in pool.imap(run, asked):
            cell = asked[len(rows)]
            if not _met(bars_of(row)) and hasattr(cell, "sims"):
                print(f"{row}  | run again with {AGAIN} times the simulations", flush=True)
                row = pool.apply(run, (replace(cell, sims=AGAIN * cell.sims),))
            print(f"{row}  | {'bar met' if _met(bars_of(row)) else 'bar missed'}", flush=True)
            rows.append(row)
        yield rows
        print(flush=True)


def _met(bars: Iterable[Bar]) -> bool:
    return all(bar.met for bar in bars)


def report(bars: list[Bar], *, seconds: float) -> int:
    """Print of every kind the bar that is nearest to its limit, then all that are missed; 1 if there is one."""
    missed = [bar for bar in bars if not bar.met]
    print(f"Bars: {len(bars):,} asked, {len(missed):,} missed.")
    print("The nearest of every kind:")
    for bar in worst(bars):
        print(f"  {bar}")
    if missed:
        print("All that are missed:")
        for bar in missed:
            print(f"  {bar}")
    print(f"{seconds:.0f} seconds")
    return 1 if missed else 0

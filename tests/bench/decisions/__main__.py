"""`python -m bench.decisions`: run the grids on all cores, print the tables and the bars; exit 1 if one is missed.

SIMS=n asks for fewer or more simulations. `--only G1` runs one benchmark, `--honest` prints what data can decide.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from multiprocessing import get_context

from . import agreement, calibration, foretold, honest, losses, scores, shares
from .bars import Bar, worst
from .cells import Cell, Row, run

SIMS = 4_000


def main() -> int:
    """Print everything; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="bench.decisions", description=__doc__)
    parser.add_argument("--only", choices=("paths", "G1", "G2", "G3", "G4", "P"))
    parser.add_argument("--honest", action="store_true", help="print what data can decide, and nothing else")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    sims = int(os.environ.get("SIMS", SIMS))
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # workers read it when they start; the cores are taken by processes
    began = time.monotonic()
    kinds: dict[str, tuple[str, list[Cell]]] = {
        "paths": (agreement.HEADER, list(agreement.grid())),
        "G1": (shares.HEADER, list(shares.grid(sims))),
        "G2": (scores.HEADER, list(scores.grid(sims))),
        "G3": (losses.HEADER, list(losses.grid(sims))),
        "G4": (calibration.HEADER, list(calibration.grid(sims))),
        "P": (foretold.HEADER, list(foretold.grid(sims))),
    }
    bars: list[Bar] = []
    with get_context("spawn").Pool(given.workers) as pool:
        if given.honest:
            print(honest.text(pool.map(run, honest.grid(sims))))
            return 0
        for name, (header, cells) in kinds.items():
            if given.only not in (None, name):
                continue
            print(header, flush=True)
            rows: list[Row] = []
            for row in pool.imap(run, cells):
                print(f"{row}  | {mark(row)}", flush=True)
                rows.append(row)
                bars += row.bars
            for row in rows:
                if isinstance(row, shares.ShareRow) and row.cell.in_detail:
                    print(f"\n{shares.by_scenario(row)}")
            print(flush=True)
    return report(bars, seconds=time.monotonic() - began)


def mark(row: Row) -> str:
    """What stands at the end of a row."""
    return "bar met" if all(bar.met for bar in row.bars) else "bar missed"


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


if __name__ == "__main__":
    sys.exit(main())

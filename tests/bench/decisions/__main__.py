"""`python -m bench.decisions`: run the grids on all cores, print the tables and the bars; exit 1 if one is missed.

SIMS=n asks for fewer or more simulations. `--only G1` runs one benchmark, `--honest` prints what data can decide. `--write FILE` keeps the
rates of the laws: `laws/before.json` was written so, with this file and the sources of an earlier version.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from bench.grids import Grids, printed, report, workers

from . import (
    agreement,
    altered,
    breaks,
    calibration,
    cited,
    columns,
    foretold,
    gaps,
    honest,
    losses,
    noise,
    recorded,
    replayed,
    scores,
    shares,
    shifted,
    stopped,
    weights,
)
from .bars import Bar
from .cells import run
from .laws import law, monotone, no_harm

SIMS = 1_000


def main() -> int:
    """Print everything; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="bench.decisions", description=__doc__)
    parser.add_argument(
        "--only",
        choices=("paths", "G1", "G2", "G3", "G4", "W", "B", "F", "E", "P", "L", "M", "N", "C", "R", "S", "A", "D", "Q"),
    )
    parser.add_argument("--honest", action="store_true", help="print what data can decide, and nothing else")
    parser.add_argument("--write", type=Path, metavar="FILE")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    sims = int(os.environ.get("SIMS", SIMS))
    began = time.monotonic()
    kinds: Grids = {
        "paths": (agreement.HEADER, agreement.grid()),
        "G1": (shares.HEADER, shares.grid(sims)),
        "G2": (scores.HEADER, scores.grid(sims)),
        "G3": (losses.HEADER, losses.grid(sims)),
        "G4": (calibration.HEADER, calibration.grid(sims)),
        "W": (weights.HEADER, weights.grid(sims)),
        "B": (altered.HEADER, altered.grid(sims)),
        "F": (breaks.HEADER, breaks.grid(sims)),
        "E": (gaps.HEADER, gaps.grid(sims)),
        "P": (foretold.HEADER, foretold.grid(sims)),
        "L": (law.HEADER, law.grid(sims)),
        "M": (monotone.HEADER, monotone.grid(sims)),
        "N": (no_harm.HEADER, no_harm.grid(sims)),
        "C": (columns.HEADER, columns.grid(sims)),
        "R": (recorded.HEADER, recorded.grid(sims)),
        "S": (replayed.HEADER, replayed.grid(sims)),
        "Q": (stopped.HEADER, stopped.grid(sims)),
        "A": (noise.HEADER, noise.grid(sims)),
        "D": (shifted.HEADER, shifted.grid(sims)),
    }
    bars: list[Bar] = []
    rates: dict[str, list[float | None]] = {}
    with workers(given.workers) as pool:
        if given.honest:
            print(honest.text(pool.map(run, honest.grid(sims))))
            return 0
        for rows in printed(pool, kinds, only=given.only, bars_of=lambda row: (*row.bars, *cited.bars([row]))):
            bars += [] if given.write else cited.bars(rows)
            for row in rows:
                bars += row.bars
                rates |= getattr(row, "rates", {})
                if isinstance(row, shares.ShareRow) and row.cell.in_detail:
                    print(f"\n{shares.by_scenario(row)}")
    if given.write:
        given.write.write_text(json.dumps(rates, indent=0) + "\n", encoding="utf-8")
    return report(bars, seconds=time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())

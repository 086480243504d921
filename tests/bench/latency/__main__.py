"""`python -m bench.latency`: run the grids on all cores, print the tables and the bars; exit 1 if one is missed.

SIMS=n asks for fewer or more simulations, RUNS=n for runs against live servers. `--only L3` runs one benchmark.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from bench.decisions.bars import Bar
from bench.grids import Grids, printed, report, workers

from . import limits, live, rare_stalls, ratios, stalls

SIMS = 1_000
RUNS = 100


def main() -> int:
    """Print everything; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="bench.latency", description=__doc__)
    parser.add_argument("--only", choices=("L1", "L3", "L4", "L5", "live"))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    sims = int(os.environ.get("SIMS", SIMS))
    began = time.monotonic()
    kinds: Grids = {
        "L1": (limits.HEADER, limits.grid(sims)),
        "L3": (ratios.HEADER, ratios.grid(sims)),
        "L4": (stalls.HEADER, stalls.grid()),
        "L5": (rare_stalls.HEADER, rare_stalls.grid(sims)),
    }
    bars: list[Bar] = []
    with workers(given.workers) as pool:
        for rows in printed(pool, kinds, only=given.only):
            bars += [bar for row in rows for bar in row.bars]
    if given.only in (None, "live"):  # after the others: it measures, and wants the machine for itself
        for told in live.run(int(os.environ.get("RUNS", RUNS))):
            if isinstance(told, Bar):
                bars.append(told)
            else:
                print(told, flush=True)
        print(flush=True)
    return report(bars, seconds=time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())

"""`make explore`: print states, bounds, seconds and what is wrong. EXPLORE=quick for what the suite explores.

EXPLORE_SECONDS says how long at most each scenario may take; what was cut off there is said.
"""

from __future__ import annotations

import os
import sys
import time

from explore.remembered import remembered
from explore.scenarios import deep, quick
from explore.world import Explorer


def main() -> int:
    seconds, violations = float(os.environ.get("EXPLORE_SECONDS", "600")), 0
    for scenario in quick() if os.environ.get("EXPLORE") == "quick" else deep():
        began = time.process_time()
        with remembered():
            report = Explorer(scenario, seconds=seconds).explore()
        cut = "" if report.complete else f", cut off after {seconds:.0f} s"
        print(f"{scenario.name}: {scenario.bounds}")
        print(
            f"  {report.states:,} states, {report.moves:,} moves, {time.process_time() - began:.1f} s of processor time{cut}; "
            f"{len(report.violations) or 'no'} violations",
            flush=True,
        )
        for violation, trace in report.violations.items():
            print(f"  ! {violation}")
            print("\n".join(f"      {line}" for line in trace))
        violations += len(report.violations)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())

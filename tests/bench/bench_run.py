"""How much longer does a whole `gate run` take than asking the same models by hand?"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

from setting import GATE, build, seconds

GOAL = 2.5
ROUNDS = 3
ROWS = 50_000


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as name:
        folder = Path(name)
        build(folder, rows=ROWS)
        hand = [sys.executable, str(Path(__file__).with_name("by_hand.py"))]
        for command in (hand, [*GATE, "run"]):
            seconds(command, folder=folder)  # files into memory, bytecode onto disk
        by_hand, gated = [], []
        for _ in range(ROUNDS):
            by_hand.append(seconds(hand, folder=folder))
            gated.append(seconds([*GATE, "run"], folder=folder))
    print(f"{ROWS:,} rows, signature, metadata, metrics and shadow; median of {ROUNDS} fresh processes each, in turn")
    print(f"by hand   {median(by_hand):.2f} s   ({', '.join(f'{one:.2f}' for one in by_hand)})")
    print(f"gate run  {median(gated):.2f} s   ({', '.join(f'{one:.2f}' for one in gated)})")
    print(f"ratio     {median(gated) / median(by_hand):.2f}     goal: at most {GOAL}")


if __name__ == "__main__":
    main()

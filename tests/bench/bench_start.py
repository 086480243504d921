"""How long until the command line answers, beside a python that does nothing?"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

from setting import GATE, seconds

GOAL_S = 0.3
ROUNDS = 7
ROOT = Path(__file__).parents[2]
BARE = "a bare python"
COMMANDS = {
    BARE: [sys.executable, "-c", "pass"],
    "gate --help": [*GATE, "--help"],
    "gate check gates/fraud.yaml": [*GATE, "check", "gates/fraud.yaml"],
}


def main() -> None:
    for command in COMMANDS.values():
        seconds(command, folder=ROOT)  # files into memory, bytecode onto disk
    took: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            took[name].append(seconds(command, folder=ROOT))
    bare = median(took[BARE])
    print(f"median of {ROUNDS} fresh processes each, in turn; goal: under {GOAL_S} s")
    for name, all_of in took.items():
        print(f"{name:28} {median(all_of):.3f} s   {median(all_of) / bare:5.1f} × {BARE}")


if __name__ == "__main__":
    main()

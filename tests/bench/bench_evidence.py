"""How long do `gate explain` and `gate reevaluate` take beside 1,000 runs of 33 findings each?"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from setting import GATE, seconds

from helpers import report_story
from lockgate.cli.finding_lookup import deciding
from lockgate.evidence.evidence import Evidence, GateResult, RequirementLine
from lockgate.evidence.run_folder import RunFolder, runs
from lockgate.reports.derivation.derivation import Derivation
from lockgate.reports.derivation.page import explanation_page
from lockgate.reports.terminal_layout import Medium
from lockgate.testing import run_gate
from recordings import shelf

RUNS, ROUNDS, GOAL_S = 1000, 3, 5.0
SLICES = ["country", "shop", {"name": "band", "column": "amount", "bins": [0, 25, 50, 75, 200]}]
LINES = [
    "auc >= champion - 0.05 on each slice",
    "accuracy >= champion - 0.1 on each slice",
    "log_loss <= 0.7",
    "auc >= 0.7",
]
PIPELINE = """\
model: fraud
task: binary
threshold: 0.5
registry: {uri: "sqlite:///none.db"}
champion: {alias: production, else: none}
data:
  holdout:
    path: d.parquet
    label: y
    slices: [country, shop, {name: band, column: amount, bins: [0, 25, 50, 75, 200]}]
gates:
  - gate: metrics
    data: holdout
    require:
      - auc >= champion - 0.01 on each slice
      - accuracy >= champion - 0.02 on each slice
      - log_loss <= 0.6
      - auc >= 0.8
"""


def build(folder: Path) -> int:
    """A checkout with the runs; returns how many findings each has."""
    (folder / ".git").mkdir()
    (folder / "gates").mkdir()
    (folder / "gates" / "strict.yaml").write_text(PIPELINE, encoding="utf-8")
    result = run_gate(
        "metrics", table=shelf.payments(), label="y", scores={"candidate": "p_new", "champion": "p_old"}, require=LINES,
        slices=SLICES,
    )  # fmt: skip
    lines = tuple(RequirementLine(f"r{number}", text) for number, text in enumerate(LINES, start=1))
    gate: GateResult = replace(result, name="metrics", requirements=lines)
    for number in range(RUNS):
        run = {**report_story.RUN, "id": f"20261121-{number:06}-9f3c21ab"}
        RunFolder.new(folder, run["id"]).keep_evidence(report_story.told(gate, run=run))
    return len(gate.findings)


def explained(folder: Path) -> float:
    """Seconds in which the finding that decided each run is explained."""
    began = time.monotonic()
    for run in runs(folder):
        evidence: Evidence = run.evidence()
        explanation_page(Derivation(evidence, *deciding(evidence)), Medium())
    return time.monotonic() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        findings = build(folder)
        inside = explained(folder)
        commands = {
            "explain": [*GATE, "explain"],
            "reevaluate": [*GATE, "reevaluate", "--pipeline", "gates/strict.yaml"],
        }
        took = {
            name: median(seconds(command, folder=folder) for _ in range(ROUNDS)) for name, command in commands.items()
        }
    print(f"{RUNS:,} runs of {findings} findings: each explained in one process {inside:.2f} s")
    for name, each in took.items():
        print(f"gate {name}, median of {ROUNDS}: {each:.2f} s; goal: under {GOAL_S:g} s")
    if max(inside, *took.values()) > GOAL_S:
        raise SystemExit("that is too slow")


if __name__ == "__main__":
    main()

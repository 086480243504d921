"""How long do `gate explain` and `gate reevaluate` take beside 1,000 runs of 28 findings each?"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

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

RUNS, ROUNDS, GOAL_S = 1000, 2, 5.0
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
    """Processor seconds in which the finding that decided each run is explained."""
    began = time.process_time()
    for run in runs(folder):
        evidence: Evidence = run.evidence()
        explanation_page(Derivation(evidence, *deciding(evidence)), Medium())
    return time.process_time() - began


def processor_seconds(command: list[str], folder: Path) -> tuple[float, float]:
    """(of the processor, on the clock) that a fresh process takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    clock = seconds(command, folder=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        findings = build(folder)
        inside = explained(folder)
        commands = {
            "explain": [*GATE, "explain"],
            "reevaluate": [*GATE, "reevaluate", "--pipeline", "gates/strict.yaml"],
        }
        took = {name: min(processor_seconds(each, folder) for _ in range(ROUNDS)) for name, each in commands.items()}
    print(f"{RUNS:,} runs of {findings} findings; processor seconds, goal: under {GOAL_S:g}")
    print(f"the finding that decided each run, explained in one process: {inside:.2f}")
    for command, (processor, clock) in took.items():
        print(f"gate {command}, best of {ROUNDS}: {processor:.2f} ({clock:.2f} on the clock)")


if __name__ == "__main__":
    main()

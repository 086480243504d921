"""What do altered rows cost, beside the same models' own answers to as many rows?

    python tests/bench/bench_behaviour.py [rows]

own: one scoring of the data as `gate run` does it, its checks included. altered: everything that a line of gate behaviour adds,
of the same two models: the facts of the columns, altered rows, their answers, and the table that keeps them. In turns, in one process,
the models started before.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from setting import build

from lockgate.evaluation.behaviour.alteration import Alteration
from lockgate.evidence.run_folder import RunFolder
from lockgate.pipeline.loader import load
from lockgate.runs.answers.altered_answers import altered_answers
from lockgate.runs.case_builder import CaseBuilder, open_case
from lockgate.runs.lookup import open_registry

ROWS, ROUNDS, GOAL = 100_000, 3, 2.0
WAYS = (
    Alteration("swap", "country"),
    Alteration("raise", "velocity", 1.0),
    Alteration("noise", amount=0.01),
    Alteration("drop", "device_risk"),
)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as name:
        folder = Path(name)
        build(folder, rows=rows)
        os.chdir(folder)
        pipeline = load(folder / "gates" / "fraud.yaml", environ=os.environ)
        with open_case(pipeline, open_registry(pipeline), RunFolder(folder / "run"), environ=os.environ) as builder:
            _timed(lambda: builder.case.scored("holdout"))
            own, altered = [], dict[Alteration, list[float]]()
            for _ in range(ROUNDS):
                own.append(_timed(lambda: _scored(builder)))
                for way in WAYS:
                    altered.setdefault(way, []).append(_timed(lambda way=way: _altered(builder, way)))
    print(f"{rows:,} rows, two models; median of {ROUNDS} in turn")
    print(f"{'own answers':<24}{median(own):6.2f} s")
    for way, seconds in altered.items():
        ratio = median(seconds) / median(own)
        print(f"{way!s:<24}{median(seconds):6.2f} s   ratio {ratio:.2f}     goal: at most {GOAL}")


def _timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _scored(builder: CaseBuilder) -> None:
    builder.scored_files.entries.clear()
    builder.score("holdout")


def _altered(builder: CaseBuilder, way: Alteration) -> None:
    builder.scored_files.entries.clear()
    altered_answers(builder, "holdout", way, True)


if __name__ == "__main__":
    main()

"""How long does the page of a run with 500 slices and 10 lines take, how much memory, how large is it; and what do its pictures
add to a run of a million rows?"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pyarrow as pa

from helpers.report_evidence import METRICS, evidence, finding
from helpers.report_pictures import PICTURES
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.pictures.of_labelled import pictures
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.evidence import Evidence, RequirementLine
from lockgate.evidence.finding import Verdict
from lockgate.evidence.run_folder import RunFolder
from lockgate.evidence.run_record import RunRecord
from lockgate.reports import FORMATS

SLICES, LINES, ROWS = 500, 10, 1_000_000
GOAL_S, GOAL_MB, GOAL_FILE_MB, GOAL_PICTURES_S = 3.0, 400, 2.0, 1.0


def many(folder: RunFolder) -> Evidence:
    """A gate with a finding of every line on every slice, every seventh a failure, and every kind of picture."""
    draw, decided = np.random.default_rng(0), finding().decided
    assert decided is not None
    findings = tuple(
        finding(
            id=f"metrics/r{line}/shop=S{number:03}", requirement=f"r{line}", slice={"shop": f"S{number:03}"},
            verdict=Verdict.FAIL if number % 7 == 0 else Verdict.PASS, observed=draw.random(), champion=draw.random(),
            interval=(draw.random() / 2, 0.5 + draw.random() / 2), rows=1000 + number,
            decided=replace(decided, estimate=draw.normal() / 10, low=-draw.random(), high=draw.random()),
        )
        for line in range(1, LINES + 1)
        for number in range(SLICES)
    )  # fmt: skip
    lines = tuple(RequirementLine(f"r{line}", "auc >= champion - 0.03 on each slice") for line in range(1, LINES + 1))
    entries = [folder.keep_exhibit(exhibit) for exhibit in PICTURES]
    return evidence(replace(METRICS, requirements=lines, findings=findings), exhibits=entries)


def rendered(format_: str) -> None:
    """In a process of its own, so that its memory is that of the report: prints seconds, MB and bytes as JSON."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = RunFolder.new(Path(scratch), "r")
        about = many(folder)
        began = time.monotonic()
        document = FORMATS[format_].render(RunRecord(about, lambda: folder.path))
        took = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([took, used, len(document.encode()) / 1e6]))


def scored() -> Scored:
    """A million rows of two classes with five slicings of twenty and one of 500."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=ROWS)
    table = {
        "y": (draw.random(ROWS) < 1 / (1 + np.exp(3 - 1.5 * x))).astype(int),
        "candidate": 1 / (1 + np.exp(3 - 1.5 * x + draw.normal(size=ROWS) * 0.3)),
        "champion": 1 / (1 + np.exp(3 - 1.5 * x + draw.normal(size=ROWS) * 0.6)),
        "shop": draw.integers(0, 500, ROWS).astype(str),
    }
    table |= {f"s{number}": draw.integers(0, 20, ROWS).astype(str) for number in range(5)}
    spec = DatasetSpec.model_validate({"path": "t", "label": "y", "slices": ["shop", *(f"s{n}" for n in range(5))]})
    made = Scored.from_table(pa.table(table), spec, task="binary", positive=1)
    _ = (made.labels, made.candidate, made.champion, [made.codes(part.name) for part in made.slices])
    return made


def main() -> None:
    good = True
    print(f"{SLICES} slices × {LINES} lines:")
    for format_ in ("html", "md", "junit"):
        call = [sys.executable, __file__, format_]
        took, used, size = json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)
        print(f"  {format_:6} {took:5.2f} s  {used:4.0f} MB  {size:5.2f} MB of file")
        good &= took < GOAL_S and used < GOAL_MB and (size < GOAL_FILE_MB or format_ != "html")
    rows, threshold = scored(), {"candidate": 0.5, "champion": 0.5}
    began = time.process_time()
    made = list(pictures("m", rows, {"auc", "average_precision", "log_loss"}, threshold))
    took = time.process_time() - began
    print(
        f"pictures of {ROWS:,} rows: {took:.2f} s of processor, {sum(len(each.to_bytes()) for each in made) / 1e3:.0f} kB"
    )
    raise SystemExit(0 if good and took < GOAL_PICTURES_S else "a goal is missed")


if __name__ == "__main__":
    rendered(sys.argv[1]) if sys.argv[1:] else main()

"""How fast are sliced metrics, beside pandas groupby with scikit-learn? Fresh processes, in turns, on the same table.

    python tests/bench/bench_metrics.py [rows …] [--slices N] [--rounds N]

131 groups: three columns of 5, 20 and 100 values, a number in 6 bins. points: AUC, average precision, log loss, Brier,
recall at a threshold and calibration error of one model, all rows and every group. gate: the same of two models on the
same rows, with intervals and verdicts, by `run_gate`; of calibration, the candidate's. warm: without imports and data,
after one call on 2,000 rows. cold: the process. processor: of all threads, which a busy machine changes least.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

STARTED = time.perf_counter()
EDGES = [20, 50, 100, 200, 400]
WARMING = 2_000
GOALS = {  # (rows, what) → at least so many times as fast as pandas with scikit-learn
    (1_000_000, "points warm"): 30,
    (10_000_000, "points warm"): 50,
    (1_000_000, "points cold"): 3,
    (1_000_000, "gate cold"): 5,
    (10_000_000, "gate cold"): 20,
}
HIGHER = ("auc", "average_precision", "recall")
LOWER = ("log_loss", "brier")
CALIBRATION = "calibration_error"
THRESHOLD = 0.5


def values(slices: int) -> list[int]:
    """How many values each column has, so that with six bins there are `slices` groups."""
    return [5, 20, slices - 31]


def make(folder: Path, rows: int, slices: int) -> None:
    import numpy as np

    draw = np.random.default_rng(7)
    labels = draw.random(rows) < 0.2
    base = 1.6 * labels - 1.5 + draw.normal(size=rows)

    def scores(noise: float) -> Any:
        return (1 / (1 + np.exp(-(base + draw.normal(size=rows) * noise)))).astype(np.float32)

    np.save(folder / "label.npy", labels.astype(np.int8))
    np.save(folder / "candidate.npy", scores(0.35))
    np.save(folder / "champion.npy", scores(0.4))
    np.save(folder / "amount.npy", draw.gamma(2, 50, rows).astype(np.float32))
    for number, count in enumerate(values(slices)):
        share = 1 / np.arange(1, count + 1) ** 0.5
        np.save(folder / f"slice{number}.npy", draw.choice(count, rows, p=share / share.sum()).astype(np.int32))


def read(folder: Path, rows: int | None) -> dict[str, Any]:
    import numpy as np

    return {path.stem: np.load(path)[:rows] for path in sorted(folder.glob("*.npy"))}


def peer(folder: Path, slices: int, rows: int | None) -> Callable[[], int]:
    """pandas and scikit-learn: points of one model, as people write it."""
    import numpy as np
    import pandas as pd
    from sklearn import metrics as sk

    columns = read(folder, rows)
    frame = pd.DataFrame({"label": columns["label"], "score": columns["candidate"]})
    for number, count in enumerate(values(slices)):
        texts = [f"v{place:03d}" for place in range(count)]
        frame[f"slice{number}"] = pd.Categorical.from_codes(columns[f"slice{number}"], texts)
    frame["band"] = pd.cut(pd.Series(columns["amount"]), [-np.inf, *EDGES, np.inf], right=False)

    def points(group: Any) -> list[float]:
        label, score = group["label"].to_numpy(), group["score"].to_numpy()
        return [
            sk.roc_auc_score(label, score),
            sk.average_precision_score(label, score),
            sk.log_loss(label, score, labels=[0, 1]),
            sk.brier_score_loss(label, score),
            sk.recall_score(label, score >= THRESHOLD),
            calibration_error(label, score),
        ]

    def calibration_error(label: Any, score: Any) -> float:
        """Ten bins of equal mass, equal scores in the bin of their middle; the root of the mean squared gap."""
        order = np.argsort(score)
        ordered = score[order].astype(np.float64)
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        ends = np.append(starts[1:], ordered.size)
        place = np.repeat(((starts + ends) / 2 * 10 / ordered.size).astype(int), ends - starts)
        rows = np.bincount(place, minlength=10)
        gap = np.bincount(place, label[order] - ordered, 10) / np.maximum(rows, 1)
        return float(np.sqrt((rows * gap**2).sum() / rows.sum()))

    def work() -> int:
        found = [points(frame)]
        for name in ("slice0", "slice1", "slice2", "band"):
            for _, group in frame.groupby(name, observed=True):
                if group["label"].nunique() == 2:
                    found.append(points(group))
        return len(found)

    return work


def table(folder: Path, slices: int, rows: int | None) -> tuple[Any, list[Any]]:
    import pyarrow as pa

    from lockgate.data import (
        arrow_arrays as arrays,  # pyarrow's own ways import pandas, which a gate that reads a file does not
    )

    columns = {name: arrays.from_numpy(column) for name, column in read(folder, rows).items()}
    for number, count in enumerate(values(slices)):
        texts = arrays.from_texts([f"v{place:03d}" for place in range(count)])
        columns[f"slice{number}"] = pa.DictionaryArray.from_arrays(columns[f"slice{number}"], texts)
    bands = {"name": "band", "column": "amount", "bins": EDGES}
    return pa.Table.from_arrays([*columns.values()], names=[*columns]), ["slice0", "slice1", "slice2", bands]


def points(folder: Path, slices: int, rows: int | None) -> Callable[[], int]:
    """The points of one model, for lines that ask for no more."""
    from dataclasses import replace

    from lockgate.data.dataset_spec import DatasetSpec
    from lockgate.evaluation.estimation.estimate import estimate
    from lockgate.evaluation.metrics.catalog import METRICS
    from lockgate.evaluation.requirements.grammar import parse
    from lockgate.evaluation.scoring.scored_table import Scored

    data, entries = table(folder, slices, rows)
    spec = DatasetSpec.model_validate({"path": "table", "label": "label", "slices": entries})
    scored = Scored.from_table(data, spec, task="binary", positive=1)
    for column in (scored.labels, scored.candidate, *(scored.codes(each.name) for each in scored.slices)):
        assert column is not None
    lines = [f"{name} >= 0.5" for name in HIGHER] + [f"{name} <= 0.5" for name in (*LOWER, CALIBRATION)]
    lines += [f"{line} on each slice" for line in lines]
    asked = [(line, replace(parse(line), claim="point")) for line in lines]
    return lambda: len(estimate(scored, asked, METRICS, threshold={"candidate": THRESHOLD}))


def gate(folder: Path, slices: int, rows: int | None) -> Callable[[], int]:
    """Two models, with intervals and verdicts."""
    from lockgate.testing import run_gate

    data, entries = table(folder, slices, rows)
    lines = [f"{name} >= champion - 0.02" for name in HIGHER] + [f"{name} <= champion + 0.02" for name in LOWER]
    lines.append(f"{CALIBRATION} <= 0.5")
    require = [*lines, *(f"{line} on each slice" for line in lines)]
    return lambda: len(run_gate("metrics", table=data, slices=entries, require=require, threshold=THRESHOLD).findings)


JOBS: Mapping[str, Callable[[Path, int, int | None], Callable[[], int]]] = {
    "peer": peer,
    "points": points,
    "gate": gate,
}


def job(name: str, folder: Path, slices: int, *, warm: bool) -> None:
    """Do one job in this process, and say how long it took."""
    if warm:
        JOBS[name](folder, slices, WARMING)()
    work = JOBS[name](folder, slices, None)
    before, used = time.perf_counter(), time.process_time()
    done = work()
    now = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    spent = {"warm": now - before, "cold": now - STARTED, "processor": time.process_time() - used}
    print(json.dumps(spent | {"peak": peak, "done": done}))


def timed(name: str, folder: Path, slices: int, *, warm: bool) -> dict[str, float]:
    command = [sys.executable, __file__, "--job", name, str(folder), "--slices", str(slices)]
    before = time.perf_counter()
    ended = subprocess.run([*command, *(["--warm"] if warm else [])], capture_output=True, text=True, check=False)
    whole = time.perf_counter() - before
    if ended.returncode:
        raise SystemExit(ended.stderr)
    return json.loads(ended.stdout) | {"cold": whole}


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("rows", nargs="*", type=int, default=[100_000, 1_000_000])
    asked.add_argument("--slices", type=int, default=131)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--job", nargs=2)
    asked.add_argument("--warm", action="store_true")
    given = asked.parse_args()
    if given.job:
        job(given.job[0], Path(given.job[1]), given.slices, warm=given.warm)
        return
    for rows in given.rows:
        with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as name:
            make(Path(name), rows, given.slices)
            rounds = given.rounds if rows < 5_000_000 else 1
            found: dict[tuple[str, bool], list[dict[str, float]]] = {}
            for _ in range(rounds):
                for kind in JOBS:
                    for warm in (True, False):
                        found.setdefault((kind, warm), []).append(timed(kind, Path(name), given.slices, warm=warm))
            show(rows, given.slices, rounds, found)


def show(rows: int, slices: int, rounds: int, found: Mapping[tuple[str, bool], list[dict[str, float]]]) -> None:
    def middle(kind: str, measure: str) -> float:
        return median(one[measure] for one in found[kind, measure in ("warm", "processor")])

    print(f"{rows:,} rows, {slices} groups, 6 metrics, median of {rounds}")
    for what in ("points warm", "points cold", "gate warm", "gate cold"):
        kind, measure = what.split()
        ours, theirs = middle(kind, measure), middle("peer", measure)
        goal = f"   goal: at least {GOALS[rows, what]}" if (rows, what) in GOALS else ""
        print(f"  {what:12} {ours:8.3f} s   pandas + scikit-learn {theirs:8.3f} s   × {theirs / ours:6.1f}{goal}")
    for kind in ("points", "gate"):
        ours, theirs = middle(kind, "processor"), middle("peer", "processor")
        print(
            f"  processor time of {kind:6} {ours:6.2f} s   pandas + scikit-learn {theirs:6.2f} s   × {theirs / ours:6.1f}"
        )
    print(f"  gate / points, warm {middle('gate', 'warm') / middle('points', 'warm'):5.1f}   aim: at most 6")
    theirs = middle("peer", "peak")
    for kind in ("points", "gate"):
        peak = middle(kind, "peak")
        print(f"  peak of {kind:6} {peak:6.0f} MiB   pandas + scikit-learn {theirs:6.0f} MiB   × {peak / theirs:4.2f}")


if __name__ == "__main__":
    main()

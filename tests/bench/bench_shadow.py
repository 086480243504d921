"""How long do the deciding statistics of recorded pairs of answers take by 130 slices, beside pandas and scipy on the same work?"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PAIRS = int(sys.argv[-1]) if sys.argv[-1].isdigit() else 10_000_000
LEAST, MOST_MIB = 15.0, 1000.0
SLICES = {"country": 100, "channel": 20, "tier": 10}
LINES = (
    "flip_rate <= 2%",
    "lost_rate <= 5%",
    "gained_rate <= 1%",
    "score_shift <= 0.01",
    "within(tolerance=0.1) >= 95%",
)


def write(folder: Path) -> None:
    """Both models' scores of each request, and what it is sliced by."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    draw = np.random.default_rng(7)
    with parquet.ParquetWriter(folder / "pairs.parquet", _batch(draw, 1).schema) as file:
        for begin in range(0, PAIRS, 1_000_000):
            file.write_table(pa.table(_batch(draw, min(1_000_000, PAIRS - begin))))


def _batch(draw: np.random.Generator, rows: int):  # type: ignore[no-untyped-def]
    import pyarrow as pa

    champion = draw.beta(0.5, 3, rows)
    candidate = np.clip(champion + draw.normal(0, 0.02, rows), 0, 1)
    kinds = {
        name: np.char.mod("v%02d", np.arange(count))[draw.integers(0, count, rows)] for name, count in SLICES.items()
    }
    return pa.table({"candidate": candidate, "champion": champion, **kinds})


def ours(folder: Path) -> None:
    """In a process of its own: print processor seconds, and the peak of memory in MiB."""
    import pyarrow.parquet as parquet

    from bench.decisions.asking import ask_replayed
    from lockgate.data.dataset_spec import DatasetSpec
    from lockgate.evaluation.scoring.scored_table import Scored

    spec = DatasetSpec.model_validate({"path": "pairs", "slices": list(SLICES)})
    began = time.process_time()
    table = parquet.read_table(folder / "pairs.parquet", read_dictionary=list(SLICES))
    scored = Scored.from_table(table, spec, task="binary", positive=1)
    findings = ask_replayed(scored, [*LINES, *(f"{line} on each slice" for line in LINES)], task="binary")
    if len(findings) != len(LINES) * (1 + sum(SLICES.values())):
        raise SystemExit(f"{len(findings)} findings")
    _print(began)


def theirs(folder: Path) -> None:
    """Likewise, of the same rates with the same intervals, and of the mean difference with its t-interval."""
    import pandas as pd
    from scipy import stats

    began = time.process_time()
    frame = pd.read_parquet(folder / "pairs.parquet")
    parts = [(None, frame), *((name, part) for column in SLICES for name, part in frame.groupby(column))]
    found = []
    for _, part in parts:
        new, old = part["candidate"] >= 0.5, part["champion"] >= 0.5
        difference = part["candidate"] - part["champion"]
        for hits, among in (
            ((new != old).sum(), len(part)),
            ((old & ~new).sum(), old.sum()),
            ((new & ~old).sum(), (~old).sum()),
            ((difference.abs() <= 0.1).sum(), len(part)),
        ):
            found.append(stats.binomtest(int(hits), int(among)).proportion_ci(0.9, "exact"))
        found.append(stats.ttest_rel(part["candidate"], part["champion"]).confidence_interval(0.9))
    _print(began)


def _print(began: float) -> None:
    print(time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measured(folder: Path, who: str) -> tuple[float, float]:
    command = [sys.executable, __file__, who, str(folder), str(PAIRS)]
    seconds, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(peak)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as name:
        folder = Path(name)
        write(folder)
        runs = [(measured(folder, "theirs"), measured(folder, "ours")) for _ in range(3)]
    (peer, its), (gate, peak) = (tuple(map(min, zip(*each, strict=True))) for each in zip(*runs, strict=True))
    print(
        f"{PAIRS:,} pairs, {len(LINES)} statistics by {sum(SLICES.values())} slices: {gate:.2f} s of the processor and {peak:.0f} MiB, "
        f"pandas and scipy {peer:.2f} s and {its:.0f} MiB: ×{peer / gate:.1f} as fast (goal: ×{LEAST:g} in {MOST_MIB:g} MiB)"
    )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    if len(sys.argv) > 2:
        {"ours": ours, "theirs": theirs}[sys.argv[1]](Path(sys.argv[2]))
    else:
        main()

"""How much memory does a long run need: 20 million requests to each of two models, folded as they come?

Beside it the same with every value kept, as a short run keeps them. The blocks are drawn, not sent, and are all written to
the file of raw requests. Each in a process of its own; `imports` is what a process needs before its first block.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from setting import environ

from lockgate.evaluation.latency.block_schedule import BlockSchedule
from lockgate.evaluation.latency.percentile_estimates import BlockLatencies, estimate_latency
from lockgate.evaluation.latency.recorded_times import RecordedTimes
from lockgate.evaluation.latency.request_log import RequestLog
from lockgate.evaluation.requirements.grammar import parse
from lockgate.models.load_spec import BLOCK, Load
from lockgate.models.model import Drive

REQUESTS = 20_000_000
GOAL_MIB = 150
LINES = ("p50_ms <= 6", "p99_ms <= 11", "p999_ms <= 20", "p99_ms <= champion * 1.05", "mean_ms <= champion * 1.05")
WAYS = ("imports", "folded", "kept")


def drawn(seed: int) -> Drive:
    """Poisson arrivals at 500 a second, answers log-normal around 5 ms."""
    draw = np.random.default_rng(seed)
    due = np.cumsum(draw.exponential(1 / 500, BLOCK))
    lag = np.abs(draw.normal(0, 3e-5, BLOCK))
    done = due + lag + 0.005 * np.exp(draw.normal(0, 0.3, BLOCK))
    return Drive(due, due + lag, done, np.zeros(BLOCK, bool), lag)


def main() -> None:
    if len(sys.argv) > 1:
        _run(sys.argv[1])
        return
    print(f"two models, {REQUESTS:,} requests each")
    for way in WAYS:
        ended = subprocess.run(
            [sys.executable, __file__, way], env=environ(), capture_output=True, text=True, check=False
        )
        if ended.returncode != 0:
            raise SystemExit(ended.stderr)
        print(f"{way:8} {ended.stdout}", end="")
    print(f"goal: at most {GOAL_MIB} MiB folded beyond the imports, however long the run is")


def _run(way: str) -> None:
    import scipy.special  # noqa: F401  # part of what every run imports

    requests = 0 if way == "imports" else REQUESTS
    measured = {role: RecordedTimes(blocks=requests // BLOCK) for role in ("candidate", "champion")}
    began = time.process_time()
    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as name:
        with RequestLog(Path(name), "long") as raw:
            schedule = BlockSchedule(Load(requests=max(requests, 1)))
            while requests and schedule.remaining:
                for seed, (role, one) in enumerate(measured.items()):
                    drive = drawn(2 * schedule.done + seed)
                    raw.write_block(drive, role=role, batch=1, block=schedule.done)
                    one.add(drive)
                    if way == "folded":
                        one.fold()
                schedule.record([])
        size = next(Path(name).iterdir()).stat().st_size / 1e6
    driven, found = time.process_time() - began, []
    if requests:
        blocks = [[stretch.times for stretch in one.stretches] for one in measured.values()]
        seconds = [[stretch.seconds for stretch in one.stretches] for one in measured.values()]
        timed = BlockLatencies(blocks[0], blocks[1], *seconds)
        # kept values are ratios of millions sorted 400 times over: their bounds are not what is measured here
        lines = LINES if way == "folded" else LINES[:3]
        found = [estimate_latency("r1", parse(line), timed, seed=1) for line in lines]
    judged = time.process_time() - began - driven
    peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    ends = "  ".join(f"{one.low:.5g}–{one.high:.5g}" for one in found if one.low is not None and one.high is not None)
    print(
        f"{int(peak) / 1024:7,.0f} MiB  drawn, written and held in {driven:5.1f} s, "
        f"{len(found)} lines in {judged:5.1f} s of processor; {size:5,.0f} MB on disk  {ends}"
    )


if __name__ == "__main__":
    main()

"""Does the load engine keep its schedule, how near to the truth is it, and what does the timing itself cost?

Beside it, on the same server and in the same rounds, whatever of wrk2, wrk and h2load is installed. wrk and h2load know
closed loops only: theirs is how much they can ask, not how well they keep a rate.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.truth import Truth, server
from lockgate.models import model_host as host
from lockgate.models.model import Drive, LoadPlan
from lockgate.models.server.load_test import drive_http

ROUNDS = 3
SECONDS = 3
RATES = (5_000, 20_000, 30_000)
GOAL = "goal at 20,000/s: at least 99 % delivered, p99 lag at most 1 ms, counts equal"


def main() -> None:
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; generator and server on a core each")
    print(f"median of {ROUNDS} rounds of {SECONDS} s, each a fresh server, all in turn\n")
    _pin(0)
    rows: dict[str, list[tuple[float, ...]]] = {}
    for _ in range(ROUNDS):
        for rate in RATES:
            rows.setdefault(f"open loop, {rate:,}/s", []).append(_open(rate))
        rows.setdefault("closed loop, 16 workers", []).append(_closed())
        for name, peer in PEERS.items():
            if shutil.which(name):
                rows.setdefault(f"{name}{peer[0]}", []).append(_peer([name, *peer[1]], peer[2]))
    print(f"{'':34} {'asked/s':>9} {'counted/s':>9} {'delivered':>9} {'lag p99 ms':>10}  counts")
    for name, seen in rows.items():
        asked, counted, delivered, lag, equal = (statistics.median(each) for each in zip(*seen, strict=True))
        print(
            f"{name:34} {f'{asked:,.0f}' if asked else '':>9} {counted:>9,.0f} {f'{delivered:.1%}' if delivered else '':>9} "
            f"{f'{lag:.3f}' if delivered else '':>10}  {'equal' if equal == 1 else f'{equal:.3f} of the claim'}"
        )
    print(GOAL + "\n")
    _stalls()
    _in_process()


def _pin(core: int) -> None:
    with suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {core})


def _served(work: Callable[[Truth], Any], **law: float) -> tuple[Any, int]:
    """What the work gives, and how many answers the server counted meanwhile."""
    _pin(1)  # inherited by the server that is started now
    with server(**law) as truth:
        _pin(0)
        return work(truth), truth.count.answers


def _open(rate: int) -> tuple[float, ...]:
    def work(truth: Truth) -> Drive:
        plan = LoadPlan(requests=int(rate * SECONDS), rate=float(rate), seed=3, warmup=32, concurrency=16)
        return drive_http(plan, url=truth.url, headers={}, bodies=[b'{"inputs": [[1.0, 2.0]]}'], timeout_s=10.0)

    shown, counted = _served(work)
    took = float(shown.sent_s[-1])
    good = int((~shown.failed).sum())
    delivered = float(shown.intended_s[-1]) / took
    lag = float(np.quantile(shown.lag_s, 0.99)) * 1000
    return rate, good / took, delivered, lag, (counted - 32) / good


def _closed() -> tuple[float, ...]:
    def work(truth: Truth) -> Drive:
        plan = LoadPlan(requests=10**7, duration_s=float(SECONDS), warmup=32, concurrency=16)
        return drive_http(plan, url=truth.url, headers={}, bodies=[b'{"inputs": [[1.0, 2.0]]}'], timeout_s=10.0)

    shown, counted = _served(work)
    good = int((~shown.failed).sum())
    return 0, good / float(shown.done_s.max()), 0, 0, (counted - 32) / good


PEERS: dict[str, tuple[str, list[str], str]] = {
    "wrk2": (" -R20000, open loop", ["-t1", "-c16", f"-d{SECONDS}", "-R20000"], r"(\d+) requests in"),
    "wrk": (" -c16, closed loop", ["-t1", "-c16", f"-d{SECONDS}"], r"(\d+) requests in"),
    "h2load": (" -c16, closed loop", ["--h1", "-t1", "-c16", f"-D{SECONDS}"], r"(\d+) succeeded"),
}


def _peer(command: list[str], said: str) -> tuple[float, ...]:
    def work(truth: Truth) -> int:
        text = '{"inputs": [[1.0, 2.0]]}' if command[0] == "h2load" else 'wrk.method = "POST"\nwrk.body = "{}"\n'
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
            file.write(text)
            file.flush()
            given = ["-d" if command[0] == "h2load" else "-s", file.name]
            out = subprocess.run([*command, *given, truth.url], capture_output=True, text=True, check=True)
        found = re.search(said, out.stdout)
        assert found is not None, out.stdout
        return int(found[1])

    claimed, counted = _served(work)
    return 0, counted / SECONDS, 0, 0, counted / claimed


def _stalls() -> None:
    """A server that stands still for 100 ms each second: p50 is next to nothing, p99 is 90 ms, p99.9 is 99 ms."""
    print("a server that stands still for 100 ms each second; truth: p99 90.0, p99.9 99.0 ms")
    plans = {
        "open loop, 1,000/s, constant": LoadPlan(requests=10_000, rate=1000.0, arrivals="constant", warmup=8, concurrency=8),
        "open loop, 1,000/s, Poisson": LoadPlan(requests=10_000, rate=1000.0, warmup=8, concurrency=8),
        "closed loop: service time": LoadPlan(requests=10**7, duration_s=10.0, warmup=8),
    }  # fmt: skip
    for name, plan in plans.items():
        seen = []
        for _ in range(ROUNDS):
            shown, _ = _served(
                lambda truth, plan=plan: drive_http(plan, url=truth.url, headers={}, bodies=[b"{}"], timeout_s=10.0),
                stall_ms=100.0,
                period_ms=1000.0,
            )
            seen.append([float(np.quantile(shown.latency_ms, p)) for p in (0.5, 0.99, 0.999)])
        p50, p99, p999 = np.median(seen, axis=0)
        print(f"{name:34} p50 {p50:6.2f}   p99 {p99:6.2f}   p99.9 {p999:6.2f} ms")
    print("goal: p99 within 5 %, p99.9 within 10 % in open loop\n")


class _Nothing:
    """A model that answers at once, so that what is measured is the measuring."""

    def predict(self, frame: Any) -> Any:
        return frame


def _in_process() -> None:
    own = host.Host(lambda **_: None)
    own.model = _Nothing()
    plan = {"requests": 200_000, "rate": None, "concurrency": 1, "duration_s": None, "rows": 1}
    measured, spent = [], []
    for _ in range(ROUNDS):
        block = host.Block(own, plan, [[0.0]])
        began = time.perf_counter()
        block.run()
        spent.append((time.perf_counter() - began) / plan["requests"] * 1e6)
        measured.append(float(np.median(np.subtract(block.done, block.sent))) * 1e6)
    print(f"in process: the timing adds {statistics.median(measured):.2f} µs to what it measures of a call", end="; ")
    print(f"a call of nothing takes {statistics.median(spent):.2f} µs in all\ngoal: at most 1 µs in what is measured")


if __name__ == "__main__":
    main()

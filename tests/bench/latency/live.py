"""Live: two real servers of known laws, asked in interleaved blocks over HTTP and decided as the gate decides.

The slower one is set so that its median, with all that HTTP adds, is the tolerated tenth above the other's: every pass is
wrong. RUNS=n for fewer or more.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np

from bench.decisions.bars import ALPHA, Bar, standard_error
from helpers.truth import server
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.latency.percentile_estimates import BlockLatencies, estimate_latency
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.latency import Latency
from lockgate.models.load_spec import BLOCKS
from lockgate.models.model import Drive, LoadPlan
from lockgate.models.server.load_test import drive_http

REQUESTS = 3_000
MEDIAN_MS = 0.4
SIGMA = 0.3
LIMIT = 1.1
LINES = [(f"r{place}", parse(f"{subject} <= champion * {LIMIT}")) for place, subject in enumerate(("p50_ms", "p99_ms"))]

HEADER = f"""live  two servers on 127.0.0.1, log-normal times (median {MEDIAN_MS:g} ms, sigma {SIGMA:g}), closed loop, {BLOCKS} pairs of blocks,
    {REQUESTS:,} requests to each."""


def run(runs: int) -> Iterator[str | Bar]:
    """Lines to print, and bars."""
    yield HEADER
    median = _median()
    overhead = median - MEDIAN_MS
    slower = (LIMIT * median - overhead) / MEDIAN_MS
    yield f"    HTTP and the loop add {overhead:.3f} ms, so the law of the slower one is {slower:.3f} times as long"
    for name, times, busy in (("slower by the limit", slower, 0), ("equal", 1.0, 0), ("equal, beside a hog", 1.0, 1)):
        found: dict[str, Counter[str]] = {str(line): Counter() for _, line in LINES}
        ratios = []
        with _hogs(busy):
            for seed in range(runs):
                candidate, champion = _pair(times, seed=seed)
                ratios.append(np.median(np.concatenate(candidate)) / np.median(np.concatenate(champion)))
                for finding in _findings(candidate, champion, seed=seed):
                    found[str(dict(LINES)[finding.requirement])][_word(finding)] += 1
        for line, words in found.items():
            shown = ", ".join(f"{word} {count / runs:.2f}" for word, count in sorted(words.items()))
            yield f" {name:<20} {line:<26} {shown}   (medians differ by {float(np.mean(ratios)):.3f})"
            kind, verdict = (f"{name}, failed", Verdict.FAIL) if times == 1.0 else ("passed at the limit", Verdict.PASS)
            wrong = words[verdict] / runs
            yield Bar(f"live: {kind}", wrong, "<=", ALPHA + 2 * standard_error(ALPHA, runs), line)


@contextmanager
def _hogs(count: int) -> Iterator[None]:
    """So many processes that burn a core each."""
    with ExitStack() as stack:
        for _ in range(count):
            hog = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(hog.kill)
        yield


def _word(finding: Finding) -> str:
    return finding.code if finding.verdict is Verdict.INCONCLUSIVE else finding.verdict


def _pair(times: float, *, seed: int) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    law = {"sigma": SIGMA}
    with (
        server(mu=math.log(MEDIAN_MS * times), seed=2 * seed + 1, **law) as one,
        server(mu=math.log(MEDIAN_MS), seed=2 * seed + 2, **law) as other,
    ):
        order = np.random.default_rng(seed)
        drives: dict[str, list[Drive]] = {one.url: [], other.url: []}
        for block in range(BLOCKS):
            for url in order.permutation(list(drives)).tolist():
                drives[url].append(_drive(url, seed=block))
    return tuple(tuple(drive.latency_ms for drive in some) for some in drives.values())  # type: ignore[return-value]


def _median() -> float:
    """Of the faster server, end to end, in milliseconds."""
    with server(mu=math.log(MEDIAN_MS), sigma=SIGMA, seed=1) as one:
        return float(np.median(np.concatenate([_drive(one.url, seed=block).latency_ms for block in range(BLOCKS)])))


def _drive(url: str, *, seed: int) -> Drive:
    plan = LoadPlan(requests=REQUESTS // BLOCKS, seed=seed, warmup=10)
    return drive_http(plan, url=url, headers={}, bodies=[b"{}"], timeout_s=10.0)


def _findings(candidate: Sequence[np.ndarray], champion: Sequence[np.ndarray], *, seed: int) -> tuple[Finding, ...]:
    timed = BlockLatencies(tuple(candidate), tuple(champion))
    estimates = [estimate_latency(name, line, timed, seed=seed) for name, line in LINES]
    return judge("latency", LINES, estimates, Latency.subjects)

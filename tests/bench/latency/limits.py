"""L1 and L2: a percentile against a number, where the truth is the number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.decisions.asking import drawing
from bench.decisions.bars import ALPHA, Bar, standard_error
from helpers.percentiles import quantile_p_values
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.latency.percentile_estimates import BlockLatencies, estimate_latency
from lockgate.evaluation.latency.request_limits import PERCENTILES, least_requests
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.finding import Verdict
from lockgate.gates.latency import Latency
from lockgate.models.load_spec import BLOCKS

from . import SURE
from .laws import LAWS

HEADER = """L1, L2  pXX_ms <= the true percentile, 20 blocks. passed, failed: both are wrong one time in twenty at most.
    naive: the exact test of independent requests, which takes no notice of bursts.
 law              subject  requests  sims  passed failed | naive passed failed"""


@dataclass(frozen=True)
class LimitCell:
    law: str
    subject: str
    requests: int
    sims: int

    @property
    def name(self) -> str:
        return f"{self.law}, {self.subject}, {self.requests:,} requests"

    def run(self) -> LimitRow:
        draw = drawing("limits", self.name)
        truth = LAWS[self.law].quantile(PERCENTILES[self.subject])
        asked = [("r1", parse(f"{self.subject} <= {truth!r}"))]
        verdicts = dict.fromkeys(Verdict, 0)
        naive = np.zeros(2)
        for seed in range(self.sims):
            times = LAWS[self.law].draw(draw, self.requests)
            timed = BlockLatencies(tuple(np.array_split(times, BLOCKS)), None)
            found = judge("latency", asked, [estimate_latency(*asked[0], timed, seed=seed)], Latency.subjects)
            verdicts[found[0].verdict] += 1
            naive += np.array(quantile_p_values(times, PERCENTILES[self.subject], truth)) <= ALPHA
        rates = {verdict: count / self.sims for verdict, count in verdicts.items()}
        return LimitRow(self, rates[Verdict.PASS], rates[Verdict.FAIL], *(naive / self.sims))


@dataclass(frozen=True)
class LimitRow:
    cell: LimitCell
    passed: float
    failed: float
    naive_passed: float
    naive_failed: float

    def __str__(self) -> str:
        cell = self.cell
        return (
            f" {cell.law:<16} {cell.subject:<8}{cell.requests:>9,}{cell.sims:>6,}   {self.passed:.3f}  {self.failed:.3f}"
            f" |        {self.naive_passed:.3f}  {self.naive_failed:.3f}"
        )

    @property
    def bars(self) -> tuple[Bar, ...]:
        limit = ALPHA + SURE * standard_error(ALPHA, self.cell.sims)
        return tuple(
            Bar(f"L1, L2: {word} at the true percentile", found, "<=", limit, self.cell.name)
            for word, found in (("passed", self.passed), ("failed", self.failed))
        )


def grid(sims: int) -> list[LimitCell]:
    return [
        LimitCell(law, subject, requests, sims)
        for law in ("log-normal 0.3", "2 % slow mode", "bursts", *(law for law in LAWS if law.startswith("auto")))
        for subject in ("p50_ms", "p95_ms", "p99_ms")
        for requests in ((400, 1_000, 3_000) if law in ("log-normal 0.3", "2 % slow mode") else (3_000, 10_000))
        if requests >= (least_requests(parse(f"{subject} <= 1")) or 0)
    ]

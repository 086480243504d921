"""L5 and L6: stalls so rare that a run may see none of them, against a number and beside a champion without any."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from bench.decisions.asking import drawing
from bench.decisions.bars import ALPHA, Bar, standard_error
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.latency.percentile_estimates import BlockLatencies, estimate_latency
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.finding import Finding
from lockgate.gates.latency import Latency
from lockgate.models.load_spec import BLOCKS

from . import SURE
from .laws import MEDIAN_MS, STALL_SIGMA, RareStalls

NUMBER, RATIO = "p99_ms <= 100", "p99_ms <= champion * 1.5"
ENOUGH = 0.9

HEADER = """L5, L6  1.11 % of requests take 200 ms instead of 10, some in a row. The p99 is 200 ms, that of the calm champion 16 ms: every pass
    is wrong. vouched: a pass whose sentence vouches for stalls of that length. equal: both models stall. calm: neither does.
 line                        stalls                          requests  load.stall   sims  passed vouched | equal: failed | calm: passed"""


@dataclass(frozen=True)
class RareCell:
    line: str
    law: RareStalls
    requests: int
    stall: int | None
    sims: int

    @property
    def name(self) -> str:
        return f"{self.line}, {self.law.name}, {self.requests:,} requests, load.stall {self.stall}"

    def run(self) -> RareRow:
        draw = drawing("rare stalls", self.name)
        counts: dict[str, Counter[str]] = {"slower": Counter(), "equal": Counter(), "calm": Counter()}
        few = max(2, self.sims // 2)
        for models, some in counts.items():
            if models == "equal" and self.line == NUMBER:
                continue
            for seed in range(self.sims if models == "slower" else few):
                found = self._finding(draw, models, seed=seed)
                some[found.verdict] += 1
                some["vouched"] += found.verdict == "pass" and found.detail["longest_stall"] >= self.law.length
        slower, equal, calm = counts.values()
        return RareRow(
            self, slower["pass"] / self.sims, slower["vouched"] / self.sims, equal["fail"] / few, calm["pass"] / few
        )

    def _finding(self, draw: np.random.Generator, models: str, *, seed: int) -> Finding:
        candidate = self._calm(draw) if models == "calm" else self.law.draw(draw, self.requests)
        champion = self.law.draw(draw, self.requests) if models == "equal" else self._calm(draw)
        timed = BlockLatencies(
            *(tuple(np.array_split(times, BLOCKS)) for times in (candidate, champion)), stall=self.stall
        )
        lines = [("r1", parse(self.line))]
        return judge("latency", lines, [estimate_latency(*lines[0], timed, seed=seed)], Latency.subjects)[0]

    def _calm(self, draw: np.random.Generator) -> np.ndarray:
        return MEDIAN_MS * np.exp(draw.normal(0, STALL_SIGMA, self.requests))


@dataclass(frozen=True)
class RareRow:
    cell: RareCell
    passed: float
    vouched: float
    equal_failed: float
    calm_passed: float

    def __str__(self) -> str:
        cell = self.cell
        stall = "" if cell.stall is None else f"{cell.stall:,}"
        return (
            f" {cell.line:<27} {cell.law.name:<30}{cell.requests:>10,}{stall:>12}{cell.sims:>7,}   {self.passed:.3f}  {self.vouched:.3f}"
            f"  |     {self.equal_failed:.3f}     |    {self.calm_passed:.3f}"
        )

    @property
    def bars(self) -> tuple[Bar, ...]:
        cell, few = self.cell, max(2, self.cell.sims // 2)
        kind = "L5" if cell.line == NUMBER else "L6"
        bars = [
            Bar(f"{kind}, rare stalls: passed and vouched for", self.vouched, "<=", _most(cell.sims), cell.name),
        ]
        if cell.line == RATIO:
            bars.append(
                Bar(f"{kind}, rare stalls: equal models failed", self.equal_failed, "<=", _most(few), cell.name)
            )
        if cell.stall is not None:
            bars.append(Bar(f"{kind}, rare stalls allowed for: passed", self.passed, "<=", _most(cell.sims), cell.name))
            if cell.requests >= 2 * 299 * cell.stall:
                bars.append(Bar(f"{kind}: calm models passed", self.calm_passed, ">=", ENOUGH, cell.name))
        return tuple(bars)


def _most(sims: int) -> float:
    return ALPHA + SURE * standard_error(ALPHA, sims)


def grid(sims: int) -> list[RareCell]:
    fixed = [
        RareCell(line, RareStalls(length), requests, stall, sims if line == NUMBER else max(2, sims // 4))
        for line in (NUMBER, RATIO)
        for length in (20, 100)
        for requests in (1_000, 3_000, 10_000, 299 * length, 598 * length)
        for stall in (None, length)
    ]
    drawn = [
        RareCell(NUMBER, RareStalls(20, drawn=True), requests, 20, sims) for requests in (3_000, 5_980, 10_000, 30_000)
    ]
    return [*fixed, *drawn]

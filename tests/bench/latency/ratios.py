"""L3: candidate beside champion in interleaved blocks, on a runner that is still and on one that drifts."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.decisions.asking import drawing
from bench.decisions.bars import ALPHA, Bar, standard_error
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.latency.percentile_estimates import BlockLatencies, estimate_latency, statistic
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evidence.finding import Finding
from lockgate.gates.latency import Latency
from lockgate.models.load_spec import BLOCKS

from . import SURE
from .laws import LAWS

LIMIT = 1.1
REQUESTS = 3_000
ENOUGH = 0.95
DRIFT_ALLOWED = 0.08

HEADER = f"""L3  subject <= champion * {LIMIT}, {BLOCKS} pairs of blocks in random order, {REQUESTS:,} requests a model. slower: the candidate's times
    are all {LIMIT} times the champion's, so that every pass is wrong and fails are few; equal; a fifth slower. point: promoted by
    comparing two numbers; in turn: the same, with all of the candidate's blocks after all of the champion's.
                                  |        slower by the limit        |        equal         | a fifth slower
 law              subject runner   sims  passed failed  point in turn | passed failed  noisy | failed passed"""


@dataclass(frozen=True)
class RatioCell:
    law: str
    subject: str
    drifting: bool
    sims: int

    @property
    def name(self) -> str:
        return f"{self.law}, {self.subject}, {'drifting' if self.drifting else 'still'}"

    def run(self) -> RatioRow:
        draw = drawing("ratios", self.name)
        asked = [("r1", parse(f"{self.subject} <= champion * {LIMIT}"))]
        counts: dict[float, Counter[str]] = {}
        for times in (LIMIT, 1.0, 1.2):
            counts[times] = Counter()
            for seed in range(self.sims if times == LIMIT else max(2, self.sims // 2)):
                found = judge(
                    "latency",
                    asked,
                    [estimate_latency(*asked[0], self._timed(draw, times), seed=seed)],
                    Latency.subjects,
                )[0]
                counts[times][_word(found)] += 1
                if times == LIMIT:
                    counts[times]["point"] += bool(
                        found.observed and found.champion and found.observed <= LIMIT * found.champion
                    )
                    counts[times]["in turn"] += self._in_turn(draw, times)
        shares = {
            times: {
                word: count / (self.sims if times == LIMIT else max(2, self.sims // 2)) for word, count in some.items()
            }
            for times, some in counts.items()
        }
        return RatioRow(self, shares)

    def _runner(self, draw: np.random.Generator) -> np.ndarray:
        """What the runner makes of each of 40 blocks in time: it drifts, and has slow phases of a few blocks."""
        if not self.drifting:
            return np.ones(2 * BLOCKS)
        drift = np.linspace(0, draw.normal(0, 0.15), 2 * BLOCKS)
        phase = 0.1 * np.sin(2 * math.pi * (np.arange(2 * BLOCKS) / draw.uniform(6, 20) + draw.random()))
        return np.asarray(np.exp(drift + phase))

    def _timed(self, draw: np.random.Generator, times: float) -> BlockLatencies:
        factors = self._runner(draw).reshape(BLOCKS, 2)
        blocks: dict[str, list[np.ndarray]] = {"candidate": [], "champion": []}
        for pair in factors:
            turn = ["candidate", "champion"]
            draw.shuffle(turn)
            for role, factor in zip(turn, pair, strict=True):
                own = times if role == "candidate" else 1.0
                blocks[role].append(LAWS[self.law].draw(draw, REQUESTS // BLOCKS) * factor * own)
        return BlockLatencies(tuple(blocks["candidate"]), tuple(blocks["champion"]))

    def _in_turn(self, draw: np.random.Generator, times: float) -> bool:
        factors = self._runner(draw)
        champion, candidate = (
            np.concatenate([LAWS[self.law].draw(draw, REQUESTS // BLOCKS) * factor for factor in half])
            for half in (factors[:BLOCKS], factors[BLOCKS:])
        )
        value: Any = statistic(self.subject)
        return bool(value(candidate * times) <= LIMIT * value(champion))


def _word(found: Finding) -> str:
    return "too_noisy" if found.code == "too_noisy" else found.verdict


@dataclass(frozen=True)
class RatioRow:
    cell: RatioCell
    shares: dict[float, dict[str, float]]

    def rate(self, times: float, word: str) -> float:
        return self.shares[times].get(word, 0.0)

    def __str__(self) -> str:
        cell, rate = self.cell, self.rate
        return (
            f" {cell.law:<16} {cell.subject:<7} {'drifts' if cell.drifting else 'still':<7}{cell.sims:>6,}"
            f"   {rate(LIMIT, 'pass'):.3f}  {rate(LIMIT, 'fail'):.3f}  {rate(LIMIT, 'point'):.3f}   {rate(LIMIT, 'in turn'):.3f}"
            f" |  {rate(1.0, 'pass'):.3f}  {rate(1.0, 'fail'):.3f}  {rate(1.0, 'too_noisy'):.3f} |  {rate(1.2, 'fail'):.3f}  {rate(1.2, 'pass'):.3f}"
        )

    @property
    def bars(self) -> tuple[Bar, ...]:
        cell = self.cell
        level = DRIFT_ALLOWED if cell.drifting else ALPHA
        half = max(2, cell.sims // 2)
        kind = "L3, drifting runner" if cell.drifting else "L3"
        bars = [
            Bar(f"{kind}: passed at the limit", self.rate(LIMIT, "pass"), "<=", level + SURE * standard_error(level, cell.sims), cell.name),
            Bar(f"{kind}: equal models failed", self.rate(1.0, "fail"), "<=", ALPHA + SURE * standard_error(ALPHA, half), cell.name),
        ]  # fmt: skip
        if cell.law == "2 % slow mode" and cell.subject == "p99_ms":
            bars.append(Bar("L3, 2 % slow mode: equal models decided", 1 - self._undecided(), "<=", 0.5, cell.name))
        return tuple(bars)

    def _undecided(self) -> float:
        return self.rate(1.0, "inconclusive") + self.rate(1.0, "too_noisy")


def grid(sims: int) -> list[RatioCell]:
    return [
        RatioCell(law, subject, drifting, sims)
        for law in ("log-normal 0.1", "log-normal 0.3", "2 % slow mode")
        for subject in ("p50_ms", "p99_ms", "mean_ms")
        for drifting in (False, True)
    ]

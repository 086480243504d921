"""Percentiles of latency, and the ratio of two models measured in turn.

`confidence` is that of the two-sided interval unless a name says otherwise. A failed request is +inf: slower than any
limit, never dropped. Percentiles are order statistics, so that infinities stay where they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from lockgate.stats.latency_samples import Counted, Exact, Floats, Span, Statistic, Times, pooled, spanned, times
from lockgate.stats.partial_ranks import PartialRanks
from lockgate.stats.validation import check_open_share


@dataclass(frozen=True)
class Ratio:
    """A statistic of the candidate over that of the champion.

    estimate: None where it does not exist (nothing measured, or infinite on both sides), inf where only the candidate's
    is infinite. log_se: standard error of its logarithm, None where infinities leave no bound, and then low and high
    are None. df: degrees of freedom of its t distribution, blocks - 1. slack: how far the logarithm of the estimate may be
    off because values were binned, to either side; log_se, low and high hold it already.
    """

    estimate: float | None
    log_se: float | None
    df: int
    low: float | None
    high: float | None
    slack: float = 0.0

    def p_values(self, limit: float) -> tuple[float, float]:
        """(p_pass, p_fail): how surprising the blocks were if the true ratio were at least, or at most, `limit`.

        Both are 1 where there is no bound: nothing is claimed then.
        """
        if self.estimate is None or self.log_se is None or limit <= 0:
            return 1.0, 1.0
        distance = math.log(self.estimate) - math.log(limit)
        below, above = (self._tail(away + self.slack, self.log_se) for away in (distance, -distance))
        return below, above

    def _tail(self, distance: float, log_se: float) -> float:
        """The p-value of the claim that something lies below zero of which the estimate lies at this distance."""
        if log_se == 0.0:
            return 0.0 if distance < 0 else 1.0
        return float(special.stdtr(self.df, distance / log_se))


@dataclass(frozen=True)
class Percentile:
    """The statistic that gives the p-quantile: the smallest value that at least a share p of them do not exceed."""

    p: float

    def rank(self, count: int) -> int:
        """Which of so many ascending values it is, counted from 1."""
        # 0.55 · 100 is 55.00000000000001 in floats, and must not become the 56th value.
        return max(1, math.ceil(self.p * count - 1e-9))

    def __call__(self, values: Floats | Counted) -> float:
        rank = self.rank(len(values))
        if isinstance(values, Counted):
            return float(values.values[np.searchsorted(np.cumsum(values.counts), rank)])
        return float(np.partition(values, rank - 1)[rank - 1])


def percentile(p: float) -> Percentile:
    """Return the statistic that gives the p-quantile. Raises ValueError where p does not lie between 0 and 1."""
    check_open_share("p", p)
    return Percentile(p)


def mean(values: Floats | Counted) -> float:
    """The statistic that gives the mean, infinite as soon as one value is."""
    return values.total / len(values) if isinstance(values, Counted) else float(np.mean(values))


def pooled_ratio(
    candidate_blocks: Sequence[ArrayLike | Times],
    champion_blocks: Sequence[ArrayLike | Times],
    statistic: Statistic,
    *,
    seed: int,
    splits: int = 200,
    confidence: float = 0.90,
) -> Ratio:
    """The ratio of a statistic of all the candidate's latencies to that of all the champion's.

    Block i of one model was measured beside block i of the other, in random order; twenty pairs or more are meant. The
    standard error comes from dividing the pairs into random halves `splits` times: the two halves' log-ratios differ by
    twice as much as the whole is off. Medians over blocks of per-block percentiles would be wrong where a law has two
    modes, one of them rare; pooled percentiles are not. Of folded blocks every ratio is known between two numbers, and
    each contrast counts with the most that it may be.
    Raises ValueError where the numbers of blocks differ.
    Source: half-sampling as in McCarthy 1969, over blocks as in Kalibera & Jones 2013.
    """
    candidate, champion = _blocks(candidate_blocks), _blocks(champion_blocks)
    if len(candidate) != len(champion):
        raise ValueError(
            f"{len(candidate)} blocks of the candidate cannot be paired with {len(champion)} of the champion"
        )
    df = max(0, len(candidate) - 1)
    least, most = _log_ratios(*([_span(statistic, pooled(blocks))] for blocks in (candidate, champion)))[0]
    if math.isnan(least):
        return Ratio(None, None, df, None, None)
    if math.isinf(least) or math.isinf(most) or df < 1:
        return Ratio(math.exp(most), None, df, None, None)
    whole, slack = (least + most) / 2, (most - least) / 2

    halves = [part for both in _halves(len(candidate), seed=seed, splits=splits) for part in both]
    ratios = _log_ratios(_spans(candidate, halves, statistic), _spans(champion, halves, statistic))
    contrasts = np.array([_apart(half, rest) for half, rest in zip(ratios[::2], ratios[1::2], strict=True)])
    if not np.isfinite(contrasts).all():
        return Ratio(math.exp(whole), None, df, None, None, slack)
    half, rest = len(candidate) // 2, len(candidate) - len(candidate) // 2
    shrink = math.sqrt(1 / len(candidate) / (1 / half + 1 / rest))  # a half where the halves are equal
    # About zero, not about their mean: that two halves differ by nothing on average is known.
    log_se = float(np.sqrt(np.mean(contrasts**2))) * shrink
    reach = float(special.stdtrit(df, (1 + confidence) / 2)) * log_se + slack
    return Ratio(math.exp(whole), log_se, df, math.exp(whole - reach), math.exp(whole + reach), slack)


def aa_noise(
    champion_blocks: Sequence[ArrayLike | Times],
    statistic: Statistic,
    *,
    seed: int,
    splits: int = 200,
    share: float = 0.95,
) -> float | None:
    """By which factor the champion differs from itself: 1.07 says that two halves of its blocks lie within 7 %.

    The blocks are divided into random halves `splits` times; a `share` of these pairs differ by the factor or less.
    None below two blocks, and where failures make a half infinite.
    """
    blocks = _blocks(champion_blocks)
    if len(blocks) < 2:
        return None
    halves = [part for both in _halves(len(blocks), seed=seed, splits=splits) for part in both]
    spans = _spans(blocks, halves, statistic)
    apart = np.array([_apart((0.0, 0.0), ratio) for ratio in _log_ratios(spans[::2], spans[1::2])])
    return math.exp(percentile(share)(apart)) if np.isfinite(apart).all() else None


def _halves(count: int, *, seed: int, splits: int) -> list[tuple[list[int], list[int]]]:
    draw = np.random.default_rng(seed)
    orders = [draw.permutation(count).tolist() for _ in range(splits)]
    return [(order[: count // 2], order[count // 2 :]) for order in orders]


def _spans(blocks: Sequence[Times], parts: Sequence[Sequence[int]], statistic: Statistic) -> list[Span | None]:
    """Between which numbers a statistic of each part lies, a part being some of the blocks."""
    exact = [block.values for block in blocks if isinstance(block, Exact)]
    if not isinstance(statistic, Percentile) or len(exact) < len(blocks):
        return [_span(statistic, pooled([blocks[i] for i in part])) for part in parts]
    ranks = PartialRanks(exact)
    unions = np.zeros((len(parts), len(blocks)), np.bool_)
    rows = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    unions[rows, np.fromiter(chain.from_iterable(parts), np.int64, len(rows))] = True
    counts = unions @ ranks.sizes
    some = np.flatnonzero(counts)
    sizes, which = np.unique(counts[some], return_inverse=True)
    asked = np.array([statistic.rank(size) for size in sizes.tolist()], np.int64)[which]
    spans: list[Span | None] = [None] * len(parts)
    for row, value in zip(some.tolist(), ranks.values(unions[some], asked).tolist(), strict=True):
        spans[row] = value, value
    return spans


def _span(statistic: Statistic, whole: Times) -> Span | None:
    return spanned(statistic, whole) if len(whole) else None


def _log_ratios(tops: Sequence[Span | None], bottoms: Sequence[Span | None]) -> list[Span]:
    """Between which numbers each lies; NaN where there is no ratio: no values, infinite or zero on both sides."""
    with np.errstate(divide="ignore"):
        return [_log_ratio(top, bottom) for top, bottom in zip(tops, bottoms, strict=True)]


def _log_ratio(top: Span | None, bottom: Span | None) -> Span:
    if top is None or bottom is None or (top == bottom and (math.isinf(top[0]) or top[1] == 0)):
        return math.nan, math.nan
    # The least ratio has the candidate at its lower edges and the champion at its upper ones.
    return float(np.log(top[0]) - np.log(bottom[1])), float(np.log(top[1]) - np.log(bottom[0]))


def _apart(first: Span, second: Span) -> float:
    """The most that two numbers may differ."""
    return max(abs(first[1] - second[0]), abs(first[0] - second[1]))


def _blocks(blocks: Sequence[ArrayLike | Times]) -> list[Times]:
    return [times(block) for block in blocks]

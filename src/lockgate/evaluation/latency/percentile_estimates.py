"""Estimates of percentiles and means of latency: of one model, or the ratio of two.

They are judged as estimates from scored rows are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate, absolute_limit
from lockgate.evaluation.latency.order_statistics import RatioFloor, counted_as_one, limit_test, quantile_ends
from lockgate.evaluation.latency.request_limits import PERCENTILES
from lockgate.evaluation.latency.unseen_stalls import stall_detail
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.hashing import number
from lockgate.stats.influence import Spread, bound, design_effect, spread_of_blocks
from lockgate.stats.latency import Percentile, aa_noise, mean, percentile, pooled_ratio
from lockgate.stats.latency_samples import Statistic, Times, pooled, resemblance, spanned, times
from lockgate.stats.stationarity import mann_kendall

Blocks = Sequence[ArrayLike | Times]

RATIO = "pooled ratio, half-sampled blocks, t"
UNSTEADY = 0.001  # the p-value of a trend from block to block below which nothing is decided


@dataclass(frozen=True)
class BlockLatencies:
    """Latencies of one batch size in milliseconds, a block at a time; a failed request is infinite.

    candidate, champion: blocks of (n,) float, or folded; block i of one was measured beside block i of the other.
    seconds, champion_s: how long each block took, for rates. pairs: (how many requests both models got, of which only
    the candidate failed, of which only the champion), of each block, for the comparison of errors. stall: requests in a row
    that are allowed for as one stall, None where the pipeline names none.
    """

    candidate: Blocks
    champion: Blocks | None
    seconds: Sequence[float] = ()
    champion_s: Sequence[float] = ()
    pairs: Sequence[tuple[int, int, int]] = ()
    stall: int | None = None

    @property
    def requests(self) -> int:
        return sum(len(block) for block in as_times(self.candidate))


def as_times(blocks: Blocks) -> list[Times]:
    """Convert blocks of latencies; arrays become exact ones."""
    return [times(block) for block in blocks]


def estimate_latency(name: str, requirement: Requirement, timed: BlockLatencies, *, seed: int) -> Estimate:
    """Estimate one requirement such as `p99_ms <= champion * 1.1` or `p99_ms <= 20`."""
    value = statistic(requirement.subject)
    candidate = spanned(value, pooled(as_times(timed.candidate)))[1]
    blank = replace(
        blank_estimate(name, requirement, timed),
        candidate=_finite(candidate),
        limit=absolute_limit(requirement, None),
    )
    if requirement.limit.relative:
        assert timed.champion is not None  # noqa: S101  # a relative requirement is evaluated only with a champion
        return estimate_ratio(blank, requirement, timed.candidate, timed.champion, value, stall=timed.stall, seed=seed)
    return _absolute(blank, requirement, timed, candidate)


def blank_estimate(name: str, requirement: Requirement, timed: BlockLatencies) -> Estimate:
    """Return the estimate of a requirement on timed requests, still without a value."""
    limit = requirement.limit
    by_factor = limit.relative and limit.sign == "*"
    return Estimate(
        requirement=name,
        slice=(),
        rows=timed.requests,
        positives=None,
        required=(requirement.op, limit.margin if limit.relative and not by_factor else limit.value),
        on="ratio" if by_factor else "difference" if limit.relative else "value",
        method="none",
        counted_in="requests",
    )


def without_value(estimate: Estimate, problem: tuple[str, str]) -> Estimate:
    """Return the estimate of the same requirement without a value. problem: (code, reason)."""
    identity = ("requirement", "slice", "rows", "positives", "required", "on", "counted")
    fields = {name: getattr(estimate, name) for name in identity}
    return Estimate(method="none", problem=problem, counted_in="requests", **fields)


def statistic(subject: str) -> Statistic:
    """Return the function from latencies to the subject's value."""
    return mean if subject == "mean_ms" else percentile(PERCENTILES[subject])


def estimate_ratio(
    blank: Estimate,
    requirement: Requirement,
    candidate: Blocks,
    champion: Blocks,
    value: Statistic,
    *,
    stall: int | None,
    seed: int,
) -> Estimate:
    """Estimate the candidate's statistic over the champion's from pairs of blocks. value: statistic of pooled blocks.

    How blocks differ tells nothing of a stall that did not come: the ratio of two percentiles is shown no nearer to its limit
    than each of them would be by its own order statistics, were the other one known.
    """
    confidence = requirement.confidence or CONFIDENCE
    candidate, champion = as_times(candidate), as_times(champion)
    champion_value = spanned(value, pooled(champion))[1]
    estimate = replace(
        blank,
        candidate=_finite(spanned(value, pooled(candidate))[1]),
        champion=_finite(champion_value),
        limit=absolute_limit(requirement, _finite(champion_value)),
    )
    # an interval of 2c - 1 has the two one-sided bounds of confidence c as its ends
    ratio = pooled_ratio(candidate, champion, value, seed=seed, confidence=2 * confidence - 1)
    if ratio.estimate is None:
        return replace(estimate, problem=("no_answers", "requests of both models failed; there is nothing to compare"))
    if ratio.estimate == math.inf:
        return replace(estimate, problem=("requests_failed", "so many requests failed that it is infinite"))
    limit = requirement.limit.value
    up = requirement.op == ">="
    noise = aa_noise(champion, value, seed=seed)
    detail = {"noise_factor": number(noise), "blocks": len(candidate)}
    estimate = replace(estimate, value=ratio.estimate, se=ratio.log_se, n_eff=float(ratio.df + 1), detail=detail)
    if requirement.claim == "point":
        return replace(estimate, method="point")
    ratios = [math.log(first / second) for first, second in _answered(candidate, champion, value)]
    undecidable = noisy(noise, limit, up=up) or _unsteady(ratios, "the ratio of the two")
    estimate = replace(estimate, low=ratio.low, high=ratio.high, **_undecidable_fields(undecidable))
    (below, above), rows = ratio.p_values(limit), estimate.rows
    if not isinstance(value, Percentile):
        stalls = stall_detail(requirement, rows, stall=stall)
        method = f"{RATIO}, approximate"
    else:
        floor = RatioFloor(candidate, champion, value)
        measured = floor.resemblance(limit)
        effect = max(stall or 1, measured)
        p_values, own = floor.limit_test(limit), below
        floors = p_values(effect)
        below, above = max(below, floors[0]), max(above, floors[1])
        low, high = floor.ends(effect=effect, alpha=1 - confidence)
        stalls = stall_detail(
            requirement,
            rows,
            stall=stall,
            p_pass=lambda length: max(own, p_values(max(length, measured))[0]),
        )
        estimate = replace(estimate, low=_outer(min, ratio.low, low), high=_outer(max, ratio.high, high))
        method = f"{RATIO}; order statistics of each model"
    return replace(
        estimate,
        p_pass=above if up else below,
        p_fail=below if up else above,
        method=method,
        detail={**detail, **stalls},
    )


def _outer(outer: Callable[[float, float], float], first: float | None, second: float | None) -> float | None:
    """The end that lies further out; None where either is unbounded."""
    return None if first is None or second is None else outer(first, second)


def _undecidable_fields(undecidable: tuple[str, str] | None) -> dict[str, Any]:
    """Fields of an estimate for (code, reason) why its requirement is not decided."""
    return {} if undecidable is None else {"few_code": undecidable[0], "too_few": undecidable[1]}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def noisy(noise: float | None, limit: float, *, up: bool) -> tuple[str, str] | None:
    """(code, reason) where the champion differs from itself by more than the limit allows the candidate to."""
    if noise is not None and noise < (1 / limit if up else limit):
        return None
    return "too_noisy", (
        "this runner is too noisy to tell: halves of the champion's own requests differ by a factor of "
        f"{math.inf if noise is None else noise:.3g}, and {limit:g} is the limit"
    )


def _answered(candidate: Sequence[Times], champion: Sequence[Times], value: Statistic) -> list[tuple[float, ...]]:
    """Statistics of both models, for each pair of blocks in which both are positive and finite."""
    pairs = [
        tuple(spanned(value, block)[1] if len(block) else 0.0 for block in pair)
        for pair in zip(candidate, champion, strict=True)
    ]
    return [pair for pair in pairs if all(0 < result < math.inf for result in pair)]


def _unsteady(values: Sequence[float], quantity: str) -> tuple[str, str] | None:
    """(code, reason) where the values, of one block after the other, have a trend."""
    if mann_kendall(values) > UNSTEADY:
        return None
    half = len(values) // 2
    way = "rose" if sum(values[-half:]) > sum(values[:half]) else "fell"
    return (
        "not_steady",
        f"{quantity} was not steady: it {way} all through the run, so that a longer one would give another number",
    )


def _absolute(blank: Estimate, requirement: Requirement, timed: BlockLatencies, candidate: float) -> Estimate:
    """Estimate a percentile by order statistics, or a mean from its blocks; both count how much blocks differ."""
    if not math.isfinite(candidate):
        return replace(blank, problem=("requests_failed", "so many requests failed that it is infinite"))
    if requirement.claim == "point":
        return replace(blank, value=candidate, method="point")
    blocks = as_times(timed.candidate)
    # the median of a block is steadier than the percentile that is required, so a trend shows in it first
    medians = [spanned(percentile(0.5), block)[1] for block in blocks if len(block)]
    steady = _undecidable_fields(_unsteady(medians, "the model's own median"))
    if requirement.subject == "mean_ms":
        sizes = np.array([len(block) for block in blocks], np.float64)
        error = spread_of_blocks(np.array([block.total for block in blocks]), sizes)
        estimate = replace(blank, value=candidate, detail=stall_detail(requirement, blank.rows, stall=timed.stall))
        return bound_by_blocks(estimate, requirement, error, blocks=len(blocks), quantity="mean", **steady)
    return replace(_percentile(blank, requirement, blocks, candidate, stall=timed.stall), **steady)


def bound_by_blocks(
    estimate: Estimate, requirement: Requirement, error: Spread, *, blocks: int, quantity: str, **fields: Any
) -> Estimate:
    """Bound the estimate's value by t, with the standard error that blocks have; fields: added where that is possible."""
    if estimate.value is None or error.n_eff <= 1:
        few = f"{blocks} blocks do not differ enough to say how far the {quantity} may be off"
        return replace(estimate, p_pass=1.0, p_fail=1.0, too_few=few)
    confidence = requirement.confidence or CONFIDENCE
    low, high, above, below = bound(estimate.value, error, null=requirement.limit.value, confidence=confidence)
    up = requirement.op == ">="
    return replace(
        estimate,
        low=low,
        high=high,
        interval=(low, high),
        p_pass=above if up else below,
        p_fail=below if up else above,
        se=error.se,
        n_eff=error.n_eff,
        method="t by block, approximate",
        **fields,
    )


def _percentile(
    blank: Estimate, requirement: Requirement, blocks: Sequence[Times], candidate: float, *, stall: int | None
) -> Estimate:
    p = PERCENTILES[requirement.subject]
    whole, limit = pooled(blocks), requirement.limit.value
    # Requests count as fewer by how blocks differ, by how neighbours resemble each other, or by the stalls that are allowed
    # for: whichever is most. Above the limit a few that came together are not lost among all above the percentile.
    followed = [resemblance(blocks, share=p, threshold=threshold) for threshold in (candidate, limit)]
    repeats = max(each.time for each in followed)
    measured = max(
        1.0,
        *map(counted_as_one, followed),
        *(_between(blocks, threshold) for threshold in (candidate, limit)),
    )
    effect = max(stall or 1, measured)
    low, high = quantile_ends(whole, p, effect=effect, alpha=1 - (requirement.confidence or CONFIDENCE))
    p_values = limit_test(whole, p, limit)
    p_pass, p_fail = p_values(effect)
    stalls = stall_detail(
        requirement,
        len(whole),
        stall=stall,
        p_pass=lambda length: p_values(max(length, measured))[0],
    )
    return replace(
        blank,
        value=candidate,
        low=low,
        high=high,
        interval=(low, high),
        p_pass=p_pass,
        p_fail=p_fail,
        n_eff=len(whole) / effect,
        method="order statistics, fewer by how much requests resemble each other",
        detail={
            "design_effect": number(effect),
            "autocorrelation_time": number(repeats),
            "blocks": len(blocks),
            **stalls,
        },
    )


def _between(blocks: Sequence[Times], threshold: float) -> float:
    """How many requests count as one, by how blocks differ in those above the threshold."""
    over, sizes = np.array([(block.over(threshold)[1], len(block)) for block in blocks], np.float64).T
    return design_effect(over, sizes, over)

"""Estimates of rates from timed requests: answers a second, and the share of requests that failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate, absolute_limit
from lockgate.evaluation.latency.percentile_estimates import (
    BlockLatencies,
    as_times,
    blank_estimate,
    bound_by_blocks,
    estimate_ratio,
)
from lockgate.evaluation.latency.unseen_stalls import stall_detail
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.comparison import TANGO, Comparison
from lockgate.evaluation.uncertainty.metric_value import Rare
from lockgate.evaluation.uncertainty.rare_units import floored
from lockgate.hashing import number
from lockgate.stats.influence import design_effect, spread
from lockgate.stats.latency_samples import Times
from lockgate.stats.proportions import binomial_at_least, binomial_at_most, korn_graubard, tango_interval, tango_p

RATES = ("throughput_rps", "error_rate")


def estimate_rate(name: str, requirement: Requirement, timed: BlockLatencies, *, seed: int) -> Estimate:
    """Estimate one requirement such as `error_rate <= 0.1%` or `throughput_rps >= champion * 0.9`."""
    method = "point" if requirement.claim == "point" else "none"
    blank = replace(blank_estimate(name, requirement, timed), method=method)
    if requirement.subject == "throughput_rps":
        return _throughput(blank, requirement, timed, seed=seed)
    return _errors(blank, requirement, timed)


def _throughput(blank: Estimate, requirement: Requirement, timed: BlockLatencies, *, seed: int) -> Estimate:
    """Estimate answers over seconds, of all blocks together; the standard error comes from how blocks differ."""
    candidate = _answered(as_times(timed.candidate), timed.seconds)
    champion = _answered(as_times(timed.champion or ()), timed.champion_s)
    value = _per_second(np.concatenate(candidate))
    if requirement.limit.relative:
        return estimate_ratio(blank, requirement, candidate, champion, _per_second, stall=timed.stall, seed=seed)
    estimate = replace(blank, candidate=value, value=value, limit=absolute_limit(requirement, None))
    if requirement.claim == "point":
        return estimate
    table = np.concatenate(candidate)
    # the influence of each block on a ratio of two sums (delta method)
    error = spread((table[:, 0] - value * table[:, 1]) / table[:, 1].mean())
    blocks = len(table)
    detail = {"blocks": blocks, **stall_detail(requirement, timed.requests, stall=timed.stall)}
    return bound_by_blocks(estimate, requirement, error, blocks=blocks, quantity="throughput", detail=detail)


def _answered(blocks: Sequence[Times], seconds: Sequence[float]) -> list[NDArray[np.float64]]:
    """(1, 2) requests answered and seconds taken, for each block."""
    return [np.array([[float(len(block) - block.failed), taken]]) for block, taken in zip(blocks, seconds, strict=True)]


def _per_second(table: NDArray[np.float64]) -> float:
    answered, seconds = table.sum(axis=0)
    return float(answered / seconds) if seconds > 0 else 0.0


def _errors(blank: Estimate, requirement: Requirement, timed: BlockLatencies) -> Estimate:
    """Estimate the share of failed requests: by the binomial law, or compared with the champion's on paired requests."""
    blocks = as_times(timed.candidate)
    rate = _share(blocks)
    if not requirement.limit.relative:
        estimate = replace(blank, candidate=rate, value=rate, limit=absolute_limit(requirement, None))
        return estimate if requirement.claim == "point" else _binomial(estimate, requirement, blocks, stall=timed.stall)
    champion = _share(as_times(timed.champion or ()))
    estimate = replace(blank, candidate=rate, champion=champion, limit=absolute_limit(requirement, champion))
    if requirement.claim == "point":
        return replace(estimate, value=rate - champion)
    return _paired(estimate, requirement, timed.pairs, stall=timed.stall)


def _share(blocks: Sequence[Times]) -> float:
    total = sum(len(block) for block in blocks)
    return sum(block.failed for block in blocks) / total if total else 0.0


def _binomial(estimate: Estimate, requirement: Requirement, blocks: Sequence[Times], *, stall: int | None) -> Estimate:
    """Bound a share by Clopper and Pearson's interval; failures that come together make requests count as fewer."""
    failed, sizes = np.array([(block.failed, len(block)) for block in blocks], np.float64).T
    measured = design_effect(failed, sizes, failed)
    total, failures, limit = float(sizes.sum()), float(failed.sum()), requirement.limit.value
    effect = max(stall or 1, measured)
    n, k = total / effect, failures / effect

    def p_pass(length: float) -> float:
        most = max(length, measured)
        return binomial_at_most(failures / most, total / most, limit)

    interval = korn_graubard(k, n, confidence=2 * (requirement.confidence or CONFIDENCE) - 1)
    return replace(
        estimate,
        low=interval.low,
        high=interval.high,
        interval=(interval.low, interval.high),
        p_pass=p_pass(effect),
        p_fail=binomial_at_least(k, n, limit),
        n_eff=n,
        method="clopper-pearson",
        detail={
            "failed": int(failures),
            "design_effect": number(effect),
            **stall_detail(requirement, int(total), stall=stall, p_pass=p_pass),
        },
    )


def _paired(
    estimate: Estimate, requirement: Requirement, pairs: Sequence[tuple[int, int, int]], *, stall: int | None
) -> Estimate:
    """Compare two shares by Tango's score test: request i of a block has the same rows and due time for both models."""
    sizes, candidate, champion = np.array(pairs, np.float64).T
    measured = design_effect(candidate - champion, sizes, candidate + champion)
    effect = max(stall or 1, measured)
    total, only, spared = (float(column.sum()) for column in (sizes, candidate, champion))
    margin, confidence = estimate.required[1], requirement.confidence or CONFIDENCE

    def compared(length: float) -> Comparison:
        most = max(length, measured)
        n, b, c = total / most, only / most, spared / most
        interval = tango_interval(b, c, n, confidence=2 * confidence - 1)
        more, fewer = tango_p(b, c, n, margin)
        score = Comparison(interval.value, interval.low, interval.high, more, fewer, None, n, TANGO)
        # pairs of which only the one model fails, or only the other, and of which none came
        rare = Rare(n, 1 + max(interval.value, 0.0)), Rare(n, 1 + max(-interval.value, 0.0))
        return floored(score, rare, null=margin, confidence=confidence)

    comparison = compared(effect)
    stalls = stall_detail(requirement, int(total), stall=stall, p_pass=lambda length: compared(length).p_below)
    return replace(
        estimate,
        value=(only - spared) / total,
        low=comparison.low,
        high=comparison.high,
        p_pass=comparison.p_below,
        p_fail=comparison.p_above,
        n_eff=comparison.n_eff,
        method=comparison.method,
        detail={"only_candidate": int(only), "only_champion": int(spared), "design_effect": number(effect), **stalls},
    )


def failed_pairs(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[int, int, int]:
    """Count (pairs, only the first failed, only the second) of one block, whose request i is the same for both models.

    A closed loop that ends by time sends more to the faster model; what is beyond the shorter is no pair.
    """
    first, second = first[: len(second)], second[: len(first)]
    return len(first), int((first & ~second).sum()), int((second & ~first).sum())

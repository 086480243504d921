"""What timed requests say about each requirement on latency: percentiles and means, one model's or the ratio of two.

A second road into `judge`: the estimates of the same kind as those from scored rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lockgate.digest import number
from lockgate.estimate import CONFIDENCE, Estimate, absolute_limit
from lockgate.requirement import Requirement
from lockgate.timing_limits import PERCENTILES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Blocks = Sequence[NDArray[np.float64]]


@dataclass(frozen=True)
class Timed:
    """Latencies of one batch size in milliseconds, a block at a time; a failed request is infinite.

    candidate, champion: blocks of (n,) float; block i of one was measured beside block i of the other.
    """

    candidate: Blocks
    champion: Blocks | None

    @property
    def requests(self) -> int:
        return sum(len(block) for block in self.candidate)


def estimate_latency(name: str, requirement: Requirement, timed: Timed, *, seed: int) -> Estimate:
    """The estimate of one line such as `p99_ms <= champion * 1.1` or `p99_ms <= 20`."""
    import numpy as np

    value = statistic(requirement.subject)
    candidate = value(np.concatenate(timed.candidate))
    limit = requirement.limit
    blank = Estimate(
        requirement=name,
        slice=(),
        rows=timed.requests,
        positives=None,
        required=(requirement.op, limit.value),
        on="ratio" if limit.relative else "value",
        method="none",
        candidate=candidate if math.isfinite(candidate) else None,
        limit=absolute_limit(requirement, None),
    )
    if limit.relative:
        return _ratio(blank, requirement, timed, seed=seed)
    return _absolute(blank, requirement, timed, candidate)


def statistic(subject: str) -> Callable[[NDArray[np.float64]], float]:
    """The function from latencies to the subject's value."""
    from lockgate.stats.latency import mean, percentile

    return mean if subject == "mean_ms" else percentile(PERCENTILES[subject])


def _ratio(blank: Estimate, requirement: Requirement, timed: Timed, *, seed: int) -> Estimate:
    import numpy as np

    from lockgate.stats.latency import aa_noise, pooled_ratio

    confidence = requirement.confidence or CONFIDENCE
    value = statistic(requirement.subject)
    assert timed.champion is not None  # noqa: S101  # relative lines are asked only beside a champion
    champion = value(np.concatenate(timed.champion))
    known = replace(
        blank,
        champion=champion if math.isfinite(champion) else None,
        limit=absolute_limit(requirement, champion if math.isfinite(champion) else None),
    )
    ratio = pooled_ratio(timed.candidate, timed.champion, value, seed=seed, confidence=2 * confidence - 1)
    if ratio.estimate is None:
        return replace(known, problem=("no_answers", "requests of both models failed; there is nothing to compare"))
    if ratio.estimate == math.inf:
        return replace(known, problem=("requests_failed", "so many requests failed that it is infinite"))
    p_pass, p_fail = ratio.p_values(requirement.limit.value)
    noise = aa_noise(timed.champion, value, seed=seed)
    too_noisy = None
    if requirement.claim != "point" and (noise is None or noise >= requirement.limit.value):
        too_noisy = (
            "this runner is too noisy to tell: halves of the champion's own requests differ by a factor of "
            f"{math.inf if noise is None else noise:.3g}, and {requirement.limit.value:g} is the limit"
        )
    point = requirement.claim == "point"
    return replace(
        known,
        value=ratio.estimate,
        low=None if point else ratio.low,
        high=None if point else ratio.high,
        p_pass=None if point else p_pass,
        p_fail=None if point else p_fail,
        se=ratio.log_se,
        n_eff=float(ratio.df + 1),
        method="point" if point else "pooled ratio, half-sampled blocks, t",
        too_few=too_noisy,
        detail={"noise_factor": number(noise), "blocks": len(timed.candidate)},
    )


def _absolute(blank: Estimate, requirement: Requirement, timed: Timed, candidate: float) -> Estimate:
    """A percentile by order statistics, a mean by its blocks; either knows how much blocks differ."""
    import numpy as np

    from lockgate.stats.influence import bound, spread

    if not math.isfinite(candidate):
        return replace(blank, problem=("requests_failed", "so many requests failed that it is infinite"))
    if requirement.claim == "point":
        return replace(blank, value=candidate, method="point")
    confidence = requirement.confidence or CONFIDENCE
    values = np.concatenate(timed.candidate)
    blocks = np.repeat(np.arange(len(timed.candidate)), [len(block) for block in timed.candidate])
    null = requirement.limit.value
    if requirement.subject == "mean_ms":
        error = spread(values - candidate, clusters=blocks)
        if error.n_eff <= 1:
            few = f"{len(timed.candidate)} blocks do not differ enough to say how far the mean may be off"
            return replace(blank, value=candidate, p_pass=1.0, p_fail=1.0, method="none", too_few=few)
        bounds = bound(candidate, error, null=null, confidence=confidence)
        return replace(
            blank,
            value=candidate,
            low=bounds.low,
            high=bounds.high,
            interval=(bounds.low, bounds.high),
            p_pass=bounds.p_below,
            p_fail=bounds.p_above,
            se=error.se,
            n_eff=error.n_eff,
            method="t by block",
        )
    p = PERCENTILES[requirement.subject]
    over = (values > candidate).astype(np.float64)
    effect = max(1.0, spread(over - over.mean(), clusters=blocks).design_effect or 1.0)
    p_values = _quantile_test(values, p, effect=effect)
    low, high = _ends(np.unique(values[np.isfinite(values)]), p_values, alpha=1 - confidence)
    p_pass, p_fail = p_values(null)
    return replace(
        blank,
        value=candidate,
        low=low,
        high=high,
        interval=(low, high),
        p_pass=p_pass,
        p_fail=p_fail,
        n_eff=len(values) / effect,
        method="order statistics, fewer by the design effect of blocks",
        detail={"design_effect": number(effect), "blocks": len(timed.candidate)},
    )


def _quantile_test(values: NDArray[np.float64], p: float, *, effect: float) -> Callable[[float], tuple[float, float]]:
    """limit → (p_pass, p_fail) of `p-quantile <= limit`, exact for independent values, whose effect is 1.

    Requests that lie close together in time resemble each other; they then count as fewer, by `effect`.
    """
    import numpy as np
    from scipy import special

    def p_values(limit: float) -> tuple[float, float]:
        n, over = len(values) / effect, int(np.count_nonzero(values > limit)) / effect
        p_pass = float(special.betaincc(over + 1, n - over, 1 - p)) if over < n else 1.0
        p_fail = float(special.betainc(over, n - over + 1, 1 - p)) if over else 1.0
        return p_pass, p_fail

    return p_values


def _ends(
    values: NDArray[np.float64], p_values: Callable[[float], tuple[float, float]], *, alpha: float
) -> tuple[float | None, float | None]:
    """The measured values between which the tests leave the percentile; None where no value is an end.

    values: sorted, each once. A limit at the upper end, or above, is met; one below the lower end is violated.
    """
    from bisect import bisect_left

    met = bisect_left(range(len(values)), x=True, key=lambda place: p_values(float(values[place]))[0] <= alpha)
    kept = bisect_left(range(len(values)), x=True, key=lambda place: p_values(float(values[place]))[1] > alpha)
    return (float(values[kept]) if 0 < kept < len(values) else None), (
        float(values[met]) if met < len(values) else None
    )

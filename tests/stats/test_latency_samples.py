"""Latencies in bins say what the latencies themselves say, to within a bin, and never more than they do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.percentiles import autocorrelation_time
from lockgate.evaluation.latency.order_statistics import quantile_test
from lockgate.stats.latency import aa_noise, mean, percentile, pooled_ratio
from lockgate.stats.latency_samples import LAGS, WIDTH, Exact, pooled, resemblance, spanned, times

MILLISECONDS = st.floats(1e-5, 1e7) | st.just(math.inf) | st.sampled_from([0.0, 1.0, 2.0, 10.0])
SHARES = (0.5, 0.99)


def blocks(seed: int, *, count: int = 20, size: int = 150, sigma: float = 0.3, failing: float = 0.0) -> list[Exact]:
    draw = np.random.default_rng(seed)
    values = 10 * np.exp(draw.normal(0, sigma, (count, size)) + draw.normal(0, 0.02, (count, 1)))
    return [Exact(np.where(draw.random(size) < failing, math.inf, one)) for one in values]


def both(exact: list[Exact]) -> tuple[list[Exact], list[Any]]:
    return exact, [block.folded(SHARES) for block in exact]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(MILLISECONDS, min_size=1, max_size=30), min_size=1, max_size=5), st.floats(0.01, 0.99))
def test_every_percentile_lies_within_its_bin(drawn: list[list[float]], p: float) -> None:
    """Whose edges are half a permille apart; failures are counted, and infinite; the mean is exact."""
    exact = [Exact(np.array(some)) for some in drawn]
    whole, folded = pooled(exact), pooled([block.folded() for block in exact])
    [value, _], [low, high] = (spanned(percentile(p), one) for one in (whole, folded))

    assert low <= value <= high
    assert high == value if math.isinf(value) else high <= max(low * (1 + WIDTH), 1e-6)
    assert (len(folded), folded.failed) == (len(whole), whole.failed)
    assert spanned(mean, folded) == pytest.approx(spanned(mean, whole))


@settings(max_examples=200, deadline=None)
@given(st.lists(MILLISECONDS, min_size=1, max_size=60), MILLISECONDS, st.booleans())
def test_what_exceeds_a_limit_is_known_from_both_sides(drawn: list[float], limit: float, among: bool) -> None:
    """So many surely do, so many possibly, and the true number lies between, also for a limit at one of the values."""
    limit = drawn[0] if among else limit
    exact = Exact(np.array(drawn))
    surely, possibly = exact.folded().over(limit)

    assert surely <= exact.over(limit)[0] == exact.over(limit)[1] <= possibly


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 9999),
    p=st.sampled_from([0.5, 0.95, 0.99]),
    limit=st.floats(8, 22),
    effect=st.sampled_from([1, 1.7]),
)
def test_no_limit_is_met_or_violated_that_the_values_leave_open(
    seed: int, p: float, limit: float, effect: float
) -> None:
    """Either p-value is at least that of the values, and the same where no bin holds the limit."""
    exact, folded = (pooled(some) for some in both(blocks(seed, count=4)))
    sure, binned = (quantile_test(one, p, effect=effect) for one in (exact, folded))

    assert all(wide >= tight - 1e-12 for wide, tight in zip(binned(limit), sure(limit), strict=True))
    _, edges, _ = folded.ranked()
    assert binned(float(edges[3])) == pytest.approx(sure(float(edges[3])))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 9999), statistic=st.sampled_from([percentile(0.5), percentile(0.95), mean]), limit=st.sampled_from([0.9, 1.05, 1.2]))  # fmt: skip
def test_no_ratio_is_decided_that_the_values_leave_open(seed: int, statistic: Any, limit: float) -> None:
    """The interval holds that of the values, its p-values are no smaller, the runner is as noisy or more, and all is close."""
    ours, our_bins = both(blocks(seed))
    theirs, their_bins = both(blocks(seed + 10_000))
    tight = pooled_ratio(ours, theirs, statistic, seed=1, splits=50)
    wide = pooled_ratio(our_bins, their_bins, statistic, seed=1, splits=50)

    assert wide.low is not None
    assert wide.high is not None
    assert wide.log_se is not None
    assert tight.log_se is not None
    assert wide.low <= (tight.low or 0) * (1 + 1e-9)
    assert wide.high >= (tight.high or 0) * (1 - 1e-9)
    assert wide.log_se <= tight.log_se + 3 * WIDTH
    assert wide.estimate == pytest.approx(tight.estimate, rel=2 * WIDTH)
    for mine, his in zip(wide.p_values(limit), tight.p_values(limit), strict=True):
        assert mine >= his - 1e-9 or his > 0.5
    noise, exact_noise = (aa_noise(some, statistic, seed=2, splits=50) for some in (their_bins, theirs))
    assert noise is not None
    assert exact_noise is not None
    assert exact_noise * (1 - 1e-9) <= noise <= exact_noise * (1 + 3 * WIDTH)


def test_failures_leave_no_bound_in_bins_either() -> None:
    """Two in a hundred fail: there is no p99 of the candidate, and one of the champion."""
    _, failing = both(blocks(1, failing=0.02))
    _, steady = both(blocks(2))
    ratio = pooled_ratio(failing, steady, percentile(0.99), seed=0)

    assert (ratio.estimate, ratio.log_se, ratio.p_values(2.0)) == (math.inf, None, (1.0, 1.0))
    assert aa_noise(failing, percentile(0.99), seed=0) is None


@pytest.mark.parametrize("share", SHARES)
def test_requests_that_follow_each_other_are_known_of_bins_too(share: float) -> None:
    """Slow ones come in rows of twenty; about the percentile of each block as about that of all."""
    draw = np.random.default_rng(5)
    exact = [Exact(np.repeat(draw.lognormal(2, 0.3, 500), 20)) for _ in range(10)]
    whole = pooled(exact)
    threshold = spanned(percentile(share), whole)[0]
    found = resemblance([block.folded(SHARES) for block in exact], share=share, threshold=threshold).time

    assert found == pytest.approx(
        autocorrelation_time([np.asarray(block.values > threshold, float) for block in exact]), rel=0.1
    )
    assert found == pytest.approx(20, rel=0.2)


def test_blocks_put_together_resemble_themselves_as_before() -> None:
    """However often blocks were pooled: nothing is assumed of what lies between two, or beyond a thousand requests."""
    folded = [block.folded(SHARES) for block in blocks(3, count=8, size=3000)]
    once = pooled(folded)
    twice = pooled([pooled(folded[:3]), pooled(folded[3:])])

    for one in (once, twice):
        assert resemblance([one], share=0.5, threshold=0).time == resemblance(folded, share=0.5, threshold=0).time
    assert len(once.resemblance[0.5].pairs) == LAGS  # type: ignore[union-attr]


def test_a_block_that_is_no_latency_is_refused() -> None:
    """And one that is already a block is left alone."""
    block = Exact(np.ones(3)).folded()

    assert times(block) is block
    for wrong in ([math.nan], [-1.0]):
        with pytest.raises(ValueError, match="a latency is a time of zero or more"):
            times(wrong)

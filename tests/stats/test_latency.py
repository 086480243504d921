"""Percentiles and their ratio, held against textbooks, published tools and simulation with known truth."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from helpers.percentiles import Bounds, quantile_bounds, quantile_p_values
from helpers.reference import case as case_of
from lockgate.stats.latency import Ratio, aa_noise, mean, percentile, pooled_ratio
from lockgate.stats.reference.textbook import min_n_for_quantile, quantile_ranks

Law = Callable[[np.random.Generator, int], NDArray[np.float64]]


def lognormal(times: float = 1.0) -> Law:
    return lambda draw, n: times * np.exp(draw.normal(0, 0.3, n))


def two_points(draw: np.random.Generator, n: int) -> NDArray[np.float64]:
    """98 of 100 answers take 1 ms, the others 50 ms: the p99 is 50 ms."""
    return np.where(draw.random(n) < 0.98, 1.0, 50.0)


def decisions(candidate: Law, champion: Law, *, limit: float, p: float = 0.99, runs: int = 200) -> tuple[float, float]:
    """The shares of runs that pass and that fail `p99 <= champion * limit` at 5 %, over 20 blocks of 300 requests."""
    passed = failed = 0
    for run in range(runs):
        draw = np.random.default_rng(run)
        ours = [candidate(draw, 300) for _ in range(20)]
        theirs = [champion(draw, 300) for _ in range(20)]
        p_pass, p_fail = pooled_ratio(ours, theirs, percentile(p), seed=run, splits=100).p_values(limit)
        passed += p_pass <= 0.05
        failed += p_fail <= 0.05
    return passed / runs, failed / runs


@pytest.mark.parametrize("case", ["median_ci_n14", "median_ci_n17", "median_ci_n20"])
def test_the_ranks_of_a_median_are_those_of_the_textbook(case: str) -> None:
    """Table A.7: ranks and exact level of the interval of a median."""
    known = case_of(case)
    ranks = quantile_ranks(known["inputs"]["n"], known["inputs"]["p"], confidence=known["inputs"]["level"])

    assert (ranks.low, ranks.high) == (known["expected"]["lo_rank"], known["expected"]["hi_rank"])
    assert ranks.level == pytest.approx(known["expected"]["exact_level"], abs=known["tolerance"])


def test_the_ranks_of_a_p99_of_a_thousand_requests_are_known() -> None:
    """Exact binomial."""
    known = case_of("p99_ranks_n1000")["expected"]
    ranks = quantile_ranks(1000, 0.99)

    assert (ranks.low, ranks.high) == (known["lo_rank"], known["hi_rank"])


@pytest.mark.parametrize("case", ["min_n_p0.99", "min_n_p0.95"])
def test_the_fewest_requests_are_those_of_wilks(case: str) -> None:
    """59 for p95 and 299 for p99, one-sided."""
    known = case_of(case)
    p, expected = known["inputs"]["p"], known["expected"]

    assert min_n_for_quantile(p) == expected["one_sided"]
    assert min_n_for_quantile(p, two_sided=True) == expected["two_sided"]


def test_a_p999_needs_three_thousand_requests() -> None:
    """2,995 for the one-sided bound, 3,688 for the two-sided interval."""
    assert min_n_for_quantile(0.999) == 2995
    assert min_n_for_quantile(0.999, two_sided=True) == 3688


@pytest.mark.parametrize("p", [0.5, 0.9, 0.95, 0.99])
def test_an_upper_bound_exists_from_exactly_the_fewest_requests_on(p: float) -> None:
    """The two functions agree at the boundary."""
    fewest = min_n_for_quantile(p, two_sided=True)

    assert quantile_ranks(fewest, p).high == fewest
    assert quantile_ranks(fewest - 1, p).high is None


def test_the_exact_test_stops_where_loadgen_does() -> None:
    """h(t) under-latency requests beside t over it are the fewest that LoadGen's early stopping accepts."""
    known = case_of("loadgen_hmin")["expected"]
    fewest = {
        "h(0,p99)": (0, 0.99, 0),
        "h(1,p99)+1": (1, 0.99, 1),
        "h(1,p90)+1": (1, 0.9, 1),
        "h(2,p90)": (2, 0.9, 0),
    }
    for name, (over, p, extra) in fewest.items():
        under = known[name] - extra
        enough = quantile_p_values([2.0] * over + [1.0] * under, p, 1.5)[0]
        short = quantile_p_values([2.0] * over + [1.0] * (under - 1), p, 1.5)[0]
        assert enough <= 0.01 < short, name


@given(n=st.integers(1, 3000), p=st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999]))
def test_an_interval_of_ranks_never_covers_less_than_asked(n: int, p: float) -> None:
    """The exact interval is conservative for every n."""
    ranks = quantile_ranks(n, p)

    assert ranks.level >= 0.95 - 1e-12
    assert 1 <= (ranks.low or 1) <= (ranks.high or n) <= n


@given(
    values=st.lists(st.floats(0, 100, allow_nan=False) | st.just(math.inf), min_size=1, max_size=400),
    limit=st.floats(0, 100),
)
def test_a_bound_meets_a_limit_where_the_test_passes_and_nowhere_else(values: list[float], limit: float) -> None:
    """The 90 % interval's upper end and the one-sided 5 % test are the same statement."""
    high = quantile_bounds(values, 0.9, confidence=0.9).high

    assert (quantile_p_values(values, 0.9, limit)[0] <= 0.05) == (high is not None and high <= limit)


def test_nothing_measured_claims_nothing() -> None:
    """Without requests neither side is surprising, and there is no percentile."""
    assert quantile_p_values([], 0.99, 5.0) == (1.0, 1.0)
    assert (quantile_ranks(0, 0.99).low, quantile_ranks(0, 0.99).high) == (None, None)
    assert pooled_ratio([], [], mean, seed=0) == Ratio(None, None, 0, None, None)
    with pytest.raises(ValueError, match="no latencies"):
        quantile_bounds([], 0.99)


def test_a_failed_request_is_slower_than_any_limit() -> None:
    """Twenty failures in a thousand put the p99 beyond every limit; the p50 does not mind."""
    values = [math.inf] * 20 + [1.0] * 980

    assert quantile_p_values(values, 0.99, 1e9)[1] < 0.01
    assert quantile_bounds(values, 0.99) == Bounds(math.inf, math.inf, None)
    assert quantile_bounds(values, 0.5) == Bounds(1.0, 1.0, 1.0)


def test_a_time_that_is_none_is_refused() -> None:
    """NaN and negative times come from a broken clock, not from a model."""
    with pytest.raises(ValueError, match="a latency is a time"):
        quantile_p_values([math.nan], 0.5, 1.0)
    with pytest.raises(ValueError, match="a latency is a time"):
        pooled_ratio([[1.0]], [[-1.0]], mean, seed=0)


def test_an_infinite_ratio_has_no_bound_and_is_no_nan() -> None:
    """Where failures reach the percentile, nothing is claimed about the ratio, on either side."""
    steady = [[1.0, 1.1, 1.2]] * 20
    broken = [[1.0, 1.1, math.inf]] * 20

    assert pooled_ratio(broken, steady, percentile(0.99), seed=0) == Ratio(math.inf, None, 19, None, None)
    assert pooled_ratio(steady, broken, percentile(0.99), seed=0) == Ratio(0.0, None, 19, None, None)
    assert pooled_ratio(broken, broken, percentile(0.99), seed=0) == Ratio(None, None, 19, None, None)
    assert pooled_ratio(broken, steady, percentile(0.99), seed=0).p_values(1.1) == (1.0, 1.0)


def test_one_failure_that_reaches_the_percentile_of_a_half_leaves_no_bound() -> None:
    """The whole has a finite p99, some half has none: the spread is unknown, so nothing is claimed."""
    draw = np.random.default_rng(0)
    theirs = [lognormal()(draw, 100) for _ in range(20)]
    ours = [np.r_[block[:-20], [math.inf] * 20] if i == 0 else block for i, block in enumerate(theirs)]

    ratio = pooled_ratio(ours, theirs, percentile(0.99), seed=0)

    assert ratio.estimate is not None
    assert math.isfinite(ratio.estimate)
    assert (ratio.log_se, ratio.low, ratio.high, ratio.p_values(100.0)) == (None, None, None, (1.0, 1.0))


def test_the_error_of_a_mean_is_that_of_its_blocks() -> None:
    """For a statistic that is linear the half-samples give the textbook's s / sqrt(blocks), for odd numbers too."""
    for count in (20, 21):
        draw = np.random.default_rng(1)
        logs = draw.normal(0, 0.01, count)
        ratio = pooled_ratio([[math.exp(x)] for x in logs], [[1.0]] * count, mean, seed=2, splits=4000)

        assert ratio.log_se == pytest.approx(np.std(logs, ddof=1) / math.sqrt(count), rel=0.05)
        assert ratio.df == count - 1


def test_the_interval_and_the_p_values_are_one_statement() -> None:
    """The upper end of the 90 % interval is the limit at which the one-sided p-value is 5 %."""
    draw = np.random.default_rng(3)
    ratio = pooled_ratio(
        [lognormal(1.05)(draw, 300) for _ in range(20)],
        [lognormal()(draw, 300) for _ in range(20)],
        percentile(0.95),
        seed=0,
    )
    assert ratio.low is not None
    assert ratio.high is not None

    assert ratio.p_values(ratio.high)[0] == pytest.approx(0.05)
    assert ratio.p_values(ratio.low)[1] == pytest.approx(0.05)


def test_the_same_seed_gives_the_same_ratio() -> None:
    """Evidence can be recomputed."""
    draw = np.random.default_rng(4)
    blocks = [lognormal()(draw, 50) for _ in range(20)]

    assert pooled_ratio(blocks, blocks[::-1], mean, seed=7) == pooled_ratio(blocks, blocks[::-1], mean, seed=7)


def test_blocks_that_cannot_be_paired_are_refused() -> None:
    """Block i stands beside block i."""
    with pytest.raises(ValueError, match="1 blocks of the candidate cannot be paired with 2"):
        pooled_ratio([[1.0]], [[1.0], [1.0]], mean, seed=0)


def test_equal_models_pass_a_margin_of_a_tenth() -> None:
    """Twenty blocks of 300 requests decide it nearly always, and never wrongly."""
    passed, failed = decisions(lognormal(), lognormal(), limit=1.10)

    assert passed > 0.95
    assert failed == 0.0


def test_a_model_at_the_limit_passes_and_fails_rarely() -> None:
    """Where the truth is exactly the limit either claim is wrong, and made in about one run of twenty."""
    passed, failed = decisions(lognormal(1.10), lognormal(), limit=1.10)

    assert passed <= 0.09
    assert failed <= 0.09


def test_a_model_with_two_modes_is_as_fast_as_itself() -> None:
    """Medians of per-block percentiles would pass 8 % of such runs; pooled percentiles pass nearly all."""
    passed, failed = decisions(two_points, two_points, limit=1.10)

    assert passed > 0.95
    assert failed == 0.0


def test_the_noise_of_a_steady_machine_is_small_and_that_of_a_moving_one_is_not() -> None:
    """Blocks that drift by a third show up as a factor between halves of the champion itself."""
    draw = np.random.default_rng(5)
    steady = [lognormal()(draw, 300) for _ in range(20)]
    moving = [block * (1 + i / 20) for i, block in enumerate(steady)]

    calm, moved = (aa_noise(blocks, percentile(0.5), seed=0) for blocks in (steady, moving))

    assert calm is not None
    assert moved is not None
    assert 1.0 < calm < 1.05 < moved
    assert aa_noise(steady[:1], mean, seed=0) is None
    assert aa_noise([[math.inf], [1.0]], mean, seed=0) is None

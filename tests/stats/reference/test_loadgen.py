"""Requests that MLPerf's rules ask for."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.percentiles import quantile_p_values
from lockgate.stats import backfilled, loadgen_min_under_limit, min_n_for_quantile, mlperf_queries


@pytest.mark.parametrize(("over", "percentile", "h"), [(0, 0.99, 459), (1, 0.99, 661), (1, 0.9, 63), (2, 0.9, 79)])
def test_early_stopping_is_loadgens(over: int, percentile: float, h: int) -> None:
    """The published numbers: 459 without any over the limit, 662 and 64 in all with one."""
    assert loadgen_min_under_limit(over, percentile=percentile, confidence=0.99) == h


@settings(deadline=None, max_examples=50)
@given(over=st.integers(0, 12), tenths=st.integers(2, 9), percent=st.integers(50, 99))
def test_one_request_fewer_would_not_pass(over: int, tenths: int, percent: int) -> None:
    """In exact fractions: the binomial tail is within the risk at h, and not at h − 1."""
    percentile, confidence = tenths / 10, percent / 100
    share, risk = Fraction(10 - tenths, 10), Fraction(100 - percent, 100)
    h = loadgen_min_under_limit(over, percentile=percentile, confidence=confidence)

    def tail(within: int) -> Fraction:
        n = within + over
        return sum((comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(over + 1)), Fraction(0))

    assert tail(h) <= risk < tail(h - 1)


@given(over=st.integers(0, 300), percentile=st.sampled_from([0.9, 0.97, 0.99]))
def test_the_gates_own_test_passes_from_there_on(over: int, percentile: float) -> None:
    """What LoadGen needs and what the latency gate decides on are one statement."""
    h = loadgen_min_under_limit(over, percentile=percentile, confidence=0.95)
    enough, short = (
        quantile_p_values([2.0] * over + [1.0] * count, percentile, 1.5)[0] if over + count else 1.0
        for count in (h, h - 1)
    )

    assert enough <= 0.05 + 1e-9
    assert short > 0.05 - 1e-9


def test_without_any_over_the_limit_it_is_wilks() -> None:
    """The fewest requests whose slowest bounds the percentile."""
    assert loadgen_min_under_limit(0, percentile=0.99, confidence=0.95) == min_n_for_quantile(0.99) == 299


def test_many_over_the_limit_are_no_trouble() -> None:
    """A million over a p90 takes about nine million within, and a little more."""
    assert 1.0 < loadgen_min_under_limit(10**6, percentile=0.9, confidence=0.99) / 9e6 < 1.004


def test_the_queries_of_mlperfs_table_are_ours() -> None:
    """23,886 for p90, 262,742 for p99."""
    assert [mlperf_queries(share) for share in (0.9, 0.95, 0.99)] == [23886, 50425, 262742]


def test_a_stall_is_filled_in_as_hdrhistogram_does() -> None:
    """100 every 10 stands for ten values; an answer in time for itself alone."""
    assert backfilled(100, interval=10) == tuple(range(100, 0, -10))
    assert backfilled(25, interval=10) == (25, 15)
    assert backfilled(19, interval=10) == (19,)
    assert backfilled(0, interval=10) == (0,)

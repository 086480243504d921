"""Rank tests, held against enumeration."""

from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from lockgate.stats import hodges_lehmann, mann_whitney, wilcoxon_signed_rank

DISTINCT = st.lists(st.integers(1, 100), min_size=2, max_size=9, unique=True)


@settings(deadline=None)
@given(DISTINCT, st.data())
def test_signed_ranks_are_counted_over_all_signs(sizes: list[int], data: st.DataObject) -> None:
    """How many of the 2^n signs give a sum as extreme."""
    signs = data.draw(st.lists(st.sampled_from([-1, 1]), min_size=len(sizes), max_size=len(sizes)))
    found = wilcoxon_signed_rank([size * sign for size, sign in zip(sizes, signs, strict=True)])
    n = len(sizes)
    sums = [sum(rank for rank, sign in enumerate(one, 1) if sign) for one in product([0, 1], repeat=n)]
    tail = float(np.mean([total <= found.statistic for total in sums]))

    assert found.exact
    assert found.p_value == pytest.approx(min(1.0, 2 * tail), abs=1e-12)


@settings(deadline=None)
@given(DISTINCT, st.data())
def test_rank_sums_are_counted_over_all_orders(values: list[int], data: st.DataObject) -> None:
    """How many of the ways to choose the first sample give a U as extreme."""
    n = data.draw(st.integers(1, len(values) - 1))
    x, y = values[:n], values[n:]
    found = mann_whitney(x, y)

    def u(chosen: tuple[int, ...]) -> int:
        return sum(one > other for one in chosen for other in values if other not in chosen)

    every = [u(one) for one in combinations(values, n)]
    smaller = min(found.statistic, n * len(y) - found.statistic)

    assert found.statistic == u(tuple(x))
    assert found.p_value == pytest.approx(min(1.0, 2 * float(np.mean([one <= smaller for one in every]))), abs=1e-12)


def test_ties_take_the_normal_distribution() -> None:
    """By hand, with the variances of Lehmann 1975 for ties, as in R's wilcox.test: 100 values against 100, half of them equal."""
    ties = (90**3 - 90 + 110**3 - 110) / (200 * 199)
    u = (4500 - 5000 + 0.5) / math.sqrt(100 * 100 / 12 * (201 - ties))
    signed = (3.5 - 18) / math.sqrt(8 * 9 * 17 / 24 - (6**3 - 6 + 2**3 - 2) / 48)
    found = mann_whitney([0] * 50 + [1] * 50, [0] * 40 + [1] * 60)

    assert not found.exact
    assert found.statistic == 4500
    assert found.p_value == pytest.approx(2 * float(special.ndtr(u)), abs=1e-12)
    assert wilcoxon_signed_rank([1, 1, -1, 1, 1, 1, 2, 2]).p_value == pytest.approx(
        2 * float(special.ndtr(signed)), abs=1e-12
    )


def test_values_that_are_all_equal_are_no_evidence() -> None:
    """There is no variance then, and p is 1."""
    assert mann_whitney([1, 1], [1, 1, 1]).p_value == 1


@given(DISTINCT, DISTINCT, st.integers(-50, 50))
def test_a_shift_moves_its_interval_along(x: list[int], y: list[int], by: int) -> None:
    """And the interval contains the estimate, wider at more confidence."""
    found, moved = hodges_lehmann(x, y), hodges_lehmann([value + by for value in x], y)
    wide = hodges_lehmann(x, y, confidence=0.99)

    assert (moved.value, moved.low, moved.high) == (found.value + by, found.low + by, found.high + by)
    assert wide.low <= found.low <= found.value <= found.high <= wide.high


def test_large_samples_take_the_normal_ranks() -> None:
    """A shift of 3 is found within its interval."""
    draw = np.random.default_rng(1)
    found = hodges_lehmann(draw.normal(3, 1, 120), draw.normal(0, 1, 90))

    assert found.low < 3 < found.high
    assert found.high - found.low < 0.7

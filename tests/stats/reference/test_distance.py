"""Distances between distributions: what a distance must keep."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.stats import jensen_shannon, psi_under_no_drift, wasserstein

SAMPLE = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20)
BINS = st.lists(st.integers(0, 50), min_size=5, max_size=5).filter(any)


@given(SAMPLE, SAMPLE, SAMPLE)
def test_wasserstein_is_a_distance(a: list[float], b: list[float], c: list[float]) -> None:
    """Zero to itself, the same both ways, and no way round is shorter."""
    assert wasserstein(a, a) == pytest.approx(0, abs=1e-9)
    assert wasserstein(a, b) == pytest.approx(wasserstein(b, a), abs=1e-9)
    assert wasserstein(a, c) <= wasserstein(a, b) + wasserstein(b, c) + 1e-9


@given(SAMPLE, st.floats(-100, 100))
def test_a_shift_is_as_far_as_it_shifts(a: list[float], by: float) -> None:
    """In the units of the values."""
    assert wasserstein(a, [value + by for value in a]) == pytest.approx(abs(by), abs=1e-9)


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=1, max_size=20))
def test_samples_of_one_size_are_matched_in_order(pairs: list[tuple[float, float]]) -> None:
    """The mean gap between the sorted values."""
    a, b = zip(*pairs, strict=True)

    assert wasserstein(a, b) == pytest.approx(float(np.abs(np.sort(a) - np.sort(b)).mean()), abs=1e-9)


@given(st.lists(st.tuples(st.floats(-100, 100), st.integers(1, 4)), min_size=1, max_size=10), SAMPLE)
def test_a_weight_is_a_value_said_that_often(weighted: list[tuple[float, int]], b: list[float]) -> None:
    """Unequal sizes and weights are the same thing."""
    values, weights = zip(*weighted, strict=True)
    repeated = np.repeat(values, weights)

    assert wasserstein(values, b, a_weights=weights) == pytest.approx(wasserstein(repeated, b), abs=1e-9)
    assert wasserstein(b, values, b_weights=weights) == pytest.approx(wasserstein(b, repeated), abs=1e-9)


def test_wasserstein_with_weights_is_the_area_between_distribution_functions() -> None:
    """By hand, from value to value: Vallender 1974."""
    a, b = [3.4, 3.9, 7.5, 7.8], [4.5, 1.4]
    area = 2 * 3.5 / 6.7 + 0.5 * (3.5 / 6.7 - 1.4 / 12.6) + 0.6 * (3.5 / 6.7 - 2.3 / 12.6)
    area += 3 * (1 - 2.3 / 12.6) + 0.3 * (1 - 5.4 / 12.6)

    assert wasserstein([0, 1], [0, 1], a_weights=[3, 1], b_weights=[2, 2]) == pytest.approx(0.25)
    assert wasserstein(a, b, a_weights=[1.4, 0.9, 3.1, 7.2], b_weights=[3.2, 3.5]) == pytest.approx(area)


@given(BINS, BINS, BINS)
def test_jensen_shannon_is_a_distance(p: list[int], q: list[int], r: list[int]) -> None:
    """Symmetric, with the triangle inequality, between 0 and sqrt(ln 2)."""
    assert jensen_shannon(p, q) == pytest.approx(jensen_shannon(q, p), abs=1e-7)
    assert jensen_shannon(p, r) <= jensen_shannon(p, q) + jensen_shannon(q, r) + 1e-7
    assert 0 <= jensen_shannon(p, q) <= math.sqrt(math.log(2)) + 1e-12


@given(BINS, st.integers(1, 9))
def test_counts_and_shares_are_one_to_jensen_shannon(p: list[int], times: int) -> None:
    """Only the shape counts."""
    assert jensen_shannon(p, [times * count for count in p]) == pytest.approx(0, abs=1e-7)


def test_jensen_shannon_as_scipy_has_it() -> None:
    """From the pages of scipy.spatial.distance.jensenshannon, in nats."""
    assert jensen_shannon([1, 0, 0], [0, 1, 0]) == pytest.approx(math.sqrt(math.log(2)))
    assert jensen_shannon([1.0, 0.0], [0.5, 0.5]) == pytest.approx(0.46450140402245893)


def test_without_drift_the_stability_index_is_as_predicted() -> None:
    """Two thousand pairs of samples: the mean within 5 %, the 95 % point exceeded by 3 to 8 in a hundred."""
    draw = np.random.default_rng(3)
    n, m, bins = 500, 800, 10
    shares = draw.multinomial([[n]] * 2000, [1 / bins] * bins)[:, 0] / n
    others = draw.multinomial([[m]] * 2000, [1 / bins] * bins)[:, 0] / m
    index = np.sum((shares - others) * np.log(shares / others), axis=1)
    known = psi_under_no_drift(n, m, bins=bins)

    assert float(index.mean()) == pytest.approx(known.mean, rel=0.05)
    assert 0.03 < float(np.mean(index > known.high)) < 0.08

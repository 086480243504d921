"""Areas under the ROC curve, held against DeLong's definition by brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from lockgate.stats import average_precision, delong, delong_paired
from lockgate.stats.validation import Floats

Rows = tuple[list[int], list[float], list[float]]


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Labels with two rows or more of each class, and two scores with many ties."""
    positives, negatives = draw(st.integers(2, 15)), draw(st.integers(2, 15))
    labels = draw(st.permutations([1] * positives + [0] * negatives))
    n = positives + negatives
    first, second = (draw(st.lists(st.integers(0, 6).map(float), min_size=n, max_size=n)) for _ in range(2))
    return list(labels), first, second


def kernel(labels: list[int], scores: list[float]) -> Floats:
    """(P, N): 1 where the positive is above the negative, half where they are equal."""
    above = np.array([score for score, label in zip(scores, labels, strict=True) if label])
    below = np.array([score for score, label in zip(scores, labels, strict=True) if not label])
    won: Floats = (above[:, None] > below) + 0.5 * (above[:, None] == below)
    return won


def by_definition(won: Floats) -> tuple[float, float]:
    """The mean of a kernel, and its variance from the means of rows and columns."""
    rows, columns = won.mean(axis=1), won.mean(axis=0)
    return float(won.mean()), float(rows.var(ddof=1)) / rows.size + float(columns.var(ddof=1)) / columns.size


@settings(deadline=None)
@given(rows())
def test_an_area_and_its_variance_are_those_of_all_pairs(drawn: Rows) -> None:
    """Ranks give what comparing every positive with every negative gives."""
    labels, scores, _ = drawn
    found = delong(labels, scores)

    assert (found.value, found.variance) == pytest.approx(by_definition(kernel(labels, scores)), abs=1e-12)


@settings(deadline=None)
@given(rows())
def test_a_difference_of_areas_is_that_of_all_pairs(drawn: Rows) -> None:
    """The kernels' difference, its variance, z, p and interval."""
    labels, first, second = drawn
    value, variance = by_definition(kernel(labels, first) - kernel(labels, second))
    found = delong_paired(labels, first, second)

    assert (found.difference, found.variance) == pytest.approx((value, variance), abs=1e-12)
    if variance > 1e-12:
        z = value / math.sqrt(variance)
        assert found.z == pytest.approx(z, abs=1e-7)
        assert found.p_value == pytest.approx(2 * float(special.ndtr(-abs(z))), abs=1e-7)
        assert found.high - found.low == pytest.approx(2 * float(special.ndtri(0.975)) * math.sqrt(variance))


@settings(deadline=None)
@given(rows(), st.floats(0.5, 0.98))
def test_more_confidence_takes_a_wider_interval_around_the_same_value(drawn: Rows, confidence: float) -> None:
    """Both intervals contain the estimate; one contains the other."""
    labels, first, second = drawn
    wide, narrow = delong(labels, first, confidence=0.99), delong(labels, first, confidence=confidence)
    assert wide.low <= narrow.low <= narrow.value <= narrow.high <= wide.high

    apart, near = (
        delong_paired(labels, first, second, confidence=0.99),
        delong_paired(labels, first, second, confidence=confidence),
    )
    assert apart.low <= near.low <= near.difference <= near.high <= apart.high


@settings(deadline=None)
@given(rows())
def test_the_order_of_the_two_scores_turns_the_sign_only(drawn: Rows) -> None:
    """And what keeps every rank changes nothing."""
    labels, first, second = drawn
    one, other = delong_paired(labels, first, second), delong_paired(labels, second, first)

    assert (one.difference, one.z, one.p_value) == (-other.difference, -other.z, other.p_value)
    assert delong(labels, [math.exp(score) for score in first]) == delong(labels, first)


def test_two_scores_that_rank_alike_do_not_differ() -> None:
    """z = 0 and p = 1 without a division by zero."""
    labels, scores = [0, 1, 0, 1, 1], [1.0, 2.0, 3.0, 4.0, 2.5]
    found = delong_paired(labels, scores, [10 * score for score in scores])

    assert (found.difference, found.z, found.p_value, found.low, found.high) == (0, 0, 1, 0, 0)


def test_perfect_separation_has_no_variance() -> None:
    """The Wald interval is a point then; against its reverse, z is infinite."""
    labels, scores = [0, 0, 1, 1], [1.0, 2.0, 3.0, math.inf]
    found = delong(labels, scores)
    turned = delong_paired(labels, scores, [4.0, 3.0, 2.0, 1.0])

    assert (found.value, found.variance, found.low, found.high) == (1, 0, 1, 1)
    assert (turned.difference, turned.z, turned.p_value) == (1, math.inf, 0)


@settings(deadline=None)
@given(rows())
def test_average_precision_is_the_mean_of_precision_over_positives(drawn: Rows) -> None:
    """By definition: at each positive, the precision among rows scored as high or higher."""
    labels, scores, _ = drawn
    truth, column = np.array(labels), np.array(scores)
    at = [truth[column >= score].mean() for score in column[truth == 1]]

    assert average_precision(labels, scores).value == pytest.approx(float(np.mean(at)), abs=1e-12)


def test_the_standard_error_of_average_precision_is_the_spread_over_samples() -> None:
    """Four hundred samples of 600 rows, a fifth positive: within 10 % of what the formula says."""
    draw = np.random.default_rng(7)
    values, errors = [], []
    for _ in range(400):
        labels = draw.random(600) < 0.2
        found = average_precision(labels, draw.normal(size=600) + 1.5 * labels)
        values.append(found.value)
        errors.append(found.se)

    assert float(np.mean(errors)) == pytest.approx(float(np.std(values, ddof=1)), rel=0.1)

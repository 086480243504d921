"""Bounds of pairs of slices beside the champion's gap: what is claimed of them follows, whatever the values are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.evaluation.uncertainty.slice_pairs import (
    MATCHED,
    BesideErrors,
    PairBounds,
    SliceErrors,
    bound_beside,
    matched_confidence,
)

VALUES = st.integers(2, 7).flatmap(
    lambda k: st.tuples(*(st.lists(st.integers(0, 40), min_size=k, max_size=k) for _ in range(2)))
)


def beside(
    candidate: np.ndarray,
    champion: np.ndarray,
    *,
    error: float,
    factor: float = 1.0,
    margin: float = 0.0,
    rho: float = 0.9,
) -> PairBounds:
    """The bounds where every value has this standard error, and two of the same rows correlate by rho."""

    def errors(values: np.ndarray, se: float) -> SliceErrors:
        whole = np.full(values.size, se)
        return SliceErrors(values, whole, whole, np.full(values.size, 200.0))

    change = errors(candidate - factor * champion, error * math.sqrt(1 + factor**2 - 2 * factor * rho))
    both = BesideErrors(errors(candidate, error), errors(champion, error), change, change, factor, together=False)
    every = np.ones(candidate.size, bool)
    return bound_beside(both, margin=margin, confidence=0.95, eligible=every, reliable=every)


def apart(k: int) -> np.ndarray:
    return ~np.eye(k, dtype=bool)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(VALUES, st.sampled_from([0.5, 1.0, 1.5]), st.integers(-3, 6))
def test_with_errors_of_nothing_the_verdict_is_the_truth(
    values: tuple[list[int], list[int]], factor: float, steps: int
) -> None:
    """A pass exactly where the candidate's gap is at most so far from the champion's, a fail exactly where it is further:
    whichever pairs make the two gaps up, whether one was closed, turned round or moved to other slices."""
    candidate, champion = (np.array(column) / 40 for column in values)
    margin = (steps + 0.25) / 40 / 4  # between the steps of the values, so that nothing is a tie
    bounds = beside(candidate, champion, error=1e-7, factor=factor, margin=margin)
    pairs = apart(candidate.size)
    close = bool(np.ptp(candidate) <= factor * np.ptp(champion) + margin)

    assert bool(bounds.p_pass[pairs].max() <= 0.05) is close
    assert bool(bounds.p_fail[pairs].min() * pairs.sum() <= 0.05) is not close


@settings(max_examples=40, derandomize=True, deadline=None)
@given(VALUES, st.floats(0.001, 0.1), st.integers(-3, 6))
def test_a_bound_meets_the_margin_exactly_where_its_test_passes(
    values: tuple[list[int], list[int]], error: float, steps: int
) -> None:
    """And it is never below the measured distance of the two gaps, nor the lower one above it."""
    candidate, champion = (np.array(column) / 40 for column in values)
    margin, pairs = (steps + 0.37) / 40, apart(candidate.size)
    bounds = beside(candidate, champion, error=error, margin=margin)
    measured = np.ptp(candidate) - np.ptp(champion)

    assert (bounds.high[pairs].max() <= margin) == (bounds.p_pass[pairs].max() <= 0.05)
    assert bounds.low[pairs].max() <= measured + 1e-12
    assert measured <= bounds.high[pairs].max() + 1e-12


def test_a_pair_that_changed_little_is_cleared_by_its_own_change() -> None:
    """At nine tenths of the error rate: rows that both models share cancel out of it, however noisy the values are."""
    values = np.array([0.9, 0.8])
    bounds = beside(values, values, error=0.02, rho=0.99, margin=0.02)
    change = 0.02 * math.sqrt(2 * 0.01) * math.sqrt(2)

    assert bounds.high[0, 1] == pytest.approx(1.7 * change, rel=0.05)
    assert matched_confidence(0.95) == pytest.approx(1 - MATCHED * 0.05)


def test_a_gap_that_was_closed_is_cleared_though_each_pair_changed() -> None:
    """Of two groups one was behind; now they are alike, so that the other is further ahead of where it was than allowed."""
    closed = beside(np.array([0.9, 0.9]), np.array([0.9, 0.8]), error=0.01, margin=0.02)

    assert closed.high[apart(2)].max() < 0
    assert closed.p_pass[apart(2)].max() < 0.001


def rates(candidate: list[float], champion: list[float], *, error: float, margin: float, runs: int = 150) -> float:
    """How often a pass is drawn, where values scatter by this error and two of the same rows correlate by 0.5."""
    draw = np.random.default_rng(11)
    passes = 0
    for _ in range(runs):
        common, first, second = draw.normal(0, error, (3, len(candidate)))
        noisy = [
            np.array(values) + math.sqrt(0.5) * (common + own)
            for values, own in ((candidate, first), (champion, second))
        ]
        passes += beside(*noisy, error=error, rho=0.5, margin=margin).p_pass[apart(len(candidate))].max() <= 0.05
    return passes / runs


@pytest.mark.parametrize(
    ("candidate", "champion"),
    [
        ([0.9, 0.8], [0.9, 0.9]),
        ([0.9, 0.8, 0.8], [0.9, 0.9, 0.9]),
        ([0.9, 0.9, 0.7], [0.8, 0.9, 0.9]),
    ],
)
def test_a_gap_at_the_margin_rarely_passes(candidate: list[float], champion: list[float]) -> None:
    """At most one time in twenty, also where the champion's gap is zero or lies between other slices: taken as it was
    measured, it would let one in ten of them pass."""
    assert rates(candidate, champion, error=0.02, margin=0.1) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 150)


def test_beside_a_slice_without_a_bound_nothing_fails() -> None:
    """The champion's gap may lie there."""
    candidate, champion = np.array([0.9, 0.5, 0.9]), np.array([0.9, 0.9, 0.9])
    whole, freedom = np.full(3, 0.001), np.full(3, 200.0)
    ours, theirs, change = (
        SliceErrors(values, whole, whole, freedom) for values in (candidate, champion, candidate - champion)
    )
    errors, every = BesideErrors(ours, theirs, change, change, 1.0, together=False), np.ones(3, bool)
    reliable = np.array([True, True, False])
    shown = bound_beside(errors, margin=0.1, confidence=0.95, eligible=every, reliable=every)
    open_ended = bound_beside(errors, margin=0.1, confidence=0.95, eligible=every, reliable=reliable)

    assert shown.p_fail[0, 1] < 1e-6
    assert open_ended.p_fail[0, 1] > 0.4


def test_clusters_that_span_slices_add_errors_in_full() -> None:
    """Their errors may go together in any way."""
    ours = SliceErrors(np.array([0.9, 0.8]), np.full(2, 0.02), np.full(2, 0.02), np.full(2, 200.0))
    every = np.ones(2, bool)
    alone, spanning = (
        bound_beside(
            BesideErrors(ours, ours, ours, ours, 1.0, together=together),
            margin=0.1, confidence=0.95, eligible=every, reliable=every,
        )
        for together in (False, True)
    )  # fmt: skip

    assert (spanning.high[apart(2)] > alone.high[apart(2)]).all()
    assert (spanning.low[apart(2)] < alone.low[apart(2)]).all()

"""Rows needed: the plan, and whether it keeps its promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.stats import rows_needed, tango
from lockgate.stats.power import margin_by_score, margin_by_t, rows_by_score, rows_by_t


@pytest.mark.parametrize(("slices", "rows"), [(1, 952), (20, 1963), (100, 2475), (500, 2971)])
def test_the_plan_for_two_models_that_disagree_on_a_tenth_is_known(slices: int, rows: int) -> None:
    """Margin 0.03, all slices at 90 %; rounded up here, so that the promise is kept."""
    found = rows_needed(variance=0.10, margin=0.03, slices=slices)

    assert found is not None
    assert 0 <= found - rows <= 1


def test_equal_models_pass_as_often_as_planned() -> None:
    """Tango's interval over 2,000 samples of the planned size: a power of 0.9."""
    rows = rows_needed(variance=0.10, margin=0.03)
    assert rows is not None
    counts = np.random.default_rng(2).multinomial(rows, [0.05, 0.05, 0.9], size=2000)
    passed = [tango(int(same), int(b), int(c), 0, confidence=0.9).low > -0.03 for b, c, same in counts]

    assert float(np.mean(passed)) == pytest.approx(0.9, abs=0.025)


@given(
    variance=st.floats(1e-4, 10), margin=st.floats(1e-3, 1), difference=st.floats(0, 0.1), slices=st.integers(1, 1000)
)
def test_more_is_needed_for_less_room_and_for_more_slices(
    variance: float, margin: float, difference: float, slices: int
) -> None:
    """A better candidate needs fewer rows, another slice more."""
    found = rows_needed(variance=variance, margin=margin, slices=slices)
    easier = rows_needed(variance=variance, margin=margin, difference=difference, slices=slices)
    harder = rows_needed(variance=variance, margin=margin, slices=slices + 1)

    assert found is not None
    assert easier is not None
    assert harder is not None
    assert 1 <= easier <= found <= harder


@pytest.mark.parametrize("difference", [-0.02, -0.05])
def test_no_number_of_rows_shows_what_is_not_so(difference: float) -> None:
    """A candidate that is worse by the margin or more is never shown to be within it."""
    assert rows_needed(variance=0.1, margin=0.02, difference=difference) is None


@given(rows=st.integers(50, 20_000), disagreement=st.floats(0.01, 0.5), power=st.floats(0.6, 0.999))
def test_a_margin_and_its_rows_are_one_statement(rows: int, disagreement: float, power: float) -> None:
    """For Tango's test and for t: the rows that a margin needs are those at which it is the smallest."""
    asked = {"alpha": 0.05, "power": power}
    score, t = margin_by_score(rows, disagreement, **asked), margin_by_t(0.5 / rows**0.5, n_eff=rows / 4, **asked)

    if score < 1:
        assert rows_by_score(disagreement, margin=score, **asked) == pytest.approx(rows, abs=1 + 1e-5 * rows)
    if t < 1:
        assert abs(rows_by_t(0.25, margin=t, n_eff_share=0.25, **asked) - rows) <= 1


def test_small_samples_cost_more_than_the_normal_approximation_says() -> None:
    """And large ones nothing more."""
    plain = 1.6449 + 1.2816

    assert margin_by_t(1.0, n_eff=6, alpha=0.05, power=0.9) > 1.2 * plain
    assert margin_by_t(1.0, n_eff=1e6, alpha=0.05, power=0.9) == pytest.approx(plain, rel=1e-3)
    assert margin_by_t(1.0, n_eff=1.0, alpha=0.05, power=0.9) == math.inf
    assert margin_by_score(300, 0.05, alpha=0.05, power=0.9) > 1.08 * plain * (0.05 / 300) ** 0.5

"""Rows needed: the plan, and whether it keeps its promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.stats import rows_needed, tango


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

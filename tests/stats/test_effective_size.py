"""Kish's number, and the error of rows that vary alike whatever they weigh."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.stats.effective_size import Weighing, carriers, effective_number, effective_rows, unseen_number
from lockgate.stats.influence import spread


@pytest.mark.parametrize(
    ("weights", "clusters", "expected"),
    [
        ([20.0] * 5 + [1.0] * 95, None, 195**2 / 2095),
        ([0.1] * 7, None, 7),
        ([1e200] * 3 + [0.0], None, 3),
        ([1.0] * 885, np.repeat(np.arange(60), [200] * 3 + [5] * 57), 885**2 / (3 * 200**2 + 57 * 5**2)),
        ([0.0], None, 0),
    ],
)
def test_unequal_weights_count_as_fewer_equal_ones(weights: list[float], clusters: Any, expected: float) -> None:
    """(Σw)²/Σw² of rows, or of what clusters weigh together."""
    assert effective_number(carriers(np.array(weights), clusters)) == pytest.approx(expected)


@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.floats(0, 0.999)), min_size=1, max_size=30),
)
def test_no_errors_that_would_go_unseen_weigh_more_than_their_number_says(units: list[tuple[float, float]]) -> None:
    """Whichever units err, and however often: where none does with a chance of 5 %, their weight is within the bound."""
    weights, chances = (np.array(column) for column in zip(*units, strict=True))
    shown = np.log1p(-chances).sum()
    if shown < np.log(0.05):  # scaled until all of them would go unseen in one sample of twenty
        chances = -np.expm1(np.log1p(-chances) * np.log(0.05) / shown)
    number = unseen_number(weights)

    assert np.average(chances, weights=weights) <= 1 - 0.05 ** (1 / number) + 1e-9
    assert number <= effective_number(weights) + 1e-9


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([3.0] * 40, 40), ([100.0] * 3 + [0.01], 3), ([200.0] * 3 + [5.0] * 300, 15.1), ([20.0] * 5 + [1.0] * 95, 11.4)],
)
def test_heavy_units_that_alone_may_err_count_as_few(weights: list[float], expected: float) -> None:
    """Of three users with three rows in ten, 33 by Kish, all may be right by luck."""
    assert unseen_number(np.array(weights)) == pytest.approx(expected, rel=0.01)


@given(st.lists(st.booleans(), min_size=2, max_size=40))
def test_a_share_of_equal_weights_is_known_on_its_own_rows(hits: list[bool]) -> None:
    """So that counts of effective rows are the counts of rows."""
    values, n = np.array(hits, dtype=float), len(hits)
    psi = (values - values.mean()) * (n / (n - 1)) ** 0.5

    assert effective_rows(psi, n, variance=values.mean() * (1 - values.mean())) == pytest.approx(n)


@given(st.lists(st.floats(-10, 10), min_size=4, max_size=40), st.integers(1, 4), st.booleans())
def test_equal_weights_and_clusters_change_nothing(values: list[float], size: int, by_class: bool) -> None:
    """To the last digit."""
    psi = np.repeat(values, size) + np.tile(np.arange(size), len(values))
    psi -= psi.mean()
    clusters = None if size == 1 else np.repeat(np.arange(len(values)), size)
    classes = np.arange(psi.size) % 2 if by_class else None
    error = spread(psi, clusters=clusters)
    limited = Weighing(np.ones(psi.size), clusters, classes).limit(error, psi)

    assert (limited.se, limited.skew, limited.n_eff) == (error.se, error.skew, pytest.approx(error.n_eff))


def test_heavy_rows_that_happen_to_be_alike_do_not_make_a_value_certain() -> None:
    """Ten rows carry nearly all, and one in ten of the others is off: so could one of these be."""
    weights = np.where(np.arange(500) < 10, 1e4, 1.0)
    off = (np.arange(500) % 10 == 9) & (np.arange(500) >= 10)
    psi = (off - np.average(off, weights=weights)) * weights * (500 / weights.sum())
    error = spread(psi)
    limited = Weighing(weights).limit(error, psi)

    assert error.se < 0.001
    assert limited.se == pytest.approx((off.mean() / effective_number(weights)) ** 0.5, rel=0.02)
    assert limited.n_eff <= 10.1


def test_large_clusters_are_taken_to_be_as_alike_within_as_small_ones() -> None:
    """Rows of a small cluster go wrong together; three large ones, which did not, could have."""
    sizes = np.array([400] * 3 + [4] * 100)
    clusters = np.repeat(np.arange(103), sizes)
    wrong = (np.arange(103) % 10 == 9)[clusters]
    psi = wrong - wrong.mean()
    error = spread(psi, clusters=clusters)
    limited = Weighing(np.ones(psi.size), clusters).limit(error, psi)

    assert error.effective is None
    assert limited.effective == pytest.approx(1600**2 / (3 * 400**2 + 100 * 16))
    assert limited.se > 4 * error.se
    assert limited.design_effect == pytest.approx((error.design_effect or 0) * (limited.se / error.se) ** 2)

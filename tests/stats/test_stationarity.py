"""Trends and autocorrelation, held to laws whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers.percentiles import autocorrelation_time
from lockgate.stats.stationarity import Resemblance, mann_kendall


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=4, max_size=60))
def test_the_trend_is_kendalls_with_a_correction_for_continuity(values: list[int]) -> None:
    """scipy's test of tau-b against time, whose score is taken one nearer to nothing."""
    score = abs(sum(np.sign(values[j] - values[i]) for i in range(len(values)) for j in range(i + 1, len(values))))
    found = mann_kendall(values)

    if score <= 1:
        assert found == 1.0
    else:
        z = stats.norm.isf(stats.kendalltau(np.arange(len(values)), values, method="asymptotic").pvalue / 2)
        assert found == pytest.approx(2 * stats.norm.sf(z * (score - 1) / score), rel=1e-9)


def test_a_trend_is_found_and_chance_is_not() -> None:
    """Twenty values in order are certain; of shuffled ones about a hundredth look so at one in a hundred."""
    draw = np.random.default_rng(3)
    found = [mann_kendall(draw.normal(size=20)) < 0.01 for _ in range(2000)]

    assert mann_kendall(np.arange(20)) < 1e-8
    assert sum(found) <= 2000 * 0.01 + 3 * np.sqrt(2000 * 0.01)
    assert mann_kendall([1, 2, 3]) == mann_kendall(np.ones(20)) == 1.0
    with pytest.raises(ValueError, match="NaN"):
        mann_kendall([1.0, float("nan")])


@pytest.mark.parametrize(("keeps", "time"), [(0.0, 1.0), (0.5, 3.0), (0.9, 19.0)])
def test_the_time_of_an_autoregression_is_found(keeps: float, time: float) -> None:
    """(1 + r) / (1 − r) for a first-order autoregression, from blocks of its own."""
    draw = np.random.default_rng(8)
    blocks = np.empty((200, 500))
    blocks[:, 0] = draw.normal(size=200) / np.sqrt(1 - keeps**2)
    for place in range(1, 500):
        blocks[:, place] = keeps * blocks[:, place - 1] + draw.normal(size=200)

    assert autocorrelation_time(list(blocks)) == pytest.approx(time, rel=0.15)


def test_nothing_that_varies_says_nothing_of_its_neighbour() -> None:
    """No values, equal ones, and values that alternate."""
    assert autocorrelation_time([]) == autocorrelation_time([np.ones(9)]) == 1.0
    assert autocorrelation_time([[0, 1] * 50]) == 1.0


def test_a_time_of_which_a_run_holds_few_is_known_less_well() -> None:
    """Twice its standard error on top, which shrinks with the root of the run; nothing where values do not follow each other."""
    draw = np.random.default_rng(3)
    steps = draw.normal(0, 1, 40_000)
    walk = np.zeros(len(steps))
    for place in range(1, len(steps)):
        walk[place] = 0.9 * walk[place - 1] + steps[place]
    short, long = (Resemblance.from_blocks([values - values.mean()]) for values in (walk[:2_000], walk))

    assert short.time_at_most / short.time > 1.3 > long.time_at_most / long.time > 1.05
    assert Resemblance.from_blocks([np.zeros(9)]).time_at_most == 1.0

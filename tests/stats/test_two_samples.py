"""How far two samples are apart: bounds that agree with their p-values, and keep their risk."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lockgate.stats.two_samples import Apart, kolmogorov, share_apart, total_variation

TESTS: dict[str, Callable[[float, float], Apart]] = {
    "kolmogorov": lambda value, limit: kolmogorov(value, 900, 400, limit=limit, confidence=0.95),
    "total variation": lambda value, limit: total_variation(value, 900, 400, chance=0.02, limit=limit, confidence=0.95),
    "shares": lambda value, limit: share_apart(0.1 + value, 900, 0.1, 400, limit=limit, confidence=0.95),
}


@pytest.mark.parametrize("name", TESTS)
def test_an_end_of_the_interval_meets_a_limit_where_its_p_value_does(name: str) -> None:
    """So that stored evidence can be judged by another limit."""
    for value in (0.0, 0.01, 0.05, 0.2, 0.7):
        for limit in (0.005, 0.03, 0.1, 0.3, 0.9):
            apart = TESTS[name](value, limit)

            assert (apart.p_below <= 0.05) == (apart.high <= limit), (value, limit)
            assert (apart.p_above <= 0.05) == (apart.low > limit), (value, limit)
            assert 0 <= apart.low <= apart.value <= apart.high <= 1


def test_the_bounds_of_the_largest_difference_are_those_of_their_formulas() -> None:
    """By hand: 1.6449 · ½ √(1/900 + 1/400) above, √(ln 80 / 2) · (1/30 + 1/20) below."""
    apart = kolmogorov(0.3, 900, 400, limit=0.1, confidence=0.95)

    assert apart.high == pytest.approx(0.3 + 1.644854 * 0.5 * np.sqrt(1 / 900 + 1 / 400), abs=1e-6)
    assert apart.low == pytest.approx(0.3 - np.sqrt(np.log(80) / 2) * (1 / 30 + 1 / 20), abs=1e-9)


def test_two_shares_are_apart_whichever_is_larger() -> None:
    """With their sizes exchanged, the same bound; none missing in 300 rows and in 300 is within 1.4 %."""
    one = share_apart(0.08, 500, 0.02, 800, limit=0.05, confidence=0.95)
    other = share_apart(0.02, 800, 0.08, 500, limit=0.05, confidence=0.95)
    none = share_apart(0.0, 300, 0.0, 300, limit=0.014, confidence=0.95)

    assert (one.low, one.high, one.p_below) == pytest.approx((other.low, other.high, other.p_below))
    assert none.high == pytest.approx(1 - 0.05 ** (1 / 300), abs=1e-9)
    assert none.p_below <= 0.05

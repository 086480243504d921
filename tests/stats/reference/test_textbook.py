"""Textbook forms: what every interval and every adjustment keeps, whoever asks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from lockgate.stats import benjamini_hochberg, clopper_pearson, holm, min_n_for_quantile, quantile_ranks, tango, wilson

PS = st.lists(st.floats(0, 1), max_size=25)
COUNTS = st.tuples(*[st.integers(0, 60)] * 4).filter(lambda counts: sum(counts) > 0)


@given(n=st.integers(1, 2000), share=st.floats(0, 1), confidence=st.floats(0.5, 0.98))
def test_an_interval_of_a_share_contains_it_and_grows_with_confidence(n: int, share: float, confidence: float) -> None:
    """Within 0 and 1; the exact one contains the score one's estimate too."""
    k = round(share * n)
    for ask in (wilson, clopper_pearson):
        wide, narrow = ask(k, n, confidence=0.99), ask(k, n, confidence=confidence)
        assert narrow.value == k / n
        assert 0 <= wide.low <= narrow.low <= narrow.value + 1e-12
        assert narrow.value - 1e-12 <= narrow.high <= wide.high <= 1


@given(n=st.integers(2, 500), share=st.floats(0.1, 0.9))
def test_wilsons_ends_are_where_the_score_is_the_quantile(n: int, share: float) -> None:
    """|k/n − p| over the standard error at p is 1.96."""
    k = min(max(round(share * n), 1), n - 1)
    found = wilson(k, n)
    for end in (found.low, found.high):
        assert abs(k / n - end) / math.sqrt(end * (1 - end) / n) == pytest.approx(float(special.ndtri(0.975)))


@settings(deadline=None)
@given(counts=COUNTS, confidence=st.floats(0.5, 0.98))
def test_tangos_interval_mirrors_and_grows(counts: tuple[int, int, int, int], confidence: float) -> None:
    """Swapping b and c turns it around; a and d only count together."""
    a, b, c, d = counts
    found, turned, wide = (
        tango(a, b, c, d, confidence=confidence),
        tango(a, c, b, d, confidence=confidence),
        tango(a, b, c, d, confidence=0.99),
    )

    assert (found.low, found.high) == pytest.approx((-turned.high, -turned.low), abs=1e-9)
    assert found == tango(d, b, c, a, confidence=confidence)
    assert -1 <= wide.low <= found.low <= found.value <= found.high <= wide.high <= 1
    assert found.value == (b - c) / sum(counts)


@pytest.mark.parametrize("counts", [(1, 1, 7, 12), (30, 12, 5, 20), (500, 3, 0, 10)])
def test_tangos_ends_are_where_a_searched_maximum_says(counts: tuple[int, int, int, int]) -> None:
    """The restricted likelihood maximised by search instead of in closed form."""
    a, b, c, d = counts
    n = a + b + c + d
    found = tango(a, b, c, d)
    for end in (found.low, found.high):
        p_c = np.linspace(max(0.0, -end), (1 - end) / 2, 200_001)[1:-1]
        likelihood = b * np.log(p_c + end) + c * np.log(p_c) + (a + d) * np.log(1 - 2 * p_c - end)
        best = float(p_c[np.argmax(likelihood)])
        variance = (2 * best + end - end * end) / n
        assert abs(found.value - end) / math.sqrt(variance) == pytest.approx(float(special.ndtri(0.975)), abs=1e-3)


@given(PS)
def test_adjusting_keeps_the_order_and_never_flatters(ps: list[float]) -> None:
    """p <= Benjamini–Hochberg <= Holm <= 1, and a larger p-value is never adjusted to a smaller one."""
    for adjust in (holm, benjamini_hochberg):
        found = adjust(ps)
        assert all(p - 1e-15 <= after <= 1 for p, after in zip(ps, found, strict=True))
        ordered = [after for _, after in sorted(zip(ps, found, strict=True))]
        assert ordered == sorted(ordered)
    assert all(kind <= hard + 1e-12 for kind, hard in zip(benjamini_hochberg(ps), holm(ps), strict=True))


@given(PS, st.floats(0.001, 0.3))
def test_adjusted_p_values_reject_as_the_step_procedures_do(ps: list[float], alpha: float) -> None:
    """Holm steps down until the first that is too large; Benjamini–Hochberg takes all up to the last small enough."""
    ordered, m = sorted(ps), len(ps)
    down = next((i for i, p in enumerate(ordered) if p * (m - i) > alpha), m)
    up = max((i + 1 for i, p in enumerate(ordered) if p * m / (i + 1) <= alpha), default=0)

    assert sum(after <= alpha for after in holm(ps)) == down
    assert sum(after <= alpha for after in benjamini_hochberg(np.array(ps))) == up


def test_adjusted_p_values_of_a_known_list() -> None:
    """R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") and "BH"."""
    ps = [0.01, 0.04, 0.03, 0.005]

    assert holm(ps) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(ps) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert holm([]) == benjamini_hochberg([]) == []


@pytest.mark.parametrize(("n", "low", "high"), [(14, 3, 12), (17, 5, 13), (20, 6, 15), (5, None, None)])
def test_the_ranks_of_a_median_are_the_textbooks(n: int, low: int | None, high: int | None) -> None:
    """Five values do not bound a median at 95 %."""
    found = quantile_ranks(n, 0.5)

    assert (found.low, found.high) == (low, high)


def test_the_fewest_values_are_wilks() -> None:
    """59 and 299, 72 and 368 two-sided; one value already bounds a very small quantile."""
    assert [min_n_for_quantile(p) for p in (0.95, 0.99)] == [59, 299]
    assert [min_n_for_quantile(p, two_sided=True) for p in (0.95, 0.99)] == [72, 368]
    assert min_n_for_quantile(0.01) == 1

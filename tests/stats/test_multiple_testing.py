"""Several questions at once: adjusted p-values as published."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.reference import case
from lockgate.stats.multiple_testing import benjamini_hochberg, holm

PS = st.lists(st.floats(0, 1), max_size=30)


def test_holm_is_rs() -> None:
    """Ten p-values from R's multtest."""
    known = case("holm_10")

    assert holm(known["inputs"]["p"]) == pytest.approx(known["expected"], abs=known["tolerance"])


@given(PS)
def test_holm_lies_between_the_p_value_and_bonferroni(ps: list[float]) -> None:
    """p ≤ Holm ≤ min(1, n·p), in the order in which they came."""
    for p, adjusted in zip(ps, holm(ps), strict=True):
        assert p <= adjusted <= min(1.0, len(ps) * p)


@given(PS.filter(bool))
def test_the_smallest_p_value_pays_for_all(ps: list[float]) -> None:
    """Holm begins where Bonferroni does, and a larger p-value is never adjusted to a smaller one."""
    adjusted = [after for _, after in sorted(zip(ps, holm(ps), strict=True))]

    assert min(holm(ps)) == min(1.0, len(ps) * min(ps))
    assert adjusted == sorted(adjusted)


@given(PS)
def test_benjamini_hochberg_is_never_harder_than_holm(ps: list[float]) -> None:
    """It promises less."""
    assert all(kind <= hard + 1e-12 for kind, hard in zip(benjamini_hochberg(ps), holm(ps), strict=True))

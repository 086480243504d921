"""Paired answers: the laws that McNemar's test and the equivalence test keep."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special

from lockgate.stats import mcnemar, tost_paired

PAIRS = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=30)


def test_mcnemar_of_agrestis_approval_table() -> None:
    """86 against 150 who changed their minds: 17.36 on one degree of freedom."""
    found = mcnemar(86, 150)

    assert found.chi2 == pytest.approx(17.35593, abs=1e-5)
    assert found.p_chi2 == pytest.approx(3.0993e-05, abs=1e-8)


@given(b=st.integers(0, 60), c=st.integers(0, 60))
def test_the_exact_p_value_is_a_sum_of_binomial_terms(b: int, c: int) -> None:
    """Twice the smaller tail, one at most."""
    n = b + c
    tail = sum(math.comb(n, i) for i in range(min(b, c) + 1)) / 2**n

    assert mcnemar(b, c).p_exact == pytest.approx(min(1.0, 2 * tail), abs=1e-12)


@given(b=st.integers(0, 500), c=st.integers(0, 500))
def test_which_answer_comes_first_does_not_matter_to_mcnemar(b: int, c: int) -> None:
    """Nor does the correction ever make a difference look larger."""
    found = mcnemar(b, c)

    assert found == mcnemar(c, b)
    assert found.p_corrected >= found.p_chi2


@pytest.mark.parametrize("count", [0, 1, 7])
def test_equal_disagreement_is_no_evidence(count: int) -> None:
    """All three p-values are 1, without any disagreement too."""
    found = mcnemar(count, count)

    assert (found.p_exact, found.p_chi2, found.p_corrected) == (1, 1, 1)


@given(pairs=PAIRS, margin=st.integers(1, 40), alpha=st.sampled_from([0.01, 0.05, 0.2]))
def test_equivalence_is_shown_where_the_interval_lies_within_the_margin(
    pairs: list[tuple[int, int]], margin: int, alpha: float
) -> None:
    """The p-value and the interval at 1 − 2·alpha are one statement."""
    x, y = zip(*pairs, strict=True)
    found = tost_paired(x, y, margin=margin, confidence=1 - 2 * alpha)
    assume(abs(abs(found.low) - margin) > 1e-9)
    assume(abs(abs(found.high) - margin) > 1e-9)

    assert (found.p_value <= alpha) == (-margin < found.low and found.high < margin)


@given(pairs=PAIRS, margin=st.integers(1, 40))
def test_equivalence_does_not_ask_who_comes_first(pairs: list[tuple[int, int]], margin: int) -> None:
    """The margin is the same on both sides; a wider one is easier."""
    x, y = zip(*pairs, strict=True)
    one, other = tost_paired(x, y, margin=margin), tost_paired(y, x, margin=margin)

    assert one.difference == -other.difference
    assert one.p_value == pytest.approx(other.p_value, abs=1e-12)
    assert tost_paired(x, y, margin=2 * margin).p_value <= one.p_value + 1e-12


def test_equivalence_is_the_paired_t_test_twice() -> None:
    """By hand: mean 0.5, standard error 0.5, three degrees of freedom."""
    found = tost_paired([1, 2, 3, 4], [1, 2, 1, 4], margin=1)
    values = np.array([0, 0, 2, 0])
    se = float(values.std(ddof=1)) / 2

    assert (found.difference, found.se, found.df) == (0.5, se, 3)
    assert found.p_value == pytest.approx(float(special.stdtr(3, (0.5 - 1) / se)))


def test_differences_that_do_not_vary_are_judged_by_themselves() -> None:
    """Zero within the margin, one on it and beyond."""
    assert tost_paired([2, 3], [1, 2], margin=2).p_value == 0
    assert tost_paired([2, 3], [1, 2], margin=1).p_value == 1
    assert tost_paired([2, 3], [1, 2], margin=0.5).p_value == 1

"""Shares and differences of shares, held against the papers they come from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from helpers.reference import case as case_of
from lockgate.stats import wilson
from lockgate.stats.proportions import (
    binomial_at_least,
    binomial_at_most,
    clopper_pearson,
    tango,
    tango_p,
    tango_z,
)


@pytest.mark.parametrize("case", ["prop_ci_81_263", "prop_ci_15_148", "prop_ci_0_20"])
def test_intervals_of_a_share_are_newcombes(case: str) -> None:
    """Table I of Newcombe 1998: Wilson and Clopper–Pearson."""
    known = case_of(case)
    k, n = known["inputs"]["k"], known["inputs"]["n"]
    score, exact = wilson(k, n), clopper_pearson(k, n)
    found = {"wilson_lo": score.low, "wilson_hi": score.high, "cp_lo": exact.low, "cp_hi": exact.high}

    assert found == pytest.approx(known["expected"], abs=known["tolerance"])


def test_the_interval_of_a_paired_difference_is_tangos() -> None:
    """Bentur's airway table, to six digits."""
    known = case_of("tango_bentur")
    found = tango(**known["inputs"])

    assert (found.low, found.high) == pytest.approx(
        (known["expected"]["lo"], known["expected"]["hi"]), abs=known["tolerance"]
    )


@settings(deadline=None)
@given(n=st.integers(1, 300), share=st.floats(0, 1), p=st.floats(0.001, 0.999), confidence=st.sampled_from([0.8, 0.9]))
def test_clopper_pearson_and_its_test_are_one_statement(n: int, share: float, p: float, confidence: float) -> None:
    """The exact interval's end meets a number where the exact test at that level does, and nowhere else."""
    k = round(share * n)
    exact, alpha = clopper_pearson(k, n, confidence=confidence), (1 - confidence) / 2

    if abs(exact.low - p) > 1e-9:
        assert (binomial_at_least(k, n, p) <= alpha) == (exact.low >= p)
    if abs(exact.high - p) > 1e-9:
        assert (binomial_at_most(k, n, p) <= alpha) == (exact.high <= p)


@given(n=st.integers(1, 40), k=st.integers(-1, 41), p=st.floats(0, 1))
def test_binomial_tails_are_sums(n: int, k: int, p: float) -> None:
    """Both tails hold k itself."""
    mass = [float(special.comb(n, i, exact=True)) * p**i * (1 - p) ** (n - i) for i in range(n + 1)]

    assert binomial_at_least(k, n, p) == pytest.approx(sum(mass[max(k, 0) :]), abs=1e-9)
    assert binomial_at_most(k, n, p) == pytest.approx(sum(mass[: max(k + 1, 0)]), abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(
    b=st.integers(0, 40), c=st.integers(0, 40), same=st.integers(1, 500), delta=st.integers(-500, 500).map(lambda thousandths: thousandths / 1000),
    confidence=st.sampled_from([0.8, 0.9, 0.98]),
)  # fmt: skip
def test_tango_and_its_test_are_one_statement(b: int, c: int, same: int, delta: float, confidence: float) -> None:
    """The score interval's ends are where the score statistic passes the normal quantile."""
    n = b + c + same
    found, z = tango(same, b, c, 0, confidence=confidence), float(special.ndtri((1 + confidence) / 2))

    assert found.low <= found.value <= found.high
    if abs(found.low - delta) > 1e-9:
        assert (tango_z(b, c, n, delta) >= z) == (found.low >= delta)
    if abs(found.high - delta) > 1e-9:
        assert (tango_z(b, c, n, delta) <= -z) == (found.high <= delta)


@given(b=st.integers(0, 50), c=st.integers(0, 50), same=st.integers(0, 200))
def test_the_difference_turned_around_is_the_difference_negated(b: int, c: int, same: int) -> None:
    """Who is called first does not matter."""
    if b + c + same == 0:
        return
    one, other = tango(same, b, c, 0), tango(same, c, b, 0)

    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-9)


def test_far_out_the_claim_of_a_loss_is_as_likely_as_the_binomial_says() -> None:
    """All disagreement is the champion's: the binomial is exact, the plain score calls it four times too unlikely."""
    n, margin, c = 1000, 0.01, 20
    exact, plain = binomial_at_least(c, n, margin), float(special.ndtr(tango_z(0, c, n, -margin)))
    _, corrected = tango_p(0, c, n, -margin)

    assert plain < exact / 3
    assert corrected == pytest.approx(exact, rel=0.1)


@settings(max_examples=300, deadline=None)
@given(
    n=st.integers(1, 150), disagree=st.floats(0, 1), delta=st.integers(-99, 99).map(lambda hundredths: hundredths / 100)
)  # fmt: skip
def test_more_for_the_candidate_never_speaks_more_against_it(n: int, disagree: float, delta: float) -> None:
    """Both p-values keep the order of the counts, and the first is the plain score test's."""
    d = round(n * disagree)
    found = [tango_p(b, d - b, n, delta) for b in range(d + 1)]
    above, below = [one for one, _ in found], [other for _, other in found]

    assert above == sorted(above, reverse=True)
    assert below == sorted(below)
    assert above == [float(special.ndtr(-tango_z(b, d - b, n, delta))) for b in range(d + 1)]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: clopper_pearson(1, 0), "n is a whole number, 1 or more"),
        (lambda: wilson(3, 2), "3 of 2 is no share"),
        (lambda: tango(0, 0, 0, 0), "not all zero"),
    ],
)
def test_counts_that_are_no_share_are_refused(ask: Any, message: str) -> None:
    """Zero of zero is not a share."""
    with pytest.raises(ValueError, match=message):
        ask()

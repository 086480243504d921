"""Bounds for all times: confseq's own answers, and coverage while somebody looks."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.stats import bernoulli_confidence_sequence, normal_mixture_bound, wilson


def test_the_normal_mixture_is_confseqs() -> None:
    """The two answers of its unit tests, at v = v_opt = 100 and alpha = 0.05."""
    assert normal_mixture_bound(100, alpha=0.05, v_opt=100) == pytest.approx(30.35209, abs=1e-5)
    assert normal_mixture_bound(100, alpha=0.05, v_opt=100, two_sided=False) == pytest.approx(27.66071, abs=1e-5)


@pytest.mark.parametrize(
    ("k", "n", "n_opt", "low", "high"),
    [
        (700, 1000, 100, 0.651629, 0.745949),
        (15, 50, 50, 0.129556, 0.511896),
        (5, 50, 50, 0.013021, 0.269264),
        (1, 50, 50, 0.0, 0.13489),
        (1, 2, 50, 0.0, 1.0),
        (100, 200, 1, 0.328923, 0.671076),
        (0, 1, 50, 0.0, 1.0),
        (1, 1, 50, 0.0, 1.0),
    ],
)
def test_the_sequence_for_shares_is_confseqs(k: int, n: int, n_opt: int, low: float, high: float) -> None:
    """The answers of its unit tests, few successes and an early optimum among them."""
    found = bernoulli_confidence_sequence(k, n, alpha=0.05, n_opt=n_opt)

    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-5)


@given(v=st.floats(0, 1e6), v_opt=st.floats(0.1, 1e6), alpha=st.floats(0.001, 0.4))
def test_a_normal_bound_solves_its_own_equation(v: float, v_opt: float, alpha: float) -> None:
    """At the bound the mixture equals 1/alpha; one side is never above both, and at half the risk below them."""
    both = normal_mixture_bound(v, alpha=alpha, v_opt=v_opt)
    one = normal_mixture_bound(v, alpha=alpha, v_opt=v_opt, two_sided=False)
    log = math.log(1 / alpha)
    rho = v_opt / (2 * log + math.log(1 + 2 * log))

    assert math.log(rho / (v + rho)) / 2 + both**2 / (2 * (v + rho)) == pytest.approx(log, abs=1e-6)
    assert one > 0
    assert normal_mixture_bound(v, alpha=alpha / 2, v_opt=v_opt) > both
    assert normal_mixture_bound(v + 1, alpha=alpha, v_opt=v_opt) > both


@given(v=st.floats(1, 1e4), times=st.floats(0.01, 100), alpha=st.sampled_from([0.01, 0.05]), two_sided=st.booleans())
def test_a_bound_is_about_tightest_where_it_was_tuned(v: float, times: float, alpha: float, two_sided: bool) -> None:
    """The approximate rho costs less than 2 %."""
    tuned = normal_mixture_bound(v, alpha=alpha, v_opt=v, two_sided=two_sided)

    assert tuned <= 1.02 * normal_mixture_bound(v, alpha=alpha, v_opt=times * v, two_sided=two_sided)


@pytest.mark.parametrize("two_sided", [True, False])
def test_a_sum_crosses_its_bound_as_rarely_as_promised(two_sided: bool) -> None:
    """Three thousand sums of a thousand normal values, looked at after each."""
    sums = np.cumsum(np.random.default_rng(11).normal(size=(3000, 1000)), axis=1)
    bounds = np.array([normal_mixture_bound(v, alpha=0.1, v_opt=200, two_sided=two_sided) for v in range(1, 1001)])
    crossed = float(np.mean(((np.abs(sums) if two_sided else sums) > bounds).any(axis=1)))

    assert 0.02 < crossed < 0.1 + 3 * math.sqrt(0.1 * 0.9 / 3000)


@pytest.mark.parametrize("p", [0.02, 0.3])
def test_a_sequence_holds_the_share_at_every_look_and_a_plain_interval_does_not(p: float) -> None:
    """Thirty looks at each of two hundred streams: missed by at most 1 in 10, while Wilson misses more than 1 in 5."""
    draws = np.random.default_rng(5).random((200, 1500)) < p
    found = np.cumsum(draws, axis=1)
    missed = missed_plain = 0

    @functools.cache  # few counts are many streams'
    def missed_by(k: int, n: int) -> tuple[bool, bool]:
        both = bernoulli_confidence_sequence(k, n, alpha=0.1, n_opt=500), wilson(k, n, confidence=0.9)
        return not both[0].low <= p <= both[0].high, not both[1].low <= p <= both[1].high

    for stream in found:
        looks = [missed_by(int(stream[n - 1]), n) for n in range(50, 1501, 50)]
        missed += any(sequence for sequence, _ in looks)
        missed_plain += any(plain for _, plain in looks)

    assert missed / 200 <= 0.1
    assert missed_plain / 200 > 0.2


@settings(deadline=None)
@given(n=st.integers(1, 5000), share=st.floats(0, 1), n_opt=st.integers(1, 5000), alpha=st.sampled_from([0.01, 0.1]))
def test_a_sequence_contains_its_estimate_and_mirrors_failures(n: int, share: float, n_opt: int, alpha: float) -> None:
    """Successes and failures change places with the ends; less risk is wider; a fixed-n interval is narrower."""
    k = round(share * n)
    found, turned = (bernoulli_confidence_sequence(one, n, alpha=alpha, n_opt=n_opt) for one in (k, n - k))
    safer = bernoulli_confidence_sequence(k, n, alpha=alpha / 2, n_opt=n_opt)

    assert 0 <= safer.low <= found.low <= found.value <= found.high <= safer.high <= 1
    assert (found.low, found.high) == pytest.approx((1 - turned.high, 1 - turned.low), abs=1e-12)


@pytest.mark.parametrize(("k", "n"), [(15, 50), (3, 1000), (400, 700)])
def test_a_sequences_end_is_where_the_mixture_refutes(k: int, n: int) -> None:
    """By factors: the product of (1 + j/(s·p)) over the successes, likewise for failures, against all."""
    found, n_opt = bernoulli_confidence_sequence(k, n, alpha=0.05, n_opt=300), 300
    log = math.log(20)
    strength = n_opt / (2 * log + math.log(1 + 2 * log)) - 1

    def wealth(p: float) -> float:
        hits = sum(math.log1p(j / (strength * p)) for j in range(k))
        misses = sum(math.log1p(j / (strength * (1 - p))) for j in range(n - k))
        return hits + misses - sum(math.log1p(j / strength) for j in range(n))

    assert wealth(found.low) == pytest.approx(log, abs=1e-6)
    assert wealth(found.high) == pytest.approx(log, abs=1e-6)

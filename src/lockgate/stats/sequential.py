"""Bounds and tests that hold after each row at once, so that a run may stop as soon as the answer is clear.

All are mixtures (Robbins 1970). Bounds are tuned to be narrowest at one chosen time and valid at all of them; their values
agree with the package confseq's own tests. Tests are wagers: wealth that starts at 1 and, where the claim that they are
against is true, is not expected to grow, exceeds 1/alpha at any time with probability alpha at most (Ville 1939).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lockgate.stats.influence import dot
from lockgate.stats.proportions import Interval
from lockgate.stats.validation import check_count, check_open_share, check_positive

Floats = NDArray[np.float64]
# Shares of the wealth that are wagered, mixed in equal parts: the best one is within a factor of √2, whatever the truth.
_WAGERS = 0.95 * 0.5 ** np.arange(12)
_EVERY = 16  # units between two looks at the mixed wealth


def largest_log_wealth(gains: Floats) -> float:
    """ln of the largest wealth so far of who wagers that the mean of gains is above zero, at least 0.

    gains: (n,) in the order in which they came, −1 or more, each of an expectation of 0 or less under the claim that is
    wagered against, given those before it.
    Source: Waudby-Smith & Ramdas 2024, Estimating means of bounded random variables by betting; a mixture of fixed wagers.
    """
    if not gains.size:
        return 0.0
    values, codes = np.unique(gains, return_inverse=True)
    looks = np.append(np.arange(_EVERY - 1, gains.size - 1, _EVERY), gains.size - 1)
    paths = np.stack([np.cumsum(np.log1p(wager * values)[codes])[looks] for wager in _WAGERS])
    return max(0.0, float((special.logsumexp(paths, axis=0) - math.log(_WAGERS.size)).max()))


def log_wealth(gains: Floats, counts: Floats) -> float:
    """ln of the wealth at the end, whatever the order was. gains: (k,) as of `largest_log_wealth`; counts: (k,) how often each came."""
    ends = [dot(np.log1p(wager * gains), counts) for wager in _WAGERS]
    return float(special.logsumexp(ends)) - math.log(_WAGERS.size)


def normal_log_wealth(sums: Floats, v: Floats, *, alpha: float, v_opt: float) -> Floats:
    """(n,) ln of the wealth of who wagers that a mean is above zero, by sums and accumulated variances of normal summands.

    Where it reaches ln(1/alpha) the sum reaches `normal_mixture_bound`, one-sided; alpha, v_opt: as there, for the tuning alone.
    Source: Howard, Ramdas, McAuliffe & Sekhon 2021, proposition 6.
    """
    rho = _tuned(v_opt, 2 * alpha)
    scale = v + rho
    wealth: Floats = (
        math.log(2) + np.log(rho / scale) / 2 + sums**2 / (2 * scale) + special.log_ndtr(sums / np.sqrt(scale))
    )
    return wealth


def normal_mixture_bound(v: float, *, alpha: float, v_opt: float, two_sided: bool = True) -> float:
    """What a sum with variance v stays below at all times, with probability 1 − alpha or more.

    v: accumulated variance so far, t·σ²; v_opt: the v at which the bound is to be tightest. two_sided: whether the sum's
    absolute value is bounded, or the sum itself from above. Exact for normal summands, asymptotic for others.
    Raises ValueError unless v >= 0, v_opt > 0 and 0 < alpha < 1 (one-sided: < 0.5).
    Source: Howard, Ramdas, McAuliffe & Sekhon 2021, propositions 5 and 6, with their approximate rho.
    """
    check_positive("v_opt", v_opt)
    check_open_share("alpha", alpha)
    if not 0 <= v < math.inf:
        raise ValueError(f"v is an accumulated variance, zero or more; it is {v}")
    if two_sided:
        rho = _tuned(v_opt, alpha)
        return math.sqrt((v + rho) * (math.log1p(v / rho) - 2 * math.log(alpha)))
    if alpha >= 0.5:
        raise ValueError(f"a one-sided bound needs an alpha below 0.5; it is {alpha}")
    rho = _tuned(v_opt, 2 * alpha)
    target = -math.log(alpha) + math.log1p(v / rho) / 2 - math.log(2)
    # In units of sqrt(v + rho), x²/2 + ln Φ(x) rises from −ln 2 at zero, and lies above x²/2 − ln 2.
    low, high = 0.0, math.sqrt(2 * (target + math.log(2)))
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if middle * middle / 2 + float(special.log_ndtr(middle)) < target:
            low = middle
        else:
            high = middle
    return high * math.sqrt(v + rho)


def bernoulli_confidence_sequence(k: float, n: int, *, alpha: float, n_opt: float) -> Interval:
    """The interval of a share after n of many answers; all intervals together hold it with probability 1 − alpha.

    k: successes among n, or the sum of n answers between 0 and 1. n_opt: the n at which it is to be narrowest. Looking
    at every answer costs nothing; early on the interval is [0, 1].
    Raises ValueError unless 0 <= k <= n, n >= 1, n_opt > 0 and 0 < alpha < 1.
    Source: Howard, Ramdas, McAuliffe & Sekhon 2021, the beta-binomial mixture, with the prior Beta(r/(1 − p), r/p) at
    each p and r = max(rho(n_opt·p(1 − p), alpha) − p(1 − p), p(1 − p)/1000).
    """
    check_count("n", n, at_least=1)
    check_open_share("alpha", alpha)
    check_positive("n_opt", n_opt)
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is no share")
    # r is p(1 − p) times this, so the prior is Beta(strength·p, strength·q).
    strength = max(_tuned(n_opt, alpha) - 1, 1e-3)
    low = _lower_end(k, n, strength, alpha)
    return Interval(k / n, low, 1 - _lower_end(n - k, n, strength, alpha))


def _tuned(v: float, alpha: float) -> float:
    """The approximate rho at which the two-sided normal mixture is tightest at v."""
    log = -math.log(alpha)
    return v / (2 * log + math.log1p(2 * log))


def _lower_end(k: float, n: int, strength: float, alpha: float) -> float:
    """The smallest p that is not refuted: the log of the mixture over the likelihood at p is convex in p.

    One success refutes no p above zero: near zero the quotient is strength/(strength + n − 1), below 1.
    """
    if k <= 1:
        return 0.0
    threshold, low, high = -math.log(alpha), 0.0, k / n
    for _ in range(1100):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if _log_wealth(middle, k, n, strength) > threshold:
            low = middle
        else:
            high = middle
    return low


def _log_wealth(p: float, k: float, n: int, strength: float) -> float:
    a, b = strength * p, strength * (1 - p)
    mixture = float(special.betaln(a + k, b + n - k) - special.betaln(a, b))
    return mixture - float(special.xlogy(k, p) + special.xlog1py(n - k, -p))

"""Intervals and tail probabilities of shares: one share, and the difference of two on the same rows.

`confidence` is that of the two-sided interval, as in textbooks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from lockgate.stats.validation import check_count, check_open_share


@dataclass(frozen=True)
class Interval:
    """An estimate with its two-sided interval."""

    value: float
    low: float
    high: float


def clopper_pearson(k: int, n: int, *, confidence: float = 0.95) -> Interval:
    """The exact interval of k successes in n: its coverage is never below `confidence`.

    Raises ValueError unless 0 <= k <= n, n >= 1 and 0 < confidence < 1. Source: Clopper & Pearson 1934.
    """
    check_share(k, n, confidence)
    return korn_graubard(k, n, confidence=confidence)


def korn_graubard(k: float, n: float, *, confidence: float) -> Interval:
    """Clopper & Pearson's interval of k in n effective rows, neither of which need be whole. Source: Korn & Graubard 1998."""
    half = (1 - confidence) / 2
    low = 0.0 if k == 0 else float(special.betaincinv(k, n - k + 1, half))
    high = 1.0 if k == n else float(special.betaincinv(k + 1, n - k, 1 - half))
    return Interval(k / n, low, high)


def binomial_at_least(k: float, n: float, p: float) -> float:
    """P(X >= k) for X ~ Binomial(n, p); between whole numbers, as the incomplete beta function has it."""
    if k <= 0:
        return 1.0
    if k > n:
        return 0.0
    return float(special.betainc(k, n - k + 1, min(max(p, 0.0), 1.0)))


def binomial_at_most(k: float, n: float, p: float) -> float:
    """P(X <= k) likewise."""
    return 1.0 if k >= n else (0.0 if k < 0 else float(special.betaincc(k + 1, n - k, min(max(p, 0.0), 1.0))))


def tango_z(b: float, c: float, n: float, delta: float) -> float:
    """The score statistic of H0: p_b − p_c = delta for n pairs of which b and c disagree, either way.

    Large values speak for a difference above delta. Source: Tango 1998, with the restricted estimate in closed form.
    """
    return _score(b, c, n, delta)[0]


def tango_p(b: float, c: float, n: float, delta: float) -> tuple[float, float]:
    """(p of the claim that p_b − p_c is above delta, p of the claim that it is below) for n pairs, b and c as in `tango_z`.

    The first is read near its level, where the statistic is normal enough. The second is corrected for many comparisons and
    so read far out, where the sum of rows that seldom disagree is skewed towards the claim: beyond one standard error, one
    term of the Cornish–Fisher expansion takes that out, with the skewness under the null hypothesis.
    Source: Tango 1998; Cornish & Fisher 1938.
    """
    z, skewness = _score(b, c, n, delta)
    far = z
    if -math.inf < z < -1 and skewness != 0:
        reach = max(z, -1.5 / abs(skewness))  # held there, lest nearly all rows at one end turn the order around
        far = z - skewness * max(reach * reach - 1, 0.0) / 6
    return float(special.ndtr(-z)), float(special.ndtr(far))


def _score(b: float, c: float, n: float, delta: float) -> tuple[float, float]:
    """(the statistic, the skewness of its numerator), both under the likeliest shares with a difference of delta."""
    disagree = _restricted(b, c, n, delta)
    variance = disagree - delta * delta
    distance = b - c - n * delta
    if n * variance <= 0:
        return (0.0 if distance == 0 else math.copysign(math.inf, distance)), 0.0
    third = delta - 3 * delta * disagree + 2 * delta**3
    return distance / math.sqrt(n * variance), third / (variance * math.sqrt(n * variance))


def null_variance(disagree: float, delta: float) -> float:
    """Of one row's b − c, as `tango_z` takes it under a difference of delta where the truth is 0. disagree: share of rows."""
    return _restricted(disagree / 2, disagree / 2, 1.0, delta) - delta * delta


def _restricted(b: float, c: float, n: float, delta: float) -> float:
    """The likeliest share of rows that disagree if the difference is delta."""
    big_a = 2.0 * n
    big_b = -b - c + (2.0 * n - b + c) * delta
    big_c = -c * delta * (1 - delta)
    root = math.sqrt(max(big_b * big_b - 4 * big_a * big_c, 0.0))
    return 2 * max((root - big_b) / (2 * big_a), 0.0) + delta


def tango(a: int, b: int, c: int, d: int, *, confidence: float = 0.95) -> Interval:
    """The score interval of (b − c)/n for paired yes/no answers, n = a + b + c + d.

    a: both yes; b: only the first; c: only the second; d: neither.
    Raises ValueError for counts that are negative or broken, or all zero. Source: Tango 1998, Stat Med 17:891–908.
    """
    for name, count in zip("abcd", (a, b, c, d), strict=True):
        check_count(name, count)
    check_open_share("confidence", confidence)
    n = a + b + c + d
    if n == 0:
        raise ValueError(f"counts must be non-negative and not all zero: {(a, b, c, d)}")
    return tango_interval(b, c, n, confidence=confidence)


def tango_interval(b: float, c: float, n: float, *, confidence: float) -> Interval:
    """As `tango`, of n effective pairs, none of which need be whole."""
    z = float(special.ndtri((1 + confidence) / 2))
    value = (b - c) / n
    return Interval(value, _tango_root(b, c, n, z, -1.0, value), _tango_root(b, c, n, -z, value, 1.0))


def _tango_root(b: float, c: float, n: float, z: float, low: float, high: float) -> float:
    """Where the decreasing statistic passes z, by bisection to the last bit that matters."""
    if tango_z(b, c, n, low) <= z:
        return low
    if tango_z(b, c, n, high) >= z:
        return high
    for _ in range(100):
        middle = (low + high) / 2
        if tango_z(b, c, n, middle) > z:
            low = middle
        else:
            high = middle
        if high - low < 1e-13:
            break
    return (low + high) / 2


def check_share(k: float, n: int, confidence: float) -> None:
    """Raises ValueError unless k of n is a share, and confidence lies between 0 and 1."""
    check_count("n", n, at_least=1)
    check_count("k", k)
    if k > n:
        raise ValueError(f"{k} of {n} is no share")
    check_open_share("confidence", confidence)

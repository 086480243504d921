"""Paired tests: McNemar's of a difference, and two one-sided t tests of equivalence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from lockgate.stats.proportions import binomial_at_most
from lockgate.stats.validation import check_count, check_open_share, check_positive, sample


@dataclass(frozen=True)
class McNemar:
    """Three p-values, two-sided, of one claim: both kinds of disagreement are equally frequent.

    p_exact: binomial. p_chi2, p_corrected: by chi-square with one degree of freedom, without and with the correction
    for continuity; chi2, chi2_corrected are their statistics.
    """

    p_exact: float
    p_chi2: float
    p_corrected: float
    chi2: float
    chi2_corrected: float


@dataclass(frozen=True)
class Equivalence:
    """Mean difference and the p-value of the claim that it lies outside the margin. low, high: the interval."""

    difference: float
    se: float
    df: int
    p_lower: float
    p_upper: float
    low: float
    high: float

    @property
    def p_value(self) -> float:
        """The larger of the two one-sided p-values: both claims must be refuted."""
        return max(self.p_lower, self.p_upper)


def mcnemar(b: int, c: int) -> McNemar:
    """Do two yes/no answers to the same questions differ more one way than the other?

    b: rows where only the first says yes; c: only the second. Without any disagreement every p-value is 1.
    The correction never overshoots: |b − c| below one counts as zero, as in R's mcnemar.test.
    Raises ValueError for counts that are negative or broken. Source: McNemar 1947; Edwards 1948.
    """
    check_count("b", b)
    check_count("c", c)
    total, apart = b + c, abs(b - c)
    if total == 0:
        return McNemar(1.0, 1.0, 1.0, 0.0, 0.0)
    plain, corrected = apart**2 / total, max(apart - 1, 0) ** 2 / total
    exact = min(1.0, 2 * binomial_at_most(min(b, c), total, 0.5))
    return McNemar(exact, float(special.chdtrc(1, plain)), float(special.chdtrc(1, corrected)), plain, corrected)


def tost_paired(x: ArrayLike, y: ArrayLike, *, margin: float, confidence: float = 0.90) -> Equivalence:
    """Two one-sided paired t tests: is the mean of x − y shown to lie within −margin and +margin?

    x, y: (n,) float, row by row. margin: above zero, in their units. p_value <= alpha exactly when the two-sided
    interval at 1 − 2·alpha lies within the margin, so 0.90 belongs to the usual 5 %.
    Differences that do not vary at all give a p-value of 0 within the margin and 1 elsewhere.
    Raises ValueError below two pairs, for lengths that differ, NaN, infinities, and a margin that is not above zero.
    Source: Schuirmann 1987.
    """
    check_positive("margin", margin)
    check_open_share("confidence", confidence)
    first, second = sample("x", x, at_least=2), sample("y", y, at_least=2)
    if first.size != second.size:
        raise ValueError(f"{first.size} values of x cannot be paired with {second.size} of y")
    differences = first - second
    n = differences.size
    value = float(np.mean(differences))
    se = float(np.std(differences, ddof=1)) / math.sqrt(n) if np.ptp(differences) > 0 else 0.0
    reach = float(special.stdtrit(n - 1, (1 + confidence) / 2)) * se
    return Equivalence(
        difference=value,
        se=se,
        df=n - 1,
        p_lower=_tail(-(value + margin), se, n - 1),
        p_upper=_tail(value - margin, se, n - 1),
        low=value - reach,
        high=value + reach,
    )


def _tail(distance: float, se: float, df: int) -> float:
    """P(T <= distance / se); small where the distance is far below zero."""
    if se == 0:
        return 0.0 if distance < 0 else 1.0
    return float(special.stdtr(df, distance / se))

"""Power of tests: the rows that a claim needs, and the margin that rows allow."""

from __future__ import annotations

import math

from scipy import special

from lockgate.stats.proportions import null_variance
from lockgate.stats.validation import check_count, check_open_share


def rows_needed(
    *, variance: float, margin: float, difference: float = 0.0, alpha: float = 0.05, power: float = 0.9, slices: int = 1
) -> int | None:
    """Rows per slice with which all slices are shown to be no worse than the margin; None where no number would do.

    variance: of one row's contribution. For the accuracy of two models that disagree on a share s of rows it is
    s − difference²; for any metric n·SE². margin: the tolerated loss, in the metric's units. difference: the true one,
    above zero where the candidate is better; 0 to plan for equal models. alpha: one-sided risk of a false pass (a
    two-sided interval at 1 − 2·alpha). power: that all slices pass, each with power^(1/slices); alpha is not divided.
    For an absolute limit, put the limit's distance from the expected value as `difference` and a margin of 0.
    Raises ValueError for a variance or margin below zero, and shares outside 0 and 1.
    Source: the normal approximation n = variance·((z_alpha + z_power)/(difference + margin))².
    """
    check_open_share("alpha", alpha)
    check_open_share("power", power)
    check_count("slices", slices, at_least=1)
    if not (0 <= variance < math.inf and 0 <= margin < math.inf and math.isfinite(difference)):
        raise ValueError(f"variance {variance}, margin {margin} and difference {difference} cannot be planned with")
    room = difference + margin
    quantiles = float(special.ndtri(1 - alpha)) + float(special.ndtri(power ** (1 / slices)))
    if room <= 0:
        return None
    return max(1, math.ceil(variance * (max(quantiles, 0.0) / room) ** 2))


def margin_by_t(se: float, *, n_eff: float, alpha: float, power: float) -> float:
    """The smallest loss that is excluded with this power where there is none, by t with n_eff − 1 degrees of freedom.

    se: of the difference. power: of this one comparison. Infinite where n_eff leaves no freedom.
    Source: the normal approximation to the noncentral t, Johnson & Welch 1940.
    """
    return se * _steps(n_eff - 1, alpha, power)


def margin_by_score(rows: float, disagreement: float, *, alpha: float, power: float) -> float:
    """The same for paired shares by Tango's test: two models that disagree on this share of so many rows; at most 1.

    The test takes its variance under the loss that it is to exclude, which is larger than the true one by more, the fewer
    rows disagree. Source: the score test's normal power with both variances.
    """
    # The rows that a margin needs fall as it grows; a share cannot differ by more than 1.
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if _rows(disagreement, middle, alpha, power) <= rows else (middle, high)
    return min(max(high, _unseen_margin(rows, disagreement, alpha, power)), 1.0)


def chance_by_score(rows: float, disagreement: float, *, margin: float, alpha: float) -> float:
    """The power with which this margin is the one that `margin_by_score` names."""
    under_null = math.sqrt(max(null_variance(disagreement, -margin), 0.0))
    away = margin * math.sqrt(rows) - float(special.ndtri(1 - alpha)) * under_null
    unseen = (margin - _unseen_margin(rows, 0.0, alpha, 0.5)) * math.sqrt(rows)
    nearer = min(away, unseen)
    if disagreement <= 0:
        return float(nearer >= 0)
    return float(special.ndtr(nearer / math.sqrt(disagreement)))


def _unseen_margin(rows: float, disagreement: float, alpha: float, power: float) -> float:
    """The loss by a share of rows of which none came, 1 − alpha^(1/rows), that a value must be away from the margin."""
    spread = float(special.ndtri(power)) * math.sqrt(disagreement / rows)
    return 1 - float(alpha ** (1 / rows)) + max(spread, 0.0)


def rows_by_t(variance: float, *, margin: float, n_eff_share: float, alpha: float, power: float) -> int:
    """The fewest rows with which `margin_by_t` comes down to the margin.

    variance: of one row's contribution. n_eff_share: effective rows a row, which stays the same when rows are added.
    """

    def enough(rows: int) -> bool:
        return margin_by_t(math.sqrt(variance / rows), n_eff=n_eff_share * rows, alpha=alpha, power=power) <= margin

    high = 1
    while not enough(high) and high < 1 << 60:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def rows_by_score(disagreement: float, *, margin: float, alpha: float, power: float) -> int:
    """The fewest rows with which `margin_by_score` comes down to the margin."""
    low, high = 0.0, max(1.0, _rows(disagreement, margin, alpha, power))
    if _unseen_margin(high, disagreement, alpha, power) <= margin:
        return math.ceil(high)
    while _unseen_margin(high, disagreement, alpha, power) > margin and high < 1 << 60:
        low, high = high, 2 * high
    while high - low > 0.5:
        middle = (low + high) / 2
        low, high = (low, middle) if _unseen_margin(middle, disagreement, alpha, power) <= margin else (middle, high)
    return math.ceil(high)


def _rows(disagreement: float, margin: float, alpha: float, power: float) -> float:
    under_null, truly = math.sqrt(max(null_variance(disagreement, -margin), 0.0)), math.sqrt(disagreement)
    reach = float(special.ndtri(1 - alpha)) * under_null + float(special.ndtri(power)) * truly
    return (max(reach, 0.0) / margin) ** 2


def _steps(freedom: float, alpha: float, power: float) -> float:
    """How many standard errors a loss must be away to be excluded with this power.

    The second term is the spread of a noncentral t: its denominator varies with the freedom.
    """
    if freedom <= 0:
        return math.inf
    t = float(special.stdtrit(freedom, 1 - alpha))
    return t + float(special.ndtri(power)) * math.sqrt(1 + t * t / (2 * freedom))

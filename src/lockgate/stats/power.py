"""How many rows does a claim need?"""

from __future__ import annotations

import math

from scipy import special

from lockgate.stats.inputs import check_count, check_open_share


def rows_needed(
    *,
    variance: float,
    margin: float,
    difference: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.9,
    slices: int = 1,
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

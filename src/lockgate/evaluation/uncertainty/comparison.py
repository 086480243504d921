"""Result of a one-sided comparison with a limit, and the fewest rows that it needs. Imports no numpy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MIN_EFFECTIVE_ROWS = 5.0
MIN_MINORITY = 10
MIN_CLUSTERS = 10
TANGO = "tango score"
CLOPPER_PEARSON = "clopper-pearson"
EFFECTIVE = ", effective rows"
"""Added to a method where rows or clusters weigh unlike, and Kish's number of them stands for their count."""
APPROXIMATE = ", approximate"
"""Added to a method that keeps its error rate for some data and not for all: lines by it are in no promise of a run."""
NONE = "none"
"""The method where nothing bounds a value."""


def approximately(method: str) -> str:
    """The method, called approximate; nothing is not."""
    return method if method == NONE else method.removesuffix(", exact") + APPROXIMATE


@dataclass(frozen=True)
class Comparison:
    """One value, or the difference of two, compared with a number, in the metric's own units.

    value: what is compared, which need not be the number that is shown. low, high: two-sided at 2·confidence − 1.
    p_above, p_below: one-sided p-values of the claims that the truth lies above, below the number. se: such that
    (high − value) / quantile; it shrinks with the root of the rows. too_few: the reason where nothing may be decided.
    """

    value: float
    low: float
    high: float
    p_above: float
    p_below: float
    se: float | None
    n_eff: float | None
    method: str
    too_few: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def p_values(self, *, up: bool) -> tuple[float, float]:
        """(that a line is met, that it is violated), one-sided. up: whether the line requires more."""
        return (self.p_above, self.p_below) if up else (self.p_below, self.p_above)


def unvaried(
    value: float, units: float, *, null: float, confidence: float, method: str, few: str | None = None
) -> Comparison:
    """Where nothing varies: the claim is that 95 % of all rows behave like these.

    0.95^units is the chance that so many units show none of the other 5 %: below the risk, the claim is shown.
    """
    unseen = 0.95**units
    claimed = unseen <= 1 - confidence and value != null
    return Comparison(
        value,
        value if claimed else -math.inf,
        value if claimed else math.inf,
        unseen if value > null else 1.0,
        unseen if value < null else 1.0,
        0.0,
        float(units),
        method,
        few,
    )

"""What comes of holding one value, or the difference of two, against a number, and what that needs; it costs no numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MIN_EFFECTIVE_ROWS = 5.0
MIN_MINORITY = 10
MIN_CLUSTERS = 10
TANGO = "tango score"


@dataclass(frozen=True)
class Decision:
    """One comparison with a number, in the metric's own units.

    value: what is compared, which need not be the number that is shown. low, high: two-sided at 2·confidence − 1.
    p_above, p_below: one-sided p-values of the claims that the truth lies above, below the number. se: such that
    (high − value) / quantile; it shrinks with the root of the rows. too_few: why nothing may be decided.
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

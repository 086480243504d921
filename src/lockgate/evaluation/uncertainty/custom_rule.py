"""How a metric is decided that neither counts nor influence values decide: by a rule of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lockgate.evaluation.uncertainty.comparison import Decision
from lockgate.evaluation.uncertainty.metric import Measured, Metric

Decide = Callable[[Measured, Measured | None, float, NDArray[Any] | None, float, float], Decision]
"""(candidate, champion, factor, clusters, null, confidence) → candidate, or candidate − factor · champion, beside null.

champion: None for the candidate's own value. clusters: (n,) codes or None. confidence: one-sided."""


@dataclass(frozen=True)
class OwnMetric(Metric):
    """A metric with a rule of its own, or whose argument is not called threshold.

    argument: of the line, given to `measure` in place of a threshold; None where it takes none. decide: in place of counts and influence values,
    which are zero then and say nothing. placed: `measure` is given row numbers for scores, by which it finds what it reads:
    the candidate's from 0 on, the champion's from the number of all rows on.
    """

    argument: str | None = "threshold"
    decide: Decide | None = None
    placed: bool = False


def placed(scores: NDArray[Any], rows: int) -> tuple[str, NDArray[np.int64]]:
    """(role, row numbers) behind what stands for the scores of a `placed` metric; rows: of the whole table."""
    numbers = scores.astype(np.int64)
    return ("champion", numbers - rows) if numbers[0] >= rows else ("candidate", numbers)


def unvaried(value: float, units: int, *, null: float, confidence: float, method: str) -> Decision:
    """Where nothing varies: the claim is that 95 % of all rows behave as seen, from as many units on as show it."""
    unseen = 0.95**units
    shown = unseen <= 1 - confidence and value != null
    return Decision(
        value,
        value if shown else -math.inf,
        value if shown else math.inf,
        unseen if value > null else 1.0,
        unseen if value < null else 1.0,
        0.0,
        float(units),
        method,
    )


def normal_quantile(confidence: float) -> float:
    return float(special.ndtri(confidence))

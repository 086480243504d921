"""Variance of placements: of one model with normal scores, and between two such models that are equally good.

The placement of a positive row is the share of negative rows that it outranks, and the other way around; an AUC is their
mean. So many rows of each class then make a standard error before anything is scored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import special

_NODES = 48  # moments are right to more digits than any plan shows


@dataclass(frozen=True)
class Placements:
    """Variance and kurtosis (3 for a normal) of what one row adds to an AUC, or to the difference of two."""

    variance: float
    kurtosis: float

    def se(self, positives: int, negatives: int) -> float:
        """Standard error of the AUC, or the difference. Both classes need a row at least."""
        return math.sqrt(self.variance * (1 / positives + 1 / negatives))

    def n_eff(self, positives: int, negatives: int) -> float:
        """How many rows carry that error, (Σψ²)²/Σψ⁴. A small sample shows two more than the law says: simulated."""
        return 2 + (1 / positives + 1 / negatives) ** 2 / (self.kurtosis * (positives**-3 + negatives**-3))


@cache
def placements(area: float, *, correlation: float | None = None) -> Placements:
    """Of one model with this AUC; with a correlation, of the difference between two whose scores correlate so in a class.

    area: strictly between 0 and 1. Equal variances in both classes, so that both have the same law of placements.
    Source: DeLong et al. 1988 for the components; their moments by Gauss–Hermite quadrature of the binormal law.
    """
    if not 0 < area < 1:
        raise ValueError(f"an AUC of {area} leaves no placements to vary")
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    weights = weights / weights.sum()
    # Φ(shift / √2) is the AUC of two normal laws of variance 1 that lie so far apart.
    shift = math.sqrt(2) * float(special.ndtri(area))
    if correlation is None:
        apart, mass = special.ndtr(shift + nodes) - area, weights
    else:
        # A score is a part that both models share and one of its own; three integrals, as both own parts vary.
        shared, own = math.sqrt(correlation) * nodes, math.sqrt(1 - correlation) * nodes
        score = special.ndtr(shift + shared[:, None, None] + own[None, :, None])
        apart = score - score.transpose(0, 2, 1)
        mass = weights[:, None, None] * weights[None, :, None] * weights[None, None, :]
    variance = float((mass * apart**2).sum())
    return Placements(variance, float((mass * apart**4).sum()) / variance**2)

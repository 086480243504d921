"""Round numbers among values, close where values are close, none of which a row needs to have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_LOOKED_AT = 50_000  # values that quantiles are taken of
_BEYOND = 0.002  # share of values at each end that is left out


def quantile_grid(series: Sequence[NDArray[np.float64]], size: int) -> NDArray[np.float64]:
    """At most `size` numbers of three figures, ascending: half of them by rank, half evenly from the lowest to the highest.

    series: values of several models that share a grid; what is not finite is passed over.
    """
    values = np.concatenate([each[:: max(1, each.size // _LOOKED_AT)] for each in series])
    values = values[np.isfinite(values)]
    if not values.size:
        return np.zeros(0)
    by_rank = np.quantile(values, np.linspace(_BEYOND, 1 - _BEYOND, size // 2))
    evenly = np.linspace(by_rank[0], by_rank[-1], size - size // 2)
    spread = float(by_rank[-1] - by_rank[0])
    return np.unique([_round(value, spread) for value in np.concatenate([by_rank, evenly]).tolist()])


def _round(value: float, spread: float) -> float:
    """Three figures of the value, or as many as tell it from its neighbours where all lie far from zero."""
    if 0 < spread < abs(value) / 10:
        digits = 2 - int(np.floor(np.log10(spread)))
        return round(value, digits)
    return float(f"{value:.3g}")

"""Means of groups of rows, and how many independent rows of one weight know each of them as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_DENSE = 1 << 23  # up to so many pairs of group and cluster, counting them is faster than sorting the rows


@dataclass(frozen=True)
class GroupMeans:
    """rows: how many. mean: by weight, NaN without any. effective: rows, Kish's number of them where weights differ, fewer
    where the rows of a cluster go together."""

    rows: NDArray[np.int64]
    mean: Floats
    effective: Floats


def group_means(
    values: Floats, codes: NDArray[Any], size: int, weights: Floats | None, clusters: NDArray[Any] | None
) -> GroupMeans:
    """values: (n,). codes: (n,) group of each row, below `size`. weights: (n,) or None. clusters: (n,) numbers from 0, or None.

    Source: Kish 1965, Survey Sampling, sections 5.4 and 11.7.
    """
    rows = np.bincount(codes, minlength=size)
    mass, effective = rows.astype(np.float64), rows.astype(np.float64)
    with np.errstate(all="ignore"):
        if weights is not None:
            mass = _sums(weights, codes, size)
            effective = np.nan_to_num(mass**2 / _sums(weights**2, codes, size))
        mean = _sums(values if weights is None else weights * values, codes, size) / mass
        if clusters is not None:
            distance = values - mean[codes]
            off = distance if weights is None else weights * distance
            alone, (together, units) = (
                _sums(off * distance, codes, size) * mass,
                _by_cluster(off, codes, size, clusters),
            )
            independent = np.where(units > 1, alone / together * (units - 1) / units, 1.0)
            effective = np.where(together > 0, np.fmin(effective, independent), effective)
            effective = np.where(units > 1, effective, np.fmin(effective, 1.0))
    return GroupMeans(rows, mean, effective)


def _sums(terms: Floats, codes: NDArray[Any], size: int) -> Floats:
    return np.bincount(codes, terms, minlength=size).astype(np.float64, copy=False)


def _by_cluster(off: Floats, codes: NDArray[Any], size: int, clusters: NDArray[Any]) -> tuple[Floats, Floats]:
    """(Σ over the clusters of each group of the square of what their rows are off together, how many clusters it has)."""
    count = int(clusters.max(initial=0)) + 1
    pairs = codes.astype(np.int64) * count + clusters
    if size * count <= _DENSE:
        totals, rows = (np.bincount(pairs, each, minlength=size * count).reshape(size, count) for each in (off, None))
        return (totals**2).sum(axis=1), (rows > 0).sum(axis=1).astype(np.float64)
    units, unit = np.unique(pairs, return_inverse=True)
    group = units // count
    return _sums((np.bincount(unit, off) ** 2).astype(np.float64), group, size), np.bincount(
        group, minlength=size
    ).astype(np.float64)

"""Checks of arguments: what the functions of this folder accept, and the messages that refuse the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def check_open_share(name: str, value: float) -> None:
    """Raises ValueError unless 0 < value < 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} lies between 0 and 1, both excluded; it is {value}")


def check_positive(name: str, value: float) -> None:
    """Raises ValueError unless value is finite and above zero."""
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} is a number above zero; it is {value}")


def check_count(name: str, value: float, *, at_least: int = 0) -> None:
    """Raises ValueError unless value is a whole number, `at_least` or more."""
    if not value >= at_least or value != value // 1 or value == float("inf"):
        raise ValueError(f"{name} is a whole number, {at_least} or more; it is {value}")


def p_values(p: ArrayLike) -> list[float]:
    """(m,) p-values as a list. Raises ValueError where one is no number between 0 and 1."""
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"p-values are a flat list; these have the shape {values.shape}")
    wrong = values[~((values >= 0) & (values <= 1))]
    if wrong.size:
        raise ValueError(f"{wrong[0]} is no p-value, which lies between 0 and 1")
    return [float(value) for value in values]


def sample(name: str, values: ArrayLike, *, at_least: int = 1) -> Floats:
    """(n,) finite floats. Raises ValueError for another shape, too few, NaN and infinities."""
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1:
        raise ValueError(f"{name} is a flat list of numbers; it has the shape {data.shape}")
    if data.size < at_least:
        raise ValueError(f"{name} has {data.size} values; {at_least} or more are needed")
    if not np.isfinite(data).all():
        raise ValueError(f"{name} holds a value that is NaN or infinite")
    return data


def scored(labels: ArrayLike, *scores: ArrayLike) -> tuple[Bools, list[Floats]]:
    """Labels as (n,) bool, and each score as (n,) float of the same length; scores may be infinite.

    Raises ValueError for labels other than 0 and 1, lengths that differ, NaN, and where a class is absent.
    """
    raw = np.asarray(labels)
    if raw.ndim != 1 or raw.size == 0:
        raise ValueError(f"labels are a flat list of one or more; they have the shape {raw.shape}")
    positive: Bools = raw == 1
    if not (positive | (raw == 0)).all():
        raise ValueError("labels are 0 or 1, or false or true; another value is among them")
    columns = [np.asarray(score, dtype=np.float64) for score in scores]
    for column in columns:
        if column.shape != raw.shape:
            raise ValueError(f"there are {raw.size} labels, and scores of the shape {column.shape}")
        if np.isnan(column).any():
            raise ValueError("a score is NaN")
    if positive.all() or not positive.any():
        raise ValueError(
            f"all {raw.size} labels are {'positive' if positive.all() else 'negative'}; both classes are needed"
        )
    return positive, columns

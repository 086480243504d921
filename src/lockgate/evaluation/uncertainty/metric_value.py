"""A metric's value on some rows together with the influence of each row. Light at import."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lockgate.stats.influence import Spread

Array: TypeAlias = "NDArray[Any]"
Floats: TypeAlias = "NDArray[np.float64]"
Bools: TypeAlias = "NDArray[np.bool_]"


Cells = tuple[tuple[float, ...], ...]


class Undefined(ValueError):
    """The metric has no value on these rows; `code` is stable, the text gives the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class MetricValue:
    """value: of the metric. psi: (n,) influence of each row, mean zero, small-sample factors included.

    base: (n,) bool, the rows that a share is taken over; None where it is all of them. hits: (n,) bool, only of a plain
    share, for counts and for a paired comparison. cells: [label][decided positive], how far a share of all rows that are
    there would move the value, for each of it; only where rows have such cells. detail: what a finding shows besides.
    """

    value: float
    psi: Floats
    hits: Bools | None = None
    base: Bools | None = None
    cells: Cells | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> tuple[int, int] | None:
        """(k, n) rows of a plain share."""
        if self.hits is None or self.base is None:
            return None
        return int((self.hits & self.base).sum()), int(self.base.sum())

    def unseen_variance(self, psi: Floats, weights: Floats | None, clusters: Array | None) -> float:
        """Variance that influence values hide because no row varies there."""
        return 0.0


@dataclass(frozen=True)
class Rare:
    """Units that could behave otherwise without one of them having come.

    units: the independent ones that carry the value. reach: how far a share of them is taken to move it, for each of that share.
    sharp: the same as its influence says, which may be less; 0 where it says no other. crowded: whether one of them that is
    ranked first lowers what all below it are worth.
    """

    units: float
    reach: float = 1.0
    sharp: float = 0.0
    crowded: bool = False


def rare_pair(units: float, down: float, up: float) -> tuple[Rare, Rare]:
    """Those that would move a value down the farthest, and up. down, up: how far, for each share of all rows or clusters that they are."""
    first, second = (Rare(units, max(1.0, sharp), sharp) for sharp in (down, up))
    return first, second


@dataclass(frozen=True)
class Summary:
    """One model's metric on some rows, or its difference from another model's there, as far as tests need it.

    size: about the largest of |value| and |ψ|, beside which a spread may be nothing but rounding. units: the rows or
    clusters that carry the value, those of the smaller class where it needs both; where they weigh unlike, which is
    `uneven`, as many alike as would show that so little was missed. counts: (k, n) of a plain share of independent rows, effective ones where they are uneven. disagree: (only
    the candidate's, only the champion's, n) hits of a difference of two such shares; `error` is not looked at where either
    is there, but beside a `disagree` of uneven rows. rare: (those that would move the value down the farthest, up), None where any of `units` may
    move it as far as the metric is wide. detail: what a finding
    shows besides.
    """

    value: float
    error: Spread
    size: float
    units: float
    uneven: bool = False
    rare: tuple[Rare, Rare] | None = None
    counts: tuple[float, float] | None = None
    disagree: tuple[float, float, float] | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def clipped_beside(champion: Mapping[str, Any]) -> dict[str, Any]:
    """What a difference shows of the champion's own detail: how many of its rows are clipped."""
    return {"champion_clipped": champion["clipped"]} if "clipped" in champion else {}


def mean_of(values: Floats, weights: Floats | None) -> MetricValue:
    """The (weighted) mean of one value a row, and its influence."""
    from lockgate.stats.influence import dot

    n = values.size
    if n == 0:
        raise Undefined("no_rows", "there are no rows")
    if weights is None:
        mean = float(values.mean())
        return MetricValue(mean, (values - mean) * small_sample(n))
    total = float(weights.sum())
    if total <= 0:
        raise Undefined("no_weight", "all weights are zero")
    mean = dot(weights, values) / total
    return MetricValue(mean, (values - mean) * weights * (n / total) * small_sample(n))


def ratio_of(above: Array, below: Array, weights: Floats | None, *, among: str) -> MetricValue:
    """Σ above / Σ below with the influence of each row, by the delta method.

    above, below: (n,) numbers, or bool. among: what `below` counts.
    """
    n = above.size
    if n == 0:
        raise Undefined("no_rows", "there are no rows")
    if weights is not None:
        above, below = above * weights, below * weights
    total = float(below.sum())
    if total <= 0:
        raise Undefined("undefined", f"there are no {among}")
    ratio = float(above.sum()) / total
    psi: Floats = below * -ratio  # from here on in place: fresh memory costs more than the arithmetic
    psi += above
    psi *= n / total
    psi *= small_sample(n)
    return MetricValue(ratio, psi)


def share_of(hits: Bools, weights: Floats | None, detail: Mapping[str, Any] | None = None) -> MetricValue:
    """The (weighted) share of rows that are hits, of all rows."""
    every = hits | ~hits
    share = ratio_of(hits, every, weights, among="rows")
    return MetricValue(share.value, share.psi, hits, every, detail=detail or {})


def small_sample(n: int) -> float:
    """√(n/(n−1)): the factor that makes the variance of n influence values the unbiased one."""
    return math.sqrt(n / (n - 1)) if n > 1 else 1.0

"""What a bounded metric can show where few of its units vary, or none of those that could go wrong came.

Influence values see only the variation that came. Of m independent units, none of a share 1 − alpha^(1/m) comes with the chance
alpha, and these could behave as badly as the metric allows: no end lies nearer than they would move it. Units that did come
and moved the value as far as a unit can count as in a binomial test, so that few of them need no normal approximation.
Source: Clopper & Pearson 1934 where none came; Wilson 1927 for the score test of the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

from lockgate.evaluation.uncertainty.comparison import MIN_EFFECTIVE_ROWS, Comparison
from lockgate.evaluation.uncertainty.metric_value import Rare
from lockgate.stats.influence import Spread

_NORMAL = NormalDist()


def floored(first: Comparison, rare: tuple[Rare, Rare], *, null: float, confidence: float) -> Comparison:
    """A comparison with each end at least as far away as units that did not come would move it. rare: down, up."""
    down, up = (_Side(_grown(side, 1 - confidence)) for side in rare)
    return _moved(first, down, up, null=null, confidence=confidence)


def widened(by_t: Comparison, error: Spread, rare: tuple[Rare, Rare], *, null: float, confidence: float) -> Comparison:
    """The same of a comparison by t, with the units that came and moved the value as far as can be.

    Where so few carry the variance that t shows next to nothing, the score test bounds it in its stead.
    """
    down, up = (_beside_t(side, error.se, error.n_eff, 1 - confidence) for side in rare)
    return _moved(by_t, down, up, null=null, confidence=confidence)


def _beside_t(rare: Rare, se: float, n_eff: float, alpha: float) -> _BesideT:
    rare = _grown(rare, alpha)
    step = (rare.sharp or rare.reach) / max(rare.units, 1.0)
    variance = (se / step) ** 2  # in steps, of which no square is lost
    # All of it where so few make it that t is no judge, and the less of it, the more do.
    few = min((MIN_EFFECTIVE_ROWS / max(n_eff, 1.0)) ** 1.5, 1.0)
    extreme = min(variance, max(variance * variance / max(n_eff, 1.0), variance * few))
    return _BesideT(rare, se * se, step, extreme * step * step, math.sqrt(extreme / (extreme + 1)))


def _grown(rare: Rare, alpha: float) -> Rare:
    """The same, with the reach that units have of which each lowers what all ranked below it are worth.

    Of ρ rows of the other class that are ranked first, for each of the class, the precision at a share u of that class is at
    most u/(u + ρ), and the mean of what it lacks is ρ log(1 + 1/ρ).
    """
    if not rare.crowded:
        return rare
    ratio = -math.log(alpha) / max(rare.units, 1.0)
    growth = ratio * math.log1p(1 / ratio) / _share(rare.units, alpha)
    return Rare(rare.units, rare.reach * max(1.0, growth), rare.sharp)


def floored_p(
    p_values: tuple[float, float], rare: tuple[Rare, Rare], *, value: float, null: float
) -> tuple[float, float]:
    """The p-values of `floored` alone, without the interval, of units that are not crowded."""
    return _moved_p(*p_values, *map(_Side, rare), value=value, null=null)


def _moved_p(
    p_above: float, p_below: float, down: _Side, up: _Side, *, value: float, null: float
) -> tuple[float, float]:
    return (
        down.p(p_above, value - null) if value > null and down.bounded else p_above,
        up.p(p_below, null - value) if value < null and up.bounded else p_below,
    )


def _moved(first: Comparison, down: _Side, up: _Side, *, null: float, confidence: float) -> Comparison:
    value, alpha = first.value, 1 - confidence
    return Comparison(  # written out: `replace` of as many as there are slices takes longer than what is worked out
        value,
        value - down.width(value - first.low, alpha) if down.bounded else first.low,
        value + up.width(first.high - value, alpha) if up.bounded else first.high,
        *_moved_p(first.p_above, first.p_below, down, up, value=value, null=null),
        first.se,
        first.n_eff,
        first.method,
        first.too_few,
        first.detail,
    )


def _share(units: float, alpha: float) -> float:
    """The share of the units of which so many show none with the chance alpha."""
    return float(1 - alpha ** (1 / max(units, 1.0)))


@dataclass
class _Side:
    """One direction in which units that behave otherwise would move a value."""

    rare: Rare

    @property
    def bounded(self) -> bool:
        """Whether they can move it so far and no farther."""
        return math.isfinite(self.rare.reach)

    def width(self, first: float, alpha: float) -> float:
        return max(first, self.rare.reach * _share(self.rare.units, alpha))

    def p(self, first: float, distance: float) -> float:
        """Of the claim that the truth lies less than this distance, above 0, away."""
        return max(first, float((1 - min(distance / self.rare.reach, 1.0)) ** self.rare.units))


@dataclass
class _BesideT(_Side):
    """variance: of the value. step: how far a single unit moves it at most. extreme: the part of the variance that units make which
    each moved it by a step, or which are few. share: from 0 to 1, how much the normal law tells of these; of none, nothing.
    """

    variance: float
    step: float
    extreme: float
    share: float

    def width(self, first: float, alpha: float) -> float:
        few = self._score_width(self.extreme, _critical(alpha, self.share))
        return super().width(max(few, min(first, self._score_width(self.variance, _critical(alpha, 1.0)))), alpha)

    def p(self, first: float, distance: float) -> float:
        few = _tail(self._score(self.extreme, distance), self.share)
        return super().p(max(few, min(first, _tail(self._score(self.variance, distance), 1.0))), distance)

    def _score(self, variance: float, distance: float) -> float:
        """distance² / (variance + step · distance · (1 − distance/reach)), a squared standard score."""
        under_null = variance + self.step * distance * (1 - distance / self.rare.reach)
        return distance * distance / under_null if under_null > 0 else math.inf

    def _score_width(self, variance: float, critical: float) -> float:
        """The distance at which the squared score is critical."""
        half, more = critical * self.step / 2, 1 + critical * self.step / self.rare.reach
        return (half + math.sqrt(half * half + more * critical * variance)) / more


def _tail(squared: float, share: float) -> float:
    """The p-value of a squared score: exp(−z²), the chance that none came, and far out, by `share`, the larger one of the normal law."""
    none, normal = math.exp(-squared), _normal_tail(squared)
    return none if none >= normal else float(none ** (1 - share) * normal**share)


def _normal_tail(squared: float) -> float:
    return 0.5 * math.erfc(math.sqrt(squared / 2))


@lru_cache(4096)  # half of what is asked is the same for all slices
def _critical(alpha: float, share: float) -> float:
    """The squared score of this p-value."""
    low = -math.log(alpha)
    if _normal_tail(low) <= alpha:
        return low
    high = _NORMAL.inv_cdf(1 - alpha) ** 2
    for _ in range(40):  # to more digits than are shown
        middle = (low + high) / 2
        low, high = (middle, high) if _tail(middle, share) > alpha else (low, middle)
    return high

"""How often a test would decide: pass equal models, or find a loss, by the test itself.

Samples are drawn in thought: what values may come, and which spread would be seen beside each. `own` and `paired` then say of
each how far it bounds its value. Losses and tolerances are distances from equal to worse, in the metric's units.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.metric_value import Floats, Summary
from lockgate.evaluation.uncertainty.significance import Minority, own, p_of_shares, paired
from lockgate.stats.influence import Spread
from lockgate.stats.power import margin_by_t
from lockgate.stats.proportions import tango_p

# Centres and masses of intervals of 0.8 standard deviations: they stand for a law that is nearly normal.
_NODES = np.arange(-2.8, 3.5, 0.8)
_MASSES = special.ndtr(_NODES + 0.4) - special.ndtr(_NODES - 0.4)
_MASSES[[0, -1]] += special.ndtr(_NODES[0] - 0.4)
_WINDOW = 32  # so many counts of a binomial law are looked at; of more, each stands for its neighbours


@dataclass(frozen=True)
class Tested:
    """A comparison as its test saw it, so that the same test says what other samples would have shown.

    summary: of the value, or of the difference. rows, fewest: as `own` and `paired` take them.
    """

    metric: Metric
    requirement: Requirement
    summary: Summary
    rows: int
    fewest: Minority = None

    @property
    def up(self) -> bool:
        """Whether the line requires more."""
        return self.requirement.op == ">="

    @property
    def unbounded(self) -> bool:
        """Whether rows that did not come may move the value as far as they like."""
        return any(math.isinf(side.reach) for side in self.summary.rare or ())

    @property
    def width(self) -> float:
        """What a row can lose at most, infinite where nothing bounds it."""
        low, high = self.metric.bounds
        return high - low

    def expecting(self, se: float, n_eff: float) -> Tested:
        """The difference of two equal models with this error instead, which so many rows carry."""
        error = replace(self.summary.error, se=se, n_eff=n_eff, skew=0.0)
        return replace(self, summary=replace(self.summary, value=0.0, error=error))

    def margin_of_equal(self, *, alpha: float, power: float) -> float:
        """About the tolerance of `Passing`, from the one sample that is expected: for thousands of slices."""
        error = self.summary.error
        by_t = margin_by_t(error.se, n_eff=error.n_eff, alpha=alpha, power=power)
        return max(by_t, self.reach(error, alpha=alpha)[0] + float(special.ndtri(power)) * error.se)

    def resized(self, factor: float) -> Tested:
        """The same with `factor` times as many rows of the same kind."""
        error, fewest = self.summary.error, self.fewest
        error = replace(
            error,
            se=error.se / math.sqrt(factor),
            n_eff=error.n_eff * factor,
            skew=error.skew / math.sqrt(factor),
            clusters=None if error.clusters is None else round(error.clusters * factor),
            effective=None if error.effective is None else error.effective * factor,
        )
        return replace(
            self,
            summary=replace(self.summary, error=error, units=self.summary.units * factor),
            rows=round(self.rows * factor),
            fewest=None if fewest is None else (round(fewest[0] * factor), fewest[1]),
        )

    def with_lost(self, noise: Spread, units: int, lost: int) -> Spread:
        """The spread of a value, or difference, where so many of the units have lost all, beside the noise of all of them."""
        share, unit = lost / units, self.width
        quiet, each = (noise.se * units / unit) ** 2, units * share * (1 - share)
        second = quiet + each * units / max(units - 1, 1)
        if not second > 0:
            return replace(noise, se=0.0, n_eff=0.0, skew=0.0)
        fourth = quiet**2 / max(noise.n_eff, 1e-9) + 6 * quiet * share * (1 - share)
        fourth += each * (1 - 3 * share * (1 - share))
        third = each * (1 - 2 * share) * (-1 if self.up else 1)
        return replace(noise, se=unit * math.sqrt(second) / units, n_eff=second**2 / fourth, skew=third / second**1.5)

    def reach(self, error: Spread, *, alpha: float) -> tuple[float, float]:
        """How much (worse, better) than a sample's difference the truth may be, if this spread was seen; infinite where the
        test decides nothing."""
        summary = replace(self.summary, value=0.0, error=error, size=1.0, disagree=None)
        test = paired(
            self.metric, summary, self.requirement, rows=self.rows, fewest=self.fewest, null=0.0, confidence=1 - alpha
        )
        if test.too_few is not None:
            return math.inf, math.inf
        return (-test.low, test.high) if self.up else (test.high, -test.low)


Sample = tuple[float, float, Spread]
"""(how often it is drawn, standard deviation of its value, the spread that it shows)."""


def samples(error: Spread, *, scatter: float = 0.0) -> list[Sample]:
    """Samples of which n_eff rows carry the variance: the square of the spread is χ² with n_eff − 1 degrees of freedom.

    scatter: standard deviation of the logarithm of n_eff from sample to sample.
    """
    if not error.se > 0:
        return [(1.0, 0.0, error)]
    freedom = max(error.n_eff - 1, 1.0)
    squares = special.chdtri(freedom, special.ndtr(-_NODES)) / freedom
    sizes = [(1.0, 1.0)] if not scatter else list(zip(_MASSES, np.exp(scatter * _NODES), strict=True))
    return [
        (
            float(mass * share),
            error.se,
            replace(error, se=error.se * math.sqrt(square), n_eff=error.n_eff * float(size)),
        )
        for share, size in sizes
        for mass, square in zip(_MASSES, squares, strict=True)
    ]


def samples_of_moves(moves: float, step: float, error: Spread) -> list[Sample]:
    """Samples in which a number of rows, `moves` of them on average, move the difference by a step up or down."""
    counts = np.arange(
        max(0, math.floor(moves - 6 * math.sqrt(moves) - 1)), math.ceil(moves + 6 * math.sqrt(moves) + 6)
    )
    counts = counts[:: max(1, counts.size // _WINDOW)]
    masses = np.exp(special.xlogy(counts, moves) - moves - special.gammaln(counts + 1))
    return [
        (float(mass), step * math.sqrt(count), replace(error, se=step * math.sqrt(count), n_eff=float(count)))
        for count, mass in zip(counts, masses / masses.sum(), strict=True)
    ]


def smallest(chance: Callable[[float], float], *, power: float, low: float, high: float) -> float:
    """The least number from low to high from which on the chance is at least `power`; infinite where there is none."""
    if chance(low) >= power:
        return low
    if not chance(high) >= power:
        return math.inf
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if chance(middle) >= power else (middle, high)
    return high


@dataclass(frozen=True)
class Passing:
    """How often equal models pass, by the tolerance. masses, sds, reaches: (samples,)."""

    masses: Floats
    sds: Floats
    reaches: Floats

    @classmethod
    def from_samples(cls, tested: Tested, drawn: Sequence[Sample], *, alpha: float) -> Passing:
        reaches = [tested.reach(error, alpha=alpha)[0] for _, _, error in drawn]
        masses, sds = np.array([mass for mass, _, _ in drawn]), np.array([sd for _, sd, _ in drawn])
        return cls(masses / masses.sum(), sds, np.array(reaches))

    def chance(self, tolerance: float) -> float:
        """That equal models pass at this tolerance."""
        return float((self.masses * _below(self.reaches - tolerance, self.sds)).sum())

    def tolerance(self, power: float) -> float:
        """The smallest with this power; infinite where the test itself too often decides nothing."""
        finite = np.isfinite(self.reaches)
        if not finite.any():
            return math.inf
        high = float((self.reaches[finite] + 9 * self.sds[finite]).max())
        return smallest(self.chance, power=power, low=0.0, high=high)


def passing_of_equal(tested: Tested, *, scatter: float = 0.0, alpha: float) -> Passing:
    """By the error of a summary of equal models, which n_eff rows carry; scatter: as of `samples`."""
    return Passing.from_samples(tested, samples(tested.summary.error, scatter=scatter), alpha=alpha)


def _below(distance: Floats, sd: Floats | float) -> Floats:
    """P(normal deviate of this sd <= −distance); a step where nothing varies."""
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(np.asarray(sd) > 0, -distance / sd, np.where(distance <= 0, np.inf, -np.inf))
    chances: Floats = special.ndtr(steps)
    return chances


def detected_loss(tested: Tested, error: Spread, *, tolerance: float, most: float, alpha: float, power: float) -> float:
    """The smallest loss beside the champion that is found to be beyond the tolerance; infinite where none up to `most` is.

    error: the spread of the difference of two equal models, of a metric with bounds; most: what the champion can lose. The
    loss may lie on all units alike, or be all that some of them have, or come from scores that are blurred.
    """
    units = max(1, math.floor(tested.summary.units))
    loss = tolerance
    for chance in (
        _chance_if_blurred(tested, error, units, most / tested.width, tolerance, alpha=alpha),
        _chance_if_lost(tested, error, units, tolerance, alpha=alpha),
        _chance_if_alike(tested, error, tolerance, alpha=alpha),
    ):
        loss = smallest(chance, power=power, low=loss, high=most) if math.isfinite(loss) else loss
    return loss


def gained_beside(rate: float, loss: float) -> float:
    """The share of rows that a candidate gets right and its champion wrong, where blur in its scores costs it this loss.

    rate: of rows that the champion gets right; loss: at most that. With scores that are normal in each class, and noise added to
    them; where no noise could cost so much, of answers that have nothing to do with the champion's.
    """
    kept = rate - loss
    if not 0.5 < kept < rate < 1:
        return max((1 - rate) * min(kept, rate), 0.0) if loss > 0 else 0.0
    middle = float(special.ndtri(rate))
    noise = math.sqrt((middle / float(special.ndtri(kept))) ** 2 - 1)
    wrong = -(np.arange(_WINDOW) + 0.5) * (6.0 / _WINDOW)  # scores on the wrong side, by their distance
    mass = np.exp(-((wrong - middle) ** 2) / 2) * (6.0 / _WINDOW) / math.sqrt(2 * math.pi)
    return float((mass * special.ndtr(wrong / noise)).sum())


def _chance_if_blurred(
    tested: Tested, error: Spread, units: int, rate: float, tolerance: float, *, alpha: float
) -> Callable[[float], float]:
    """The chance that a loss is found where units lose and win all that they have, as far as blur does it."""
    shown = np.array([sample.se for _, _, sample in samples(replace(error, se=1.0))])

    def chance(loss: float) -> float:
        better = gained_beside(rate, loss / tested.width)
        worse = better + loss / tested.width
        apart, down = better + worse, worse - better
        noise = (error.se / tested.width) ** 2 * units
        second = max(noise + apart - down**2, 1e-12)  # where all of all units are lost, nothing varies
        fourth = (
            noise**2 * units / max(error.n_eff, 1e-9) + 6 * noise * apart + apart - 4 * down**2 + 6 * down**2 * apart
        )
        third = (-1 if tested.up else 1) * (down - 3 * down * apart + 2 * down**3)
        spread = replace(
            error,
            se=tested.width * math.sqrt(second / units),
            n_eff=units * second**2 / max(fourth - 3 * down**4, 1e-9),
            skew=third / second**1.5 / math.sqrt(units),
        )
        reaches = tested.reach(spread, alpha=alpha)[1] * shown
        return float((_MASSES * _below(reaches + tolerance - loss, spread.se)).sum() / _MASSES.sum())

    return chance


def _chance_if_alike(tested: Tested, error: Spread, tolerance: float, *, alpha: float) -> Callable[[float], float]:
    """The chance that a loss is found of which every unit has its part."""
    drawn = samples(error)
    masses = np.array([mass for mass, _, _ in drawn])
    reaches = np.array([tested.reach(sample, alpha=alpha)[1] for _, _, sample in drawn])
    return lambda loss: float((masses * _below(reaches + tolerance - loss, error.se)).sum() / masses.sum())


def _chance_if_lost(
    tested: Tested, error: Spread, units: int, tolerance: float, *, alpha: float
) -> Callable[[float], float]:
    """The chance that a loss is found which is all that some of the units have."""
    counts = np.unique([*range(min(17, units + 1)), *np.geomspace(1, units, _WINDOW).round()])
    # Where all are lost nothing varies any more, which rows never show so purely: that one is taken for one fewer.
    spreads = [tested.with_lost(error, units, min(int(count), max(units - 1, 1))) for count in counts]
    reaches = np.minimum([tested.reach(spread, alpha=alpha)[1] for spread in spreads], 1e9 * tested.width)

    def chance(loss: float) -> float:
        lost, masses = binomial_window(units, loss / tested.width)
        distances = np.interp(lost, counts, reaches) + tolerance - tested.width * lost / units
        return float((masses * _below(distances, error.se)).sum())

    return chance


def binomial_window(n: int, share: float) -> tuple[Floats, Floats]:
    """(counts that a binomial law is likely to give, how likely each is together with its neighbours)."""
    share = min(max(share, 0.0), 1.0)
    reach = 6 * math.sqrt(n * share * (1 - share)) + 6
    low, high = max(0, math.floor(n * share - reach)), min(n, math.ceil(n * share + reach))
    step = max(1, (high - low) // _WINDOW)
    counts = np.arange(low, high + 1, step, dtype=float)
    at_most = special.bdtr(counts + (step // 2), n, share)
    at_most[-1] = 1.0
    at_most[1:] -= at_most[:-1].copy()
    return counts, at_most


def detected_share_loss(
    rows: float, disagreement: float, *, rate: float, tolerance: float, most: float, alpha: float, power: float
) -> float:
    """The smallest loss that Tango's test finds to be beyond the tolerance, on so many rows; infinite where none up to `most` is.

    disagreement: the share of rows on which two equally good models differ; what is lost comes on top of it, and with it
    what blurred scores win elsewhere. rate: of rows that the champion gets right.
    """
    n = math.floor(rows)

    def share_better(loss: float) -> float:
        return min(disagreement / 2 + gained_beside(rate, loss), (1 - loss) / 2)

    widest = min(disagreement / 2 + rate * (1 - rate), 0.5)
    grid = np.unique(np.linspace(0, binomial_window(n, widest)[0][-1], 2 * _WINDOW).round())
    least, needed = 0, []
    for count in grid.tolist():
        least = _least_worse(count, n, least, tolerance=tolerance, alpha=alpha)
        needed.append(least)

    def chance(loss: float) -> float:
        share = share_better(loss)
        better, masses = binomial_window(n, share)
        fewest, others = np.ceil(np.interp(better, grid, needed)), (n - better).astype(int)
        beyond = special.bdtrc(np.maximum(fewest - 1, 0), others, min((loss + share) / (1 - share), 1.0))
        return float((masses * np.where(fewest <= others, beyond, 0.0)).sum())

    return smallest(chance, power=power, low=tolerance, high=most)


def _least_worse(better: float, n: int, least: int, *, tolerance: float, alpha: float) -> int:
    """With how many rows that the candidate alone gets wrong the test says *worse*; n + 1 where with none. least: too few, or just enough."""

    def says(worse: int) -> bool:
        # Units that did not come only enlarge the p-value of the score test: looked at where that alone would say so.
        return (
            tango_p(better, worse, n, -tolerance)[1] <= alpha and p_of_shares(better, worse, n, tolerance)[1] <= alpha
        )

    step, high = 1, least
    while high <= n - better and not says(high):
        least, high, step = high, high + step, 2 * step
    high = int(min(high, n - better))
    if not says(high):
        return n + 1
    while high - least > 1:
        middle = (least + high) // 2
        least, high = (least, middle) if says(middle) else (middle, high)
    return high


def detected_distance(tested: Tested, limit: float, *, most: float, alpha: float, power: float) -> float:
    """The smallest distance beyond an absolute limit at which one model is found to be beyond it; infinite where none is.

    Of a metric with bounds; most: from the limit to the worst of them. Every unit is taken to have all or nothing.
    """
    units = max(1, math.floor(tested.summary.units))
    start = 1 - most / tested.width
    edge = _edge_of_failure(tested, limit, units, math.floor(start * units), alpha=alpha)
    if edge is None:
        return math.inf
    return smallest(
        lambda distance: float(special.bdtrc(edge - 1, units, min(start + distance / tested.width, 1.0))),
        power=power,
        low=0.0,
        high=most,
    )


def _edge_of_failure(tested: Tested, limit: float, units: int, first: int, *, alpha: float) -> int | None:
    """The fewest units without anything, above the first, with which the value is found to be beyond the limit; None where none."""
    low, high = tested.metric.bounds

    def fails(lost: int) -> bool:
        share = (units - lost if tested.up else lost) / units
        counts = None if tested.summary.counts is None else (share * units, float(units))
        spread = tested.with_lost(replace(tested.summary.error, se=0.0), units, lost)
        summary = replace(
            tested.summary, value=low + share * (high - low), error=spread, size=1.0, units=units, counts=counts
        )
        test = own(tested.metric, summary, rows=tested.rows, fewest=tested.fewest, null=limit, confidence=1 - alpha)
        return test.too_few is None and (test.p_below if tested.up else test.p_above) <= alpha

    if not fails(units):
        return None
    return min(units, first + 1 + bisect_left(range(first + 1, units), x=True, key=fails))

"""Decide lines on requests that are asked in random order, valid whenever somebody looks: by wagers, unit by unit.

A unit is a request, or all of a user where rows have clusters. With h above and b below the line of a ratio, a limit L is met
where E[Σ w(h − L·b)] of a unit is below zero. What a unit can bring is bounded by the largest weight of any unit of the traffic,
which is known before anything is asked; so is the order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.shadow.line_metrics import line_metrics
from lockgate.evaluation.shadow.shifts import SCORE_SHIFT
from lockgate.evaluation.uncertainty.comparison import MIN_CLUSTERS, Comparison, approximately
from lockgate.evaluation.uncertainty.metric_value import Array, Floats, MetricValue
from lockgate.hashing import number
from lockgate.stats.sequential import largest_log_wealth, log_wealth, normal_log_wealth, normal_mixture_bound

WAGERS = "wagers"
ASYMPTOTIC = "asymptotic confidence sequence"
_FIRST = 1_000  # requests that are asked before the first look
_GROWTH = 1.25  # of what was asked, from one look to the next: all looks together cost a few times the last one
_MIN_EFFECTIVE = 50.0  # units that carry the variance, before a mean of anything is taken to be normal
_ALPHA = 0.05  # that the normal mixture is tuned for
_STEPS = 40  # doublings of the distance in which an end of an interval is looked for
_HALVINGS = 7  # of what is left then, so that the end is known to within a hundredth of its distance


@dataclass(frozen=True)
class Traffic:
    """All requests, of which some were asked. units: requests, or users. largest: the weight of the largest unit.

    in_slices: slice → label → that of the part of a unit that lies there.
    """

    requests: int
    units: int
    largest: float
    in_slices: Mapping[str, Mapping[str, float]]

    @classmethod
    def from_table(cls, scored: Scored) -> Traffic:
        """The traffic that a table is of."""
        entry = scored.traffic
        in_slices = {
            name: {label: float(text) for label, text in of_labels.items()}
            for name, of_labels in entry["slices"].items()
        }
        return cls(int(entry["requests"]), int(entry["units"]), float(entry["largest"]), in_slices)

    def to_json(self) -> dict[str, Any]:
        slices = {
            name: {label: number(weight) for label, weight in of_labels.items()}
            for name, of_labels in self.in_slices.items()
        }
        return {"requests": self.requests, "units": self.units, "largest": number(self.largest), "slices": slices}

    def largest_among(self, scored: Scored, rows: NDArray[np.intp]) -> float:
        """The most that a unit weighs among such rows: those of a slice, if all lie in one."""
        least = self.largest
        for name, of_labels in self.in_slices.items():
            labels, codes = scored.codes(name)
            inside = codes[rows]
            if inside.size and (inside == inside[0]).all():
                least = min(least, of_labels[labels[int(inside[0])]])
        return least


class AskingOrder(NamedTuple):
    """rows: (n,) numbers of all rows, units together, in random order. looks: how many of them are asked at each look, the last all."""

    rows: NDArray[np.int64]
    looks: list[int]
    traffic: Traffic


def asking_order(scored: Scored, seed: int) -> AskingOrder:
    """scored: all requests; their answers are not looked at. seed: of the policy."""
    total, clusters = scored.rows, scored.clusters
    draw = np.random.default_rng(seed)
    weights = np.ones(total) if scored.weights is None else scored.weights
    codes = np.arange(total) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    if clusters is None:
        rows, ends, sizes = draw.permutation(total), np.arange(1, total + 1), weights
    else:
        sizes = np.bincount(codes, weights)
        rows = np.argsort(draw.permutation(sizes.size)[codes], kind="stable")
        ends = np.append(np.flatnonzero(np.diff(codes[rows])) + 1, total)
    looks, end = list[int](), 0
    while end < total:
        place = int(np.searchsorted(ends, max(_FIRST, int(end * _GROWTH))))
        end = int(ends[min(place, ends.size - 1)])
        looks.append(end)
    largest = float(sizes.max(initial=0.0))
    return AskingOrder(rows, looks, Traffic(total, int(sizes.size), largest, _in_slices(scored, codes, weights)))


def _in_slices(scored: Scored, units: NDArray[np.int64], weights: NDArray[np.float64]) -> dict[str, dict[str, float]]:
    """Slice → label → the most that a unit weighs there. units: (n,) numbers from 0; nothing where each is one row of one weight."""
    if scored.clusters is None and scored.weights is None:
        return {}
    largest = dict[str, dict[str, float]]()
    for declared in scored.slices:
        labels, codes = scored.codes(declared.name)
        cells, cell = np.unique(units * len(labels) + codes, return_inverse=True)
        most = np.zeros(len(labels))
        np.maximum.at(most, cells % len(labels), np.bincount(cell, weights))
        largest[declared.name] = dict(zip(labels, most.tolist(), strict=True))
    return largest


@dataclass(frozen=True, kw_only=True)
class Stream(MetricValue):
    """A ratio of sums in the order in which requests were asked.

    above, below: (n,) by weight. largest: the most that a unit weighs. ends: the least and the most of a ratio, infinite where nothing
    bounds it. size: whether its size is compared, whichever way it goes.
    """

    above: Floats
    below: Floats
    largest: float
    ends: tuple[float, float]
    size: bool = False

    def minus(self, other: Stream, factor: float) -> Stream:
        """The difference of two ratios over the same requests."""
        low, high = self.ends
        ends = low - factor * other.ends[1], high - factor * other.ends[0]
        value = self.value - factor * other.value
        return replace(self, value=value, above=self.above - factor * other.above, ends=ends)


def early_metrics(
    scored: Scored,
    lines: Iterable[Requirement],
    *,
    task: str,
    threshold: Mapping[str, float | None],
    bounds: bool,
) -> dict[str, Metric]:
    """By its subject with arguments, the metric of each line. scored: in the order in which requests were asked.

    bounds: whether ends of intervals are needed, not only which lines are decided. Raises as `line_metrics`.
    """
    traffic = Traffic.from_table(scored)
    metrics = line_metrics(scored, lines, task=task, threshold=threshold)
    return {text: _metric(metric, scored, traffic, bounds=bounds) for text, metric in metrics.items()}


def _metric(metric: Metric, scored: Scored, traffic: Traffic, *, bounds: bool) -> Metric:
    measure_whole = metric.measure_rows
    assert measure_whole is not None  # noqa: S101  # as `line_metrics` makes them

    def measure(role: str, rows: NDArray[np.intp], weights: Floats | None) -> Stream:
        value, largest = measure_whole(role, rows, weights), traffic.largest_among(scored, rows)
        if metric.name == SCORE_SHIFT.name:
            return _shift(value, scored, rows, weights, ends=metric.bounds, largest=largest)
        assert value.hits is not None  # noqa: S101  # a share
        assert value.base is not None  # noqa: S101
        weight = np.ones(rows.size) if weights is None else weights
        return Stream(
            value.value, value.psi, base=value.base, detail=value.detail,
            above=weight * (value.hits & value.base), below=weight * value.base, ends=(0.0, 1.0), largest=largest,
        )  # fmt: skip

    def decide(
        candidate: MetricValue,
        champion: MetricValue | None,
        factor: float,
        clusters: Array | None,
        null: float,
        confidence: float,
    ) -> Comparison:
        assert isinstance(candidate, Stream)  # noqa: S101  # measured above
        stream = candidate.minus(champion, factor) if isinstance(champion, Stream) else candidate
        units = _Units.from_stream(stream, clusters)
        if all(map(math.isfinite, stream.ends)):
            return _by_wagers(stream, units, null=null, confidence=confidence, bounds=bounds)
        return _by_normal_mixture(stream, units, planned=traffic.units, null=null, confidence=confidence)

    return replace(metric, measure_rows=measure, decide=decide)


def _shift(
    mean: MetricValue,
    scored: Scored,
    rows: NDArray[np.intp],
    weights: Floats | None,
    *,
    ends: tuple[float, float],
    largest: float,
) -> Stream:
    """mean: as `score_shift` measures it."""
    candidate, champion = scored.candidate, scored.champion
    assert candidate is not None  # noqa: S101  # as of `line_metrics`
    assert champion is not None  # noqa: S101
    assert mean.base is not None  # noqa: S101  # the requests that both answered
    weight = np.ones(rows.size) if weights is None else weights
    return Stream(
        mean.value, mean.psi, base=mean.base, detail=mean.detail,
        above=weight * np.where(mean.base, candidate[rows] - champion[rows], 0.0), below=weight * mean.base,
        ends=ends, largest=largest, size=True,
    )  # fmt: skip


@dataclass(frozen=True)
class _Units:
    """(n,) sums of requests or of users, in the order in which they were asked; those that bring anything."""

    above: Floats
    below: Floats
    clustered: bool

    @classmethod
    def from_stream(cls, stream: Stream, clusters: Array | None) -> _Units:
        above, below = stream.above, stream.below
        if clusters is not None:
            _, first, codes = np.unique(clusters, return_index=True, return_inverse=True)
            turn = np.argsort(np.argsort(first))[codes]
            above, below = (np.bincount(turn, column).astype(np.float64) for column in (above, below))
        there = (below != 0) | (above != 0)
        return cls(above[there], below[there], clusters is not None)

    def excess(self, null: float) -> Floats:
        """(n,) what each brings beyond a ratio of `null`."""
        return self.above - null * self.below

    @property
    def mean(self) -> float:
        return float(self.above.sum() / self.below.sum())

    @property
    def spread(self) -> float:
        """About the standard error of the mean."""
        return float(np.sqrt((self.excess(self.mean) ** 2).sum()) / self.below.sum())


def _by_wagers(stream: Stream, units: _Units, *, null: float, confidence: float, bounds: bool) -> Comparison:
    """Exact for any number of units. For a size, both ways must be shown, and either may be refuted at half the risk."""
    low, high = stream.ends

    def p_above(limit: float) -> float:
        return _p_value(units.excess(limit), (limit - low) * stream.largest)

    def p_below(limit: float) -> float:
        return _p_value(-units.excess(limit), (high - limit) * stream.largest)

    if stream.size:
        above, below = min(1.0, 2 * min(p_above(null), p_below(-null))), max(p_below(null), p_above(-null))
        alpha = 1 - confidence
        lower, upper = _interval(units, stream.ends, stream.largest, alpha, bounds=bounds)
        half_low, half_high = _interval(units, stream.ends, stream.largest, alpha / 2, bounds=bounds)
        ends = max(half_low, -half_high, 0.0), max(-lower, upper)
    else:
        above, below = p_above(null), p_below(null)
        ends = _interval(units, stream.ends, stream.largest, 1 - confidence, bounds=bounds)
    method = WAGERS + (", by cluster" if units.clustered else "")
    kept = _kept(ends, above, below, null=null, alpha=1 - confidence)
    return Comparison(stream.value, *kept, above, below, None, float(units.above.size), method)


def _kept(ends: tuple[float, float], above: float, below: float, *, null: float, alpha: float) -> tuple[float, float]:
    """The interval without what was refuted at an earlier time, which stays refuted."""
    low, high = ends
    return max(low, null) if above <= alpha else low, min(high, null) if below <= alpha else high


def _p_value(excess: Floats, room: float) -> float:
    """Of the claim that the mean excess is zero or less; room: the least that it may be, turned positive."""
    if room <= 0:  # nothing can lie below: whatever lies above refutes it
        return 0.0 if (excess > 0).any() else 1.0
    return math.exp(-largest_log_wealth(np.maximum(excess / room, -1.0)))


def _interval(
    units: _Units, ends: tuple[float, float], largest: float, alpha: float, *, bounds: bool
) -> tuple[float, float]:
    """The ratios that the wealth at this time does not refute, each end at alpha."""
    if not bounds:
        return ends
    # Alike units are looked at once: without weights and users there are two or three kinds of them.
    pairs, counts = np.unique(units.above + 1j * units.below, return_counts=True)
    above, below, times, needed = pairs.real, pairs.imag, counts.astype(np.float64), -math.log(alpha)

    def refuted(limit: float, sign: int) -> bool:
        room = ((limit - ends[0]) if sign > 0 else (ends[1] - limit)) * largest
        gains = sign * (above - limit * below)
        return room > 0 and log_wealth(np.maximum(gains / room, -1.0), times) >= needed

    # About where an end lies: a few errors of the mean away, or where nothing varies as far as so much weight shows.
    mean, spread = units.mean, max(units.spread, 2 * largest / float(units.below.sum()))
    low = _edge(mean, ends[0], spread, lambda at: refuted(at, 1))
    return low, _edge(mean, ends[1], spread, lambda at: refuted(at, -1))


def _edge(mean: float, end: float, spread: float, refuted: Callable[[float], bool]) -> float:
    """The ratio from which on, towards `end`, all are refuted, to within a hundredth of its distance; `end` where none is."""
    step, inner, outer = spread, mean, mean
    for _ in range(_STEPS):
        outer = mean + math.copysign(min(step, abs(end - mean)), end - mean)
        if outer == end or refuted(outer):
            break
        inner, step = outer, 2 * step
    if not refuted(outer):
        return end
    for _ in range(_HALVINGS):
        middle = (inner + outer) / 2
        inner, outer = (inner, middle) if refuted(middle) else (middle, outer)
    return outer


def _by_normal_mixture(stream: Stream, units: _Units, *, planned: int, null: float, confidence: float) -> Comparison:
    """Asymptotic: units are taken to be normal once 50 of them carry the variance. planned: how many there are in all.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024, Time-uniform central limit theory and asymptotic confidence sequences.
    """
    alpha, v_opt, n = 1 - confidence, max(planned / 4, 1.0), units.above.size
    centred = units.excess(units.mean)
    square = centred * centred
    n_eff = float(square.sum()) ** 2 / float((square * square).sum()) if square.any() else 0.0
    method = approximately(ASYMPTOTIC + (", by cluster" if units.clustered else ""))
    few = None
    if n_eff < _MIN_EFFECTIVE:
        few = f"{n_eff:.1f} requests carry the variance; a sequence needs {_MIN_EFFECTIVE:g}"
    if units.clustered and n < MIN_CLUSTERS:
        few = f"{n} clusters; the test needs {MIN_CLUSTERS}"
    if not square.any():
        return Comparison(stream.value, 0.0, math.inf, 1.0, 1.0, None, n_eff, method, few)

    def p_value(excess: Floats) -> float:
        return _normal_p(excess, v_opt)

    above = min(1.0, 2 * min(p_value(units.excess(null)), p_value(-units.excess(-null))))
    below = max(p_value(-units.excess(null)), p_value(units.excess(-null)))

    def reach(risk: float) -> float:
        bound = normal_mixture_bound(n, alpha=risk, v_opt=v_opt, two_sided=False)
        return bound * math.sqrt(float(square.mean())) / float(units.below.sum())

    mean = abs(units.mean)
    ends = max(mean - reach(alpha / 2), 0.0), mean + reach(alpha)
    kept = _kept(ends, above, below, null=null, alpha=alpha)
    return Comparison(stream.value, *kept, above, below, None, n_eff, method, few)


def _normal_p(excess: Floats, v_opt: float) -> float:
    """Of the claim that the mean excess is zero or less, by all times from which on enough units carry the variance."""
    t = np.arange(1, excess.size + 1)
    scaled = excess / math.sqrt(float((excess * excess).mean()))
    first, second, third, fourth = (np.cumsum(scaled**power) for power in (1, 2, 3, 4))
    mean = first / t
    squares = np.maximum(second - t * mean**2, 0.0)
    fourths = fourth - 4 * mean * third + 6 * mean**2 * second - 3 * t * mean**4
    with np.errstate(divide="ignore", invalid="ignore"):
        ready = squares**2 / fourths >= _MIN_EFFECTIVE
        sums = first / np.sqrt(squares / t)
    if not ready.any():
        return 1.0
    wealth = normal_log_wealth(sums[ready], t[ready].astype(np.float64), alpha=_ALPHA, v_opt=v_opt)
    return min(1.0, math.exp(-float(wealth.max())))

"""Metrics of independent rows of one weight on all slices at once: sums by slice, and no array of influences is kept.

Rows are put in order once: positives first, then by the cell of several slicings together, so that a cell is a run of
rows and a slice is made of runs. Means and shares are summed by run and added up by slice. For ranks and calibration rows
are put in the order of the candidate's scores once, and every slicing takes its slices from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lockgate.arrays import narrow
from lockgate.binned import bin_sums
from lockgate.metrics import calibration, classification, rates
from lockgate.metrics.calibration import BinSums
from lockgate.metrics.influence import Metric, Summary, Undefined
from lockgate.ranked import (
    BLOCK,
    MOST_SLICES,
    MOST_TOGETHER,
    Ranking,
    Slices,
    by_code,
    difference,
    order_keys,
    rank,
    sorted_places,
)
from lockgate.requirement import Requirement
from lockgate.stats.influence import Spread, Sums

if TYPE_CHECKING:
    from lockgate.estimate import Rows

Array = NDArray[Any]
Floats = NDArray[np.float64]
Place = tuple[int, int]

OVERALL: Place = (0, 0)
MOST_ROWS = 1 << 30
ROLES = ("candidate", "champion")
_MOST_CELLS = 1 << 17
_ROWS_A_CELL = 8
_BLOCKS_A_TASK = 8
_FEW_ROWS = 300_000
_NOTHING = Sums(0.0, 0.0, 0.0)
_UNTOLD = Spread(0.0, 0.0, 0.0, 0)

_RANKED: Mapping[Any, str] = {
    classification.auc: "auc",
    classification.average_precision: "average_precision",
}
_LOSSES: Mapping[Any, Callable[[Any, Floats], Floats]] = {
    classification.log_loss: classification.log_losses,
    classification.brier: classification.squared_errors,
}
# (above, below) of a share by [label, decided]: a row counts `above` among `below`.
_SHARES: Mapping[Any, tuple[Floats, Floats]] = {
    classification.accuracy: (np.array([[1.0, 0], [0, 1]]), np.ones((2, 2))),
    classification.recall: (np.array([[0.0, 0], [0, 1]]), np.array([[0.0, 0], [1, 1]])),
    classification.precision: (np.array([[0.0, 0], [0, 1]]), np.array([[0.0, 1], [0, 1]])),
    classification.f1: (np.array([[0.0, 0], [0, 2]]), np.array([[0.0, 1], [1, 2]])),
    rates.positive_rate: (np.array([[0.0, 1], [0, 1]]), np.ones((2, 2))),
    rates.false_positive_rate: (np.array([[0.0, 1], [0, 0]]), np.array([[1.0, 1], [0, 0]])),
}
_AMONG = {**classification.SHARES_AMONG, rates.positive_rate: "rows", rates.false_positive_rate: "negative rows"}


@dataclass(frozen=True)
class Moments:
    """Per slice: rows, mean, and the sums of the second to fourth powers of what deviates from it."""

    rows: Floats
    mean: Floats
    second: Floats
    third: Floats
    fourth: Floats

    def pooled(self, codes: Array, slices: int, *, deviates: bool) -> Moments:
        """Of the unions of parts of one code; exact where nothing varies. deviates: whether more than the mean is wanted."""

        def total(values: Floats) -> Floats:
            return np.bincount(codes, values, slices).astype(np.float64, copy=False)

        rows = total(self.rows)
        some = np.maximum(rows, 1.0)
        mean = total(self.rows * self.mean) / some
        mean += total(self.rows * (self.mean - mean[codes])) / some
        if not deviates:
            return Moments(rows, mean, *[np.zeros(slices)] * 3)
        off = self.mean - mean[codes]
        square = off * off
        second = total(self.second + self.rows * square)
        third = total(self.third + off * (3 * self.second + self.rows * square))
        fourth = total(self.fourth + 4 * off * self.third + square * (6 * self.second + self.rows * square))
        return Moments(rows, mean, second, third, fourth)

    def sums(self, code: int) -> Sums:
        return Sums(float(self.second[code]), float(self.third[code]), float(self.fourth[code]))


@dataclass(frozen=True)
class _Ranked:
    """What is left of a slice when its ranks are gone. values, own: by (metric, role); pairs: by (metric, factor)."""

    values: Mapping[tuple[str, str], float]
    own: Mapping[tuple[str, str], Sums]
    pairs: Mapping[tuple[str, float], Sums]
    bins: BinSums | None = None


@dataclass(frozen=True)
class Wanted:
    """What the lines need.

    ordered: the places whose rows must be in the order of scores; ranks, bins: whether for ranks, for calibration. decided:
    the metrics of which more than a value is asked. factors: by metric, of such lines that compare two models. paired:
    whether any line does.
    """

    ordered: frozenset[Place]
    ranks: bool
    bins: bool
    decided: frozenset[Any]
    factors: Mapping[Any, frozenset[float]]
    losses: tuple[Any, ...]
    cuts: tuple[tuple[float | None, float | None], ...]
    paired: bool


class Sliced:
    """All sums that lines on `scored` need, of the slicings in `codes` and overall.

    asked: the lines of each place. codes: slicing, from 1 → (number of its slices, (n,) code of each row). threads: how many may
    be used.
    """

    def __init__(
        self,
        scored: Rows,
        asked: Sequence[tuple[Place, Requirement]],
        metrics: Mapping[str, Metric],
        *,
        threshold: Mapping[str, float | None],
        codes: Mapping[int, tuple[int, Array]],
        threads: int,
    ) -> None:
        self._metrics, self._threshold = metrics, threshold
        self._taken: dict[Any, bool] = {}
        self._whole = _qualifies(scored)
        self._unit = {role: self._whole and _within_unit(getattr(scored, role)) for role in ROLES}
        self._finite = {role: self._whole and _finite(getattr(scored, role)) for role in ROLES}
        taken = [(place, line) for place, line in asked if self.takes(line)]
        self._ranks: dict[Place, _Ranked] = {}
        self._summaries: dict[Any, Summary] = {}
        self._moments: dict[tuple[int, Any, Any], Moments] = {}
        self._counts: dict[tuple[int, Any], NDArray[np.int64]] = {}
        self._rows: dict[int, tuple[Array, Array]] = {}
        if taken:
            _Work(self, scored, taken, codes, threads).run()

    def takes(self, line: Requirement) -> bool:
        """Whether a line is answered here."""
        key = line.subject, line.args, line.limit.relative
        if key not in self._taken:
            self._taken[key] = self._takes(line)
        return self._taken[key]

    def _takes(self, line: Requirement) -> bool:
        measure = line.among(self._metrics).measure
        if measure is calibration.calibration_error:
            return not line.limit.relative and self._finite["candidate"] and self._unit["candidate"]
        if not any(measure is known for known in (*_RANKED, *_LOSSES, *_SHARES)):
            return False
        roles = ROLES if line.limit.relative else ROLES[:1]
        if not all(self._finite[role] for role in roles):
            return False
        if measure in _LOSSES:
            return all(self._unit[role] for role in roles)
        if measure in _SHARES:
            return all(self.cut(line, role) is not None for role in roles)
        return measure in _RANKED

    def cut(self, line: Requirement, role: str) -> float | None:
        """The score from which on a row of this role is decided positive."""
        argument = line.argument("threshold")
        return self._threshold.get(role) if argument is None else float(argument)

    def cuts(self, line: Requirement) -> tuple[float | None, float | None]:
        """Of both roles; None for a champion that is not asked."""
        return self.cut(line, "candidate"), self.cut(line, "champion") if line.limit.relative else None

    def measure(self, place: Place, role: str, line: Requirement) -> Summary:
        """One model's metric on a slice. Raises Undefined."""
        key = place, role, line.subject, line.args, line.limit.relative
        if key not in self._summaries:
            self._summaries[key] = self._measure(place, role, line)
        return self._summaries[key]

    def _measure(self, place: Place, role: str, line: Requirement) -> Summary:
        measure = line.among(self._metrics).measure
        rows, positives = self.size(place) or (0, 0)
        if measure in _RANKED:
            self._needs_both(rows, positives)
            found, key = self._ranks[place], (_RANKED[measure], role)
            return _summary(
                found.values[key], found.own.get(key, _NOTHING), rows, units=min(positives, rows - positives)
            )
        if measure is calibration.calibration_error:
            value = self.bins(place).bins.root_mean_square_gap
            return Summary(value, _UNTOLD, abs(value), rows)
        if measure in _LOSSES:
            moments = self._moments[place[0], measure, role]
            return _summary(
                float(moments.mean[place[1]]), moments.sums(place[1]).scaled(_small(rows)), rows, units=rows
            )
        return self._share(measure, place, self._decided(place, line, role), rows)

    def contrast(self, place: Place, line: Requirement, factor: float) -> Summary:
        """Candidate minus `factor` times champion on a slice, where both are defined."""
        metric = line.among(self._metrics)
        rows, positives = self.size(place) or (0, 0)
        candidate, champion = (self.measure(place, role, line) for role in ROLES)
        value = candidate.value - factor * champion.value
        size = max(candidate.size, abs(champion.value))
        if metric.measure in _RANKED:
            sums = self._ranks[place].pairs[_RANKED[metric.measure], factor]
            return _summary(value, sums, rows, units=min(positives, rows - positives), size=size)
        if metric.measure in _LOSSES:
            moments = self._moments[place[0], metric.measure, factor]
            sums = moments.sums(place[1]).scaled(_small(rows))
            return _summary(value, sums, rows, units=rows, size=size)
        table = self._counts[place[0], self.cuts(line)][place[1]]
        if metric.paired_share and factor == 1.0:
            return _disagreement(metric.measure, table, value)
        above, below = _SHARES[metric.measure]
        psi = np.zeros((2, 2, 2))
        for axis, (one, sign) in enumerate(((candidate, 1.0), (champion, -factor))):
            counts = table.sum(axis=2 - axis)
            psi += sign * np.expand_dims(_ratio_influence(above, below, counts, one.value, rows), 2 - axis)
        carries = np.expand_dims(below > 0, 2) | np.expand_dims(below > 0, 1)
        sums = Sums.of(psi.ravel(), table.ravel().astype(np.float64))
        return _summary(value, sums, rows, units=int(table[carries].sum()), size=size)

    def bins(self, place: Place) -> BinSums:
        """What the candidate's calibration on a slice is decided by."""
        found = self._ranks[place].bins
        assert found is not None  # noqa: S101  # it was asked
        return found

    def size(self, place: Place) -> tuple[int, int] | None:
        """(rows, positives) of a slice; None where nothing is known of it."""
        if place[0] not in self._rows:
            return None
        rows, positives = self._rows[place[0]]
        return int(rows[place[1]]), int(positives[place[1]])

    def _needs_both(self, rows: int, positives: int) -> None:
        if positives in (0, rows):
            raise Undefined("one_class", f"there are no {'positive' if not positives else 'negative'} rows")

    def _decided(self, place: Place, line: Requirement, role: str) -> NDArray[np.int64]:
        """[label, decided] rows of a slice."""
        table = self._counts[place[0], self.cuts(line)][place[1]]
        counts: NDArray[np.int64] = table.sum(axis=2 if role == "candidate" else 1)
        return counts

    def _share(self, measure: Any, place: Place, counts: NDArray[np.int64], rows: int) -> Summary:
        above, below = _SHARES[measure]
        total = float((below * counts).sum())
        if total <= 0:
            raise Undefined("undefined", f"there are no {_AMONG[measure]}")
        value = float((above * counts).sum()) / total
        units = int(counts[below > 0].sum())
        psi = _ratio_influence(above, below, counts, value, rows)
        found = _summary(value, Sums.of(psi.ravel(), counts.ravel().astype(np.float64)), rows, units=units)
        if measure is classification.f1:
            return found
        return Summary(value, found.error, found.size, units, counts=(int((above * counts).sum()), units))


def _summary(value: float, sums: Sums, rows: int, *, units: int, size: float | None = None) -> Summary:
    largest = max(abs(value) if size is None else size, max(sums.fourth, 0.0) ** 0.25)
    return Summary(value, sums.spread(rows), largest, units)


def _ratio_influence(above: Floats, below: Floats, counts: NDArray[np.int64], value: float, rows: int) -> Floats:
    scale = rows / float((below * counts).sum()) * _small(rows)
    return (above - value * below) * scale


def _disagreement(measure: Any, table: NDArray[np.int64], value: float) -> Summary:
    """Of hits on the same rows: [label, decided by the candidate, by the champion]."""
    above, below = _SHARES[measure]
    judged = [label for label in (0, 1) if below[label].any()]
    only_candidate = only_champion = 0
    for label in judged:
        hit = int(above[label, 1])
        only_candidate += int(table[label, hit, 1 - hit])
        only_champion += int(table[label, 1 - hit, hit])
    n = int(table[judged].sum())
    return Summary(value, _UNTOLD, abs(value), n, disagree=(only_candidate, only_champion, n))


def _small(rows: int) -> float:
    return math.sqrt(rows / (rows - 1)) if rows > 1 else 1.0


def _qualifies(scored: Rows) -> bool:
    labels = scored.labels
    plain = scored.weights is None and scored.clusters is None
    return plain and labels is not None and labels.dtype == bool and 0 < scored.rows < MOST_ROWS


def _finite(scores: Array | None) -> bool:
    return scores is not None and bool(np.isfinite(scores.min()) and np.isfinite(scores.max()))


def _within_unit(scores: Array | None) -> bool:
    return scores is not None and bool(scores.min() >= 0 and scores.max() <= 1)


class _Work:
    """From rows to sums, on all threads that are given."""

    def __init__(
        self,
        into: Sliced,
        scored: Rows,
        asked: Sequence[tuple[Place, Requirement]],
        codes: Mapping[int, tuple[int, Array]],
        threads: int,
    ) -> None:
        self.into, self.threads = into, threads if scored.rows >= _FEW_ROWS else 1
        self.rows = scored.rows
        self.slices = {0: 1} | {name: count for name, (count, _) in codes.items()}
        self.wanted = _wanted(into, asked)
        self.roles = ROLES if self.wanted.paired else ROLES[:1]
        labels = scored.labels
        assert labels is not None  # noqa: S101  # it qualified
        self.positives = int(np.count_nonzero(labels))
        self.bundles = _bundles(self.slices, self.rows)
        cells = _cells(self.bundles[0], {name: column for name, (_, column) in codes.items()}, self.slices, self.rows)
        cells[~labels] += math.prod(self.slices[name] for name in self.bundles[0])
        order = sorted_places(cells)
        del cells
        self.codes: dict[int, Array] = {0: np.zeros(0, np.uint8)}
        for name, (count, column) in codes.items():
            self.codes[name] = column.astype(narrow(count), copy=False)[order]
        self.keys, self.scores, self.exact = {}, {}, {}
        for role in self.roles:
            given: Any = getattr(scored, role)
            keys = order_keys(given)
            self.keys[role] = keys[order]
            same = np.array_equal(keys.view(np.float32), given)
            self.scores[role] = self.keys[role].view(np.float32) if same else given[order]
            self.exact[role] = same

    def run(self) -> None:
        if self.threads == 1:
            self._run(_Inline())
            return
        with ThreadPoolExecutor(self.threads) as pool:
            self._run(pool)

    def _run(self, pool: Executor) -> None:
        places = pool.submit(sorted_places, self.keys["candidate"]) if self.wanted.ordered else None
        for number, bundle in enumerate(self.bundles):
            self._sum(pool, bundle, first=number == 0)
        if places is None:
            return
        ranked = _Ranks(self, places.result())
        del places
        self.keys.clear()  # they would only be in the way of what is to come
        self.scores.clear()
        tasks = [
            task
            for name in dict.fromkeys(name for name, _ in sorted(self.wanted.ordered))
            for task in ranked.tasks(pool, name)
        ]
        for task in tasks:
            self.into._ranks |= task.result()

    def _sum(self, pool: Executor, bundle: Sequence[int], *, first: bool) -> None:
        """Rows, shares and means of the slicings of a bundle, and of all rows with the first."""
        order = None
        cells = _cells(bundle, self.codes, self.slices, self.rows)
        if not first:
            cells[self.positives :] += math.prod(self.slices[name] for name in bundle)
            order = sorted_places(cells)
            cells = cells[order]
        edge = cells[1:] != cells[:-1]
        edge[self.positives - 1 : self.positives] = True
        edge[BLOCK - 1 :: BLOCK] = True
        starts = np.concatenate([[0], np.flatnonzero(edge) + 1])
        del cells, edge
        lengths = np.diff(starts, append=self.rows).astype(np.float64)
        scores = {role: column if order is None else column[order] for role, column in self.scores.items()}
        step = BLOCK * _BLOCKS_A_TASK
        sums = _Runs(self.wanted, scores, starts, self.positives)
        parts = [pool.submit(sums.over, low, min(low + step, self.rows)) for low in range(0, self.rows, step)]
        places = starts if order is None else order[starts]
        positive = np.where(starts < self.positives, lengths, 0.0)
        where = {name: self.codes[name][places] for name in bundle if name}
        if first:
            where[0] = np.zeros(starts.size, np.uint8)
        for name, codes in where.items():
            count = self.slices[name]
            self.into._rows[name] = np.bincount(codes, lengths, count), np.bincount(codes, positive, count)
        found = [part.result() for part in parts]
        for key in sums.variables:
            columns = (np.concatenate(each) for each in zip(*(part.moments[key] for part in found), strict=True))
            moments = Moments(lengths, *columns)
            for name, codes in where.items():
                self.into._moments[name, *key] = moments.pooled(codes, self.slices[name], deviates=sums.deviates(*key))
        for cuts in self.wanted.cuts:
            each = np.concatenate([part.decided[cuts] for part in found], axis=1)
            for name, codes in where.items():
                self.into._counts[name, cuts] = _tables(
                    each, codes, self.slices[name], starts < self.positives, lengths
                )


class _Ranks:
    """AUC and average precision of slices, from rows in the order of the candidate's scores."""

    def __init__(self, work: _Work, places: NDArray[np.int64]) -> None:
        self.wanted, self.places = work.wanted, places
        self.rows, self.codes, self.sizes = work.rows, work.codes, work.into._rows
        self.whole = Slices(np.array([work.rows]), np.array([work.positives]))
        negative = places >= work.positives
        self.bits = {}
        for role, keys in work.keys.items():
            bits = keys.take(places)
            bits <<= np.uint32(1)
            bits |= negative
            self.bits[role] = bits
        told = work.exact["candidate"] or not self.wanted.bins
        self.scores = None if told else work.scores["candidate"].take(places)

    def tasks(self, pool: Executor, name: int) -> Iterator[Future[Mapping[Place, _Ranked]]]:
        """The ranking of slices that have both classes, large ones alone and first."""
        if not name:
            if self.wanted.bins or 0 < self.whole.positives[0] < self.rows:
                yield pool.submit(self._rank, None, self.whole, [OVERALL])
            return
        order = pool.submit(self._by_slice, name).result()
        rows, positives = (column.astype(np.int64) for column in self.sizes[name])
        ends = np.concatenate([[0], np.cumsum(rows)])
        told = rows > 0 if self.wanted.bins else (positives > 0) & (positives < rows)
        for low, high in sorted(_together(rows), key=lambda ends: -int(rows[slice(*ends)].sum())):
            asked = [
                (name, code) if told[code] and (name, code) in self.wanted.ordered else None
                for code in range(low, high)
            ]
            if any(asked):
                yield pool.submit(
                    self._rank, order[ends[low] : ends[high]], Slices(rows[low:high], positives[low:high]), asked
                )

    def _by_slice(self, name: int) -> NDArray[np.int32]:
        return by_code(self.codes[name].take(self.places), self.sizes[name][0].size)

    def _rank(
        self, members: NDArray[np.int32] | None, slices: Slices, asked: Sequence[Place | None]
    ) -> Mapping[Place, _Ranked]:
        """members: the rows of the slices, one slice after the other, ascending in each; all rows if None."""
        bits = {role: _taken(each, members) for role, each in self.bits.items()}
        bins = list[BinSums | None]()
        if self.wanted.bins:
            bins += bin_sums(bits["candidate"], _taken(self.scores, members), slices)
        if not self.wanted.ranks:
            return {
                place: _Ranked({}, {}, {}, binned)
                for place, binned in zip(asked, bins, strict=True)
                if place is not None
            }
        decided = not self.wanted.decided.isdisjoint(_RANKED)
        factors = [
            (name, factor) for measure, name in _RANKED.items() for factor in self.wanted.factors.get(measure, ())
        ]
        found = {
            role: rank(
                each, slices, ordered=role == "candidate", sums=decided and role == "candidate", groups=bool(factors)
            )
            for role, each in bits.items()
        }
        candidate = found["candidate"]
        own = {"auc": candidate.auc_sums, "average_precision": candidate.average_precision_sums}
        pairs = {key: self._difference(found, f"{key[0]}_psi", slices, key[1]) for key in factors}
        return {
            place: _Ranked(
                {(name, role): float(getattr(one, name)[number]) for role, one in found.items() for name in own},
                {(name, "candidate"): sums[number] for name, sums in own.items() if sums},
                {key: sums[number] for key, sums in pairs.items()},
                binned,
            )
            for number, (place, binned) in enumerate(zip_longest(asked, bins))
            if place is not None
        }

    def _difference(self, found: Mapping[str, Ranking], name: str, slices: Slices, factor: float) -> tuple[Sums, ...]:
        one, other = (getattr(found[role], name) for role in ROLES)
        groups: Any = [found[role].groups for role in ROLES]
        return difference(one, other, groups, slices, factor)


def _taken(column: Any, members: NDArray[np.int32] | None) -> Any:
    return column if column is None or members is None else column.take(members, mode="clip")


def _together(rows: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """From and to which slices are ranked at once."""
    low = total = 0
    for code, size in enumerate(rows.tolist()):
        if code > low and (total + size > MOST_TOGETHER or code - low == MOST_SLICES):
            yield low, code
            low, total = code, 0
        total += size
    yield low, rows.size


def _wanted(into: Sliced, asked: Iterable[tuple[Place, Requirement]]) -> Wanted:
    ordered, factors = set[Place](), dict[Any, set[float]]()
    losses, cuts = dict[Any, None](), dict[tuple[float | None, float | None], None]()
    measures, decided = set[Any](), set[Any]()
    for place, line in asked:
        measure = line.among(into._metrics).measure
        measures.add(measure)
        if measure in _RANKED or measure is calibration.calibration_error:
            ordered.add(place)
        elif measure in _LOSSES:
            losses[measure] = None
        else:
            cuts[into.cuts(line)] = None
        if line.claim != "point":
            decided.add(measure)
            if line.limit.relative:
                factors.setdefault(measure, set()).add(line.limit.value if line.limit.sign == "*" else 1.0)
    return Wanted(
        frozenset(ordered),
        any(measure in _RANKED for measure in measures),
        calibration.calibration_error in measures,
        frozenset(decided),
        {measure: frozenset(values) for measure, values in factors.items()},
        tuple(losses),
        tuple(cuts),
        any(line.limit.relative for _, line in asked),
    )


@dataclass(frozen=True)
class _Part:
    moments: Mapping[tuple[Any, Any], tuple[Floats, Floats, Floats, Floats]]
    decided: Mapping[Any, NDArray[np.int64]]


class _Runs:
    """Sums of each run of rows; a run lies within one block and one class."""

    def __init__(self, wanted: Wanted, scores: Mapping[str, Array], starts: NDArray[np.int64], positives: int) -> None:
        self.wanted, self.scores, self.starts, self.positives = wanted, scores, starts, positives
        self.variables = [
            (loss, kind) for loss in wanted.losses for kind in ("candidate", *self._others(loss))
        ]  # a role: its own values; a factor: the difference

    def deviates(self, loss: Any, kind: Any) -> bool:
        """Whether a line asks for more than the mean."""
        return kind != "champion" and loss in self.wanted.decided

    def _others(self, loss: Any) -> tuple[Any, ...]:
        return ("champion", *sorted(self.wanted.factors.get(loss, ()))) if self.wanted.paired else ()

    def over(self, low: int, high: int) -> _Part:
        """Of the runs in the blocks from row `low` to `high`."""
        moments: dict[tuple[Any, Any], list[tuple[Floats, ...]]] = {key: [] for key in self.variables}
        decided: dict[Any, list[NDArray[np.int64]]] = {cuts: [] for cuts in self.wanted.cuts}
        for start in range(low, high, BLOCK):
            self._block(start, min(start + BLOCK, high), moments, decided)
        return _Part(
            {key: tuple(map(np.concatenate, zip(*parts, strict=True))) for key, parts in moments.items()},  # type: ignore[misc]
            {cuts: np.concatenate(parts, axis=1) for cuts, parts in decided.items()},
        )

    def _block(self, low: int, high: int, moments: Mapping[Any, Any], decided: Mapping[Any, Any]) -> None:
        first, last = np.searchsorted(self.starts, [low, high])
        starts = self.starts[first:last] - low
        lengths = np.diff(starts, append=high - low)
        run = np.repeat(np.arange(starts.size), lengths)
        scores = {role: column[low:high].astype(np.float64) for role, column in self.scores.items()}
        for cuts in self.wanted.cuts:
            decided[cuts].append(_decisions(scores, cuts, starts))
        labels = (
            np.arange(low, high) < self.positives if low < self.positives < high else np.bool_(low < self.positives)
        )
        for loss in self.wanted.losses:
            others = self._others(loss)
            values = {role: _LOSSES[loss](labels, scores[role]) for role in ("candidate", *others[:1])}
            for factor in others[1:]:
                off = values["champion"] * factor
                values[factor] = np.subtract(values["candidate"], off, out=off)
            for kind, column in values.items():
                if not self.deviates(loss, kind):
                    nothing = np.zeros(starts.size)
                    mean = np.add.reduceat(column, starts) / lengths
                    moments[loss, kind].append((mean, nothing, nothing, nothing))
                else:
                    moments[loss, kind].append(_run_moments(column, starts, lengths, run))


def _run_moments(
    values: Floats, starts: NDArray[np.int64], lengths: NDArray[np.int64], run: NDArray[np.int64]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean and central sums of each run; overwrites the values."""
    mean = np.add.reduceat(values, starts) / lengths
    values -= mean[run]
    rest = np.add.reduceat(values, starts) / lengths
    square = values * values
    second = np.add.reduceat(square, starts) - lengths * rest * rest
    values *= square
    third = np.add.reduceat(values, starts)
    square *= square
    return mean + rest, np.maximum(second, 0.0), third, np.add.reduceat(square, starts)


def _decisions(scores: Mapping[str, Floats], cuts: Any, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(3, runs): rows decided positive by the candidate, by the champion, by both; a block has under 2²⁰ rows."""
    first = scores["candidate"] >= cuts[0]
    second = np.zeros_like(first) if cuts[1] is None else scores["champion"] >= cuts[1]
    packed = first.astype(np.int64)
    packed += second.astype(np.int64) << 20
    packed += (first & second).astype(np.int64) << 40
    counts = np.add.reduceat(packed, starts)
    low = (1 << 20) - 1
    return np.stack([counts & low, counts >> 20 & low, counts >> 40])


def _tables(
    each: NDArray[np.int64], codes: Array, slices: int, positive: NDArray[np.bool_], lengths: Floats
) -> NDArray[np.int64]:
    """[slice, label, decided by the candidate, decided by the champion] rows."""
    table = np.zeros((slices, 2, 2, 2), np.int64)
    for label, runs in enumerate((~positive, positive)):
        rows, one, two, both = (
            np.bincount(codes[runs], column[runs], slices).astype(np.int64) for column in (lengths, *each)
        )
        table[:, label, 1, 1], table[:, label, 1, 0] = both, one - both
        table[:, label, 0, 1], table[:, label, 0, 0] = two - both, rows - one - two + both
    return table


def _bundles(slices: Mapping[int, int], rows: int) -> list[list[int]]:
    """Slicings whose cells are few beside the rows; the first bundle is the one that rows are ordered by."""
    most = min(_MOST_CELLS, max(1, rows // _ROWS_A_CELL))
    bundles: list[tuple[int, list[int]]] = []
    for name, count in sorted(slices.items(), key=lambda one: -one[1]):
        for place, (cells, names) in enumerate(bundles):
            if cells * count <= most:
                bundles[place] = (cells * count, [*names, name])
                break
        else:
            bundles.append((count, [name]))
    bundles.sort(key=lambda one: -len(one[1]))
    return [names for _, names in bundles]


def _cells(
    bundle: Sequence[int], codes: Mapping[int, Array], slices: Mapping[int, int], rows: int
) -> NDArray[np.uint32]:
    """(n,) which cell of its slicings a row is in."""
    cells = np.zeros(rows, np.uint32)
    for name in bundle:
        if name:
            cells *= np.uint32(slices[name])
            cells += codes[name].astype(np.uint32)
    return cells


class _Inline(Executor):
    """Does at once what it is given."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done

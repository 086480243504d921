"""Metrics of independent rows of one weight on all slices at once: sums by slice, and no array of influences is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.estimation.in_memory_sums import Tally, tally
from lockgate.evaluation.estimation.slice_cells import Rows
from lockgate.evaluation.estimation.sum_request import AMONG, LOSSES, RANKED, ROLES, SHARES, Cuts, Place, wanted
from lockgate.evaluation.metrics import calibration, classification
from lockgate.evaluation.metrics.calibration import BinSums
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.metric import Metric, Summary, Undefined
from lockgate.stats.influence import Spread, Sums

Array = NDArray[Any]
Floats = NDArray[np.float64]

_MOST_ROWS = 1 << 30
_NOTHING = Sums(0.0, 0.0, 0.0)
_UNTOLD = Spread(0.0, 0.0, 0.0, 0)


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
        self._summaries: dict[Any, Summary] = {}
        needed = wanted(taken, metrics, self.cuts)
        self._sums = tally(scored, needed, codes, threads=threads) if taken else Tally()

    def takes(self, line: Requirement) -> bool:
        """Whether a line is answered here."""
        key = line.subject, line.args, line.limit.relative
        if key not in self._taken:
            self._taken[key] = self._takes(line)
        return self._taken[key]

    def _takes(self, line: Requirement) -> bool:
        measure = line.pick(self._metrics).measure
        if measure is calibration.calibration_error:
            return not line.limit.relative and self._finite["candidate"] and self._unit["candidate"]
        if not any(measure is known for known in (*RANKED, *LOSSES, *SHARES)):
            return False
        roles = ROLES if line.limit.relative else ROLES[:1]
        if not all(self._finite[role] for role in roles):
            return False
        if measure in LOSSES:
            return all(self._unit[role] for role in roles)
        if measure in SHARES:
            return all(self.cut(line, role) is not None for role in roles)
        return measure in RANKED

    def cut(self, line: Requirement, role: str) -> float | None:
        """The score from which on a row of this role is decided positive."""
        argument = line.argument("threshold")
        return self._threshold.get(role) if argument is None else float(argument)

    def cuts(self, line: Requirement) -> Cuts:
        """Of both roles; None for a champion that is not asked."""
        return self.cut(line, "candidate"), self.cut(line, "champion") if line.limit.relative else None

    def measure(self, place: Place, role: str, line: Requirement) -> Summary:
        """One model's metric on a slice. Raises Undefined."""
        key = place, role, line.subject, line.args, line.limit.relative
        if key not in self._summaries:
            self._summaries[key] = self._measure(place, role, line)
        return self._summaries[key]

    def _measure(self, place: Place, role: str, line: Requirement) -> Summary:
        measure = line.pick(self._metrics).measure
        rows, positives = self.size(place) or (0, 0)
        if measure in RANKED:
            self._needs_both(rows, positives)
            found, key = self._sums.ranks[place], (RANKED[measure], role)
            return _summary(
                found.values[key], found.own.get(key, _NOTHING), rows, units=min(positives, rows - positives)
            )
        if measure is calibration.calibration_error:
            value = self.bins(place).bins.root_mean_square_gap
            return Summary(value, _UNTOLD, abs(value), rows)
        if measure in LOSSES:
            moments = self._sums.moments[place[0], measure, role]
            return _summary(
                float(moments.mean[place[1]]), moments.sums(place[1]).scaled(_small(rows)), rows, units=rows
            )
        return self._share(measure, place, self._decided(place, line, role), rows)

    def contrast(self, place: Place, line: Requirement, factor: float) -> Summary:
        """Candidate minus `factor` times champion on a slice, where both are defined."""
        metric = line.pick(self._metrics)
        rows, positives = self.size(place) or (0, 0)
        candidate, champion = (self.measure(place, role, line) for role in ROLES)
        value = candidate.value - factor * champion.value
        size = max(candidate.size, abs(champion.value))
        if metric.measure in RANKED:
            sums = self._sums.ranks[place].pairs[RANKED[metric.measure], factor]
            return _summary(value, sums, rows, units=min(positives, rows - positives), size=size)
        if metric.measure in LOSSES:
            moments = self._sums.moments[place[0], metric.measure, factor]
            sums = moments.sums(place[1]).scaled(_small(rows))
            return _summary(value, sums, rows, units=rows, size=size)
        table = self._sums.counts[place[0], self.cuts(line)][place[1]]
        if metric.paired_share and factor == 1.0:
            return _disagreement(metric.measure, table, value)
        above, below = SHARES[metric.measure]
        psi = np.zeros((2, 2, 2))
        for axis, (one, sign) in enumerate(((candidate, 1.0), (champion, -factor))):
            counts = table.sum(axis=2 - axis)
            psi += sign * np.expand_dims(_ratio_influence(above, below, counts, one.value, rows), 2 - axis)
        carries = np.expand_dims(below > 0, 2) | np.expand_dims(below > 0, 1)
        sums = Sums.of(psi.ravel(), table.ravel().astype(np.float64))
        return _summary(value, sums, rows, units=int(table[carries].sum()), size=size)

    def bins(self, place: Place) -> BinSums:
        """What the candidate's calibration on a slice is decided by."""
        found = self._sums.ranks[place].bins
        assert found is not None  # noqa: S101  # it was asked
        return found

    def size(self, place: Place) -> tuple[int, int] | None:
        """(rows, positives) of a slice; None where nothing is known of it."""
        if place[0] not in self._sums.rows:
            return None
        rows, positives = self._sums.rows[place[0]]
        return int(rows[place[1]]), int(positives[place[1]])

    def _needs_both(self, rows: int, positives: int) -> None:
        if positives in (0, rows):
            raise Undefined("one_class", f"there are no {'positive' if not positives else 'negative'} rows")

    def _decided(self, place: Place, line: Requirement, role: str) -> NDArray[np.int64]:
        """[label, decided] rows of a slice."""
        table = self._sums.counts[place[0], self.cuts(line)][place[1]]
        counts: NDArray[np.int64] = table.sum(axis=2 if role == "candidate" else 1)
        return counts

    def _share(self, measure: Any, place: Place, counts: NDArray[np.int64], rows: int) -> Summary:
        above, below = SHARES[measure]
        total = float((below * counts).sum())
        if total <= 0:
            raise Undefined("undefined", f"there are no {AMONG[measure]}")
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
    above, below = SHARES[measure]
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
    return plain and labels is not None and labels.dtype == bool and 0 < scored.rows < _MOST_ROWS


def _finite(scores: Array | None) -> bool:
    return scores is not None and bool(np.isfinite(scores.min()) and np.isfinite(scores.max()))


def _within_unit(scores: Array | None) -> bool:
    return scores is not None and bool(scores.min() >= 0 and scores.max() <= 1)

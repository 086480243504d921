"""Search conjunctions of declared slices for those where the candidate loses most; shown, never judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.slices.names import SliceKey, shown_label
from lockgate.data.slices.spec import FindSpec
from lockgate.evaluation.estimation.estimate import CONFIDENCE
from lockgate.evaluation.metrics.losses import class_squared_errors
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.uncertainty.comparison import MIN_EFFECTIVE_ROWS
from lockgate.evidence.exhibit import Exhibit
from lockgate.hashing import number
from lockgate.models.class_scores import predicted_class
from lockgate.stats.multiple_testing import benjamini_hochberg

Floats = NDArray[np.float64]
MOST_SEARCHED = 1_000_000  # combinations of values, each with its own counters
RATE = 0.05
NOTE = "searched after the fact and never judged; q is a Benjamini–Hochberg false-discovery rate over all conjunctions"


@dataclass(frozen=True)
class WeakSlice:
    """A conjunction and its loss: the candidate's mean loss on its rows, and that of what it is compared with.

    difference: how much worse the candidate is; low: its one-sided 95 % bound. p: one-sided, of no harm. q: adjusted.
    """

    slice: SliceKey
    rows: int
    candidate: float
    against: float
    difference: float
    low: float
    p: float
    q: float = 1.0

    def __str__(self) -> str:
        return " & ".join(f"{name}={shown_label(value)}" for name, value in self.slice)


@dataclass(frozen=True)
class WeakSliceSearch:
    """The search: how many conjunctions, by which loss, compared with what, and the worst of them."""

    searched: int
    depth: int
    loss: str
    against: str
    worst: tuple[WeakSlice, ...]
    discovered: int
    skipped: tuple[str, ...] = ()

    def table(self, gate: str) -> Exhibit:
        """The worst, the worst first."""
        columns = ("slice", "rows", "candidate", self.against, "difference", "at_least", "p", "q")
        points = [
            (str(entry), entry.rows, entry.candidate, entry.against, entry.difference, entry.low, entry.p, entry.q)
            for entry in self.worst
        ]
        return Exhibit(f"{gate}/found_slices", "table", columns, tuple(points))

    @property
    def note(self) -> Mapping[str, Any]:
        """The search for the evidence; measured numbers as text."""
        worst = self.worst[0] if self.worst else None
        return {
            "found_slices": vars(self)
            | {
                "skipped": list(self.skipped),
                "false_discovery_rate": number(RATE),
                "worst": None
                if worst is None
                else {"slice": str(worst), "difference": number(worst.difference), "q": number(worst.q)},
                "note": NOTE,
            }
        }


def find_weak_slices(
    scored: Scored,
    spec: DatasetSpec,
    *,
    threshold: Mapping[str, float | None],
    losses: Callable[[], tuple[Scored, str, Floats, Floats | None]] | None = None,
) -> WeakSliceSearch | None:
    """Run the search of the data's `find`; None where it has none.

    losses: (the rows that are searched, the name of a loss, of each row of the candidate, of the champion) where it is not
    a loss of labels and scores.
    """
    find = next((entry.find for entry in spec.slices if entry.find is not None), None)
    if find is None:
        return None
    if losses is not None:
        rows, name, candidate, champion = losses()
        return search(rows, find, name, candidate, champion)
    measured = _losses(scored, threshold)
    if measured is None:
        return WeakSliceSearch(0, find.depth, "none", "nothing", (), 0)
    return search(scored, find, *measured)


def search(scored: Scored, find: FindSpec, loss: str, candidate: Floats, champion: Floats | None) -> WeakSliceSearch:
    """The conjunctions of up to `depth` slices with the largest losses, by what the loss is at least.

    candidate, champion: (n,) loss of each row, lower is better; without a champion, rows inside are compared with those
    outside. A conjunction that holds exactly the rows of a shorter one is that shorter one. Which conjunctions are
    searched depends on counts alone. Raises nothing; an empty search has no rows.
    """
    weights = np.ones(scored.rows) if scored.weights is None else scored.weights.astype(np.float64)
    skipped: list[str] = []
    cells = _cells(scored, find, skipped)
    tested = [weak for cell in cells for weak in _tested(cell, candidate, champion, weights, scored.clusters)]
    adjusted = benjamini_hochberg([weak.p for weak in tested])
    adjusted_slices = [replace(weak, q=q) for weak, q in zip(tested, adjusted, strict=True)]
    harmed = sorted((weak for weak in adjusted_slices if weak.difference > 0), key=lambda weak: (-weak.low, weak.slice))
    against = "overall" if champion is None else "champion"
    discovered = sum(weak.q <= RATE for weak in harmed)
    worst = tuple(harmed[: find.worst])
    return WeakSliceSearch(len(tested), find.depth, loss, against, worst, discovered, tuple(skipped))


def _losses(scored: Scored, threshold: Mapping[str, float | None]) -> tuple[str, Floats, Floats | None] | None:
    """(name, loss of each row, of the champion) by squared error, or by wrong decisions where scores are no probabilities."""
    labels, scores, champion = scored.labels, scored.candidate, scored.champion
    if labels is None or scores is None or not scored.rows:
        return None
    binary = labels.dtype == bool
    outputs = [scores] if champion is None else [scores, champion]
    if scored.classes:
        return _of_classes(labels, outputs)
    if not binary or all(output.min() >= 0 and output.max() <= 1 for output in outputs):
        squared = [np.asarray((output - labels) ** 2, np.float64) for output in outputs]
        return ("brier" if binary else "squared_error"), squared[0], None if champion is None else squared[1]
    limits = [scored.cut(role, threshold.get(role)) for role in ("candidate", "champion")][: len(outputs)]
    if None in limits:
        return None
    wrong = [((output >= limit) != labels).astype(np.float64) for output, limit in zip(outputs, limits, strict=True)]
    return "error_rate", wrong[0], None if champion is None else wrong[1]


def _of_classes(labels: NDArray[Any], outputs: list[NDArray[Any]]) -> tuple[str, Floats, Floats | None]:
    shares = all(output.ndim == 2 and output.min() >= 0 and output.max() <= 1 for output in outputs)
    losses = [
        class_squared_errors(labels, output) if shares else (predicted_class(output) != labels).astype(np.float64)
        for output in outputs
    ]
    return "brier" if shares else "error_rate", losses[0], losses[1] if losses[1:] else None


@dataclass(frozen=True)
class _Cells:
    """Conjunctions of the same slices: their keys, the code of every row, and which codes are searched."""

    keys: tuple[SliceKey, ...]
    codes: NDArray[np.int64]
    kept: NDArray[np.intp]
    size: int


def _cells(scored: Scored, find: FindSpec, skipped: list[str]) -> Iterator[_Cells]:
    """What is searched; what has too many combinations to be, is named in `skipped`."""
    declared = [part for part in scored.slices if part.kind != "cross"]
    coded = {part.name: scored.codes(part.name) for part in declared}
    counts: dict[frozenset[tuple[str, str]], int] = {}
    for depth in range(1, find.depth + 1):
        for group in combinations(declared, depth):
            sizes = [len(coded[part.name][0]) for part in group]
            size = math.prod(sizes)
            if not 0 < size <= MOST_SEARCHED:
                skipped += [" & ".join(part.name for part in group)] if size else []
                continue
            codes = np.zeros(scored.rows, np.int64)
            for part, size_of_part in zip(group, sizes, strict=True):
                codes = codes * size_of_part + coded[part.name][1]
            rows = np.bincount(codes, minlength=size)
            keys: list[SliceKey] = []
            searched: list[int] = []
            for code in np.flatnonzero(rows >= find.min_rows).tolist():
                positions = np.unravel_index(code, sizes)
                pairs = tuple(
                    (part.name, coded[part.name][0][int(position)])
                    for part, position in zip(group, positions, strict=True)
                )
                if not all(part.judges(label) for part, (_, label) in zip(group, pairs, strict=True)):
                    continue
                counts[frozenset(pairs)] = int(rows[code])
                shorter = (frozenset(pairs) - {pair} for pair in pairs)
                if depth > 1 and any(counts.get(conjunction) == rows[code] for conjunction in shorter):
                    continue
                keys.append(pairs)
                searched.append(code)
            if searched:
                yield _Cells(tuple(keys), codes, np.array(searched, np.intp), size)


def _tested(
    cells: _Cells, candidate: Floats, champion: Floats | None, weights: Floats, clusters: NDArray[Any] | None
) -> list[WeakSlice]:
    def sums(values: Floats) -> Floats:
        return _sums(cells.codes, values, cells.size)

    weight, rows = sums(weights), np.bincount(cells.codes, minlength=cells.size)
    with np.errstate(all="ignore"):
        own = sums(weights * candidate) / weight
        if champion is None:
            whole = float(np.dot(weights, candidate) / weights.sum())
            rest = (float(np.dot(weights, candidate)) - own * weight) / (weights.sum() - weight)
            against, values, middle = np.full(cells.size, whole), candidate, own
            difference, tested = own - whole, own - rest
        else:
            against = sums(weights * champion) / weight
            values, middle = candidate - champion, own - against
            difference = tested = middle
        psi = weights * (values - middle[cells.codes])
        second, fourth, units = _moments(psi, cells, clusters, rows)
        variance = second / weight**2 * units / np.maximum(units - 1, 1)
        # Effective rows (Σψ²)² / Σψ⁴, as everywhere: a mean that few rows carry has few degrees of freedom.
        freedom = second**2 / fourth - 1
        if champion is None:
            outside = _outside(candidate, weights, cells, weight, own)
            if clusters is not None:  # rows outside go together about as much as those inside
                alone, _, _ = _moments(psi, cells, None, rows)
                outside = outside * np.maximum(second / np.where(alone > 0, alone, 1.0), 1.0)
            # Tested against the rows outside, which are independent, and shown against all rows: a share of that.
            variance, share = variance + outside, difference / np.where(tested != 0, tested, 1.0)
        else:
            share = np.ones(cells.size)
        se = np.sqrt(variance)
        usable = np.isfinite(freedom) & (freedom >= MIN_EFFECTIVE_ROWS - 1) & (se > 0)
        statistic = np.where(usable, tested / np.where(se > 0, se, 1.0), 0.0)
        safe = np.where(usable, freedom, 1.0)
        p = np.where(usable, special.stdtr(safe, -statistic), 1.0)
        low = np.where(usable, (tested - special.stdtrit(safe, CONFIDENCE) * se) * share, -np.inf)
    return [
        WeakSlice(
            key, int(rows[code]), float(own[code]), float(against[code]), float(difference[code]), float(low[code]), float(p[code])
        )
        for key, code in zip(cells.keys, cells.kept.tolist(), strict=True)
        if weight[code] > 0 and np.isfinite(difference[code])
    ]  # fmt: skip


def _moments(
    psi: Floats, cells: _Cells, clusters: NDArray[Any] | None, rows: NDArray[np.int64]
) -> tuple[Floats, Floats, NDArray[Any]]:
    """(Σψ², Σψ⁴, units) of each cell, by cluster where there are clusters. Their ratio estimates the effective rows."""
    if clusters is None:
        squares = psi * psi
        return (_sums(cells.codes, squares, cells.size), _sums(cells.codes, squares * squares, cells.size), rows)
    units, unit = np.unique(cells.codes * (int(clusters.max()) + 1) + clusters, return_inverse=True)
    squares = _sums(unit, psi, units.size) ** 2
    cell_of_unit = units // (int(clusters.max()) + 1)
    return (
        _sums(cell_of_unit, squares, cells.size),
        _sums(cell_of_unit, squares * squares, cells.size),
        np.bincount(cell_of_unit, minlength=cells.size),
    )


def _outside(values: Floats, weights: Floats, cells: _Cells, weight: Floats, own: Floats) -> Floats:
    """Variance of the mean of all rows that are not in a cell, from sums over all rows and over each cell."""
    total, squared = float(weights.sum()), weights * weights
    remaining = total - weight
    rest = (float(np.dot(weights, values)) - own * weight) / remaining
    parts = []
    for power in range(3):
        terms = squared * values**power
        parts.append(float(terms.sum()) - _sums(cells.codes, terms, cells.size))
    # Σ w²(x − rest)², expanded so that one pass over all rows serves every cell.
    spread = parts[2] - 2 * rest * parts[1] + rest**2 * parts[0]
    variance: Floats = np.maximum(spread, 0.0) / remaining**2
    return variance


def _sums(codes: NDArray[Any], values: Floats, size: int) -> Floats:
    total: Floats = np.bincount(codes, weights=values, minlength=size).astype(np.float64)
    return total

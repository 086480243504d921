"""Numbers as distributions: errors and differences by the share of rows up to each, answers by how many lie in each bin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.pictures import FEWEST, rounded
from lockgate.evaluation.pictures.value_grid import quantile_grid
from lockgate.evaluation.scoring.scored_table import ROLES, Scored
from lockgate.evidence.exhibit import Exhibit

_GRID = 120
_BINS = 25


def errors(gate: str, scored: Scored) -> Iterator[Exhibit]:
    """The errors of both models on numbers: predicted minus actual."""
    labels = scored.labels
    if labels is None or labels.dtype == bool or scored.classes:
        return
    series = {role: scores - labels for role in ROLES if (scores := getattr(scored, role)) is not None}
    yield from _distribution(f"{gate}/errors", "error", series, scored.weights)


def differences(gate: str, scored: Scored) -> Iterator[Exhibit]:
    """What the candidate answered minus what the champion answered, of requests answered by both."""
    if scored.candidate is not None and scored.champion is not None and not scored.classes:
        difference = scored.candidate - scored.champion
        yield from _distribution(f"{gate}/differences", "difference", {"candidate": difference}, scored.weights)


def answers(gate: str, scored: Scored) -> Iterator[Exhibit]:
    """How many requests each model answers with a score, or a number, of each bin; bins are equally wide, and the outer ones open.

    They reach from 0 to 1 where all answers do, else over all but a few of them at each end.
    """
    series = {role: numbers for role in ROLES if (numbers := getattr(scored, role)) is not None}
    if scored.classes or not series:
        return
    finite = {role: numbers[np.isfinite(numbers)] for role, numbers in series.items()}
    if min(numbers.size for numbers in finite.values()) < FEWEST:
        return
    ends = min(float(each.min()) for each in finite.values()), max(float(each.max()) for each in finite.values())
    if ends[0] < 0 or ends[1] > 1:
        grid = quantile_grid(list(finite.values()), _GRID)
        ends = float(grid[0]), float(grid[-1])
    else:
        ends = 0.0, 1.0
    if not ends[0] < ends[1]:
        return
    edges = np.linspace(*ends, _BINS + 1)
    counts = [
        np.bincount(np.searchsorted(edges[1:-1], numbers, side="right"), minlength=_BINS) for numbers in finite.values()
    ]
    places = map(rounded, edges.tolist())
    bins = zip(*(each.tolist() for each in counts), strict=True)
    points = ((low, high, *bin_) for (low, high), bin_ in zip(pairwise(places), bins, strict=True))
    yield Exhibit(f"{gate}/answers", "bars", ("from", "to", *finite), tuple(points))


def _distribution(
    name: str, column: str, series: Mapping[str, NDArray[np.float64]], weights: NDArray[Any] | None
) -> Iterator[Exhibit]:
    grid = quantile_grid(list(series.values()), _GRID)
    points: list[tuple[str, float, float]] = []
    for role, values in series.items():
        finite = np.isfinite(values)
        if np.count_nonzero(finite) < FEWEST or not grid.size:
            return
        weigh = None if weights is None else weights[finite]
        place = np.searchsorted(grid, values[finite], side="left")
        upto = np.cumsum(np.bincount(place, weigh, minlength=grid.size + 1))
        if upto[-1] <= 0:
            return
        points += [
            (role, at, rounded(float(share))) for at, share in zip(grid.tolist(), upto[:-1] / upto[-1], strict=True)
        ]
    yield Exhibit(name, "curve", ("model", column, "share"), tuple(points))

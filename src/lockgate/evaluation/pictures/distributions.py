"""Numbers as distributions: what share of rows lies up to each, as errors of both models or as differences of the two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.pictures import FEWEST, rounded
from lockgate.evaluation.pictures.value_grid import quantile_grid
from lockgate.evaluation.scoring.scored_table import ROLES, Scored
from lockgate.evidence.exhibit import Exhibit

_GRID = 120


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

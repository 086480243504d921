"""Which metrics are decided by sums over rows, and what lines on them need to be summed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.metrics import calibration, classification, rates
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.uncertainty.metric import Metric

Floats = NDArray[np.float64]
Place = tuple[int, int]
Cuts = tuple[float | None, float | None]

OVERALL: Place = (0, 0)
ROLES = ("candidate", "champion")

RANKED: Mapping[Any, str] = {
    classification.auc: "auc",
    classification.average_precision: "average_precision",
}
LOSSES: Mapping[Any, Callable[[Any, Floats], Floats]] = {
    classification.log_loss: classification.log_losses,
    classification.brier: classification.squared_errors,
}
# (above, below) of a share by [label, decided]: a row counts `above` among `below`.
SHARES: Mapping[Any, tuple[Floats, Floats]] = {
    classification.accuracy: (np.array([[1.0, 0], [0, 1]]), np.ones((2, 2))),
    classification.recall: (np.array([[0.0, 0], [0, 1]]), np.array([[0.0, 0], [1, 1]])),
    classification.precision: (np.array([[0.0, 0], [0, 1]]), np.array([[0.0, 1], [0, 1]])),
    classification.f1: (np.array([[0.0, 0], [0, 2]]), np.array([[0.0, 1], [1, 2]])),
    rates.positive_rate: (np.array([[0.0, 1], [0, 1]]), np.ones((2, 2))),
    rates.false_positive_rate: (np.array([[0.0, 1], [0, 0]]), np.array([[1.0, 1], [0, 0]])),
}
AMONG = {**classification.SHARES_AMONG, rates.positive_rate: "rows", rates.false_positive_rate: "negative rows"}


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
    cuts: tuple[Cuts, ...]
    paired: bool


def wanted(
    asked: Iterable[tuple[Place, Requirement]], metrics: Mapping[str, Metric], cuts_of: Callable[[Requirement], Cuts]
) -> Wanted:
    """What the lines at their places need. cuts_of: from which scores on a line decides rows of both roles positive."""
    ordered, factors = set[Place](), dict[Any, set[float]]()
    losses, cuts = dict[Any, None](), dict[Cuts, None]()
    measures, decided = set[Any](), set[Any]()
    for place, line in asked:
        measure = line.pick(metrics).measure
        measures.add(measure)
        if measure in RANKED or measure is calibration.calibration_error:
            ordered.add(place)
        elif measure in LOSSES:
            losses[measure] = None
        else:
            cuts[cuts_of(line)] = None
        if line.claim != "point":
            decided.add(measure)
            if line.limit.relative:
                factors.setdefault(measure, set()).add(line.limit.factor)
    return Wanted(
        frozenset(ordered),
        any(measure in RANKED for measure in measures),
        calibration.calibration_error in measures,
        frozenset(decided),
        {measure: frozenset(values) for measure, values in factors.items()},
        tuple(losses),
        tuple(cuts),
        any(line.limit.relative for _, line in asked),
    )

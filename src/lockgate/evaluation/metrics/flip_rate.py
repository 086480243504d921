"""Rows on which two models decide differently, in the form that `estimate` takes."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.uncertainty.metric import Floats, Measured, Metric, Undefined, ratio_of
from lockgate.models.class_scores import predicted_class

if TYPE_CHECKING:
    from lockgate.evaluation.scoring.scored_table import Scored


def flips(scored: Scored, *, candidate: float, champion: float) -> Scored:
    """The same rows with one score, `candidate`: 1 where the decisions differ, 0 where they agree, NaN where one is missing.

    candidate, champion: each role's own threshold. Raises ValueError without the scores of two models.
    """
    if scored.candidate is None or scored.champion is None:
        raise ValueError("flips need the scores of two models")
    differ = (scored.candidate >= candidate) != (scored.champion >= champion)
    return _view(scored, differ, np.isnan(scored.candidate) | np.isnan(scored.champion))


def flips_of_classes(scored: Scored) -> Scored:
    """The same of models that tell several classes apart: another class is decided."""
    if scored.candidate is None or scored.champion is None:
        raise ValueError("flips need the answers of two models")
    one, other = predicted_class(scored.candidate), predicted_class(scored.champion)
    return _view(scored, one != other, np.isnan(one) | np.isnan(other))


def _view(scored: Scored, differ: NDArray[Any], missing: NDArray[Any]) -> Scored:
    view = copy(scored)
    view.candidate = np.where(missing, np.nan, differ.astype(np.float64))
    view.labels = view.champion = None
    return view


def flip_rate(labels: Any, scores: Floats, weights: Floats | None, threshold: float | None) -> Measured:
    """The share of rows, answered by both, on which the decisions differ."""
    answered = ~np.isnan(scores)
    if not answered.any():
        raise Undefined("no_answers", "no request was answered by both models")
    hits = scores == 1.0
    found = ratio_of(hits.astype(np.float64), answered.astype(np.float64), weights, what="requests answered by both")
    return Measured(found.value, found.psi, hits if weights is None else None, answered)


FLIP_RATE = Metric("flip_rate", flip_rate, "logit")

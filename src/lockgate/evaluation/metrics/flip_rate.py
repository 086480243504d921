"""Share of rows on which two models decide differently, in the form that `estimate` takes. Light at import."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from lockgate.evaluation.metrics.declaration import UNIT, Metric, Plan
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.uncertainty.metric_value import Floats, MetricValue, Undefined, ratio_of

if TYPE_CHECKING:
    from lockgate.evaluation.scoring.scored_table import Scored


def flips(scored: Scored, *, candidate: float | None = None, champion: float | None = None) -> Scored:
    """The same rows with one score, `candidate`: 1 where the decisions differ, 0 where they agree, NaN where one is missing.

    candidate, champion: each role's own threshold, none where the models tell several classes apart. Raises ValueError
    without the answers of two models.
    """
    import numpy as np

    from lockgate.models.class_scores import predicted_class

    if scored.candidate is None or scored.champion is None:
        raise ValueError("flips need the answers of two models")
    ours, theirs = (
        predicted_class(scores) if threshold is None else np.where(np.isnan(scores), np.nan, scores >= threshold)
        for scores, threshold in (
            (scored.candidate, scored.cut("candidate", candidate)),
            (scored.champion, scored.cut("champion", champion)),
        )
    )
    view = copy(scored)
    view.candidate = np.where(np.isnan(ours) | np.isnan(theirs), np.nan, ours != theirs)
    view.labels = view.champion = None
    return view


def flip_rate(labels: Any, scores: Floats, weights: Floats | None, threshold: float | None) -> MetricValue:
    """The share of rows, answered by both, on which the decisions differ."""
    answered = scores == scores  # NaN, which stands for a missing answer, is not equal to itself
    if not answered.any():
        raise Undefined("no_answers", "no request was answered by both models")
    hits = scores == 1.0
    share = ratio_of(hits, answered, weights, among="requests answered by both")
    return MetricValue(share.value, share.psi, hits, answered)


SUBJECT = Subject(
    "flip_rate",
    "lower",
    bounds=(0, 1),
    tasks=("binary", "multiclass"),
    needs=("score", "threshold", "champion", "no champion"),
    by_task={"multiclass": Subject("flip_rate", "lower", bounds=(0, 1), needs=("score", "champion", "no champion"))},
)
FLIP_RATE = Metric(
    "flip_rate", "logit", flip_rate, subject=SUBJECT, bounds=UNIT, counted_in="requests", plan=Plan("rows")
)

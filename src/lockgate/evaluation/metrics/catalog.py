"""All metrics by name, as their families declare them. Imports no numpy: `gate check` reads this."""

from __future__ import annotations

from collections.abc import Mapping

from lockgate.evaluation.metrics import classification, ranking_subjects, regression
from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.metrics.flip_rate import FLIP_RATE
from lockgate.evaluation.requirements.subject import Subject

# In the order in which `gate kinds` lists them.
DECLARED: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        *classification.AT_A_THRESHOLD,
        *ranking_subjects.METRICS,
        *classification.ON_SCORES,
        *regression.ON_PREDICTIONS,
        *classification.OF_CLASSES_ONLY,
        *regression.ON_QUANTILES,
    )
}
METRICS: Mapping[str, Metric] = {name: metric for name, metric in DECLARED.items() if metric.measure is not None}
"""Those that are measured of labels and scores as they are, not of several classes or by query only."""
SUBJECTS: Mapping[str, Subject] = {name: metric.subject for name, metric in DECLARED.items() if metric.subject}


def declared(subject: str) -> Metric:
    """The metric of that name; one of which nothing is known where a project brings it."""
    return FLIP_RATE if subject == FLIP_RATE.name else DECLARED.get(subject, Metric(subject, "plain"))

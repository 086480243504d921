"""All metrics by name, as their families declare them. Imports no numpy: `gate check` reads this."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lockgate.evaluation.behaviour import rates as behaviour
from lockgate.evaluation.metrics import classification, ranking_subjects, regression
from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.metrics.fixes_and_breaks import OF_BOTH_MODELS
from lockgate.evaluation.requirements.requirement import Requirement, Value
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.shadow.matches import MATCH_RATE
from lockgate.evaluation.shadow.rates import RATES
from lockgate.evaluation.shadow.shifts import SHIFTS

# In the order in which `gate kinds` lists them.
DECLARED: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        *classification.AT_A_THRESHOLD,
        *ranking_subjects.METRICS,
        *classification.ON_SCORES,
        *regression.ON_PREDICTIONS,
        *regression.ON_EITHER,
        *classification.OF_CLASSES_ONLY,
        *OF_BOTH_MODELS,
        *regression.ON_QUANTILES,
    )
}
METRICS: Mapping[str, Metric] = {
    name: metric for name, metric in DECLARED.items() if metric.measure is not None or metric.of_both
}
"""Those that are measured of labels and scores as they are, not of several classes or by query only."""
SUBJECTS: Mapping[str, Subject] = {name: metric.subject for name, metric in DECLARED.items() if metric.subject}
OF_ANSWERS: Mapping[str, Metric] = {
    **{
        name: metric
        for name, metric in {**RATES, **SHIFTS, MATCH_RATE.name: MATCH_RATE}.items()
        if name not in DECLARED
    },
    **behaviour.RATES,
}
"""Those that compare answers with each other, and need no label."""


def of_lines(lines: Iterable[Requirement]) -> dict[str, Metric]:
    """Those of labels and scores as they are, and by its subject with arguments each whose clip a line chooses.

    lines: on two classes; what is measured of several, `multiclass.metrics` makes of its own lines.
    """
    metrics = dict(METRICS)
    for line in lines:
        metric = METRICS.get(line.subject)
        if metric is not None and metric.subject is not None and metric.clipped is not None:
            metrics[line.subject_text] = clipped(metric, metric.subject.arguments(line).get("clip"))
    return metrics


def clipped(metric: Metric, clip: Value | None) -> Metric:
    """The metric with another clip where a line chooses one."""
    return metric if clip is None or metric.clipped is None else metric.clipped(float(clip))


def declared(subject: str) -> Metric:
    """The metric of that name; one of which nothing is known where a project brings it."""
    return OF_ANSWERS.get(subject) or DECLARED.get(subject, Metric(subject, "plain"))

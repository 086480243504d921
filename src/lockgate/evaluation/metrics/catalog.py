"""Which metrics there are, as light data: `gate check` reads this and no numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from lockgate.evaluation.metrics import multiclass_subjects as averages
from lockgate.evaluation.metrics import ranking_subjects as ranking
from lockgate.evaluation.metrics import rates
from lockgate.evaluation.requirements.subject import Subject


def _thresholded(name: str, *, proportion: bool = True) -> Subject:
    return Subject(
        name,
        "higher",
        bounds=(0, 1),
        args=("threshold",),
        tasks=("binary",),
        needs=("label", "score", "threshold"),
        proportion=proportion,
    )


def _scored(
    name: str, better: Literal["higher", "lower"], *, bounds: tuple[float | None, float | None], task: str = "binary"
) -> Subject:
    return Subject(name, better, bounds=bounds, tasks=(task,), needs=("label", "score"), proportion=False)


def _of_classes(subject: Subject) -> Subject:
    """The same, with what it is where there are several classes."""
    several = averages.SUBJECTS.get(subject.name)
    if several is None:
        return subject
    return replace(subject, tasks=(*subject.tasks, "multiclass"), by_task={"multiclass": several})


SUBJECTS: Mapping[str, Subject] = {
    subject.name: _of_classes(subject)
    for subject in (
        _thresholded("accuracy"),
        _thresholded("precision"),
        _thresholded("recall"),
        _thresholded("f1", proportion=False),
        *rates.SUBJECTS.values(),
        *ranking.SUBJECTS.values(),
        _scored("auc", "higher", bounds=(0, 1)),
        _scored("average_precision", "higher", bounds=(0, 1)),
        Subject(
            "recall_at_precision",
            "higher",
            bounds=(0, 1),
            args=("precision",),
            tasks=("binary",),
            needs=("label", "score", "precision"),
            proportion=False,
            firmer="recall(threshold=…) beside precision(threshold=…) >= {:g}",
        ),
        _scored("log_loss", "lower", bounds=(0, None)),
        _scored("brier", "lower", bounds=(0, 1)),
        replace(_scored("calibration_error", "lower", bounds=(0, 1)), instead="brier"),
        _scored("rmse", "lower", bounds=(0, None), task="regression"),
        _scored("mae", "lower", bounds=(0, None), task="regression"),
        _scored("r2", "higher", bounds=(None, 1), task="regression"),
        replace(averages.SUBJECTS["top_k_accuracy"], tasks=()),
        Subject(
            "quantile_loss",
            "lower",
            bounds=(0, None),
            args=("q",),
            tasks=("regression",),
            needs=("label", "score", "q"),
            proportion=False,
        ),
    )
}

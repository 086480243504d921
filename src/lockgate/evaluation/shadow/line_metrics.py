"""The metrics of requirements on both models' answers about the same requests, each measured on the rows of a slice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy

import numpy as np
from numpy.typing import NDArray

from lockgate.data.class_labels import class_text
from lockgate.errors import DataError, GateBroken
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.metrics.multiclass_arguments import unknown_class
from lockgate.evaluation.pictures.decisions import decisions
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.shadow import rates
from lockgate.evaluation.shadow.distances import shift
from lockgate.evaluation.shadow.matches import MATCH_RATE, match_rate
from lockgate.evaluation.shadow.shifts import SHIFTS
from lockgate.evaluation.uncertainty.metric_value import Floats
from lockgate.models.class_scores import predicted_class

Decided = tuple[Floats, Floats]
"""(n,) what the candidate, and the champion, decides."""


def without_labels(scored: Scored) -> Scored:
    """The same rows as requests, of which nobody knows the right answer: few positives make no slice of them small."""
    view = copy(scored)
    view.labels = None
    return view


def line_metrics(
    scored: Scored, lines: Iterable[Requirement], *, task: str, threshold: Mapping[str, float | None]
) -> dict[str, Metric]:
    """By its subject with arguments, the metric of each line on both models' answers.

    threshold: of each role's scores. Raises GateBroken without the threshold of a line on decisions, DataError for a class
    that is none.
    """

    metrics, kinds = dict[str, Metric](), dict[int, NDArray[np.uint8]]()
    lines = list(lines)
    decided = decisions(scored, threshold) if any(decides(line) for line in lines) else None
    for line in lines:
        if line.subject_text in metrics:
            continue  # the same on other slices, or with another limit: what it counts is counted once
        if line.subject in SHIFTS:
            metrics[line.subject_text] = _shift(scored, line, task=task)
            continue
        if line.subject == MATCH_RATE.name:
            metrics[line.subject_text] = match_rate(scored, line)
            continue
        if not decides(line):
            metrics[line.subject_text] = rates.rate(line.subject, _unanswered(scored))
            continue
        both, code, name = positive_of(line, decided, scored.classes)
        if code not in kinds:
            kinds[code] = rates.decided_kinds(*both, code)
        metrics[line.subject_text] = rates.rate(line.subject, kinds[code], name=name)
    return metrics


def decides(line: Requirement) -> bool:
    """Whether a line is on what is decided of requests, not on whether they are answered, or by which number."""
    return line.subject in rates.RATES and line.subject != rates.NULL_RATE.name


def _unanswered(scored: Scored) -> NDArray[np.uint8]:
    """Which requests either model leaves without an answer."""
    nobody = np.full(scored.rows, np.nan)
    candidate, champion = (
        nobody if answers is None else predicted_class(answers) for answers in (scored.candidate, scored.champion)
    )
    return rates.decided_kinds(candidate, champion, 1)


def _shift(scored: Scored, line: Requirement, *, task: str) -> Metric:
    candidate, champion = scored.candidate, scored.champion
    assert candidate is not None  # noqa: S101  # there are answers
    assert champion is not None  # noqa: S101  # a line that takes a champion is left out where there is none
    # Numbers to be predicted may lie between 0 and 1 by chance; scores that do are probabilities.
    probabilities = task == "binary" and all(
        np.nanmin(answers, initial=0) >= 0 and np.nanmax(answers, initial=1) <= 1 for answers in (candidate, champion)
    )
    tolerance = line.argument("tolerance")
    return shift(
        line.subject,
        candidate,
        champion,
        tolerance=None if tolerance is None else float(tolerance),
        probabilities=probabilities,
    )


def positive_of(line: Requirement, decided: Decided | None, classes: tuple[str, ...]) -> tuple[Decided, int, str]:
    """(what both models decide, the code that counts as positive, the name of its class, of several). decided: as of `decisions`.

    Raises GateBroken where nothing says what they decide, DataError for a class that is none.
    """
    if decided is None:
        raise GateBroken(
            f"{line.subject} needs to know which scores are positive", remedy="give the pipeline a threshold"
        )
    name = _class_of(line, classes)
    return decided, 1 if name is None else classes.index(name), name or ""


def _class_of(line: Requirement, classes: tuple[str, ...]) -> str | None:
    """The class that counts as positive; None where the line names none."""
    written = line.argument("class")
    if written is None or not classes:
        return None
    name = class_text(written)
    if unknown := unknown_class(line, name, classes):
        raise DataError(unknown)
    return name


def new_values(name: str, line: Requirement, scored: Scored) -> Estimate:
    """The requests that the candidate answers with a class that the champion answers none with, and which classes these are."""
    assert scored.candidate is not None  # noqa: S101  # there are answers
    assert scored.champion is not None  # noqa: S101  # the line is left out without a champion
    ours, theirs = (
        np.bincount(answers[~np.isnan(answers)].astype(np.int64), minlength=len(scored.classes))
        for answers in map(predicted_class, (scored.candidate, scored.champion))
    )
    new = np.flatnonzero((ours > 0) & (theirs == 0))
    detail = {"new_values": [scored.classes[code] for code in new]} if new.size else {}
    return counted(name, line, value=int(ours[new].sum()), units=int(ours.sum()), detail=detail)

"""The metrics of requirements on both models' answers about the same requests, each measured on the rows of a slice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy

import numpy as np
from numpy.typing import NDArray

from lockgate.data.class_labels import class_text
from lockgate.errors import DataError, GateBroken
from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.metrics.multiclass_arguments import unknown_class
from lockgate.evaluation.pictures.decisions import decisions
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.shadow import rates


def without_labels(scored: Scored) -> Scored:
    """The same rows as requests, of which nobody knows the right answer: few positives make no slice of them small."""
    view = copy(scored)
    view.labels = None
    return view


def line_metrics(
    scored: Scored, lines: Iterable[Requirement], *, threshold: Mapping[str, float | None]
) -> dict[str, Metric]:
    """By its subject with arguments, the metric of each line on both models' answers.

    threshold: of each role's scores. Raises GateBroken without the threshold of a line on decisions, DataError for a class
    that is none.
    """

    metrics, kinds = dict[str, Metric](), dict[int, NDArray[np.uint8]]()
    decided = decisions(scored, threshold)
    for line in lines:
        if decided is None:
            raise GateBroken(
                f"{line.subject} needs to know which scores are positive", remedy="give the pipeline a threshold"
            )
        name = _class_of(line, scored.classes)
        code = 1 if name is None else scored.classes.index(name)
        if code not in kinds:
            kinds[code] = rates.decided_kinds(*decided, code)
        metrics[line.subject_text] = rates.rate(line.subject, kinds[code], name=name or "")
    return metrics


def _class_of(line: Requirement, classes: tuple[str, ...]) -> str | None:
    """The class that counts as positive; None where the line names none."""
    written = line.argument("class")
    if written is None or not classes:
        return None
    name = class_text(written)
    if unknown := unknown_class(line, name, classes):
        raise DataError(unknown)
    return name

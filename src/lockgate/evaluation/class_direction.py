"""Whether scores speak for the class that the pipeline calls positive, or for the other one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lockgate.errors import GateBroken

if TYPE_CHECKING:
    from lockgate.evaluation.scoring.scored_table import Scored

_LEAST = 50  # rows of each class
_MOST = 200_000  # rows that are looked at, evenly spread
_Z = 3.2905  # a two-sided 99.9 % interval


def wrong_direction(scored: Scored) -> GateBroken | None:
    """The error of scores that rank the negative rows above the positive ones, of the champion, else of the only model.

    Beyond chance only: the upper 99.9 % bound of the AUC has to lie below 0.5. Class labels say of themselves what they are.
    """
    import numpy as np

    from lockgate.evaluation.metrics.classification import auc
    from lockgate.evaluation.uncertainty.metric_value import Undefined
    from lockgate.stats.influence import spread

    role = "candidate" if scored.champion is None else "champion"
    scores = scored.candidate if scored.champion is None else scored.champion
    if scores is None or scored.labels is None or scored.answers.get(role) == "labels":
        return None
    step = -(-scored.rows // _MOST) or 1
    labels, scores = scored.labels[::step], scores[::step]
    positives = int(np.count_nonzero(labels))
    negatives = labels.size - positives
    if scores.ndim != 1 or min(positives, negatives) < _LEAST or not np.isfinite(scores).all():
        return None
    weights = None if scored.weights is None else scored.weights[::step]
    try:
        measured = auc(labels, scores, weights, None)
    except Undefined:
        return None
    clusters = None if scored.clusters is None else scored.clusters[::step]
    chance = math.sqrt((labels.size + 1) / (12 * positives * negatives))  # of scores that know nothing
    error = max(chance, spread(measured.psi, clusters=clusters).se)
    if measured.value + _Z * error >= 0.5:
        return None
    return GateBroken(
        f"scores speak for the other class: the {role} ranks rows that are not positive above those that are "
        f"(auc {measured.value:.3g})",
        remedy="write positive: with the other value of the label, or output: {class: …} with the class of the scores",
    )

"""How often a model says yes: to all rows, and to those that are negative. Fairness is asked as a gap of these.

The share of rows decided positive is what demographic parity compares; true and false positive rates are what equal
opportunity and equalised odds compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lockgate.evaluation.requirements.subject import Subject

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lockgate.evaluation.uncertainty.metric import Floats, Measured, Metric

SUBJECTS: Mapping[str, Subject] = {
    subject.name: subject
    for subject in (
        Subject(
            "positive_rate", None, bounds=(0, 1), args=("threshold",), tasks=("binary",), needs=("score", "threshold")
        ),
        Subject(
            "false_positive_rate",
            "lower",
            bounds=(0, 1),
            args=("threshold",),
            tasks=("binary",),
            needs=("label", "score", "threshold"),
        ),
    )
}


def positive_rate(labels: Any, scores: Floats, weights: Floats | None, threshold: float | None) -> Measured:
    """The share of rows that the model decides to be positive."""
    import numpy as np

    return _share(np.ones(scores.size, dtype=bool), scores, weights, threshold, "rows")


def false_positive_rate(
    labels: NDArray[Any], scores: Floats, weights: Floats | None, threshold: float | None
) -> Measured:
    """The share of negative rows that the model decides to be positive."""
    return _share(~labels, scores, weights, threshold, "negative rows")


def _share(base: Any, scores: Floats, weights: Floats | None, threshold: float | None, what: str) -> Measured:
    import numpy as np

    from lockgate.evaluation.uncertainty.metric import Measured, Undefined, ratio_of

    if threshold is None:
        raise Undefined("no_threshold", "no threshold says which scores are positive")
    hits = scores >= threshold
    found = ratio_of((hits & base).astype(np.float64), base.astype(np.float64), weights, what=what)
    return Measured(found.value, found.psi, hits if weights is None else None, base)


def metrics() -> dict[str, Metric]:
    """The metrics by name; the subjects above are read without numpy."""
    from lockgate.evaluation.uncertainty.metric import Metric

    return {
        name: Metric(name, measure, "logit", paired_share=True)
        for name, measure in (("positive_rate", positive_rate), ("false_positive_rate", false_positive_rate))
    }

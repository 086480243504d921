"""The subjects of the behaviour gate, and the share of altered rows that each is. Light at import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lockgate.evaluation.behaviour.alteration import WAYS, Way
from lockgate.evaluation.metrics.declaration import UNIT, Metric, Plan
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.shadow.rates import planned_rows
from lockgate.evaluation.uncertainty.metric_value import Floats, MetricValue, Undefined, ratio_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COLUMNS: Mapping[str, tuple[str, ...]] = dict.fromkeys(WAYS, ())
_GRADED = ("score", "graded")


def _rate(name: str, args: tuple[str, ...], tasks: tuple[str, ...], needs: tuple[str, ...], **more: Any) -> Subject:
    return Subject(
        name, "lower", bounds=(0, 1), args=args, tasks=tasks, needs=needs, words=_COLUMNS, rewrite=None, **more
    )


CHANGED = "changed_rate"
_CHANGED_OF_CLASSES = _rate(CHANGED, (*WAYS, "by"), ("multiclass",), ("score",))
_CHANGED_OF_NUMBERS = _rate(CHANGED, (*WAYS, "by", "tolerance"), ("regression",), ("score",))
CHANGED_RATE = _rate(
    CHANGED,
    (*WAYS, "by"),
    ("binary", "multiclass", "regression"),
    ("score", "threshold"),
    by_task={"multiclass": _CHANGED_OF_CLASSES, "regression": _CHANGED_OF_NUMBERS},
)
FALL_RATE, RISE_RATE = (
    _rate(name, ("raise", "by", "tolerance"), ("binary", "regression"), _GRADED) for name in ("fall_rate", "rise_rate")
)
ERRORS = Subject(
    "errors", "lower", counted=True, unit="rows", bounds=(0, None), args=(*WAYS, "by"), words=_COLUMNS,
    tasks=("binary", "multiclass", "regression"),
)  # fmt: skip
SUBJECTS: Mapping[str, Subject] = {subject.name: subject for subject in (CHANGED_RATE, FALL_RATE, RISE_RATE, ERRORS)}
# As they are planned, before there is an answer: of each only the rows are counted.
RATES: Mapping[str, Metric] = {
    subject.name: Metric(
        subject.name, "logit", planned_rows, subject=subject, argument=None, paired_share=True, bounds=UNIT,
        plan=Plan("rows"),
    )
    for subject in (CHANGED_RATE, FALL_RATE, RISE_RATE)
}  # fmt: skip


def ways_of(subject: str) -> tuple[Way, ...]:
    """The ways of altering rows that a subject takes."""
    return tuple(way for way in WAYS if way in SUBJECTS[subject].args)


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What altering did to the answers of one role.

    hits: (n,) bool, whether the answer changed as the line says, or was not given any more. altered: (n,) bool, the rows
    that could be altered. unanswered: (n,) bool, those among them that the model does not answer altered. up: (n,) bool,
    those that it answers with a larger number, or decides positive where it did not; None where that is not asked.
    """

    hits: NDArray[np.bool_]
    altered: NDArray[np.bool_]
    unanswered: NDArray[np.bool_]
    up: NDArray[np.bool_] | None = None


def rate(subject: str, outcomes: Mapping[str, Outcomes]) -> Metric:
    """The share of altered rows that are hits. outcomes: by role."""

    def measure(role: str, rows: NDArray[np.intp], weights: Floats | None) -> MetricValue:
        hits, altered, unanswered = (
            column[rows] for column in (outcomes[role].hits, outcomes[role].altered, outcomes[role].unanswered)
        )
        if not altered.any():
            raise Undefined("not_altered", "no row could be altered")
        share = ratio_of(hits & altered, altered, weights, among="altered rows")
        counts = {"left_out": int((~altered).sum()), "unanswered": int((unanswered & altered).sum())}
        if (up := outcomes[role].up) is not None:
            answered = hits & altered & ~unanswered
            counts["up"] = int((answered & up[rows]).sum())
            counts["down"] = int(answered.sum()) - counts["up"]
        detail = {name: count for name, count in counts.items() if count}
        return MetricValue(share.value, share.psi, hits & altered, altered, detail=detail)

    return replace(RATES[subject], measure=None, measure_rows=measure)

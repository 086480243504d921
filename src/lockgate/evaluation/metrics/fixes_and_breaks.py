"""Shares of rows that the candidate fixes and that it breaks, in the form that `estimate` takes. Light at import."""

from __future__ import annotations

from typing import Literal

from lockgate.evaluation.metrics.declaration import UNIT, Metric, OneRight, Plan
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.uncertainty.metric_value import Bools, Floats, MetricValue, share_of

_BOTH = "champion", "no champion"


def one_right(sums: OneRight, candidate: Bools, champion: Bools, weights: Floats | None) -> MetricValue:
    """The share of all rows that one model decides rightly and the other does not.

    candidate, champion: (n,) whether each decides a row rightly. Raises Undefined without rows, or without any weight.
    """
    kinds = {"candidate": candidate & ~champion, "champion": champion & ~candidate}
    return share_of(kinds[sums.right], weights, detail=one_right_detail(*(int(kind.sum()) for kind in kinds.values())))


def one_right_detail(only_candidate: int, only_champion: int) -> dict[str, int]:
    """What a finding shows besides: rows that are fixed, and rows that are broken."""
    return {"only_candidate": only_candidate, "only_champion": only_champion}


def _rate(name: str, better: Literal["higher", "lower"], right: Literal["candidate", "champion"]) -> Metric:
    of_classes = Subject(name, better, bounds=(0, 1), needs=("label", *_BOTH))
    subject = Subject(
        name,
        better,
        bounds=(0, 1),
        args=("threshold",),
        tasks=("binary", "multiclass"),
        needs=("label", "score", "threshold", *_BOTH),
        by_task={"multiclass": of_classes},
    )
    return Metric(name, "logit", subject=subject, bounds=UNIT, sums=OneRight(right), plan=Plan("rows"))


OF_BOTH_MODELS = (_rate("broken_rate", "lower", "champion"), _rate("fixed_rate", "higher", "candidate"))

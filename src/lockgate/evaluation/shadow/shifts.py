"""How far the candidate's numbers lie from the champion's, request by request and as distributions: what is declared of it.

Light at import; what is measured is in `distances.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from lockgate.evaluation.metrics.declaration import UNIT, Metric, Plan
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.shadow.rates import planned_rows


def _subject(
    name: str, better: Literal["higher", "lower"], *, high: float | None = None, args: tuple[str, ...] = ()
) -> Subject:
    return Subject(
        name, better, bounds=(0, high), args=args, tasks=("binary", "regression"),
        needs=("score", "graded", *args, "champion", "no champion"), proportion=high is not None,
        ranges=dict.fromkeys(args, (0.0, float("inf"))),
    )  # fmt: skip


_metric = partial(Metric, measure=planned_rows, counted_in="requests")
SCORE_SHIFT = _metric("score_shift", "skew", subject=_subject("score_shift", "lower"), argument=None)
P99_ABS_DIFFERENCE = _metric(
    "p99_abs_difference", "plain", subject=_subject("p99_abs_difference", "lower"), argument=None
)
WITHIN = _metric(
    "within", "logit", subject=_subject("within", "higher", high=1, args=("tolerance",)), argument="tolerance",
    bounds=UNIT, plan=Plan("rows"),
)  # fmt: skip
WASSERSTEIN = _metric("wasserstein", "skew", subject=_subject("wasserstein", "lower"), argument=None)
SHIFTS: Mapping[str, Metric] = {
    metric.name: metric for metric in (SCORE_SHIFT, P99_ABS_DIFFERENCE, WITHIN, WASSERSTEIN)
}

OVERLAP_AT = Metric(
    "overlap_at", "logit", measure=planned_rows, argument=None, mean=True, bounds=UNIT, counted_in="queries",
    subject=Subject(
        "overlap_at", "higher", bounds=(0, 1), args=("k",), tasks=("ranking",), proportion=False, counted_in="queries",
        needs=("score", "graded", "query", "champion", "no champion"), ranges={"k": (0.0, float("inf"))},
    ),
)  # fmt: skip


def overlap_complaint(line: Requirement) -> str | None:
    """Why a line on the overlap of rankings says of no number of places how far two agree; None where it does."""
    written = line.argument("k")
    if written is None:
        return f"{str(line)!r}: overlap_at needs k, how many places count; write for example overlap_at(10)"
    if not isinstance(written, str | bool) and written != int(written):
        return f"{str(line)!r}: k must be a whole number, and is {written!r}"
    return None


def shift_words(detail: Mapping[str, Any]) -> str:
    """` (the candidate answers lower)`, from the detail of a finding on a mean difference."""
    return f" (the candidate answers {'lower' if str(detail['shift']).startswith('-') else 'higher'})"

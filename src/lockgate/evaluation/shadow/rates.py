"""Rates of requests by what both models decide of them: flips, losses, gains. Light at import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lockgate.evaluation.metrics.declaration import UNIT, Kinds, Metric, Plan
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.uncertainty.metric_value import (
    Floats,
    MetricValue,
    Undefined,
    ratio_of,
    share_of,
    small_sample,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Bits of what both models decide of a request: those that follow `ANSWERED`, by both, mean something only there.
ANSWERED, CANDIDATE, CHAMPION, DIFFER = 1, 2, 4, 8
UNANSWERED = {"candidate": 16, "champion": 32}
_KINDS = 64
_ANSWERED_BY_BOTH = slice(ANSWERED, None, 2)
_OF_BOTH = ("champion", "no champion")


def _subject(name: str, better: Any, needs: tuple[str, ...], *, by_class: bool) -> Subject:
    args = ("class",) if by_class else ()
    several = Subject(name, better, bounds=(0, 1), args=args, needs=("score", *needs), words=dict.fromkeys(args, ()))
    return Subject(
        name,
        better,
        bounds=(0, 1),
        tasks=("binary", "multiclass"),
        needs=("score", "threshold", *needs),
        by_task={"multiclass": several},
    )


def planned_rows(labels: Any, scores: Floats, weights: Floats | None, threshold: float | None) -> MetricValue:
    """What stands for a rate of both models' answers before there are any: of a plan only the rows are counted."""
    import numpy as np

    return share_of(np.zeros(len(scores), bool), None)


def _rate(subject: Subject, plan: Plan) -> Metric:
    return Metric(
        subject.name, "logit", planned_rows, subject=subject, argument=None, paired_share=True, bounds=UNIT,
        counted_in="requests", plan=plan,
    )  # fmt: skip


FLIP_RATE = _rate(_subject("flip_rate", "lower", _OF_BOTH, by_class=False), Plan("rows"))
LOST_RATE = _rate(_subject("lost_rate", "lower", _OF_BOTH, by_class=True), Plan())
GAINED_RATE = _rate(_subject("gained_rate", "lower", _OF_BOTH, by_class=True), Plan())
# Of each model, among what both answered, so that it is compared on the same requests.
POSITIVE_RATE = _rate(_subject("positive_rate", None, ("champion",), by_class=True), Plan("rows"))
NULL_RATE = _rate(
    Subject(
        "null_rate", "lower", bounds=(0, 1), tasks=("binary", "multiclass", "regression", "text"), needs=("score",)
    ),
    Plan("rows"),
)
RATES: Mapping[str, Metric] = {
    metric.name: metric for metric in (FLIP_RATE, LOST_RATE, GAINED_RATE, POSITIVE_RATE, NULL_RATE)
}

_OF_SOME = (LOST_RATE.name, GAINED_RATE.name)  # of some of the requests: a finding says of how many


def decided_kinds(candidate: Floats, champion: Floats, code: int) -> NDArray[np.uint8]:
    """(n,) what both models decide of a request, in bits. candidate, champion: (n,) classes, or numbers, NaN without an answer.

    code: the class that counts as positive.
    """
    import numpy as np

    missing = np.isnan(candidate), np.isnan(champion)
    kinds = (~(missing[0] | missing[1])).view(np.uint8)
    bits = [(CANDIDATE, candidate == code), (CHAMPION, champion == code), (DIFFER, candidate != champion)]
    for bit, holds in (*bits, *zip(UNANSWERED.values(), missing, strict=True)):
        kinds |= np.where(holds, np.uint8(bit), np.uint8(0))
    return kinds


def _hit_and_base(subject: str, role: str, kind: int) -> tuple[bool, bool]:
    """Whether requests of a kind are counted above, and below."""
    candidate, champion = bool(kind & CANDIDATE), bool(kind & CHAMPION)
    answered = bool(kind & ANSWERED)
    if subject == NULL_RATE.name:
        return bool(kind & UNANSWERED[role]), True
    if subject == LOST_RATE.name:
        return answered and champion and not candidate, answered and champion
    if subject == GAINED_RATE.name:
        return answered and candidate and not champion, answered and not champion
    if subject == POSITIVE_RATE.name:
        return answered and (candidate if role == "candidate" else champion), answered
    return answered and bool(kind & DIFFER), answered


def among(subject: str, name: str) -> str:
    """What is counted below, for the message where there is none. name: as of `rate`."""
    if subject == LOST_RATE.name:
        return f"requests that the champion decides {f'as {name}' if name else 'positive'}"
    if subject == GAINED_RATE.name:
        return f"requests that the champion decides {f'otherwise than as {name}' if name else 'negative'}"
    return "requests" if subject == NULL_RATE.name else "requests answered by both"


def lookup(subject: str, role: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(64,) whether requests of a kind are counted above, and below."""
    import numpy as np

    above, below = np.array([_hit_and_base(subject, role, kind) for kind in range(_KINDS)]).T
    return above, below


def rate(subject: str, kinds: NDArray[np.uint8], *, name: str = "") -> Metric:
    """The rate of that name. kinds: (n,) of all requests, in bits. name: of the class that counts as positive, of several."""
    from lockgate.evaluation.estimation.slice_totals import counted

    counted_of = {role: lookup(subject, role) for role in ("candidate", "champion")}

    def share(role: str, counts: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Mapping[str, Any]]:
        above, below = counted_of[role]
        if subject != NULL_RATE.name and not counts[_ANSWERED_BY_BOTH].any():
            raise Undefined("no_answers", "no request was answered by both models")
        if not (total := int(counts[below].sum())):
            raise Undefined("undefined", f"there are no {among(subject, name)}")
        return above, below, {"hits": int(counts[above].sum()), "among": total} if subject in _OF_SOME else {}

    def measure(role: str, rows: NDArray[np.intp], weights: Floats | None) -> MetricValue:
        own = kinds[rows]
        counts = counted(own, _KINDS)
        above, below, detail = share(role, counts)
        hits, base = above[own], below[own]
        if weights is not None:
            ratio = ratio_of(hits, base, weights, among=among(subject, name))
            return MetricValue(ratio.value, ratio.psi, hits, base, detail=detail)
        # As `ratio_of`, once a kind in place of once a request.
        total = int(counts[below].sum())
        value = int(counts[above].sum()) / total
        psi = (above - value * below) * (own.size / total) * small_sample(own.size)
        return MetricValue(value, psi[own], hits, base, detail=detail)

    return replace(RATES[subject], measure=None, measure_rows=measure, kinds=Kinds(kinds, _KINDS, share))

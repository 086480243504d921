"""The metrics of a ranking, what their arguments mean, and which arguments are refused. Imports no numpy.

All are means over queries: the query is the unit in which rows are counted, bounds are taken and more are required.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lockgate.evaluation.metrics.declaration import Metric, on_demand
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject

if TYPE_CHECKING:
    from numpy.typing import NDArray

TASK = "ranking"
UNIT = "queries"
GAINS = ("linear", "exponential")


@dataclass(frozen=True, eq=False, kw_only=True)
class RankingMetric(Metric):
    """A mean over queries.

    by_query: (order, cutoff) → (queries,) the number of each query. needs_k: whether a line must say how many ranks count.
    """

    by_query: Callable[..., Any]
    needs_k: bool = False


def _metric(name: str, function: str, *args: str, high: float | None = 1, **more: Any) -> RankingMetric:
    """function: of `ranking`, which gives the number of each query."""
    subject = Subject(
        name,
        "higher",
        bounds=(0, high),
        args=args,
        tasks=(TASK,),
        needs=("label", "score", "query"),
        proportion=False,
        words={"gain": GAINS} if "gain" in args else {},
        counted_in=UNIT,
    )
    return RankingMetric(
        name,
        "skew" if high is None else "logit",
        subject=subject,
        by_query=on_demand("ranking", function),
        counted_in=UNIT,
        argument=None,
        mean=True,
        bounds=(0.0, math.inf if high is None else high),
        **more,
    )


METRICS = (
    _metric("ndcg", "ndcg", "k", "gain"),
    _metric("dcg", "dcg", "k", "gain", high=None),
    _metric("mrr", "mrr", "k", "relevant"),
    _metric("map", "average_precision", "k", "relevant"),
    _metric("recall_at", "recall_at", "k", "relevant", needs_k=True),
    _metric("precision_at", "precision_at", "k", "relevant", needs_k=True),
    # Of one query it is yes or no where no scores are equal, so that the mean is a share.
    _metric("hit_rate", "hit_rate", "k", "relevant", needs_k=True, paired_share=True),
)
BY_NAME: Mapping[str, RankingMetric] = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True)
class Cutoff:
    """Which ranks and labels of a query count.

    k: how many ranks, None for all. relevant: the label from which on a row is, None for any above 0. gain: what
    a row is worth, its label or 2^label − 1.
    """

    k: int | None = None
    relevant: float | None = None
    gain: Literal["linear", "exponential"] = "linear"

    @classmethod
    def from_line(cls, line: Requirement) -> Cutoff:
        """The arguments of a line, all in range."""
        args = _arguments(line)
        k, relevant = args.get("k"), args.get("relevant")
        return cls(
            None if k is None else int(k), None if relevant is None else float(relevant), args.get("gain", "linear")
        )

    def relevant_rows(self, labels: NDArray[Any]) -> NDArray[Any]:
        """(n,) bool."""
        return labels > 0 if self.relevant is None else labels >= self.relevant


def out_of_range(line: Requirement) -> Iterator[str]:
    """Messages on the numbers of a line on a ranking metric that cannot be, and on the one that is lacking."""
    args, text = _arguments(line), repr(str(line))
    for name, value in args.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if name == "k" and not (number and value == int(value) and value >= 1):
            yield f"{text}: k must be a whole number, 1 or more, and is {value!r}"
        elif name == "relevant" and not (number and value > 0):
            yield f"{text}: relevant must be a label above 0, from which on a row is relevant, and is {value!r}"
    if BY_NAME[line.subject].needs_k and "k" not in args:
        yield f"{text}: {line.subject} needs k, how many places count; write for example {line.subject}(10)"


def _arguments(line: Requirement) -> dict[str, Any]:
    """The arguments by name; one without a name is k."""
    return {name or "k": value for name, value in line.args}

"""Whether scores order rows as their labels do: of the class that the pipeline calls positive, and of the champion at all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lockgate.errors import GateBroken

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.evaluation.uncertainty.metric_value import MetricValue

_LEAST = 50  # rows of each class, and twice as many in all
_MOST = 200_000  # rows that are looked at, evenly spread
_Z = 3.2905  # a two-sided 99.9 % interval


@dataclass(frozen=True)
class _Order:
    """How far one model orders rows as their labels do. value: `chance` where it knows nothing; high: its upper bound."""

    name: str
    value: float
    high: float
    chance: float

    @property
    def reversed(self) -> bool:
        """Beyond chance: the upper 99.9 % bound lies below what scores that know nothing come to."""
        return self.high < self.chance


def wrong_direction(scored: Scored, *, compared: bool) -> GateBroken | None:
    """The error of scores that order rows the other way round, of the champion, else of the only model; None of others.

    compared: whether anything is held against the champion, which is no baseline where it alone is turned round: any
    candidate passes beside it. The measure is the AUC, of several classes its mean over them, of numbers the rank
    correlation, of a ranking that within queries.
    """
    role = "candidate" if scored.champion is None else "champion"
    order = _order(scored, role)
    if order is None or not order.reversed:
        return None
    candidate = order if role == "candidate" else _order(scored, "candidate")
    both = candidate is None or candidate.value < candidate.chance
    two_classes = scored.labels is not None and scored.labels.dtype == bool
    # Class labels are matched with the column by their values: naming another class would turn none of them round.
    if both and two_classes and scored.queries is None and not _answers_labels(scored, role):
        return GateBroken(
            f"scores speak for the other class: the {role} ranks rows that are not positive above those that are "
            f"({order.name} {order.value:.3g})",
            remedy="write positive: with the other value of the label, or output: {class: …} with the class of the scores",
            code="other_class",
        )
    if role == "candidate" or not compared:
        return None
    return GateBroken(
        f"the champion is no baseline: its {order.name} is {order.value:.3g}, at most {order.high:.3g}, and scores that know "
        f"nothing come to {order.chance:g}; whatever is compared with it passes",
        remedy="find out what holds Production (gate history) and roll back to a version that works; until then compare "
        "with numbers in place of champion",
        code="champion_below_chance",
    )


def _order(scored: Scored, role: str) -> _Order | None:
    """Of one model; None where too few rows or missing answers say nothing. Of class labels each is a score of 0 or 1."""
    import numpy as np

    scores = scored.candidate if role == "candidate" else scored.champion
    labels = scored.labels
    if scores is None or labels is None:
        return None
    step = 1 if scored.queries is not None else -(-scored.rows // _MOST) or 1

    def some(column: NDArray[Any] | None) -> NDArray[Any] | None:
        return None if column is None else column[::step]

    labels, scores, weights, clusters = labels[::step], scores[::step], some(scored.weights), some(scored.clusters)
    few = labels.size < 2 * _LEAST
    if few or not np.isfinite(scores).all() or (scores.ndim > 1 and not scored.classes):
        return None
    of_labels = " of its class labels" if _answers_labels(scored, role) else ""
    if scored.queries is not None:
        return _correlated(_within_queries(labels, scores, scored.queries), scored.queries)
    if scored.classes:
        answers = scores if scores.ndim > 1 else scores[:, None] == np.arange(len(scored.classes))
        each_class = ((labels == code, answers[:, code].astype(float)) for code in range(len(scored.classes)))
        return _by_area(f"auc(average=macro){of_labels}", each_class, weights, clusters)
    if labels.dtype == bool:
        return _by_area(f"auc{of_labels}", [(labels, scores)], weights, clusters)
    return _correlated(_rank_correlation(labels, scores, weights), clusters)


def _answers_labels(scored: Scored, role: str) -> bool:
    scores = scored.candidate if role == "candidate" else scored.champion
    return scored.answers.get(role) == "labels" or (bool(scored.classes) and scores is not None and scores.ndim == 1)


def _by_area(
    name: str,
    classes: Iterable[tuple[NDArray[Any], NDArray[Any]]],
    weights: NDArray[Any] | None,
    clusters: NDArray[Any] | None,
) -> _Order | None:
    """By the mean AUC of classes with enough rows, each as (whether rows are of it, its scores)."""
    import numpy as np

    from lockgate.evaluation.metrics.classification import auc
    from lockgate.evaluation.uncertainty.metric_value import MetricValue, Undefined
    from lockgate.stats.influence import spread

    measured, chances = list[MetricValue](), list[float]()
    for inside, scores in classes:
        own = int(np.count_nonzero(inside))
        others = inside.size - own
        if min(own, others) < _LEAST:
            continue
        try:
            measured.append(auc(inside, scores, weights, None))
        except Undefined:
            return None
        chances.append(math.sqrt((inside.size + 1) / (12 * own * others)))  # of scores that know nothing
    if not measured:
        return None
    value = sum(each.value for each in measured) / len(measured)
    psi = np.mean([each.psi for each in measured], axis=0)
    # Classes share their rows: the error of scores that know nothing is at most that of the worst of them.
    error = max(*chances, spread(psi, clusters=clusters).se)
    return _Order(name, value, value + _Z * error, 0.5)


def _correlated(measured: MetricValue | None, clusters: NDArray[Any] | None) -> _Order | None:
    """clusters: (n,) numbers from 0 of rows that are not independent, as those of a query are not."""
    from lockgate.stats.influence import spread

    if measured is None:
        return None
    error = spread(measured.psi, clusters=clusters)
    if not error.se > 0 or error.n_eff < _LEAST / 2:
        return None
    return _Order("rank correlation", measured.value, measured.value + _Z * error.se, 0.0)


def _rank_correlation(labels: NDArray[Any], scores: NDArray[Any], weights: NDArray[Any] | None) -> MetricValue | None:
    """Spearman's rank correlation and the influence of each row: None where either side does not vary.

    With F, G the mid-distribution functions, θ = E[F(X) G(Y)] and h = F(x) G(y) + E[1(x ≤ X) G(Y)] + E[1(y ≤ Y) F(X)] − 3θ,
    a tie counting half; the scales of F and G are taken as known, which moves the value no more than rounding does.
    Source: Croux & Dehon 2010, Statistical Methods & Applications 19.
    """
    import numpy as np

    from lockgate.evaluation.uncertainty.metric_value import MetricValue, small_sample

    share = np.full(labels.size, 1.0 / labels.size) if weights is None else weights / weights.sum()
    first, above_first = _mid_distribution(scores, share)
    second, above_second = _mid_distribution(labels, share)
    middles = [float(share @ ranks) for ranks in (first, second)]
    spreads = [float(share @ (ranks - middle) ** 2) for ranks, middle in zip((first, second), middles, strict=True)]
    if min(spreads) <= 0:
        return None
    scale = math.sqrt(spreads[0] * spreads[1])
    first, second = first - middles[0], second - middles[1]
    theta = float(share @ (first * second))
    influence = first * second + above_first(second) + above_second(first) - 3 * theta
    psi = (influence - float(share @ influence)) * share * labels.size / scale * small_sample(labels.size)
    return MetricValue(theta / scale, psi)


def _mid_distribution(values: NDArray[Any], share: NDArray[np.float64]) -> Any:
    """(F(x) of each row, ties counting half; function: (n,) g → (n,) E[1(x ≤ X) g], ties counting half)."""
    import numpy as np

    _, run = np.unique(values, return_inverse=True)

    def below(weight: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.bincount(run, weights=weight)
        result: NDArray[np.float64] = (np.cumsum(sums) - 0.5 * sums)[run]
        return result

    def above(g: NDArray[np.float64]) -> NDArray[np.float64]:
        result: NDArray[np.float64] = float(share @ g) - below(share * g)
        return result

    return below(share), above


def _within_queries(labels: NDArray[Any], scores: NDArray[Any], queries: NDArray[Any]) -> MetricValue | None:
    """The correlation of ranks within queries: of scores that know nothing its mean is zero, whatever the queries' sizes."""
    from lockgate.evaluation.uncertainty.metric_value import MetricValue, small_sample

    first, second = _query_ranks(scores, queries), _query_ranks(labels, queries)
    scale = math.sqrt(float(first @ first) * float(second @ second)) / first.size
    if not scale > 0:
        return None
    products = first * second / scale
    value = float(products.mean())
    return MetricValue(value, products * small_sample(products.size) - value)


def _query_ranks(values: NDArray[Any], queries: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) mid-ranks of rows within their query, less the query's mean rank."""
    import numpy as np

    order = np.lexsort((values, queries))
    query, value = queries[order], values[order]
    new = np.append(True, (query[1:] != query[:-1]) | (value[1:] != value[:-1]))
    starts = np.append(np.flatnonzero(new), values.size)
    middle = ((starts[:-1] + starts[1:] - 1) / 2)[np.cumsum(new) - 1]
    _, codes = np.unique(query, return_inverse=True)
    ranks = np.empty(values.size)
    ranks[order] = middle - (np.bincount(codes, weights=middle) / np.bincount(codes))[codes]
    return ranks

"""Ranking metrics by query: one number a query, by one sort of all rows, and a table that has one row a query.

Rows of one score stand in no order of their own: a query's number is the mean over all orders of them, so that neither
the order of a file nor a model that gives everything one score gains by it.
Source: McSherry & Najork 2008, Computing information retrieval performance measures efficiently in the presence of tied
scores; for NDCG it is scikit-learn's `ndcg_score`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lockgate.data import arrow_arrays
from lockgate.data.arrow_arrays import Array
from lockgate.errors import DataError, UsageError
from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.metrics.ranking_subjects import BY_NAME, UNIT, Cutoff, RankingMetric, out_of_range
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.uncertainty.metric_value import Bools, Floats, MetricValue, Undefined, mean_of

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Queries:
    """Rows by query. codes: (n,) whole numbers from 0, each there is. labels: (n,) relevance from 0 on."""

    codes: NDArray[Any]
    labels: Floats

    @cached_property
    def count(self) -> int:
        return int(self.codes.max()) + 1 if self.codes.size else 0

    @cached_property
    def starts(self) -> Ints:
        """(count,) first place of each query where rows stand by query."""
        sizes = np.bincount(self.codes, minlength=self.count)
        return np.cumsum(sizes) - sizes

    def ordered(self, values: Floats) -> Ints:
        """The rows by query, those of a query from the largest value down."""
        return np.lexsort((-values, self.codes))

    @cached_property
    def ideal(self) -> Floats:
        """Labels in the best order."""
        return self.labels[self.ordered(self.labels)]

    @cached_property
    def rank(self) -> Ints:
        """(n,) of each place its number within the query, from 0."""
        sizes = np.diff(self.starts, append=self.codes.size)
        return np.arange(self.codes.size) - np.repeat(self.starts, sizes)

    def total(self, values: Floats) -> Floats:
        """(count,) Σ of values at places, by query."""
        return np.add.reduceat(values, self.starts) if self.count else np.zeros(0)

    def relevant(self, cutoff: Cutoff) -> Floats:
        """(count,) rows of each query that are relevant."""
        return np.bincount(self.codes, cutoff.relevant_rows(self.labels), self.count).astype(np.float64, copy=False)


class Order:
    """The rows as one model orders them, equal scores of a query together. scores: (n,) finite."""

    def __init__(self, queries: Queries, scores: Floats) -> None:
        self.queries = queries
        order = queries.ordered(scores)
        codes, ordered = queries.codes[order], scores[order]
        new = np.ones(order.size, dtype=bool)
        new[1:] = (codes[1:] != codes[:-1]) | (ordered[1:] != ordered[:-1])
        self.labels = queries.labels[order]
        self.starts = np.flatnonzero(new)
        self.sizes = np.diff(self.starts, append=order.size)
        self.query = codes[self.starts]

    @cached_property
    def first(self) -> Ints:
        """(ties,) how many rows of the query stand before."""
        return self.queries.rank[self.starts]

    def spread(self, values: Floats, weights: Floats) -> Floats:
        """(queries,) Σ value · weight of its rank, rows of one score taking their ranks in turn. values: (n,) by rank."""
        sums = np.add.reduceat(values, self.starts) * np.add.reduceat(weights, self.starts) / self.sizes
        summed: Floats = np.bincount(self.query, sums, self.queries.count).astype(np.float64, copy=False)
        return summed

    def before(self, relevant: Floats) -> Floats:
        """(ties,) relevant rows of the query that stand before."""
        upto = np.concatenate([[0.0], np.cumsum(relevant)])
        before: Floats = upto[self.starts] - upto[self.queries.starts[self.query]]
        return before


def dcg(order: Order, cutoff: Cutoff) -> Floats:
    """Σ gain / log₂(rank + 1)."""
    return order.spread(_gains(order.labels, cutoff), _discounts(order.queries, cutoff))


def ndcg(order: Order, cutoff: Cutoff) -> Floats:
    """DCG over that of the best order."""
    queries = order.queries
    best = queries.total(_gains(queries.ideal, cutoff) * _discounts(queries, cutoff))
    return _over(dcg(order, cutoff), best)


def recall_at(order: Order, cutoff: Cutoff) -> Floats:
    """The share of the relevant rows that are among the first k."""
    return _over(_relevant_in_first_k(order, cutoff), order.queries.relevant(cutoff))


def precision_at(order: Order, cutoff: Cutoff) -> Floats:
    """The share of the first k places that hold a relevant row; a place without a row holds none."""
    return _relevant_in_first_k(order, cutoff) / float(cutoff.k or 1)


def hit_rate(order: Order, cutoff: Cutoff) -> Floats:
    """Whether a relevant row is among the first k."""
    tie = _FirstRelevant(order, cutoff)
    return tie.by_query(tie.reached(float(cutoff.k or 0)))


def mrr(order: Order, cutoff: Cutoff) -> Floats:
    """1 / rank of the first relevant row; 0 where it is not among the first k."""
    tie = _FirstRelevant(order, cutoff)
    alone = tie.sizes == 1
    worth = np.zeros(tie.sizes.size)
    worth[alone] = 1 / (tie.before[alone] + 1)
    if cutoff.k is not None:
        worth[tie.before >= cutoff.k] = 0.0
    shared = np.flatnonzero(~alone)
    if shared.size:
        # Several rows of that score: the mean of 1 / rank over the ranks in the tie at which the first relevant row may stand.
        sizes = tie.sizes[shared]
        tie_of = np.repeat(shared, sizes)
        rank_in_tie = np.arange(tie_of.size) - np.repeat(np.cumsum(sizes) - sizes, sizes) + 1.0
        chance = tie.missed(tie_of, rank_in_tie - 1) * tie.relevant[tie_of] / (tie.sizes[tie_of] - rank_in_tie + 1)
        rank = tie.before[tie_of] + rank_in_tie
        counts = chance / rank if cutoff.k is None else np.where(rank <= cutoff.k, chance / rank, 0.0)
        worth[shared] = np.add.reduceat(counts, np.cumsum(sizes) - sizes)
    return tie.by_query(worth)


def average_precision(order: Order, cutoff: Cutoff) -> Floats:
    """Mean over the relevant rows of the precision at their rank; 0 for those that are not among the first k."""
    queries = order.queries
    relevant = cutoff.relevant_rows(order.labels).astype(np.float64)
    inside = np.add.reduceat(relevant, order.starts)
    tie = np.repeat(np.arange(order.sizes.size), order.sizes)
    earlier = np.arange(tie.size) - order.starts[tie]
    # In a random order of a tie, the other relevant rows of it stand evenly spread over its other places.
    with_it = (inside[tie] - 1) / np.maximum(order.sizes[tie] - 1, 1) * earlier
    relevant_so_far = order.before(relevant)[tie] + 1 + with_it
    worth = inside[tie] / order.sizes[tie] * relevant_so_far / (queries.rank + 1.0)
    if cutoff.k is not None:
        worth[queries.rank >= cutoff.k] = 0.0
    return _over(queries.total(worth), queries.relevant(cutoff))


class _FirstRelevant:
    """Of each query that has one, the rows of the score at which its first relevant row stands.

    before: rows of higher scores. sizes: rows of that score. relevant: those of them that are relevant. All (m,).
    """

    def __init__(self, order: Order, cutoff: Cutoff) -> None:
        relevant = cutoff.relevant_rows(order.labels).astype(np.float64)
        inside = np.add.reduceat(relevant, order.starts)
        ties = np.flatnonzero((inside > 0) & (order.before(relevant) == 0))
        self.order, self.query = order, order.query[ties]
        self.before, self.sizes, self.relevant = order.first[ties].astype(np.float64), order.sizes[ties], inside[ties]

    def by_query(self, values: Floats) -> Floats:
        values_by_query = np.zeros(self.order.queries.count)
        values_by_query[self.query] = values
        return values_by_query

    def missed(self, ties: Any, places: Floats) -> Floats:
        """The chance that none of the first `places` rows of a tie is relevant; places ≤ size."""
        size, other = self.sizes[ties].astype(np.float64), self.sizes[ties] - self.relevant[ties]
        # Hypergeometric: C(other, places) / C(size, places), by logarithms of factorials.
        possible = places <= other
        places = np.where(possible, places, 0.0)
        log = special.gammaln
        chance = np.exp(log(other + 1) - log(other - places + 1) - log(size + 1) + log(size - places + 1))
        none_relevant: Floats = np.where(possible, chance, 0.0)
        return none_relevant

    def reached(self, k: float) -> Floats:
        """The chance that one of the first k rows of the query is relevant."""
        within = np.clip(k - self.before, 0, self.sizes)
        one_relevant: Floats = np.where(
            within == 0, 0.0, np.where(within == self.sizes, 1.0, 1 - self.missed(slice(None), within))
        )
        return one_relevant


def _relevant_in_first_k(order: Order, cutoff: Cutoff) -> Floats:
    relevant = cutoff.relevant_rows(order.labels).astype(np.float64)
    return order.spread(relevant, (order.queries.rank < (cutoff.k or 0)).astype(np.float64))


def _gains(labels: Floats, cutoff: Cutoff) -> Floats:
    if cutoff.gain == "linear":
        return labels
    with np.errstate(over="ignore"):
        gains: Floats = np.exp2(labels) - 1
    if not np.isfinite(gains).all():
        raise Undefined("gain_too_large", f"2 to the power of the label {labels.max():g} is too large a gain")
    return gains


def _discounts(queries: Queries, cutoff: Cutoff) -> Floats:
    discounts: Floats = 1 / np.log2(queries.rank + 2.0)
    if cutoff.k is not None:
        discounts[queries.rank >= cutoff.k] = 0.0
    return discounts


def _over(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


class ByQuery:
    """Scored rows of a ranking, and the order that each model gives to those of a query. Raises DataError.

    rows: the same data with one row a query, in the order in which queries appear: weight, cluster and slices, and no
    labels and scores: the metrics of `metrics` read theirs here, by query.
    """

    def __init__(self, scored: Scored) -> None:
        if scored.queries is None or scored.labels is None:
            lacking = "queries" if scored.queries is None else "labels"
            raise DataError(
                f"a ranking without {lacking} cannot be measured", remedy="name the columns label and query"
            )
        self._scored = scored
        self._firsts = arrow_arrays.firsts(scored.queries)
        self.queries = Queries(scored.queries, scored.labels)
        self.rows = rows_of_queries(scored, self._firsts)
        self._orders: dict[str, Order] = {}
        self._values: dict[tuple[str, str, Cutoff], Floats] = {}

    def metrics(self, lines: Sequence[Requirement]) -> dict[str, Metric]:
        """The metric of each line, by its subject with arguments. Raises UsageError for a line that cannot be measured."""
        by_subject: dict[str, Metric] = {}
        for line in lines:
            declared = BY_NAME.get(line.subject)
            if declared is None or declared.subject is None:
                raise UsageError(f"{str(line)!r}: {line.subject} is not measured of a ranking")
            for message in (*declared.subject.misfits(line), *out_of_range(line)):
                raise UsageError(message)
            by_subject[line.subject_text] = self._metric(declared, Cutoff.from_line(line))
        return by_subject

    def losses(self) -> tuple[Scored, str, Floats, Floats | None]:
        """(the queries that can be judged, the name of a loss, of each of them under the candidate, under the champion)."""
        cutoff = Cutoff()
        judged = self._judged(cutoff)
        candidate, champion = (
            None if getattr(self._scored, role) is None else 1 - ndcg(self._order(role), cutoff)[judged]
            for role in ("candidate", "champion")
        )
        assert candidate is not None  # noqa: S101  # a candidate is always scored
        return rows_of_queries(self._scored, self._firsts[judged]), "1 - ndcg", candidate, champion

    def _metric(self, declared: RankingMetric, cutoff: Cutoff) -> Metric:
        judged = self._judged(cutoff)

        def measure_rows(role: str, rows: Array, weights: Floats | None) -> MetricValue:
            key = declared.name, role, cutoff
            if key not in self._values:
                self._values[key] = declared.by_query(self._order(role), cutoff)
            return mean_of_judged(self._values[key][rows], judged[rows], weights, share=declared.paired_share)

        return replace(declared, measure_rows=measure_rows)

    def _judged(self, cutoff: Cutoff) -> Bools:
        """(queries,) whether anything is relevant: else no order is better than another."""
        judged: Bools = self.queries.relevant(cutoff) > 0
        return judged

    def _order(self, role: str) -> Order:
        if role not in self._orders:
            self._orders[role] = Order(self.queries, getattr(self._scored, role))
        return self._orders[role]


def rows_of_queries(scored: Scored, rows: Array) -> Scored:
    """The same data with one row a query: weight, cluster and slices, without labels and scores. rows: one of each query."""
    view = scored.of_rows(rows)
    view.labels = view.candidate = view.champion = view.queries = None
    view.counted_in = UNIT
    return view


def mean_of_judged(
    values: Floats,
    inside: Bools,
    weights: Floats | None,
    *,
    share: bool = False,
    nothing: str = "no query has a relevant row",
) -> MetricValue:
    """The mean over the queries that are inside; the others carry nothing, and are counted.

    share: whether a query's number is yes or no where no scores are equal, and the mean a share. nothing: what is said where none is
    inside.
    """
    judged = int(np.count_nonzero(inside))
    if not judged:
        raise Undefined("undefined", nothing)
    of_judged = values[inside]
    mean = mean_of(of_judged, None if weights is None else weights[inside])
    psi = np.zeros(values.size)
    psi[inside] = mean.psi * (values.size / judged)  # the error is the mean of psi over all queries
    counts = share and bool(np.isin(of_judged, (0.0, 1.0)).all())
    left_out = {"queries_left_out": values.size - judged}
    return MetricValue(mean.value, psi, values == 1.0 if counts else None, inside, detail=left_out)

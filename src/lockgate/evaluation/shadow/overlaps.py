"""Overlap of two rankings: of each query, how many of the first k items of one model are among those of the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lockgate.data import arrow_arrays
from lockgate.errors import DataError
from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.metrics.ranking import mean_of_judged, rows_of_queries
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.shadow.shifts import OVERLAP_AT
from lockgate.evaluation.uncertainty.metric_value import Bools, Floats, MetricValue

_NOTHING = "no query that both models answered in full has more items than k"


@dataclass(frozen=True)
class Overlaps:
    """rows: the replayed data with one row a query. metrics: of each line, by its subject with arguments."""

    rows: Scored
    metrics: dict[str, Metric]


def overlaps(scored: Scored, lines: Sequence[Requirement]) -> Overlaps:
    """What lines on the overlap of rankings are measured by. Raises DataError without queries."""
    if scored.queries is None:
        raise DataError("a ranking without queries cannot be compared", remedy="name the column query")
    assert scored.candidate is not None  # noqa: S101  # there are answers
    assert scored.champion is not None  # noqa: S101  # the line is left out without a champion
    rows = rows_of_queries(scored, arrow_arrays.firsts(scored.queries))
    metrics = {}
    for line in lines:
        k = int(line.argument("k") or 0)  # `gate check` refuses a line without
        metrics[line.subject_text] = _metric(*overlap_at(scored.queries, scored.candidate, scored.champion, k=k))
    return Overlaps(rows, metrics)


def overlap_at(queries: NDArray[np.int32], candidate: Floats, champion: Floats, *, k: int) -> tuple[Floats, Bools]:
    """(each query's overlap from 0 to 1, whether it is judged).

    queries: (n,) whole numbers from 0, each there is. candidate, champion: (n,) scores, NaN without an answer. Judged is a query of
    more than k items, all of which both answered: of k or fewer every order has the same first k. Items of one score at the end of
    the first k share the places that are left, so that a copy overlaps wholly, and one score for all by chance alone.
    """
    count = int(queries.max()) + 1 if queries.size else 0
    unanswered = np.isnan(candidate) | np.isnan(champion)
    inside = np.bincount(queries, minlength=count) > k
    inside &= np.bincount(queries, unanswered, minlength=count) == 0
    ours, theirs = (_among_first(queries, np.nan_to_num(scores), k=k) for scores in (candidate, champion))
    common = np.bincount(queries, np.minimum(ours, theirs), minlength=count) / k
    return np.clip(common, 0.0, 1.0), inside


def _among_first(queries: NDArray[np.int32], scores: Floats, *, k: int) -> Floats:
    """(n,) which part of an item is among the first k of its query: 1, 0, or between the two where equal scores stand at the end."""
    order = np.lexsort((-scores, queries))
    codes, ordered = queries[order], scores[order]
    new_query, new = np.ones(order.size, bool), np.ones(order.size, bool)
    new_query[1:] = codes[1:] != codes[:-1]
    new[1:] = new_query[1:] | (ordered[1:] != ordered[:-1])
    starts = np.flatnonzero(new)
    sizes = np.diff(starts, append=order.size)
    first_of_query = np.flatnonzero(new_query)
    before = starts - first_of_query[np.cumsum(new_query)[starts] - 1]
    parts = np.empty(order.size)
    parts[order] = np.repeat(np.clip(k - before, 0, sizes) / sizes, sizes)
    return parts


def _metric(values: Floats, inside: Bools) -> Metric:
    def measure(_: str, rows: NDArray[np.intp], weights: Floats | None) -> MetricValue:
        return mean_of_judged(values[rows], inside[rows], weights, nothing=_NOTHING)

    return replace(OVERLAP_AT, measure=None, measure_rows=measure)

"""A ranking with the query as its unit: one row a query, and each line's number of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.data import arrow_arrays
from lockgate.data.arrow_arrays import Array
from lockgate.data.slices.spec import FIXED_COLUMNS
from lockgate.errors import DataError, UsageError
from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.metrics.ranking import Order, Queries, ndcg
from lockgate.evaluation.metrics.ranking_subjects import BY_NAME, UNIT, Cutoff, RankingMetric, out_of_range
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.uncertainty.metric_value import Bools, Floats, MetricValue, Undefined, mean_of


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
        self.rows = self._only(self._firsts)
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
        return self._only(self._firsts[judged]), "1 - ndcg", candidate, champion

    def _metric(self, declared: RankingMetric, cutoff: Cutoff) -> Metric:
        judged = self._judged(cutoff)

        def measure_rows(role: str, rows: Array, weights: Floats | None) -> MetricValue:
            key = declared.name, role, cutoff
            if key not in self._values:
                self._values[key] = declared.by_query(self._order(role), cutoff)
            return _mean(self._values[key][rows], judged[rows], weights, share=declared.paired_share)

        return replace(declared, measure_rows=measure_rows)

    def _judged(self, cutoff: Cutoff) -> Bools:
        """(queries,) whether anything is relevant: else no order is better than another."""
        judged: Bools = self.queries.relevant(cutoff) > 0
        return judged

    def _order(self, role: str) -> Order:
        if role not in self._orders:
            self._orders[role] = Order(self.queries, getattr(self._scored, role))
        return self._orders[role]

    def _only(self, rows: Array) -> Scored:
        scored = self._scored

        def column(name: str) -> pa.Array | None:
            if name in FIXED_COLUMNS:
                values: Any = {"weight": scored.weights, "cluster": scored.clusters}.get(name)
                return None if values is None else arrow_arrays.from_numpy(values[rows])
            labels, codes = scored.codes(name)
            return pa.DictionaryArray.from_arrays(arrow_arrays.from_numpy(codes[rows]), arrow_arrays.from_texts(labels))

        return Scored(column, rows=rows.size, sha256=lambda: scored.sha256, slices=scored.slices, counted_in=UNIT)


def _mean(values: Floats, inside: Bools, weights: Floats | None, *, share: bool) -> MetricValue:
    """The mean over the queries that are inside; the others carry nothing, and are counted.

    share: whether a query's number is yes or no where no scores are equal, and the mean a share.
    """
    judged = int(np.count_nonzero(inside))
    if not judged:
        raise Undefined("undefined", "no query has a relevant row")
    of_judged = values[inside]
    mean = mean_of(of_judged, None if weights is None else weights[inside])
    psi = np.zeros(values.size)
    psi[inside] = mean.psi * (values.size / judged)  # the error is the mean of psi over all queries
    counts = share and bool(np.isin(of_judged, (0.0, 1.0)).all())
    left_out = {"queries_left_out": values.size - judged}
    return MetricValue(mean.value, psi, values == 1.0 if counts else None, inside, detail=left_out)

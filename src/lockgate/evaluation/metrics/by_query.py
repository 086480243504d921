"""A ranking with the query as its unit: one row a query, and what each line measures of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lockgate.data import arrow_arrays as arrays
from lockgate.data.arrow_arrays import Array
from lockgate.data.slices.spec import FIXED_COLUMNS
from lockgate.errors import DataError, UsageError
from lockgate.evaluation.metrics import ranking_subjects as ranking
from lockgate.evaluation.metrics.ranking import MEASURES, Order, Queries
from lockgate.evaluation.metrics.ranking_subjects import At
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.uncertainty.custom_rule import OwnMetric
from lockgate.evaluation.uncertainty.metric import Bools, Floats, Measured, Metric, Undefined, mean_of

UNIT = "queries"


class ByQuery:
    """Scored rows of a ranking, and the order that each model gives to those of a query. Raises DataError.

    rows: the same data with one row a query, in the order in which queries appear: weight, cluster and slices, and in
    place of labels and scores the numbers that `metrics` read.
    """

    def __init__(self, scored: Scored) -> None:
        if scored.queries is None or scored.labels is None:
            lacking = "queries" if scored.queries is None else "labels"
            raise DataError(
                f"a ranking without {lacking} cannot be measured", remedy="name the columns label and query"
            )
        self._scored = scored
        self._firsts = arrays.firsts(scored.queries)
        self.queries = Queries(scored.queries, scored.labels)
        self.rows = self._only(self._firsts)
        self._orders: dict[str, Order] = {}
        self._known: dict[tuple[str, str, At], Floats] = {}

    def metrics(self, lines: Sequence[Requirement]) -> dict[str, Metric]:
        """The metric of each line, by what is asked. Raises UsageError for what cannot be asked."""
        found: dict[str, Metric] = {}
        for line in lines:
            if line.subject not in ranking.SUBJECTS:
                raise UsageError(f"{str(line)!r}: {line.subject} is not measured of a ranking")
            for what in (*ranking.SUBJECTS[line.subject].misfits(line), *ranking.out_of_range(line)):
                raise UsageError(what)
            found[line.subject_text] = self._metric(line.subject, At.of(line))
        return found

    def losses(self) -> tuple[Scored, str, Floats, Floats | None]:
        """(the queries that can be judged, the name of a loss, of each of them under the candidate, under the champion)."""
        at = At()
        judged = self._judged(at)
        own, before = (
            None if getattr(self._scored, role) is None else 1 - self._values("ndcg", role, at)[judged]
            for role in ("candidate", "champion")
        )
        assert own is not None  # noqa: S101  # a candidate is always scored
        return self._only(self._firsts[judged]), "1 - ndcg", own, before

    def _metric(self, name: str, at: At) -> Metric:
        count, judged = self.queries.count, self._judged(at)

        def measure(labels: Array, scores: Floats, weights: Floats | None, threshold: float | None) -> Measured:
            places = scores.astype(np.int64)
            role = "champion" if places[0] >= count else "candidate"
            places %= count
            values, inside = self._values(name, role, at)[places], judged[places]
            return _mean(values, inside, weights, whole=name == "hit_rate")

        scale: Any = "logit" if ranking.SUBJECTS[name].bounds == (0, 1) else "skew"
        return OwnMetric(
            name,
            measure,
            scale,
            paired_share=name == "hit_rate",
            mean=True,
            counted_in=UNIT,
            argument=None,
            placed=True,
        )

    def _judged(self, at: At) -> Bools:
        """(queries,) whether anything is relevant: else no order is better than another."""
        found: Bools = self.queries.relevant(at) > 0
        return found

    def _values(self, name: str, role: str, at: At) -> Floats:
        """(queries,) the number of each."""
        key = name, role, at
        if key not in self._known:
            if role not in self._orders:
                self._orders[role] = Order(self.queries, getattr(self._scored, role))
            self._known[key] = MEASURES[name](self._orders[role], at)
        return self._known[key]

    def _only(self, rows: Array) -> Scored:
        scored = self._scored

        def column(name: str) -> pa.Array | None:
            if name in FIXED_COLUMNS:
                known = {"weight": scored.weights, "cluster": scored.clusters}.get(name)
                return None if known is None else arrays.from_numpy(known[rows])
            labels, codes = scored.codes(name)
            return pa.DictionaryArray.from_arrays(arrays.from_numpy(codes[rows]), arrays.from_texts(labels))

        return Scored(column, rows=rows.size, sha256=lambda: scored.sha256, slices=scored.slices, counted_in=UNIT)


def _mean(values: Floats, inside: Bools, weights: Floats | None, *, whole: bool) -> Measured:
    """The mean over the queries that are inside; the others carry nothing, and are counted.

    whole: whether a query's number is yes or no where no scores are equal, and the mean a share.
    """
    kept = int(np.count_nonzero(inside))
    if not kept:
        raise Undefined("undefined", "no query has a relevant row")
    some = values[inside]
    found = mean_of(some, None if weights is None else weights[inside])
    psi = np.zeros(values.size)
    psi[inside] = found.psi * (values.size / kept)
    share = whole and weights is None and bool(np.isin(some, (0.0, 1.0)).all())
    left_out = {"queries_left_out": values.size - kept}
    return Measured(found.value, psi, values == 1.0 if share else None, inside, left_out)

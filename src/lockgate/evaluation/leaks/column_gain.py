"""How much of a candidate's gain over the champion goes with the values of one column that only the candidate is given.

With M(c), M(h) of both models and M(c, x) of the candidate whose column x holds the values of other rows, gain is M(c) − M(h)
and the column's part M(c) − M(c, x). A line that allows the share L holds where part − L · gain ≤ 0: linear in the three, so
that it has an error also where the gain is near nothing, and a ratio would have none. Only the candidate is asked again; all
three stand on the same rows.

A row has a part in M(c, x) twice: as the row that is asked, and as the one whose value another row is given. Its influence is the
sum of both, each a mean over the permutations, whose own chance is in it: the spread is that of M(c, x) or a little more.
Sources: Fieller 1954, JRSS B 16:175–185, the test of a ratio by a linear combination; Hoeffding 1948, Ann Math Stat 19:293–325,
the projection on rows; Fisher, Rudin & Dominici 2019, JMLR 20(177), the reliance of a model on a column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.estimation.estimate import CONFIDENCE, Estimate, counted, estimate
from lockgate.evaluation.leaks.subject import NAME, metric_line
from lockgate.evaluation.leaks.words import gain_words
from lockgate.evaluation.metrics import catalog, multiclass
from lockgate.evaluation.metrics.declaration import Metric
from lockgate.evaluation.requirements.requirement import Requirement, RequirementLimit
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.uncertainty.metric_value import Floats, MetricValue, Undefined
from lockgate.hashing import number
from lockgate.stats.effective_size import Weighing
from lockgate.stats.influence import spread

LINE_PERMUTATIONS = 5
"""Of each column, for a line: more of them change its error little, and cost as many answers again."""
_STEPS, _FAR = 50, 1e4  # of the search for an end
SHARE_NAMED = 0.8
"""Of the gain: a column that surely brings more is named in the report where no line asks for it."""


@dataclass(frozen=True, eq=False)
class Permuted:
    """The candidate's answers to rows in which one column holds the values of other rows. donors: whose value each row had."""

    scores: NDArray[Any]
    donors: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class PermutedColumns:
    """columns: column of the data that only the candidate is given → its answers, once a permutation. compared: how many columns
    the candidate is given in all. rows: numbers of the rows that were asked, None for all of them."""

    columns: Mapping[str, Sequence[Permuted]]
    compared: int
    rows: NDArray[np.intp] | None = None


@dataclass(frozen=True)
class ColumnGain:
    """What one column brings. candidate, champion, without: the metric of both models, and of the candidate with the column
    permuted. better: whether more is better."""

    column: str
    metric: str
    candidate: float
    champion: float
    without: float
    better: str = field(repr=False)

    @property
    def gain(self) -> float:
        return self.candidate - self.champion if self.better == "higher" else self.champion - self.candidate

    @property
    def part(self) -> float:
        return self.candidate - self.without if self.better == "higher" else self.without - self.candidate

    def to_json(self) -> dict[str, str]:
        values = {"candidate": self.candidate, "champion": self.champion, "without": self.without}
        return {
            "column": self.column,
            "metric": self.metric,
            **{name: str(number(value)) for name, value in values.items()},
        }


def of_rows(scored: Scored, rows: NDArray[np.intp] | None) -> Scored:
    """The scored rows with these numbers, without their slices."""
    view = copy(scored)
    view.slices = ()
    return view if rows is None else view.of_rows(rows)


@dataclass(frozen=True, eq=False)
class _Gains:
    """The metric of a line on the rows that were asked."""

    table: Scored
    line: Requirement
    metric: Metric
    threshold: Mapping[str, float | None]

    @classmethod
    def for_line(
        cls, scored: Scored, permuted: PermutedColumns, line: Requirement | None, *, task: str,
        threshold: Mapping[str, float | None],
    ) -> _Gains:  # fmt: skip
        table, own = of_rows(scored, permuted.rows), metric_line(line, task)
        metrics = multiclass.metrics([own], scored.classes) if scored.classes else catalog.of_lines([own])
        return cls(table, own, own.pick(metrics), threshold)

    @property
    def unweighted(self) -> Scored:
        """The rows, for a test of influence values in which their weights are already."""
        view = copy(self.table)
        view.weights = None
        return view

    @cached_property
    def models(self) -> tuple[MetricValue, MetricValue]:
        """Of the candidate and of the champion, which are the same beside every column. Raises Undefined."""
        return self.measure("candidate", self.table.candidate), self.measure("champion", self.table.champion)

    @cached_property
    def weighing(self) -> Weighing | None:
        """What the rows weigh; None where they weigh alike."""
        weights = self.table.weights
        if weights is None or np.ptp(weights) == 0:
            return None
        labels = self.table.labels
        # Labels that are numbers to be predicted are no classes.
        classes = labels if self.metric.minority and labels is not None and labels.dtype.kind in "bi" else None
        return Weighing(weights, self.table.clusters, classes)

    @property
    def better(self) -> str:
        return "higher" if self.line.op == ">=" else "lower"

    def measure(self, role: str, scores: Any) -> MetricValue:
        """Raises Undefined."""
        assert self.metric.measure is not None  # noqa: S101  # the words of the subject are such metrics
        cut = self.table.cut(role, self.threshold.get(role)) if self.metric.argument == "threshold" else None
        return self.metric.measure(self.table.labels, scores, self.table.weights, cut)

    def column(self, name: str, permutations: Sequence[Permuted]) -> _Column:
        """Raises Undefined."""
        if not self.table.rows:
            raise Undefined("no_rows", "there are no rows")
        candidate, champion = self.models
        answers = [self.measure("candidate", each.scores) for each in permutations]
        without = float(np.mean([each.value for each in answers]))
        asks, lends = _influence([each.psi for each in answers], [each.donors for each in permutations], candidate.psi)
        sign = 1.0 if self.better == "higher" else -1.0
        gain = ColumnGain(name, self.line.subject_text, candidate.value, champion.value, without, self.better)
        return _Column(
            gain, sign * (candidate.psi - asks), sign * lends, sign * (candidate.psi - champion.psi), len(permutations)
        )

    def excess(self, column: _Column, share: float) -> Floats:
        """(n,) influence on part − share · gain. That of uneven rows is taken for larger, by what they bring themselves: a value
        is lent whatever its row weighs."""
        psi = column.part - share * column.gain
        if self.weighing is None:
            return psi - column.lent
        error = spread(psi, clusters=self.table.clusters)
        growth = self.weighing.limit(error, psi).se / error.se if error.se > 0 else 1.0
        return (psi - column.lent) * growth

    def test(self, name: str, line: Requirement, column: _Column, share: float) -> Estimate:
        """The test of part − share · gain, in units of the gain: the column's share of it, and `share` where that is its limit."""
        values = column.values

        def measure_rows(*_: Any) -> MetricValue:
            if not values.gain > 0:
                lacking = f"the candidate's {values.metric} is no better than the champion's"
                raise Undefined("no_gain", f"{lacking}; {gain_words(values.to_json())}")
            detail = {"column_gain": values.to_json(), "permutations": column.permutations}
            return MetricValue(values.part / values.gain, self.excess(column, share) / values.gain, detail=detail)

        own = self.metric  # says of which rows there must be enough
        metric = Metric(
            NAME, "plain", measure_rows=measure_rows, argument=None, minority=own.minority, classes=own.classes,
            positive_class=own.positive_class,
        )  # fmt: skip
        plain = replace(line, limit=RequirementLimit(relative=False, number=share), args=())
        return estimate(self.unweighted, [(name, plain)], {NAME: metric}, threshold=self.threshold)[0]

    def estimate(self, name: str, line: Requirement, column: _Column) -> Estimate:
        """The test at the line's limit, with the ends of Fieller's set: the shares at which it would just be decided."""
        tested = self.test(name, line, column, line.limit.value)
        if tested.problem is not None or line.claim == "point":
            return tested
        low, high = (self._end(name, line, column, tested, side) for side in ("low", "high"))
        low = tested.low if low is None else low  # of no gain a part may be shown all the same
        p_pass = 1.0 if high is None else tested.p_pass  # of a gain that is not shown no share is
        return replace(tested, low=low, high=high, interval=(low, high), p_pass=p_pass)

    def _end(
        self, name: str, line: Requirement, column: _Column, tested: Estimate, side: Literal["low", "high"]
    ) -> float | None:
        """The share that is the end of the interval of its own test; None where there is none, as where nothing shows a gain."""
        end: float | None = getattr(tested, side)
        for _ in range(_STEPS):
            if end is None or not abs(end) < _FAR:
                return None
            again: float | None = getattr(self.test(name, line, column, end), side)
            if again is not None and abs(again - end) <= 1e-6:
                return again
            end = again
        return None


@dataclass(frozen=True, eq=False)
class _Column:
    """values: the three metrics. part, lent, gain: (n,) influence on the column's part, as rows that are asked and as donors, and
    on the gain."""

    values: ColumnGain
    part: Floats
    lent: Floats
    gain: Floats
    permutations: int


def _influence(psis: Sequence[Floats], donors: Sequence[NDArray[np.intp]], otherwise: Floats) -> tuple[Floats, Floats]:
    """(n,) influence on the mean over permutations, of each row as the one that is asked, and as the one whose value is lent.

    What a row that was asked brings whichever value it has says nothing of the donor, and is taken off before it is handed on:
    the mean of its other permutations, with a single one what it brings with its own value (`otherwise`).
    """
    total: Floats = np.sum(psis, axis=0)
    count = len(psis)
    lent = np.zeros(total.size)
    for psi, lent_by in zip(psis, donors, strict=True):
        usual = otherwise if count == 1 else (total - psi) / (count - 1)
        lent[lent_by] += (psi - usual) / count
    return total / count, lent


def gain_estimate(
    name: str,
    line: Requirement,
    scored: Scored,
    permuted: PermutedColumns,
    *,
    task: str,
    threshold: Mapping[str, float | None],
) -> Estimate:
    """The estimate of a line on `gain_from_one_column`: of the column with the largest share.

    p_pass: the largest of the columns (intersection-union); p_fail: the smallest, times their number (Bonferroni). A candidate
    without a column of its own gains nothing from one: the columns that were compared are counted.
    """
    if not permuted.columns:
        none = counted(name, line, value=0, units=permuted.compared, detail={"own_columns": []})
        return replace(none, counted_in="columns")
    gains = _Gains.for_line(scored, permuted, line, task=task, threshold=threshold)
    try:
        columns = [
            gains.estimate(name, line, gains.column(column, answers)) for column, answers in permuted.columns.items()
        ]
    except Undefined as error:
        blank = gains.table
        return Estimate(
            name, (), blank.rows, None, (line.op, line.limit.value), "value", "none", limit=line.limit.value,
            problem=(error.code, str(error)), detail={"own_columns": list(permuted.columns)},
        )  # fmt: skip
    worst = max(columns, key=lambda each: (each.problem is not None, each.candidate or 0.0))
    if worst.problem is not None:
        return replace(worst, detail={"own_columns": list(permuted.columns)})
    p_pass = [each.p_pass for each in columns if each.p_pass is not None]
    p_fail = [each.p_fail for each in columns if each.p_fail is not None]
    highs = [each.high for each in columns]
    high = None if None in highs else max(end for end in highs if end is not None)
    return replace(
        worst,
        p_pass=max(p_pass) if p_pass else None,
        p_fail=min(1.0, len(p_fail) * min(p_fail)) if p_fail else None,
        high=high,
        interval=None if worst.interval is None else (worst.low, high),
        too_few=next((each.too_few for each in columns if each.too_few is not None), None),
        detail={**worst.detail, "own_columns": list(permuted.columns)},
        tested=None,  # of one limit: its influence values are
    )


def diagnosis(
    scored: Scored, permuted: PermutedColumns, *, task: str, threshold: Mapping[str, float | None]
) -> dict[str, Any]:
    """What each column that only the candidate is given brings, as JSON, that with the largest part first.

    named: columns which at 95 % confidence, all of them together, bring more than `SHARE_NAMED` of the gain.
    """
    line = Requirement(NAME, "<=", RequirementLimit(relative=False, number=SHARE_NAMED))
    gains = _Gains.for_line(scored, permuted, None, task=task, threshold=threshold)
    columns, named = list[ColumnGain](), list[str]()
    for name, answers in permuted.columns.items():
        try:
            column = gains.column(name, answers)
        except Undefined:
            continue
        columns.append(column.values)
        tested = gains.test("diagnosis", line, column, SHARE_NAMED)
        if (
            tested.p_fail is not None
            and tested.too_few is None
            and tested.p_fail * len(permuted.columns) <= 1 - CONFIDENCE
        ):
            named.append(name)
    columns.sort(key=lambda each: -each.part)
    return {"rows": gains.table.rows, "columns": [each.to_json() for each in columns], "named": named}

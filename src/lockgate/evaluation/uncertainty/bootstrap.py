"""Metric of a function of whole rows, its error by running the function anew on rows drawn with replacement.

Clusters are drawn whole, and the same rows for both models. The interval is t on the standard deviation of the values,
which is approximate: nothing is known of the function.
Source: Efron & Tibshirani 1993, bootstrap standard errors; Davison & Hinkley 1997, section 3.8, for clusters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lockgate.errors import GateBroken
from lockgate.evaluation.metrics.declaration import DeclaredBounds, Metric, check_bounds, limits
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evaluation.uncertainty.comparison import MIN_CLUSTERS, Comparison, unvaried
from lockgate.evaluation.uncertainty.metric_value import Floats, MetricValue, Undefined, mean_of
from lockgate.models.safe_text import RowText
from lockgate.stats.effective_size import carriers, effective_number

RESAMPLES = 500
MIN_ROWS = 30
MOST_UNDEFINED = 0.01  # resamples without a value: beyond, the others are a choice of their own
Array = NDArray[Any]


class _Lacking(KeyError):
    """A function wanted a column that it is not given; its name is no value of the rows."""


class _Columns(dict[str, Any]):
    def __missing__(self, name: Any) -> Any:
        raise _Lacking(name)


@dataclass(frozen=True)
class BoundFunction:
    """A function with all that it may look at. columns: (n,) arrays by name."""

    function: Callable[[Any, Any, Mapping[str, Any]], Any]
    scored: Scored
    columns: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, role: str, rows: Array) -> Any:
        """What it returns on these rows."""
        labels, scores = self.scored.labels, getattr(self.scored, role)
        return self.function(
            None if labels is None else labels[rows],
            scores[rows],
            _Columns((name, column[rows]) for name, column in self.columns.items()),
        )


@dataclass(frozen=True, kw_only=True)
class Resampled(MetricValue):
    """A value without influence values (`psi` is zero).

    values: on each resample, NaN where there was none. units: rows or clusters; effective: Kish's number of them.
    """

    values: Floats
    units: int
    effective: float


def function_metric(
    name: str,
    function: BoundFunction,
    *,
    per_row: bool,
    seed: int,
    bounds: DeclaredBounds = (None, None),
    resamples: int = RESAMPLES,
) -> Metric:
    """The metric of a function; with `per_row` the mean of its values, as the built-in means. bounds: of each of these values."""
    if per_row:
        by_role: dict[str, Floats] = {}

        def mean(role: str, rows: Array, weights: Floats | None) -> MetricValue:
            if not rows.size:
                raise Undefined("no_rows", "there are no rows")
            if role not in by_role:
                by_role[role] = _values_by_row(name, function, role)
                check_bounds(name, role, by_role[role], bounds)
            return mean_of(by_role[role][rows], weights)

        return Metric(name, "skew", measure_rows=mean, bounds=limits(bounds))

    def whole(role: str, rows: Array, weights: Floats | None) -> MetricValue:
        if not rows.size:
            raise Undefined("no_rows", "there are no rows")
        clusters = function.scored.clusters
        units = None if clusters is None else clusters[rows]
        value = _value(name, function, role, rows)
        values = np.full(resamples, math.nan)
        for index, drawn in enumerate(resampled(rows.size, units, resamples, seed)):
            values[index] = _value_or_nan(function, role, rows[drawn])
        carried = carriers(np.ones(rows.size) if weights is None else weights, units)
        size = rows.size if units is None else int(np.unique(units).size)
        return Resampled(value, np.zeros(rows.size), values=values, units=size, effective=effective_number(carried))

    return Metric(name, "plain", measure_rows=whole, decide=decide)


def resampled(rows: int, clusters: Array | None, times: int, seed: int) -> Iterator[Array]:
    """Positions of rows drawn with replacement, of clusters whole; equal arguments give equal draws."""
    draw = np.random.default_rng([seed, rows])
    if clusters is None:
        for _ in range(times):
            yield draw.integers(0, rows, rows)
        return
    order = np.argsort(clusters, kind="stable")
    _, starts, counts = np.unique(clusters[order], return_index=True, return_counts=True)
    for _ in range(times):
        drawn = draw.integers(0, starts.size, starts.size)
        size = counts[drawn]
        ends = np.cumsum(size)
        # The rows of all drawn clusters in one array: each cluster's first place, counted on from where it begins there.
        yield order[np.repeat(starts[drawn] - (ends - size), size) + np.arange(ends[-1])]


def decide(
    candidate: MetricValue,
    champion: MetricValue | None,
    factor: float,
    clusters: Array | None,
    null: float,
    confidence: float,
) -> Comparison:
    """One model's value, or its distance from the champion's on the same resamples, by t on their spread."""
    assert isinstance(candidate, Resampled)  # noqa: S101  # measured above
    value, values, units = candidate.value, candidate.values, candidate.units
    if champion is not None:
        assert isinstance(champion, Resampled)  # noqa: S101
        value, values = value - factor * champion.value, values - factor * champion.values
    method = f"bootstrap of {values.size}, t, approximate" + ("" if clusters is None else ", by cluster")
    finite = values[np.isfinite(values)]
    lacking = values.size - finite.size
    few = _too_few(units, clusters) or (
        f"no value on {lacking:,} of {values.size:,} resamples" if lacking > MOST_UNDEFINED * values.size else None
    )
    if finite.size < 2 or units < 2:
        return Comparison(value, -math.inf, math.inf, 1.0, 1.0, None, float(units), method, few or "too few resamples")
    # A resample draws from n units with their variance over n, not n − 1: the factor makes up for it.
    se = float(finite.std(ddof=1)) * math.sqrt(units / (units - 1))
    if se <= 1e-12 * max(abs(value), abs(candidate.value)):
        method += ", the same on every resample"
        return unvaried(value, candidate.effective, null=null, confidence=confidence, method=method, few=few)
    quantile, statistic = float(special.stdtrit(units - 1, confidence)), (value - null) / se
    return Comparison(
        value,
        value - quantile * se,
        value + quantile * se,
        float(special.stdtr(units - 1, -statistic)),
        float(special.stdtr(units - 1, statistic)),
        se,
        float(units),
        method,
        few,
        {"resamples": int(finite.size)},
    )


def _too_few(units: int, clusters: Array | None) -> str | None:
    needed = MIN_ROWS if clusters is None else MIN_CLUSTERS
    return (
        f"{units} {'rows' if clusters is None else 'clusters'}; resampling needs {needed}" if units < needed else None
    )


def _values_by_row(name: str, function: BoundFunction, role: str) -> Floats:
    rows = function.scored.rows
    try:
        values = np.asarray(function(role, np.arange(rows)), dtype=np.float64)
    except Exception as error:
        raise GateBroken(f"{name} of the {role} raised {_raised(error)}") from error
    if values.shape != (rows,):
        raise GateBroken(f"{name} answered shape {values.shape} for {rows:,} rows; per_row asks for one number a row")
    if not np.isfinite(values).all():
        first = int(np.argmin(np.isfinite(values)))
        raise GateBroken(f"{name} of the {role} is NaN or infinite, first in row {first + 1:,}")
    return values


def _raised(error: Exception) -> str:
    if isinstance(error, _Lacking):
        return RowText(names=map(str, error.args)).error(KeyError.__name__, str(error))
    return RowText().error(type(error).__name__, str(error))


def _value(name: str, function: BoundFunction, role: str, rows: Array) -> float:
    """On all rows what breaks must be repaired; on some of them the function may have no value."""
    try:
        value = float(function(role, rows))
    except Exception as error:
        message = f"{name} raised {_raised(error)}"
        if rows.size == function.scored.rows:
            raise GateBroken(message) from error
        raise Undefined("function_failed", message) from error
    if not math.isfinite(value):
        raise Undefined("function_failed", f"{name} answered {value:g}")
    return value


def _value_or_nan(function: BoundFunction, role: str, rows: Array) -> float:
    try:
        with np.errstate(all="ignore"):
            return float(function(role, rows))
    except Exception:
        return math.nan

"""A function of whole rows, and how far its value may be off: by asking it again on rows drawn with replacement.

Clusters are drawn whole, and the same rows for both models. The interval is t on the standard deviation of the answers,
which is approximate: nothing is known of the function.
Source: Efron & Tibshirani 1993, bootstrap standard errors; Davison & Hinkley 1997, section 3.8, for clusters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lockgate.errors import GateBroken
from lockgate.evaluation.uncertainty.comparison import MIN_CLUSTERS, Decision
from lockgate.evaluation.uncertainty.custom_rule import OwnMetric, placed, unvaried
from lockgate.evaluation.uncertainty.metric import Floats, Measured, Metric, Undefined, mean_of

if TYPE_CHECKING:
    from lockgate.evaluation.scoring.scored_table import Scored

RESAMPLES = 500
MIN_ROWS = 30
MOST_UNDEFINED = 0.01
Array = NDArray[Any]


@dataclass(frozen=True)
class Asked:
    """A function and all that it may look at. columns: (n,) arrays by name."""

    ask: Callable[[Any, Any, Mapping[str, Any]], Any]
    scored: Scored
    columns: Mapping[str, Any] = field(default_factory=dict)

    def at(self, role: str, rows: Array) -> Any:
        """What it answers on these rows."""
        labels, scores = self.scored.labels, getattr(self.scored, role)
        return self.ask(
            None if labels is None else labels[rows],
            scores[rows],
            {name: column[rows] for name, column in self.columns.items()},
        )


@dataclass(frozen=True, kw_only=True)
class Resampled(Measured):
    """A value without influence values (`psi` is zero). answers: on each resample, NaN where there was none."""

    answers: Floats
    units: int


def own_metric(name: str, asked: Asked, *, per_row: bool, seed: int, resamples: int = RESAMPLES) -> Metric:
    """The metric of a function; with `per_row` the mean of its values, exact as the built-in means."""
    if per_row:
        known: dict[str, Floats] = {}

        def mean(labels: Array, scores: Floats, weights: Floats | None, threshold: float | None) -> Measured:
            if not scores.size:
                raise Undefined("no_rows", "there are no rows")
            role, rows = placed(scores, asked.scored.rows)
            if role not in known:
                known[role] = _each_row(name, asked, role)
            return mean_of(known[role][rows], weights)

        return OwnMetric(name, mean, "skew", placed=True)

    def whole(labels: Array, scores: Floats, weights: Floats | None, threshold: float | None) -> Measured:
        if not scores.size:
            raise Undefined("no_rows", "there are no rows")
        role, rows = placed(scores, asked.scored.rows)
        clusters = asked.scored.clusters
        units = None if clusters is None else clusters[rows]
        value = _value(name, asked, role, rows)
        answers = np.full(resamples, math.nan)
        for place, drawn in enumerate(resampled(rows.size, units, resamples, seed)):
            answers[place] = _again(asked, role, rows[drawn])
        size = rows.size if units is None else int(np.unique(units).size)
        return Resampled(value, np.zeros(rows.size), answers=answers, units=size)

    return OwnMetric(name, whole, "plain", decide=decide, placed=True)


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
        yield order[np.repeat(starts[drawn] - (ends - size), size) + np.arange(ends[-1])]


def decide(
    candidate: Measured,
    champion: Measured | None,
    factor: float,
    clusters: Array | None,
    null: float,
    confidence: float,
) -> Decision:
    """One model's value, or its distance from the champion's on the same resamples, by t on their spread."""
    assert isinstance(candidate, Resampled)  # noqa: S101  # measured above
    value, answers, units = candidate.value, candidate.answers, candidate.units
    if champion is not None:
        assert isinstance(champion, Resampled)  # noqa: S101
        value, answers = value - factor * champion.value, answers - factor * champion.answers
    method = f"bootstrap of {answers.size}, t, approximate" + ("" if clusters is None else ", by cluster")
    known = answers[np.isfinite(answers)]
    lacking = answers.size - known.size
    few = _too_few(units, clusters) or (
        f"no value on {lacking:,} of {answers.size:,} resamples" if lacking > MOST_UNDEFINED * answers.size else None
    )
    if known.size < 2 or units < 2:
        return Decision(value, -math.inf, math.inf, 1.0, 1.0, None, float(units), method, few or "too few resamples")
    se = float(known.std(ddof=1)) * math.sqrt(units / (units - 1))
    if se <= 1e-12 * max(abs(value), abs(candidate.value)):
        still = unvaried(value, units, null=null, confidence=confidence, method=f"{method}, the same on every resample")
        return replace(still, too_few=few)
    quantile, statistic = float(special.stdtrit(units - 1, confidence)), (value - null) / se
    return Decision(
        value,
        value - quantile * se,
        value + quantile * se,
        float(special.stdtr(units - 1, -statistic)),
        float(special.stdtr(units - 1, statistic)),
        se,
        float(units),
        method,
        few,
        {"resamples": int(known.size)},
    )


def _too_few(units: int, clusters: Array | None) -> str | None:
    needed = MIN_ROWS if clusters is None else MIN_CLUSTERS
    return (
        f"{units} {'rows' if clusters is None else 'clusters'}; resampling needs {needed}" if units < needed else None
    )


def _each_row(name: str, asked: Asked, role: str) -> Floats:
    rows = asked.scored.rows
    try:
        values = np.asarray(asked.at(role, np.arange(rows)), dtype=np.float64)
    except Exception as error:
        raise GateBroken(f"{name} of the {role} raised {type(error).__name__}: {error}") from error
    if values.shape != (rows,):
        raise GateBroken(f"{name} answered shape {values.shape} for {rows:,} rows; per_row asks for one number a row")
    if not np.isfinite(values).all():
        first = int(np.argmin(np.isfinite(values)))
        raise GateBroken(f"{name} of the {role} is NaN or infinite, first in row {first + 1:,}")
    return values


def _value(name: str, asked: Asked, role: str, rows: Array) -> float:
    """On all rows what breaks must be repaired; on some of them the function may have no value."""
    try:
        value = float(asked.at(role, rows))
    except Exception as error:
        said = f"{name} raised {type(error).__name__}: {error}"
        if rows.size == asked.scored.rows:
            raise GateBroken(said) from error
        raise Undefined("function_failed", said) from error
    if not math.isfinite(value):
        raise Undefined("function_failed", f"{name} answered {value:g}")
    return value


def _again(asked: Asked, role: str, rows: Array) -> float:
    try:
        with np.errstate(all="ignore"):
            return float(asked.at(role, rows))
    except Exception:
        return math.nan

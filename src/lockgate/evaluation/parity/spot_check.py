"""Hold recorded answers to those that the version gives now: how many of a sample differ, and what that says of who answered.

A model that answers by chance differs from its own recording, so that rows which differ are sent once more. Were the recording
its own, it and the first of the two answers would be exchangeable: the second would lie as often nearer to the one as to the
other. The sign test holds them to that.
Source: Clopper & Pearson 1934 for the bounds; Dixon & Mood 1946 for the sign test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lockgate.data.arrow_arrays import Array
from lockgate.hashing import number
from lockgate.stats.proportions import binomial_at_least, clopper_pearson

LEAST, MOST = 300, 1_000
"""Rows by chance: without a difference, 300 bound the share of others at 1 %, and 1,000 at 0.3 %, with 95 % confidence."""
_GROUP = 300  # rows at least of each group that is rare, or all of it
_GROUPS = 10
_SHARE = 0.01
_REFUTED_AT = 0.01
_FLOATS = {None: 1e-5, "float32": 1e-5, "float16": 2.0**-10}  # relative: what a type, or the order of sums, may change

State = Literal["confirmed", "unconfirmed", "refuted"]


@dataclass(frozen=True)
class SpotCheck:
    """rows: that were sent, by chance and of rare groups. total: rows of the data. by_chance, by_chance_differing: of those
    that were drawn from all rows alike. differing: rows of which the answer is another one. steady, turned: how many of these
    got, sent once more, an answer nearer to the new one than to the recording, and the other way round. unsteady: how many got
    a third one. largest: distance, infinite where one of both is no answer.
    """

    rows: int
    total: int
    by_chance: int
    by_chance_differing: int
    differing: int = 0
    steady: int = 0
    turned: int = 0
    unsteady: int = 0
    largest: float = 0.0

    @property
    def at_most(self) -> float:
        """Share of all rows that would differ: what it is where all were sent, else its upper bound at 95 % confidence."""
        if self.by_chance >= self.total:
            return self.by_chance_differing / max(1, self.total)
        return clopper_pearson(self.by_chance_differing, self.by_chance, confidence=0.9).high

    @property
    def state(self) -> State:
        """`refuted`: more rows than 1 % differ, and not by chance, both at 99 % confidence."""
        if not self.differing and self.at_most <= _SHARE:
            return "confirmed"
        share = (
            clopper_pearson(self.differing, self.rows, confidence=1 - 2 * _REFUTED_AT).low if self.differing else 0.0
        )
        chance = binomial_at_least(self.steady, self.steady + self.turned, 0.5)
        return "refuted" if share > _SHARE and chance <= _REFUTED_AT else "unconfirmed"

    def to_json(self) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "rows": self.rows,
            "of": self.total,
            "differing": self.differing,
            "at_most": number(float(f"{self.at_most:.4g}")),
        }
        if self.differing:
            largest = number(float(f"{self.largest:.4g}")) if np.isfinite(self.largest) else None
            entry |= {"largest": largest, "steady": self.steady, "turned": self.turned, "unsteady": self.unsteady}
        return entry


def drawn_rows(total: int, most: int, groups: Sequence[Array], rng: np.random.Generator) -> tuple[Array, Array]:
    """(numbers of rows in order, whether each was drawn from all rows alike): so many by chance, then more of rare groups.

    groups: (n,) bool each, such as the rows of a class: what is rare is where few changed answers change a verdict.
    """
    first = rng.choice(total, min(total, most), replace=False)
    inside = np.zeros(total, bool)
    inside[first] = True
    for group in sorted(groups, key=np.count_nonzero)[:_GROUPS]:
        lacking = min(_GROUP, int(np.count_nonzero(group))) - int(np.count_nonzero(inside & group))
        if lacking > 0:
            inside[rng.choice(np.flatnonzero(group & ~inside), lacking, replace=False)] = True
    chosen = np.flatnonzero(inside)
    return chosen, np.isin(chosen, first)


def compare(
    recorded: Array,
    answered: Array,
    again: Callable[[Array], Array],
    *,
    by_chance: Array,
    total: int,
    tolerance: float,
    precision: str | None = None,
) -> SpotCheck:
    """What differs of (n,), or (n, classes), answers; NaN is none.

    again: the answers to the rows with these places, sent once more. by_chance: (n,) bool. tolerance: absolute; what floats of
    this precision alone may change comes on top.
    """
    allowed = tolerance + _FLOATS.get(precision, 1e-5) * np.abs(recorded)
    differs = _rows(_distances(recorded, answered) > np.nan_to_num(allowed, nan=tolerance))
    places = np.flatnonzero(differs)
    drawn = int(np.count_nonzero(by_chance)), int(np.count_nonzero(differs & by_chance))
    if not places.size:
        return SpotCheck(recorded.shape[0], total, *drawn)
    third = again(places)
    largest = _largest(_distances(recorded[places], answered[places]))
    to_new, to_old = (_largest(_distances(each[places], third)) for each in (answered, recorded))
    close = tolerance + 1e-5 * _largest(np.abs(np.nan_to_num(third)))
    return SpotCheck(
        recorded.shape[0], total, *drawn, differing=int(places.size), steady=int((to_new < to_old).sum()),
        turned=int((to_old < to_new).sum()), unsteady=int((to_new > close).sum()), largest=float(largest.max()),
    )  # fmt: skip


def _distances(first: Array, second: Array) -> Array:
    """0 where neither is an answer, infinite where one of both is none."""
    apart = np.abs(first - second)
    return np.where(np.isnan(apart), np.where(np.isnan(first) & np.isnan(second), 0.0, np.inf), apart)


def _rows(values: Array) -> Array:
    rows: Array = values if values.ndim == 1 else np.asarray(values.any(axis=1))
    return rows


def _largest(values: Array) -> Array:
    rows: Array = values if values.ndim == 1 else values.max(axis=1)
    return rows

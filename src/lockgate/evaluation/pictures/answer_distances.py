"""Distances of the two distributions of answers, as the field knows them: shown beside what chance makes of equal ones, and no verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lockgate.evaluation.pictures import FEWEST, rounded
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.exhibit import Exhibit
from lockgate.models.class_scores import predicted_class
from lockgate.stats.distance import jensen_shannon, psi_under_no_drift

_BINS = 10
_LEVEL = 0.95
_COLUMNS = ("distance", "value", "by_chance")


def answer_distances(gate: str, scored: Scored) -> Iterator[Exhibit]:
    """Kolmogorov–Smirnov's, Jensen–Shannon's and the stability index, of the answers to requests that both answered.

    by_chance: what two samples as large, of one distribution, stay below in 95 of 100 cases. Numbers are put into bins that hold a
    tenth of the champion's answers each; a bin has half a request more than came, so that the index is finite.
    Source: Smirnov 1948; Endres & Schindelin 2003; Yurdakul 2018.
    """
    if scored.candidate is None or scored.champion is None:
        return
    candidate, champion = (predicted_class(answers) for answers in (scored.candidate, scored.champion))
    answered = ~(np.isnan(candidate) | np.isnan(champion))
    n = int(np.count_nonzero(answered))
    if n < FEWEST:
        return
    ours, theirs = candidate[answered], champion[answered]
    points: list[tuple[Any, ...]] = []
    if scored.classes:
        counts = [np.bincount(each.astype(np.int64), minlength=len(scored.classes)) for each in (ours, theirs)]
    else:
        points.append(("ks", rounded(_ks(np.sort(ours), np.sort(theirs))), rounded(_smirnov(n))))
        edges = np.unique(np.quantile(theirs, np.arange(1, _BINS) / _BINS))
        counts = [
            np.bincount(np.searchsorted(edges, each, side="left"), minlength=edges.size + 1) for each in (ours, theirs)
        ]
    first, second = (each + 0.5 for each in counts)
    if first.size > 1:
        chance = psi_under_no_drift(
            n, n, bins=first.size, confidence=_LEVEL
        ).high  # eight times the divergence is as likely
        points.append(("js", rounded(jensen_shannon(first, second)), rounded(math.sqrt(chance / 8))))
        first, second = first / first.sum(), second / second.sum()
        points.append(("psi", rounded(_stability(first, second)), rounded(chance)))
    yield Exhibit(f"{gate}/distances", "table", _COLUMNS, tuple(points))


def _ks(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """The largest difference of two distribution functions. ours, theirs: sorted."""
    both = np.concatenate([ours, theirs])
    upto = [np.searchsorted(each, both, side="right") / each.size for each in (ours, theirs)]
    return float(np.abs(upto[0] - upto[1]).max())


def _smirnov(n: int) -> float:
    return float(special.kolmogi(1 - _LEVEL)) * math.sqrt(2 / n)


def _stability(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    return float(((ours - theirs) * np.log(ours / theirs)).sum())

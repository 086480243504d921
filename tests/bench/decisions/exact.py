"""The gate's rates on one slice without simulation: every count that can occur, weighted by its probability."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy import special, stats

from .bars import ALPHA
from .rules import p_values


@cache
def slice_rates(
    rows: int, disc: float, difference: float, *, margin: float, fail_level: float = ALPHA
) -> tuple[float, float]:
    """(P(pass), P(fail at fail_level)) of `accuracy >= champion - margin` on a slice.

    disc: the share of rows on which the models disagree, difference: how much better the candidate is. Given how many rows
    disagree, the verdict is monotone in how many of them speak for the candidate, so that two edges tell all.
    """
    many = np.arange(rows + 1)
    weight = stats.binom.pmf(many, rows, disc)
    many, weight = many[weight > 1e-12], weight[weight > 1e-12]
    share = (disc + difference) / 2 / disc
    fewest = np.array(
        [_first(int(d), lambda b, d=int(d): p_values(b, d - b, rows, margin=margin)[0] <= ALPHA) for d in many]
    )
    most = np.array(
        [_first(int(d), lambda b, d=int(d): p_values(b, d - b, rows, margin=margin)[1] > fail_level) - 1 for d in many]
    )
    return (
        float(np.dot(weight, stats.binom.sf(fewest - 1, many, share))),
        float(np.dot(weight, stats.binom.cdf(most, many, share))),
    )


def _first(top: int, holds: Callable[[int], bool]) -> int:
    """The smallest b in 0..top for which it holds, top + 1 where it never does; once it holds, it does for all above."""
    low, high = -1, top + 1
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high


def run_rates(rows: int, disc: float, *, margin: float, slices: int, one: float, rest: float) -> tuple[float, float]:
    """(P(pass), P(fail)) of a run over independent slices, of which the first has the difference `one`, the others `rest`."""
    level = ALPHA / slices  # Holm rejects something exactly when the smallest p-value does
    passed, failed = slice_rates(rows, disc, one, margin=margin, fail_level=level)
    if slices == 1:
        return passed, failed
    others, others_failed = slice_rates(rows, disc, rest, margin=margin, fail_level=level)
    return passed * others ** (slices - 1), 1 - (1 - failed) * (1 - others_failed) ** (slices - 1)


def best_possible_fail(rows: int, disc: float, *, margin: float, slices: int) -> float:
    """The most that a test could find of a slice at twice the margin, if it keeps its own level of ALPHA / slices.

    Known where all disagreement speaks against the candidate (disc = 2 margin): the most powerful test of `disc is the margin`
    against `disc is twice the margin`, both one-sided, randomised at its edge. Elsewhere 1: nothing is known to stand in the way.
    Source: Neyman & Pearson 1933.
    """
    if disc > 2 * margin:
        return 1.0
    level = ALPHA / slices
    edge = int(stats.binom.isf(level, rows, margin))  # P(C > edge) <= level < P(C >= edge)
    beyond, at = float(stats.binom.sf(edge, rows, margin)), float(stats.binom.pmf(edge, rows, margin))
    share = (level - beyond) / at
    return float(stats.binom.sf(edge, rows, 2 * margin) + share * stats.binom.pmf(edge, rows, 2 * margin))


def smallest_tolerance(rows: int, disc: float, *, slices: int, power: float = 0.9) -> float:
    """The margin at which all of `slices` equal slices pass with this chance, to four digits."""
    low, high = 0.0, min(disc, 1.0) * 2
    while high - low > 1e-5:
        middle = (low + high) / 2
        if slice_rates(rows, disc, 0.0, margin=middle)[0] ** slices >= power:
            high = middle
        else:
            low = middle
    return high


def observed_needed(rows: int, limit: float) -> float:
    """The smallest observed share that shows `>= limit` on its exact one-sided bound."""
    hits = _first(rows, lambda k: k > 0 and float(special.betainc(k, rows - k + 1, limit)) <= ALPHA)
    return hits / rows

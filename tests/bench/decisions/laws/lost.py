"""Some rows of one class are ranked at the wrong end: rankings that samples without any of them cannot tell from good ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import numpy as np
from scipy import integrate, optimize, stats

from ..honest import shift_of_precision
from ..scores import shift_of_area
from .law import Columns, Law

AREA, PRECISION = 0.95, 0.90
LIKE, EQUAL = 0.99, 0.95  # correlation of the scores within a class: with lost rows, and of equal models
SHARES = (0.1, 0.5)  # of positives
FAR = 20.0


def laws() -> Iterator[Law]:
    for margin, positives in ((0.05, 20), (0.03, 40), (0.03, 60), (0.03, 100), (0.03, 120), (0.02, 100), (0.02, 200),
                              (0.01, 200), (0.01, 400)):  # fmt: skip
        yield _auc(margin, positives, share=0.1)
    yield _auc(0.03, 40, share=0.5)
    yield _auc(0.03, 40, share=0.5, which="negatives")
    yield _auc(0.03, 200, share=0.9, which="negatives")
    yield _auc(0.03, 60, share=0.1, to="the middle")
    yield _auc(0.05, 200, share=0.1, per_unit=5)
    yield _auc(0.03, 100, share=0.1, uneven=True)
    yield _auc(0.03, 40, share=0.1, alone=True)
    yield _auc(0.03, 100, share=0.1, alone=True)
    for margin, positives in ((0.05, 20), (0.03, 40), (0.03, 60), (0.03, 100), (0.02, 200)):
        yield _precision(margin, positives, share=0.1)
    yield _precision(0.03, 60, share=0.5)
    yield _precision(0.03, 60, share=0.1, alone=True)
    for margin, positives in ((0.05, 20), (0.05, 60), (0.05, 200)):
        yield _precision(margin, positives, share=0.1, which="negatives")
    for margin, positives in ((0.05, 20), (0.05, 40), (0.05, 100)):
        yield _alarms(margin, positives, share=0.1)
    for share in SHARES:
        yield _recall(0.03, 60, share=share)


def _drawn(
    draw: np.random.Generator, runs: int, rows: int, positives: int, *,
    shift: float, like: float, lost: float = 0.0, which: str = "positives", to: str = "the end", per_unit: int | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Normal scores within a class; of the candidate, a share of one class stands at the wrong end (or in the middle)."""
    label = (np.arange(rows) < positives).astype(int)
    if per_unit:  # each unit holds the same share of positives
        label = (np.arange(rows) % (rows // positives) == 0).astype(int)
    shared, own = draw.standard_normal((runs, rows)), math.sqrt(1 - like)
    candidate, champion = (
        math.sqrt(like) * shared + own * draw.standard_normal((runs, rows)) + shift * label for _ in range(2)
    )
    if lost:
        if per_unit:
            units = rows // (per_unit * rows // positives)
            away = np.repeat(draw.random((runs, units)) < lost, rows // units, axis=1)
        else:
            away = draw.random((runs, rows)) < lost
        among = label == (which == "positives")
        end = (draw.standard_normal((runs, rows)) if to == "the middle" else 0.0) + (
            0.0 if to == "the middle" else -FAR if which == "positives" else FAR
        )
        candidate = np.where(away & among, end, candidate)
    table = {"label": np.tile(label, (runs, 1)), "candidate": candidate, "champion": champion}
    return table | ({"unit": np.arange(rows) // (per_unit * rows // positives)} if per_unit else {})


def _auc(
    margin: float, positives: int, *, share: float, which: str = "positives", to: str = "the end",
    per_unit: int | None = None, uneven: bool = False, alone: bool = False,
) -> Law:  # fmt: skip
    """A lost row of a class is beaten by all of the other (in the middle, by half of it)."""
    rows, shift = round(positives / share), shift_of_area(AREA)
    lost = margin / (AREA - (0.5 if to == "the middle" else 0.0))

    def at_limit(draw: np.random.Generator, runs: int) -> Columns:
        table = _drawn(
            draw, runs, rows, positives, shift=shift, like=LIKE, lost=lost, which=which, to=to, per_unit=per_unit
        )
        return table | _weights(draw, table, uneven)

    def better(draw: np.random.Generator, runs: int) -> Columns:
        table = _drawn(draw, runs, rows, positives, shift=shift, like=EQUAL, per_unit=per_unit)
        return table | _weights(draw, table, uneven)

    how = [f"lost {which}"] if which != "positives" else ["lost"]
    how += ["to the middle"] if to == "the middle" else []
    how += [f"in clusters of {per_unit}"] if per_unit else []
    how += ["weights 1 to 3"] if uneven else []
    line = f"auc >= {AREA - margin:g}" if alone else f"auc >= champion - {margin:g}"
    return Law(f"{', '.join(how)}, {positives} positives of {rows:,}", rows, (line,), at_limit, better)


def _weights(draw: np.random.Generator, table: Columns, uneven: bool) -> dict[str, np.ndarray]:
    return {"weight": draw.uniform(1, 3, table["label"].shape)} if uneven else {}


def _precision(margin: float, positives: int, *, share: float, alone: bool = False, which: str = "positives") -> Law:
    rows, shift = round(positives / share), shift_of_precision(PRECISION, share)
    line = f"average_precision >= {PRECISION - margin:g}" if alone else f"average_precision >= champion - {margin:g}"
    return Law(
        f"{'lost' if which == 'positives' else 'negatives ranked first'}, {positives} positives of {rows:,}",
        rows,
        (line,),
        lambda draw, runs: _drawn(
            draw, runs, rows, positives, shift=shift, like=LIKE, lost=_share_lost(margin, share, which), which=which
        ),
        lambda draw, runs: _drawn(draw, runs, rows, positives, shift=shift, like=EQUAL),
    )


@cache
def _share_lost(margin: float, share: float, which: str) -> float:
    """The share of positives that must stand last, or of negatives first, for the average precision to fall by the margin."""
    shift = shift_of_precision(PRECISION, share)

    def precision(lost: float) -> float:
        last, first = (lost, 0.0) if which == "positives" else (0.0, lost)

        def at(score: float) -> float:
            found = share * (1 - last) * stats.norm.sf(score - shift)
            raised = (1 - share) * (first + (1 - first) * stats.norm.sf(score))
            return float(stats.norm.pdf(score - shift) * found / (found + raised))

        # The lost stand below every other row: there, precision is what is positive of all.
        return (1 - last) * integrate.quad(at, shift - 8, shift + 8, limit=200)[0] + last * share

    return float(optimize.brentq(lambda lost: precision(0.0) - precision(lost) - margin, 1e-9, 0.9))


def _alarms(margin: float, positives: int, *, share: float) -> Law:
    """Negatives that the candidate raises and the champion does not: few in all, and many of those that it raises."""
    rows, shift = round(positives / share), shift_of_area(AREA)
    found, raised = share * stats.norm.sf(0.5 - shift), (1 - share) * stats.norm.sf(0.5)
    more = found / (found / (found + raised) - margin) - found - raised
    lost = more / ((1 - share) * stats.norm.cdf(0.5))
    fall = 2 * found / (found + raised + share) - 2 * found / (found + raised + more + share)
    return Law(
        f"false alarms, {positives} positives of {rows:,}",
        rows,
        (f"precision >= champion - {margin:g}", f"f1 >= champion - {fall:.6f}"),
        lambda draw, runs: _drawn(draw, runs, rows, positives, shift=shift, like=1.0, lost=lost, which="negatives"),
        lambda draw, runs: _drawn(draw, runs, rows, positives, shift=shift, like=EQUAL),
    )


def _recall(margin: float, positives: int, *, share: float) -> Law:
    """Counts of the same; a factor of the champion beside it."""
    rows, shift = round(positives / share), shift_of_area(AREA)
    found = float(stats.norm.sf(0.5 - shift))
    lost = margin / found

    return Law(
        f"lost, {positives} positives of {rows:,}",
        rows,
        (f"recall >= champion - {margin:g}", f"recall >= champion * {1 - lost:.6f}"),
        lambda draw, runs: _drawn(draw, runs, rows, positives, shift=shift, like=LIKE, lost=lost),
        lambda draw, runs: _drawn(draw, runs, rows, positives, shift=shift, like=EQUAL),
    )

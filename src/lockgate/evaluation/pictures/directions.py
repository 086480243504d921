"""Which way decisions on requests change: the flip matrix of each slice, and examples of requests that were lost or gained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.pictures import LEVEL, MOST_SLICES, rounded
from lockgate.evaluation.pictures.decisions import OVERALL, compared_decisions, large_enough, slicings
from lockgate.evaluation.pictures.group_means import group_means
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.exhibit import Exhibit
from lockgate.stats.proportions import korn_graubard

_MATRIX = ("slice", "requests", "kept", "lost", "gained", "neither", "lost_rate", "low", "high")
_EXAMPLES = ("row", "id", "slice", "champion", "candidate")
_MOST_EXAMPLES = 20
_OF_A_SLICE = 5


def lost_and_gained(gate: str, scored: Scored, threshold: Mapping[str, float | None]) -> Iterator[Exhibit]:
    """Requests by what both models decide, overall and by slice, or by class where there are several; the surest loss first.

    lost_rate: of those that the champion decides positive, with the interval of a share of effective requests.
    Source: Korn & Graubard 1998.
    """
    compared = compared_decisions(scored, threshold)
    if compared is None:
        return
    candidate, champion, answered = compared
    points: list[tuple[Any, ...]] = []
    if scored.classes:
        whole = [OVERALL], np.zeros(scored.rows, np.int64)
        for code, name in enumerate(scored.classes):
            by_class = _matrices(scored, candidate == code, champion == code, answered, *whole)
            points += [(f"class {name}", *point[1:]) for point in by_class]
    else:
        for names, codes in slicings(scored):
            points += _matrices(scored, candidate == 1, champion == 1, answered, names, codes)
    first = [] if scored.classes else points[:1]
    slices = sorted(points[len(first) :], key=lambda point: (-point[7], point[0]))
    if points:
        yield Exhibit(f"{gate}/lost_and_gained", "table", _MATRIX, (*first, *slices[:MOST_SLICES]))


def _matrices(
    scored: Scored,
    candidate: NDArray[np.bool_],
    champion: NDArray[np.bool_],
    answered: NDArray[np.bool_],
    names: list[str],
    every: NDArray[Any],
) -> Iterator[tuple[Any, ...]]:
    """One point a group of requests that both answered. candidate, champion: (n,) whether each decides positive."""
    weights, clusters = (None if each is None else each[answered] for each in (scored.weights, scored.clusters))
    codes, ours, theirs = every[answered], candidate[answered], champion[answered]
    cells = np.bincount(codes * np.int64(4) + theirs * 2 + ours, minlength=4 * len(names)).reshape(-1, 4)
    sizes = group_means(ours.astype(np.float64), codes, len(names), weights, clusters)
    of_positives = [None if each is None else each[theirs] for each in (weights, clusters)]
    lost = group_means((~ours[theirs]).astype(np.float64), codes[theirs], len(names), *of_positives)
    for code in large_enough(names, sizes):
        units, rate, low, high = float(lost.effective[code]), 0.0, 0.0, 1.0
        if lost.rows[code] and np.isfinite(lost.mean[code]):
            rate, units = min(max(float(lost.mean[code]), 0.0), 1.0), max(units, 1.0)
            interval = korn_graubard(rate * units, units, confidence=LEVEL)
            low, high = interval.low, interval.high
        neither, gained, gone, kept = (int(count) for count in cells[code])
        ends = map(rounded, (rate, low, high))
        yield names[code], int(cells[code].sum()), kept, gone, gained, neither, *ends


def flip_examples(gate: str, scored: Scored, threshold: Mapping[str, float | None]) -> Iterator[Exhibit]:
    """Requests that the two decide differently, of the slices where most surely many flip first, by number and id.

    An id is what the scored table holds, a hash unless the pipeline keeps ids; of the requests themselves nothing is shown.
    """
    compared = compared_decisions(scored, threshold)
    if compared is None:
        return
    candidate, champion, answered = compared
    flipped = answered & (candidate != champion)
    if not flipped.any():
        return
    groups = []
    for names, codes in slicings(scored):
        rates = group_means(flipped[answered].astype(np.float64), codes[answered], len(names), None, None)
        for code in large_enough(names, rates):
            hits, rows = float(rates.mean[code] * rates.rows[code]), float(rates.rows[code])
            low = korn_graubard(round(hits), rows, confidence=LEVEL).low
            groups.append((-low, names[code] != OVERALL, names[code], codes, code))
    numbers = scored.row_numbers
    classes, ids, taken, points = scored.classes or ("negative", "positive"), scored.ids, set[int](), list[Any]()
    for _, _, name, codes, code in sorted(groups, key=lambda group: (group[0], not group[1], group[2])):
        among = np.flatnonzero(flipped & (codes == code))[: _OF_A_SLICE + len(taken)].tolist()
        for row in [row for row in among if row not in taken][:_OF_A_SLICE]:
            taken.add(row)
            text = "" if ids is None else str(ids[row].as_py())
            points.append((int(numbers[row]), text, name, classes[int(champion[row])], classes[int(candidate[row])]))
        if len(points) >= _MOST_EXAMPLES:
            break
    yield Exhibit(f"{gate}/flip_examples", "table", _EXAMPLES, tuple(points[:_MOST_EXAMPLES]))

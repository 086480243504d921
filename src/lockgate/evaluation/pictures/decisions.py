"""Two models' decisions row by row: what the candidate fixes and breaks, and what it decides otherwise, and on which slices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.judging.number_format import slice_words
from lockgate.evaluation.pictures import FEWEST, LEVEL, MOST_SLICES, rounded
from lockgate.evaluation.pictures.group_means import Floats, GroupMeans, group_means
from lockgate.evaluation.scoring.scored_table import ROLES, Scored
from lockgate.evidence.exhibit import Exhibit
from lockgate.models.class_scores import at_threshold, predicted_class
from lockgate.stats.proportions import korn_graubard, tango_interval

OVERALL = "overall"
_MOST_PAIRS = 400
_FIXES = ("slice", "rows", "both_right", "candidate_fixes", "candidate_breaks", "both_wrong", "net", "low", "high")
_RATES = ("slice", "requests", "flips", "rate", "low", "high")


def decisions(scored: Scored, threshold: Mapping[str, float | None]) -> tuple[Floats, Floats] | None:
    """(n,) class that the candidate, and the champion, decides for: 0 or 1, or its place; NaN without an answer.

    None where there is no champion, no threshold, or where answers are numbers.
    """
    decided = []
    for role in ROLES:
        scores, cut = getattr(scored, role), scored.cut(role, threshold.get(role))
        if scores is None:
            return None
        if scored.classes:
            decided.append(predicted_class(scores))
        elif cut is not None:
            decided.append(at_threshold(scores, cut))
        else:
            return None
    return decided[0], decided[1]


def compared_decisions(
    scored: Scored, threshold: Mapping[str, float | None]
) -> tuple[Floats, Floats, NDArray[np.bool_]] | None:
    """As `decisions`, and (n,) whether both models answered; None too where they did of fewer requests than are shown."""
    pair = decisions(scored, threshold)
    if pair is None:
        return None
    answered = ~(np.isnan(pair[0]) | np.isnan(pair[1]))
    return (*pair, answered) if np.count_nonzero(answered) >= FEWEST else None


def fixes_and_breaks(gate: str, scored: Scored, threshold: Mapping[str, float | None]) -> Iterator[Exhibit]:
    """Rows by which of the two models decides them rightly, overall and by slice; the slice that surely loses most first.

    net: fixes minus breaks as a share of the rows, by weight; its interval is Tango's, of effective rows.
    Source: Tango 1998; McNemar 1947 for the table.
    """
    labels, pair = scored.labels, decisions(scored, threshold)
    if labels is None or pair is None or not (scored.classes or labels.dtype == bool):
        return
    candidate, champion = (decided == labels for decided in pair)
    outcome = candidate.view(np.uint8) * np.int64(2) + champion.view(np.uint8)
    net = candidate.astype(np.float64) - champion
    points = []
    for names, codes in slicings(scored):
        wrong, broken, fixed, right = _counts(codes * np.int64(4) + outcome, len(names), 4).T
        nets = group_means(net, codes, len(names), scored.weights, scored.clusters)
        share = group_means(outcome == 2.0, codes, len(names), scored.weights, None).mean
        for code in large_enough(names, nets):
            units = max(float(nets.effective[code]), 1.0)
            fixes = min(max(float(share[code]), 0.0), 1.0)
            breaks = min(max(fixes - float(nets.mean[code]), 0.0), 1.0 - fixes)
            interval = tango_interval(fixes * units, breaks * units, units, confidence=LEVEL)
            counts = (int(column[code]) for column in (nets.rows, right, fixed, broken, wrong))
            ends = (rounded(float(end)) for end in (nets.mean[code], interval.low, interval.high))
            points.append((names[code], *counts, *ends))
    if points:
        overall, *slices = points
        slices.sort(key=lambda point: (point[8], point[0]))
        yield Exhibit(f"{gate}/fixes_and_breaks", "table", _FIXES, (overall, *slices[:MOST_SLICES]))


def flips(gate: str, scored: Scored, threshold: Mapping[str, float | None]) -> Iterator[Exhibit]:
    """Requests by the class that the champion decided for and the one that the candidate does, and the rate of flips by slice.

    The interval of a rate is that of a share, of effective requests. Source: Korn & Graubard 1998.
    """
    compared = compared_decisions(scored, threshold)
    if compared is None:
        return
    candidate, champion, answered = compared
    classes = scored.classes or ("negative", "positive")
    both = champion[answered].astype(np.int64) * len(classes) + candidate[answered].astype(np.int64)
    counts = np.bincount(both, minlength=len(classes) ** 2)
    largest = np.argsort(-counts, kind="stable")[:_MOST_PAIRS]
    pairs = [(*divmod(int(code), len(classes)), int(counts[code])) for code in largest if counts[code]]
    points = tuple((classes[old], classes[new], count) for old, new, count in pairs)
    yield Exhibit(f"{gate}/flips", "table", ("champion", "candidate", "requests"), points)
    by_slice = list(_flip_rates(scored, (candidate != champion)[answered], answered))
    by_slice.sort(key=lambda point: (-point[4], point[0]))
    if by_slice:
        yield Exhibit(f"{gate}/flips_by_slice", "table", _RATES, tuple(by_slice[:MOST_SLICES]))


def _flip_rates(scored: Scored, flipped: NDArray[np.bool_], answered: NDArray[np.bool_]) -> Iterator[tuple[Any, ...]]:
    """(slice, requests, flips, their share by weight, its interval) of all requests that both answered, and of each slice."""
    weights, clusters = (None if each is None else each[answered] for each in (scored.weights, scored.clusters))
    for names, every in slicings(scored):
        codes = every[answered]
        rates = group_means(flipped.astype(np.float64), codes, len(names), weights, clusters)
        count = np.bincount(codes, flipped, minlength=len(names))
        for code in large_enough(names, rates):
            units, rate = max(float(rates.effective[code]), 1.0), min(max(float(rates.mean[code]), 0.0), 1.0)
            interval = korn_graubard(rate * units, units, confidence=LEVEL)
            ends = map(rounded, (rate, interval.low, interval.high))
            yield names[code], int(rates.rows[code]), int(count[code]), *ends


def slicings(scored: Scored) -> Iterator[tuple[list[str], NDArray[Any]]]:
    """(name of each group, the group of every row): all rows, then each declaration; nameless is what no slice holds."""
    yield [OVERALL], np.zeros(scored.rows, np.int64)
    for declared in scored.slices:
        labels, codes = scored.codes(declared.name)
        yield [slice_words(declared.key(label)) if declared.judges(label) else "" for label in labels], codes


def large_enough(names: list[str], means: GroupMeans) -> list[int]:
    """The groups that are shown: named ones of enough rows, some of which weigh something."""
    enough = (means.rows >= FEWEST) & np.isfinite(means.mean)
    return [code for code, name in enumerate(names) if name and enough[code]]


def _counts(codes: NDArray[Any], groups: int, width: int) -> NDArray[np.int64]:
    return np.bincount(codes, minlength=groups * width).reshape(groups, width)

"""Which of several classes are taken for which: recall and share of answers by class, and the pairs that both models mix up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.evaluation.pictures import FEWEST, MOST_SLICES, rounded
from lockgate.evaluation.pictures.decisions import decisions
from lockgate.evaluation.pictures.group_means import Floats, group_means
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.exhibit import Exhibit
from lockgate.hashing import number

MOST_CLASSES = 12  # up to so many have all pairs, as a matrix
MOST_PAIRS = 20
_COLUMNS = ("number", "label", "answered", "rows", "candidate", "champion")


def confusions(gate: str, scored: Scored) -> Iterator[Exhibit]:
    """Recall of each class and the share of all rows that is answered with it, and the rows of a class answered as another.

    Points: `recall` by label and `share` by answer, by weight, the class whose recall fell most first; then `rows` by label and
    answer, counted, the pair that grew most first: every one of at most twelve classes, else those that grew, at most twenty.
    rows: of the label; of a share, all. A class of fewer than ten rows is left out.
    """
    by_class = _by_class(scored)
    if by_class is None or not by_class.ordered or scored.rows < FEWEST:
        return
    labels, pair, rows, ordered = by_class.labels, by_class.decided, by_class.rows, by_class.ordered[:MOST_SLICES]
    names, numbers = scored.classes, [by_class.recalls, [_shares(each, scored) for each in pair]]
    recall, share = ([tuple(rounded(float(each[code])) for each in both) for code in ordered] for both in numbers)
    points: list[tuple[Any, ...]] = [
        *(("recall", names[code], "", int(rows[code]), *both) for code, both in zip(ordered, recall, strict=True)),
        *(("share", "", names[code], scored.rows, *both) for code, both in zip(ordered, share, strict=True)),
        *(
            ("rows", names[label], names[answer], int(rows[label]), candidate, champion)
            for label, answer, candidate, champion in _pairs(labels, pair, by_class.large)
        ),
    ]
    yield Exhibit(f"{gate}/confusions", "table", _COLUMNS, tuple(points))


def worst_class(scored: Scored) -> dict[str, Any] | None:
    """The class whose recall fell most, as a context has it; None where none of at least ten rows fell, or nothing is compared."""
    by_class = _by_class(scored)
    if by_class is None or not by_class.ordered:
        return None
    code = by_class.ordered[0]
    candidate, champion = (float(recall[code]) for recall in by_class.recalls)
    if not candidate < champion:
        return None
    name, rows = scored.classes[code], int(by_class.rows[code])
    return {"class": name, "rows": rows, "candidate": number(candidate), "champion": number(champion)}


@dataclass(frozen=True)
class _ByClass:
    """labels: (n,) class of each row; decided: (n,) by the candidate, the champion. Of each class: rows, recall of both models.

    ordered: the classes of rows enough, the one whose recall fell most first.
    """

    labels: NDArray[np.int64]
    decided: tuple[Floats, Floats]
    rows: NDArray[np.int64]
    recalls: tuple[Floats, Floats]
    large: NDArray[np.bool_]
    ordered: list[int]


def _by_class(scored: Scored) -> _ByClass | None:
    pair = decisions(scored, {}) if scored.classes else None
    if pair is None or scored.labels is None:
        return None
    labels, size = scored.labels.astype(np.int64), len(scored.classes)
    candidate, champion = (
        group_means((each == labels).astype(np.float64), labels, size, scored.weights, None) for each in pair
    )
    loss = champion.mean - candidate.mean
    large = (candidate.rows >= FEWEST) & np.isfinite(loss)
    ordered = sorted(np.flatnonzero(large).tolist(), key=lambda code: (-loss[code], code))
    return _ByClass(labels, pair, candidate.rows, (candidate.mean, champion.mean), large, ordered)


def _shares(decided: Floats, scored: Scored) -> Floats:
    """(classes,) share of all rows, by weight, that are answered with each class."""
    mass, answered = np.ones(decided.size) if scored.weights is None else scored.weights, ~np.isnan(decided)
    by_class = np.bincount(decided[answered].astype(np.int64), mass[answered], minlength=len(scored.classes))
    return np.asarray(by_class / mass.sum())


def _pairs(
    labels: NDArray[np.int64], decided: tuple[Floats, Floats], large: NDArray[np.bool_]
) -> Iterator[tuple[int, int, int, int]]:
    """(label, answer, the candidate's rows, the champion's) of the pairs that are shown; a row without an answer is in none.

    large: (classes,) whether a class has rows enough.
    """
    size = large.size
    codes_by_model = [
        labels[answered] * size + each[answered].astype(np.int64) for each in decided for answered in [~np.isnan(each)]
    ]
    few = size <= MOST_CLASSES
    codes = np.arange(size**2) if few else np.union1d(*codes_by_model)
    counts = [np.bincount(np.searchsorted(codes, each), minlength=codes.size) for each in codes_by_model]
    growth, (label, answer) = counts[0] - counts[1], np.divmod(codes, size)
    drawn = large[label] & (few | ((growth > 0) & (label != answer)))
    order = [index for index in np.argsort(-growth, kind="stable").tolist() if drawn[index]]
    for index in order if few else order[:MOST_PAIRS]:
        yield int(label[index]), int(answer[index]), int(counts[0][index]), int(counts[1][index])

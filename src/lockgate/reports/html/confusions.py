"""Which class is taken for which: recall by class, the pairs that grew most, and answers by class as a matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lockgate.evaluation.judging.number_format import percent, short
from lockgate.evaluation.pictures.confusions import MOST_CLASSES, MOST_PAIRS
from lockgate.reports.html.figures import Figure, Matrix, Table
from lockgate.reports.html.source import Source

_MOST_LISTED = 12  # classes that stand open
_Pair = tuple[str, str, int, int, int]  # label, answer, rows of the label, candidate's, champion's
_HEAD = ("class", "rows", "recall of the candidate", "of the champion", "difference", "share answered so by the candidate", "by the champion")  # fmt: skip


def confusions(source: Source) -> Iterator[Figure]:
    """Recall and answers by class, what lost most first; each mix-up that grew; and all pairs where the classes are few."""
    points = source.exhibit.points
    shares = {answer: tuple(map(_share, both)) for number, _, answer, _, *both in points if number == "share"}
    classes = [
        (str(name), f"{int(rows):,}", short(own), short(other), _signed(own - other), *shares[name])
        for number, name, _, rows, *both in points
        if number == "recall"
        for own, other in [map(float, both)]
    ]
    pairs = [
        (str(label), str(answer), int(rows), int(own), int(other))
        for number, label, answer, rows, own, other in points
        if number == "rows"
    ]
    listed = f", the {_MOST_LISTED} of {len(classes):,} classes that lost most" if len(classes) > _MOST_LISTED else ""
    yield Table(f"Recall by class{listed or ', what lost most first'}", _HEAD, tuple(classes[:_MOST_LISTED]))
    if listed:
        yield Table("Recall by class, all of them", _HEAD, tuple(classes))
    grown = [pair for pair in pairs if pair[0] != pair[1] and pair[3] > pair[4]][:MOST_PAIRS]
    if grown:
        yield _mix_ups(grown)
    if len({answer for _, answer, *_ in pairs}) <= MOST_CLASSES and any(label == answer for label, answer, *_ in pairs):
        yield _matrix([row[0] for row in classes], pairs)


def _mix_ups(grown: list[_Pair]) -> Table:
    """Pairs of a class and another one that it is taken for."""
    label, answer, _, own, other = grown[0]
    rows = tuple(
        (f"{label} answered as {answer}", f"{other:,}", f"{own:,}", f"+{own - other:,}", f"{rows:,}")
        for label, answer, rows, own, other in grown
    )
    head = ("mix-up", "champion", "candidate", "more", "rows of the class")
    return Table(
        f"Mix-ups that grew most: {label} answered as {answer}: {other:,} → {own:,} rows", head, rows, open=True
    )


def _matrix(labels: list[str], pairs: list[_Pair]) -> Matrix:
    """Rows of a class by the candidate's answer, shaded by how many more or fewer they are than the champion's."""
    counts = {(label, answer): (own, own - other) for label, answer, _, own, other in pairs}
    answers = sorted({answer for _, answer in counts}, key=_by_number)
    most = max(abs(more) for _, more in counts.values())

    def cell(label: str, answer: str) -> tuple[str, str, str]:
        own, more = counts.get((label, answer), (0, 0))
        if not more:
            return f"{own:,}", "±0", "dim"
        tone = "good" if (more > 0) == (label == answer) else "bad"
        return f"{own:,}", _signed(more), f"{tone} faint" if abs(more) < most / 4 else tone

    ordered = sorted(labels, key=_by_number)
    return Matrix(
        "Answers by class",
        "Rows of each class by what the candidate answers, and below how many more they are than the champion's; shaded where "
        "that is better or worse, the more the stronger",
        "class",
        "answered",
        tuple(ordered),
        tuple(answers),
        tuple(tuple(cell(label, answer) for answer in answers) for label in ordered),
    )


def _by_number(name: str) -> tuple[int, str]:
    """Whole numbers by size, then texts by letter."""
    return (int(name), "") if name.isdecimal() and name.isascii() and len(name) < 20 else (1 << 70, name)


def _share(value: Any) -> str:
    return percent(float(f"{float(value):.3g}"))


def _signed(difference: float) -> str:
    """`+0.03`, `−33`."""
    sign = "+" if difference > 0 else "−" if difference < 0 else "±"
    return f"{sign}{short(abs(difference))}"

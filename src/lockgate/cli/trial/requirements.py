"""Choose what a model is held to where nobody says it: better than guessing, and no worse than the champion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lockgate.cli.drafting.pipeline_text import LINES, LINES_OF_LABELS, with_tolerance
from lockgate.evaluation.judging.number_format import rounded_up

# Of these kinds of answers `labels` are two classes without scores.
_NO_WORSE = {**LINES, "labels": {"accuracy": LINES_OF_LABELS["accuracy"]}}
# What `--require` may look like for a kind of answers.
EXAMPLES = {
    "binary": "auc >= 0.8",
    "labels": "accuracy >= 0.8",
    "multiclass": "accuracy >= 0.8",
    "regression": "r2 >= 0.5",
    "ranking": "ndcg(10) >= 0.6",
}
Line = str | Mapping[str, Any]


@dataclass(frozen=True)
class LabelCounts:
    """What the label column of the data holds. positives: of two classes. classes: class → rows, of two or more.

    scatter: of numbers, their standard deviation.
    """

    rows: int
    positives: int | None = None
    classes: Mapping[Any, int] = field(default_factory=dict)
    scatter: float = 0.0

    def smallest_tolerance(self, subject: str, *, together: int, share: float = 1.0) -> float | None:
        """What a share of these rows decides; None where that is not known, or nothing is decided."""
        from lockgate.evaluation.planning.expected_error import smallest_decidable_tolerance

        if subject in ("ndcg", "mrr"):
            return None
        rows, positives = round(self.rows * share), None if self.positives is None else round(self.positives * share)
        classes = () if positives is not None and subject != "accuracy" else self.classes.values()
        return smallest_decidable_tolerance(
            subject,
            rows=rows,
            positives=positives,
            classes=tuple(round(count * share) for count in classes),
            slices=together,
        )


@dataclass(frozen=True)
class Lines:
    """Requirements, and below how many rows a slice is tested for harm alone. extra: lines that decide nothing."""

    deciding: tuple[Line, ...]
    extra: tuple[Line, ...] = ()
    least_rows: int = 0


def no_worse(kind: str, counts: LabelCounts, *, slices: int, named: bool) -> Lines:
    """No worse than the champion, overall and on each slice that has rows enough; the tolerances are those that rows decide.

    kind: task, or `labels`. slices: how many there are. named: whether somebody chose them; others are only tested for
    harm, so that a slice that rows leave undecided does not block.
    """
    lines = _NO_WORSE[kind]
    overall = []
    for subject, (line, usual) in lines.items():
        smallest = counts.smallest_tolerance(subject, together=len(lines))
        overall.append(with_tolerance(line, kind, usual if smallest is None else rounded_up(smallest)))
    if not slices:
        return Lines(tuple(overall))
    subject, (line, usual) = next(iter(lines.items()))
    smallest = counts.smallest_tolerance(subject, together=slices)
    tolerance = max(usual, rounded_up(smallest or 0.0))
    least = _rows_that_decide(subject, counts, tolerance, slices)
    held = with_tolerance(line, kind, tolerance)
    metric, op, limit = held.split(" ", 2)
    side = "at_least" if op == ">=" else "at_most"
    watched = {"metric": metric, side: limit, "on": "each slice", "claim": "no_harm"}
    return Lines((*overall, f"{held} on each slice" if named else watched), least_rows=least)


def _rows_that_decide(subject: str, counts: LabelCounts, tolerance: float, slices: int) -> int:
    """The fewest rows, of labels mixed as these, that decide the tolerance; all of them where none do."""
    low, high = 0, counts.rows
    while high - low > max(1, counts.rows // 50):
        middle = (low + high) // 2
        smallest = counts.smallest_tolerance(subject, together=slices, share=middle / counts.rows)
        low, high = (low, middle) if smallest is not None and smallest <= tolerance else (middle, high)
    return high


def better_than_guessing(kind: str, counts: LabelCounts, *, slices: bool) -> Lines:
    """What a model that knows nothing does not reach; on slices, and by other metrics, it is shown and decides nothing."""
    if kind == "ranking":
        return Lines(())
    most = _up(max(counts.classes.values(), default=0) / counts.rows)  # the share of the commonest class
    by_kind: dict[str, tuple[tuple[str, ...], tuple[Line, ...]]] = {
        "binary": (("auc >= 0.5", f"average_precision >= {_up((counts.positives or 0) / counts.rows)}"), ()),
        "labels": ((f"accuracy >= {most}",), ()),
        "multiclass": (
            (f"recall(average=macro) >= {_up(1 / max(len(counts.classes), 1))}",),
            (_point("accuracy", at_least=most),),
        ),
        "regression": (("r2 >= 0",), (_point("rmse", at_most=float(f"{counts.scatter:.4g}")),)),
    }
    deciding, extra = by_kind[kind]
    return Lines(deciding, (*extra, f"{deciding[0]} on each slice") if slices else extra)


def _point(metric: str, **limit: float) -> dict[str, Any]:
    """A line of two numbers, without an error rate."""
    return {"metric": metric, **limit, "claim": "point"}


def _up(share: float) -> float:
    """With three decimals, never less."""
    return math.ceil(share * 1000 - 1e-9) / 1000

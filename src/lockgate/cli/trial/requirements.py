"""Choose what a model is held to where nobody says it: better than guessing, and no worse than the champion."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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

    def smallest_tolerance(self, subject: str, *, together: int) -> float | None:
        """What these rows decide; None where that is not known, or nothing is decided."""
        from lockgate.evaluation.planning.expected_error import smallest_decidable_tolerance

        if subject in ("ndcg", "mrr"):
            return None
        classes = () if self.positives is not None and subject != "accuracy" else tuple(self.classes.values())
        return smallest_decidable_tolerance(
            subject, rows=self.rows, positives=self.positives, classes=classes, slices=together
        )


@dataclass(frozen=True)
class Lines:
    """Requirements, and what makes a slice one that is tested for harm alone. extra: lines that decide nothing.

    small: a key of `small_slices`, and below which number; empty where nothing is small.
    """

    deciding: tuple[Line, ...]
    extra: tuple[Line, ...] = ()
    small: Mapping[str, int] = field(default_factory=dict)


def no_worse(kind: str, counts: LabelCounts, *, slices: Sequence[LabelCounts], named: bool) -> Lines:
    """No worse than the champion, overall and on each slice that has rows enough; the tolerances are those that rows decide.

    kind: task, or `labels`. slices: of each of them. named: whether somebody chose them; others are only tested for
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
    smallest = counts.smallest_tolerance(subject, together=len(slices))
    tolerance = max(usual, rounded_up(smallest or 0.0))
    held = with_tolerance(line, kind, tolerance)
    metric, op, limit = held.split(" ", 2)
    side = "at_least" if op == ">=" else "at_most"
    watched = {"metric": metric, side: limit, "on": "each slice", "claim": "no_harm"}
    return Lines((*overall, f"{held} on each slice" if named else watched), small=_small(subject, slices, tolerance))


def _small(subject: str, slices: Sequence[LabelCounts], tolerance: float) -> dict[str, int]:
    """What tells slices that decide the tolerance together from smaller ones; all are small where none do."""
    from lockgate.cli.drafting.limits import deciding_slices, size

    def decide(held: Sequence[LabelCounts]) -> bool:
        smallest = (each.smallest_tolerance(subject, together=len(held)) for each in held)
        return all(each is not None and each <= tolerance for each in smallest)

    key, held = deciding_slices(slices, decide)
    return {key: size(held[0], key) if held else 1 + max(size(each, key) for each in slices)}


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

"""Lines `on each slice` of a first pipeline, a limit for a first version and a comparison for every later one; and those on a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lockgate.cli.drafting.yaml_text import printable
from lockgate.evaluation.judging.number_format import rounded_up
from lockgate.evaluation.requirements.requirement import quoted

if TYPE_CHECKING:
    from lockgate.cli.drafting.limits import Limit
    from lockgate.cli.drafting.pipeline_text import Draft

_MOST_CLASSES = 12  # that are named
_WIDEST = 3  # times the usual tolerance; a comparison that allows more protects nobody


def slice_lines(draft: Draft, weakest: Limit | None) -> list[str]:
    """The lines, each with the reason behind it; what the rows do not decide is a comment. weakest: of all slices."""
    usual = draft.on_slices[1]
    if weakest is None:
        note = "judges every value of them; `gate plan` says what your rows can decide"
        return [f"# - {draft.compared_on_slices(usual)}  # {note}"] if draft.slices else []
    subject, op = draft.on_slices[0].split()[:2]
    reached = f"every slice of version {draft.version} passes it, the nearest with {printable(weakest.reached)}"
    return [f"{subject} {op} {weakest.limit:.12g} on each slice  # {reached}", _compared(draft, usual)]


def _compared(draft: Draft, usual: float) -> str:
    smallest = None if draft.limits is None else draft.limits.tolerance
    if smallest is None:
        return f"# - {draft.compared_on_slices(usual)}  # some slice has too few rows for it: see `gate plan --score`"
    tolerance = max(usual, rounded_up(smallest))
    if tolerance > _WIDEST * usual:
        decided = draft.compared_on_slices(tolerance)
        return f"# - {draft.compared_on_slices(usual)}  # the rows of some slice decide no less than {decided}"
    return f"{draft.compared_on_slices(tolerance)}  # from the second version on: no slice gets worse than Production by more"


def class_lines(classes: Mapping[str, int]) -> list[str]:
    """A comment with the line on one class, the smallest, by its rows; nothing without classes that a line can name."""
    from lockgate.evaluation.planning.expected_error import smallest_tolerance_of_share

    if not classes or not all(classes.values()):
        return []
    fewest = min(classes, key=lambda name: classes[name])
    tolerance = rounded_up(smallest_tolerance_of_share(classes[fewest]))
    others = ", ".join(list(classes)[:_MOST_CLASSES]) + (", …" if len(classes) > _MOST_CLASSES else "")
    line = f"recall(class={quoted(fewest)}) >= champion - {tolerance:.6g}"
    return [
        printable(
            f"# - {line}  # what its {classes[fewest]:,} rows decide; a mean hides which class got worse: such a line for those that matter of {others}"
        )
    ]

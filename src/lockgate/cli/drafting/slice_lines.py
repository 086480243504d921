"""Lines `on each slice` of a first pipeline, a limit for a first version and a comparison for every later one; and those on a class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lockgate.cli.drafting.yaml_text import naming_refusal, printable, yaml_value
from lockgate.evaluation.judging.number_format import rounded_up
from lockgate.evaluation.requirements.requirement import quoted

if TYPE_CHECKING:
    from lockgate.cli.drafting.limits import Limit
    from lockgate.cli.drafting.pipeline_text import Draft

_MOST_CLASSES = 12  # that have a line each
_WIDEST = 3  # times the usual tolerance; a comparison that allows more protects nobody
_WIDEST_OF_CLASS = 0.25  # of the rows of a class, likewise


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


def class_subject(name: str) -> str:
    """What a line on one of several classes measures."""
    return f"recall(class={quoted(name)})"


def held_classes(classes: Mapping[str, int]) -> list[str]:
    """The classes that get a line, if their rows decide one: of more than twelve the smallest, which means hide best.

    None where some class has no rows or cannot be named.
    """
    if not classes or not all(classes.values()) or any(map(naming_refusal, classes)):
        return []
    return sorted(classes, key=lambda name: classes[name])[:_MOST_CLASSES]


def class_lines(classes: Mapping[str, int], measured: Mapping[str, float | None], *, together: int) -> list[str]:
    """A comparison with the champion on each class whose rows decide one, then a comment on the others.

    measured: subject → the smallest tolerance by what the version answered. together: lines that an equal candidate is to pass.
    """
    from lockgate.evaluation.planning.expected_error import smallest_tolerance_of_share

    held, open_ones, lines = held_classes(classes), list[str](), list[str]()
    for name in held:
        subject, rows = class_subject(name), f"{classes[name]:,} rows"
        by_rows = smallest_tolerance_of_share(classes[name], together)
        tolerance = rounded_up(max(by_rows, measured.get(subject) or 0.0))
        if tolerance > _WIDEST_OF_CLASS:
            open_ones.append(f"{name} ({rows} decide no less than {tolerance:.6g})")
            continue
        note = "" if lines else "; a mean over classes hides which one got worse"
        line = f"{subject} >= champion - {tolerance:.6g}"
        plain = line.isprintable() and re.search(": | #", line) is None
        lines.append(f"{line if plain else yaml_value(line)}  # what its {rows} decide{note}")
    open_ones += [name for name in classes if name not in held] if held else []
    if open_ones:
        others = ", ".join(open_ones[:_MOST_CLASSES]) + (", …" if len(open_ones) > _MOST_CLASSES else "")
        most = f" ({_MOST_CLASSES} at most have one)" if len(classes) > _MOST_CLASSES else ""
        lines.append(printable(f"# no line holds a class of these alone{most}: {others}"))
    return lines

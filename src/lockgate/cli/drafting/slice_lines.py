"""Lines `on each slice` of a first pipeline: a limit for a first version, a comparison with Production for every later one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockgate.cli.drafting.yaml_text import printable
from lockgate.evaluation.judging.number_format import rounded_up

if TYPE_CHECKING:
    from lockgate.cli.drafting.limits import Limit
    from lockgate.cli.drafting.pipeline_text import Draft

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

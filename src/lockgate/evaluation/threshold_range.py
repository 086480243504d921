"""Whether a threshold lies among the scores that it cuts, or decides every row alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockgate.evaluation.requirements.requirement import Requirement
    from lockgate.evaluation.requirements.subject import Subject
    from lockgate.evaluation.scoring.scored_table import Scored


def thresholds_outside(
    scored: Scored,
    lines: Iterable[Requirement],
    subjects: Mapping[str, Subject],
    threshold: Mapping[str, float | None],
) -> list[dict[str, Any]]:
    """The thresholds of these lines that a role's scores are all below, or all at or above, as JSON.

    threshold: role → that of its scores where a line names none. Class labels are not cut, nor are the scores of several classes.
    """
    import numpy as np

    cut = [line for line in lines if "threshold" in subjects[line.subject].needs]
    outside = []
    for role, usual in threshold.items():
        scores = getattr(scored, role)
        if not cut or scores is None or scores.ndim != 1 or scored.answers.get(role) == "labels":
            continue
        answered = scores[np.isfinite(scores)]
        if not answered.size:
            continue
        least, most = float(answered.min()), float(answered.max())
        numbers = {
            usual if line.argument("threshold") is None else float(str(line.argument("threshold"))) for line in cut
        }
        for number in sorted(number for number in numbers if number is not None):
            at = scored.cut(role, number)
            if at is not None and (most < at or least >= at):
                side = "below" if most < at else "above"
                outside.append({"role": role, "threshold": number, "scores": side, "least": least, "most": most})
    return outside

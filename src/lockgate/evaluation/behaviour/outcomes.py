"""Compare what a model answered before and after rows were altered, and find the rows that changed most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import GateBroken
from lockgate.evaluation.behaviour.answers import ALTERED
from lockgate.evaluation.behaviour.rates import CHANGED, ERRORS, FALL_RATE, Outcomes
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.pictures import rounded
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.exhibit import Exhibit
from lockgate.models.class_scores import at_threshold, predicted_class

Floats = NDArray[np.float64]
_ROUNDING = (1e-6, 1e-5)  # absolute, and relative: what the order of sums of floats alone may change
_EXAMPLES = 10  # of each line
_MOST = 200


def outcomes(
    line: Requirement, role: str, before: Scored, after: Scored, *, task: str, threshold: float | None
) -> Outcomes:
    """What altering did to a role's answers. after: of `build_altered`; without the role where it is not given what is altered.

    Raises GateBroken where decisions are asked for without a threshold.
    """
    altered = after.per_row("candidate", ALTERED) > 0
    answers = getattr(after, role)
    if answers is None:
        nowhere = np.zeros(before.rows, bool)
        return Outcomes(nowhere, altered, nowhere)
    unanswered = np.isnan(answers)
    if line.subject == ERRORS.name:
        return Outcomes(unanswered, altered, unanswered)
    if line.subject == CHANGED and task != "regression":
        first, second = (_decided(table, role, task=task, threshold=threshold) for table in (before, after))
        hits, up = first != second, second > first if task == "binary" else None
    else:
        own = getattr(before, role)
        move, room = np.asarray(answers - own, float), _room(line, own)
        if line.subject == CHANGED:
            hits, up = np.abs(move) > room, move > 0
        else:
            hits, up = (-move if line.subject == FALL_RATE.name else move) > room, None
    return Outcomes(hits | unanswered, altered, unanswered, up)


def _decided(table: Scored, role: str, *, task: str, threshold: float | None) -> Floats:
    """(n,) what is decided, NaN without an answer."""
    scores = getattr(table, role)
    if task == "multiclass":
        return predicted_class(scores)
    cut = table.cut(role, threshold)
    if cut is None:
        raise GateBroken("changed_rate needs to know which scores are positive", remedy="give the pipeline a threshold")
    return at_threshold(scores, cut)


def _room(line: Requirement, before: Floats) -> Floats | float:
    """How far an answer may move before it counts: what the line tolerates, at least what rounding does."""
    tolerance = float(line.argument("tolerance") or 0.0)
    absolute, relative = _ROUNDING
    return tolerance if tolerance > 0 else absolute + relative * np.abs(before)


def error_count(name: str, line: Requirement, by_role: Mapping[str, Outcomes]) -> Estimate:
    """The altered rows that the candidate does not answer; the champion's beside them where the line compares."""
    values = {role: int((each.unanswered & each.altered).sum()) for role, each in by_role.items()}
    champion = float(values["champion"]) if "champion" in values else None
    units = int(by_role["candidate"].altered.sum())
    return counted(name, line, value=values["candidate"], units=units, champion=champion)


def most_changed(outcome: Outcomes, before: Scored, after: Scored) -> NDArray[np.intp]:
    """The rows, from 0, whose answer changed most: those first that are not answered any more."""
    rows = np.flatnonzero(outcome.hits & outcome.altered)
    old, new = before.candidate, after.candidate
    if old is None or new is None or old.ndim > 1 or before.classes:
        return rows[np.argsort(~outcome.unanswered[rows], kind="stable")][:_EXAMPLES]
    moved = np.where(np.isnan(new[rows]), np.inf, np.abs(new[rows] - old[rows]))
    return rows[np.argsort(-moved, kind="stable")][:_EXAMPLES]


def changed_rows(
    gate: str, examples: Sequence[tuple[str, NDArray[np.intp], Scored]], before: Scored
) -> Iterator[Exhibit]:
    """The rows whose answers changed most, of each line, by number and id; of their answers only how they changed.

    examples: (line, rows, altered answers). An id is what the scored table holds, a hash unless the pipeline keeps ids.
    """
    ids = before.ids
    points = [
        (line, int(row) + 1, "" if ids is None else str(ids[int(row)].as_py()), _change(before, after, int(row)))
        for line, rows, after in examples
        for row in rows
    ]
    if points:
        yield Exhibit(f"{gate}/changed_rows", "table", ("line", "row", "id", "change"), tuple(points[:_MOST]))


def _change(before: Scored, after: Scored, row: int) -> Any:
    """How an answer changed: `a → b` of classes, of scores and numbers by how much."""
    answers: tuple[Any, Any] = before.candidate, after.candidate
    old, new = (float(predicted_class(column[row : row + 1])[0]) for column in answers)
    if np.isnan(new):
        return "no answer"
    return f"{before.classes[int(old)]} → {before.classes[int(new)]}" if before.classes else rounded(float(new - old))

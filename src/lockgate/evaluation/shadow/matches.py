"""How often both models give the same text or structure: what is declared of it, light at import, and how a line is measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lockgate.evaluation.metrics.declaration import UNIT, Metric, Plan
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evaluation.shadow.rates import planned_rows

if TYPE_CHECKING:
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.evaluation.shadow.answer_pairs import AnswerForm

NORMALISED = "normalised"
MATCH_RATE = Metric(
    "match_rate", "logit", measure=planned_rows, argument=None, bounds=UNIT, counted_in="requests", plan=Plan("rows"),
    subject=Subject(
        "match_rate", "higher", bounds=(0, 1), args=("form", "field"), tasks=("text",),
        needs=("score", "champion", "no champion"), words={"form": (NORMALISED,), "field": ()},
    ),
)  # fmt: skip


def form_of(line: Requirement) -> AnswerForm:
    """How a line compares answers."""
    from lockgate.evaluation.shadow.answer_pairs import AnswerForm

    named = {name or "form": value for name, value in line.args}
    return AnswerForm(normalised=named.get("form") == NORMALISED, field=str(named.get("field") or ""))


def match_rate(scored: Scored, line: Requirement) -> Metric:
    """The share of the requests that both answered whose two answers are the same, in the form of a line."""
    from lockgate.evaluation.shadow.distances import shift

    assert scored.candidate is not None  # noqa: S101  # there are answers
    role, _, name = form_of(line).column.partition(":")
    theirs = scored.per_row(role, name) if name else scored.champion
    assert theirs is not None  # noqa: S101  # the line is left out without a champion
    measured = shift("within", scored.candidate, theirs, tolerance=0.0)
    return replace(MATCH_RATE, measure=None, measure_rows=measured.measure_rows, kinds=measured.kinds)

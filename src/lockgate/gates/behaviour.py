"""The behaviour gate: what the candidate answers when its rows are altered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from lockgate.evaluation.behaviour import rates
from lockgate.evaluation.behaviour.alteration import Alteration, alteration_of, problems
from lockgate.evaluation.case import Case
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.gate import Context, Findings, Gate, PipelineView
from lockgate.text import counted

if TYPE_CHECKING:
    from lockgate.evaluation.behaviour.rates import Outcomes
    from lockgate.evaluation.scoring.scored_table import Scored

_REMEDIES = {
    "swap": "the model goes by {column} itself: train without it, or on rows of which half have it swapped",
    "raise": "tell the model which way {column} goes, such as monotonic_cst of scikit-learn or monotone_constraints of "
    "LightGBM and XGBoost, or allow more",
    "noise": "the model goes by differences that are noise: train with noise of this size, or smooth it",
    "drop": "the model leans on {column} alone: train it with the value missing in some rows, or send no rows without it",
    "errors": "let the model itself fill in what is missing, such as an imputer in its pipeline; whole numbers that may be missing "
    "are double in a signature, not long",
}


class Behaviour(Gate):
    """Rows of `data`, altered: whether the candidate decides them as before, and whether its scores move the right way.

    changed_rate: the share of altered rows of which the decision is another one, or for a regression the value by more than
    `tolerance`. fall_rate, rise_rate: the share whose score falls, or rises, by more than `tolerance`, when a column is
    raised. A row that is not answered any more counts as changed. errors: how many these are. swap: another value of a column;
    raise: `by` more, 1 by default; noise: a share of each column's standard deviation; drop: no value.
    """

    subjects: ClassVar[Mapping[str, Subject]] = rates.SUBJECTS
    remedy_without_requirements: ClassVar[str] = (
        "write what altered rows may change, such as changed_rate(swap=sex) <= 1%"
    )
    uses_models: ClassVar[bool] = True
    by_group: ClassVar[bool] = True

    gate: Literal["behaviour"] = "behaviour"
    data: str = Field(description="Name of the data whose rows are altered; a model must answer them.")

    def complaints(self, pipeline: PipelineView) -> Iterable[tuple[tuple[str | int, ...], str]]:
        data = pipeline.data.get(self.data)
        if data is not None and data.scores:
            yield (
                ("data",),
                f"data.{self.data}.scores says that no model answers, and altered rows need one; name other data",
            )
        for number, line in enumerate(self.lines):
            if line.subject not in self.subjects:
                continue
            for message in problems(line, rates.ways_of(line.subject)):
                yield ("require", number), message
            tolerates = any(name == "tolerance" for name, _ in line.args)
            if line.subject == rates.CHANGED and pipeline.task == "regression" and not tolerates:
                yield (
                    ("require", number),
                    f"{str(line)!r}: of a regression, changed_rate needs to be told by how much: write tolerance=",
                )

    def check(self, case: Case) -> Findings:
        from lockgate.evaluation.behaviour.outcomes import changed_rows, error_count, most_changed
        from lockgate.evaluation.evaluate import evaluate

        requirements = self.requirements_for(case)
        if not requirements:
            return
        before = case.scored(self.data)
        if before.unrepeatable:
            yield Context({"unrepeatable": before.unrepeatable})
        answers = {
            alteration: case.altered(self.data, alteration, with_champion)
            for alteration, with_champion in _alterations(line for _, line in requirements).items()
        }
        after = {name: answers[alteration_of(line)] for name, line in requirements}
        by_name = {name: _outcomes(case, line, before, after[name]) for name, line in requirements}
        counts = [
            error_count(name, line, by_name[name]) for name, line in requirements if self.subjects[line.subject].counted
        ]
        metrics = {
            line.subject_text: rates.rate(line.subject, by_name[name])
            for name, line in sorted(requirements, key=lambda pair: pair[1].limit.relative)
            if not self.subjects[line.subject].counted
        }
        rows = copy(before)
        rows.labels = None
        findings = evaluate(
            self.title, rows, requirements, metrics, self.subjects, threshold={},
            small=case.dataset(self.data).spec.small_slices, counted=counts,
        )  # fmt: skip
        examples = {name: most_changed(by_name[name]["candidate"], before, after[name]) for name, _ in requirements}
        lines = dict(requirements)
        for finding in findings:
            most = examples[finding.requirement]
            first = "" if finding.slice or not most.size else case.dataset(self.data).row(int(most[0]) + 1)
            yield _explained(finding, lines[finding.requirement], first)
        shown = {line.subject_text: name for name, line in requirements}
        yield from changed_rows(
            self.title, [(text, examples[name], after[name]) for text, name in shown.items()], before
        )


def _alterations(lines: Iterable[Requirement]) -> dict[Alteration, bool]:
    """Each way of altering rows once, and whether a line compares what the champion makes of it."""
    alterations: dict[Alteration, bool] = {}
    for line in lines:
        alteration = alteration_of(line)
        alterations[alteration] = alterations.get(alteration, False) or line.limit.relative
    return alterations


def _outcomes(case: Case, line: Requirement, before: Scored, after: Scored) -> dict[str, Outcomes]:
    """By role: the champion's only of a line that compares with it."""
    from lockgate.evaluation.behaviour.outcomes import outcomes

    roles = ("candidate", "champion") if line.limit.relative else ("candidate",)
    return {role: outcomes(line, role, before, after, task=case.task, threshold=case.threshold(role)) for role in roles}


def _explained(finding: Finding, line: Requirement, first: str) -> Finding:
    """The finding with the rows that were not answered or not altered, and where it failed with what to do.

    first: the row whose answer changed most, nothing where none did.
    """
    alteration = alteration_of(line)
    left_out, unanswered = (int(finding.detail.get(name, 0)) for name in ("left_out", "unanswered"))
    reason = finding.reason
    reason += f"; {counted(unanswered, 'row')} not answered any more" if unanswered else ""
    reason += f"; {counted(left_out, 'row')} left out, of which none could be altered so" if left_out else ""
    if finding.verdict is not Verdict.FAIL:
        return replace(finding, reason=reason)
    ways = [f"{finding.detail[way]:,} {way}wards" for way in ("up", "down") if way in finding.detail]
    reason += f"; {' and '.join(ways)}" if ways else ""
    changed = "the first is" if line.subject == "errors" else "the largest change is in"
    reason += f"; {changed} {first}" if first else ""
    lost = line.subject == "errors" or (alteration.way == "drop" and unanswered > 0)
    remedy = _REMEDIES["errors" if lost else alteration.way].format(column=alteration.column)
    look = "" if finding.slice or not first else '; "Changed rows" in report.html lists examples'
    return replace(finding, reason=reason, remedy=f"{remedy}{look}")

"""Reuse budget: withhold verdicts beyond the number of evaluations of a holdout that is allowed.

Evaluating until it passes uses a sample up: with more rows added, or with other candidates.
"""

from __future__ import annotations

from dataclasses import replace

from lockgate.evaluation.judging.number_format import percent
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.gate import Gate
from lockgate.pipeline.pipeline import Pipeline, spends_reuse_budget
from lockgate.runs.evaluation_count import Evaluations, judged_by


def budget_phrase(pipeline: Pipeline, gate: Gate, evaluations: Evaluations) -> str | None:
    """`evaluation no. 2 of the 5 allowed on holdout, tested at 99 % confidence`: the end of a gate's first sentence where there is a budget."""
    data = judged_by(pipeline, gate)
    count = None if data is None else evaluations.get(data)
    if pipeline.reuse is None or count is None:  # as of a version beside itself
        return None
    budget = pipeline.reuse.budget
    levels = [line.confidence for line in gate.lines if spends_reuse_budget(gate, line) and line.confidence is not None]
    at = "" if not levels else f", tested at {percent(min(levels))} confidence"
    if count.unknown:
        return f"one evaluation of the {budget} allowed on {data}, how many there were is unknown{at}"
    return f"evaluation no. {count.counted} of the {budget} allowed on {data}{at}"


def apply_budget(pipeline: Pipeline, gate: Gate, finding: Finding, evaluations: Evaluations) -> Finding:
    """The finding, or the same one undecided, by how often the rows of its gate are on record."""
    data = pipeline.data_of(gate)
    count = None if data is None else evaluations.get(data)
    # what is on record is the least that there were: also where the number is unknown, so many are too many
    return withhold(pipeline, gate, finding, None if count is None else count.counted)


def withhold(pipeline: Pipeline, gate: Gate, finding: Finding, evaluations: int | None) -> Finding:
    """The finding, or, where the budget of its rows is spent, the same one undecided: its p-values promise nothing."""
    if pipeline.reuse is None or evaluations is None or evaluations <= pipeline.reuse.budget:
        return finding
    line = dict(gate.numbered_requirements).get(finding.requirement)
    if (
        line is None
        or not spends_reuse_budget(gate, line)
        or finding.decided is None
        or finding.decided.confidence is None
    ):
        return finding
    budget = pipeline.reuse.budget
    withheld = dict.fromkeys(("p_pass", "p_fail", "p_fail_holm"))
    return replace(
        finding,
        verdict=Verdict.INCONCLUSIVE,
        code="budget_spent",
        rows_needed=None,
        reason=f"{finding.reason}. Not decided: this is evaluation no. {evaluations} on {pipeline.data_of(gate)}, and reuse.budget allows {budget}",
        remedy="judge on fresh rows, under a data name of their own",
        detail={**finding.detail, **withheld, "budget_spent": {"look": evaluations, "budget": budget}},
    )

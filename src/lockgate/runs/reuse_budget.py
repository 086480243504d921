"""Reuse budget: count the evaluations of a holdout, and withhold verdicts beyond the number that is allowed.

Evaluating until it passes uses a sample up: with more rows added, or with other candidates. Evaluations are counted by model
and data name in what is published, whatever the digest of the data: new rows under an old name are the same sample, longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from lockgate.errors import LockgateError
from lockgate.evaluation.judging.number_format import percent
from lockgate.evidence import stored_json
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.gate import Gate
from lockgate.pipeline.pipeline import Pipeline, spends_reuse_budget

Published = Callable[[], Sequence[Mapping[str, str]]]
Evaluations = Mapping[str, int | None]  # number of this evaluation by data name, None where unknown


def judged_data(pipeline: Pipeline, gates: Iterable[Gate]) -> tuple[str, ...]:
    """The data whose rows these gates judge by, in the order of the gates."""
    judging = (gate for gate in gates if any(spends_reuse_budget(gate, line) for line in gate.lines))
    return tuple(dict.fromkeys(name for gate in judging if (name := pipeline.data_of(gate)) is not None))


def count_evaluations(data: Iterable[str], published: Published | None) -> dict[str, int | None]:
    """The number of this evaluation, by data name: those published before, and this one. None where that is unknown.

    published: facts of everything that is published of the model. What was published without saying on which data counts
    as an evaluation of each.
    """
    names = tuple(data)
    try:
        facts = None if published is None or not names else published()
    except LockgateError:  # a run that only reads needs no evidence store
        facts = None
    if facts is None:
        return dict.fromkeys(names, None)
    earlier = [_published_data(entry) for entry in facts]
    return {name: 1 + sum(1 for data in earlier if data is None or name in data) for name in names}


def _published_data(facts: Mapping[str, str]) -> list[str] | None:
    """The names of the data, None where the fact does not say."""
    try:
        return list(stored_json.texts({"data": stored_json.read(facts["data"])}, "data"))
    except (KeyError, ValueError):
        return None


def budget_phrase(pipeline: Pipeline, gate: Gate, evaluations: Evaluations) -> str | None:
    """`evaluation no. 2 of the 5 allowed on holdout, tested at 99 % confidence`: the end of a gate's first sentence where there is a budget."""
    data = pipeline.data_of(gate)
    if pipeline.reuse is None or data is None or not any(spends_reuse_budget(gate, line) for line in gate.lines):
        return None
    budget, number = pipeline.reuse.budget, evaluations.get(data)
    levels = [line.confidence for line in gate.lines if spends_reuse_budget(gate, line) and line.confidence is not None]
    at = "" if not levels else f", tested at {percent(min(levels))} confidence"
    if number is None:
        return f"one evaluation of the {budget} allowed on {data}, how many there were is unknown{at}"
    return f"evaluation no. {number} of the {budget} allowed on {data}{at}"


def apply_budget(pipeline: Pipeline, gate: Gate, finding: Finding, evaluations: Evaluations) -> Finding:
    """The finding, or, where the budget of its rows is spent, the same one undecided: its p-values promise nothing."""
    data = pipeline.data_of(gate)
    number = None if data is None else evaluations.get(data)
    if pipeline.reuse is None or number is None or number <= pipeline.reuse.budget:
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
        reason=f"{finding.reason}. Not decided: this is evaluation no. {number} on {data}, and reuse.budget allows {budget}",
        remedy="judge on fresh rows, under a data name of their own",
        detail={**finding.detail, **withheld, "budget_spent": {"look": number, "budget": budget}},
    )

"""How often were the same rows looked at, and is another look still within the budget?

Asking until it passes is how a sample is used up: with more rows added, or with other candidates. Looks are counted by model
and data name in what is published, whatever the digest of the data: new rows under an old name are the same sample, longer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lockgate.errors import LockgateError
from lockgate.evaluation.judging.number_format import percent
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.finding import Finding, Verdict
from lockgate.pipeline.model import looks_at_rows

if TYPE_CHECKING:
    from lockgate.gates.gate import Gate
    from lockgate.pipeline.model import Pipeline

Published = Callable[[], Sequence[Mapping[str, str]]]
Looks = Mapping[str, int | None]


def names(pipeline: Pipeline, gates: Iterable[Gate]) -> tuple[str, ...]:
    """The data whose rows these gates judge by, in the order in which they are first asked."""
    looking = (gate for gate in gates if any(looks_at_rows(gate, line) for line in gate.lines))
    return tuple(dict.fromkeys(name for gate in looking if (name := pipeline.data_of(gate)) is not None))


def count(data: Iterable[str], published: Published | None) -> dict[str, int | None]:
    """Which look this is, by data name: those published before, and this one. None where that cannot be known.

    published: facts of everything that is published of the model. What was published without saying on which data counts
    as a look at each.
    """
    wanted = tuple(data)
    try:
        facts = None if published is None or not wanted else published()
    except LockgateError:  # a run that only reads needs no evidence store
        facts = None
    if facts is None:
        return dict.fromkeys(wanted, None)
    before = [_named(one) for one in facts]
    return {name: 1 + sum(1 for known in before if known is None or name in known) for name in wanted}


def _named(facts: Mapping[str, str]) -> list[str] | None:
    text = facts.get("data")
    return None if text is None else [str(name) for name in json.loads(text)]


def fact(evidence: Evidence) -> str:
    """The fact `data` of what is published: a JSON list of the names whose rows were judged by."""
    looked = evidence.document["run"].get("looks")
    if looked is None:
        looked = [entry["name"] for entry in evidence.document.get("data") or ()]
    return json.dumps(sorted(looked), separators=(",", ":"))


def words(pipeline: Pipeline, gate: Gate, looks: Looks) -> str | None:
    """`look 2 of 5 at holdout, tested at 99 % confidence`: what a gate's first sentence says where there is a budget."""
    data = pipeline.data_of(gate)
    if pipeline.reuse is None or data is None or not any(looks_at_rows(gate, line) for line in gate.lines):
        return None
    budget, look = pipeline.reuse.budget, looks.get(data)
    tested = [line.confidence for line in gate.lines if looks_at_rows(gate, line) and line.confidence is not None]
    at = "" if not tested else f", tested at {percent(min(tested))} confidence"
    if look is None:
        return f"one look at {data} of the {budget} allowed, how many were taken is unknown{at}"
    return f"look {look} of {budget} at {data}{at}"


def within_budget(pipeline: Pipeline, gate: Gate, finding: Finding, looks: Looks) -> Finding:
    """The finding, or, where the budget of its rows is spent, the same one undecided: its p-values promise nothing."""
    data = pipeline.data_of(gate)
    look = None if data is None else looks.get(data)
    if pipeline.reuse is None or look is None or look <= pipeline.reuse.budget:
        return finding
    line = dict(gate.numbered).get(finding.requirement)
    if line is None or not looks_at_rows(gate, line) or finding.decided is None or finding.decided.confidence is None:
        return finding
    budget = pipeline.reuse.budget
    withheld = dict.fromkeys(("p_pass", "p_fail", "p_fail_holm"))
    return replace(
        finding,
        verdict=Verdict.INCONCLUSIVE,
        code="budget_spent",
        rows_needed=None,
        reason=f"{finding.reason}. Not decided: this is look {look} at {data}, and reuse.budget allows {budget}",
        remedy="judge on fresh rows, under a data name of their own",
        detail={**finding.detail, **withheld, "budget_spent": {"look": look, "budget": budget}},
    )

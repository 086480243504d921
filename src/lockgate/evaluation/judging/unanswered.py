"""Findings of requirements that a gate answered with none: never met, and failed where the candidate itself is in the way."""

from __future__ import annotations

from dataclasses import replace

from lockgate.data.slices.names import finding_id
from lockgate.errors import VersionFault
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evidence.finding import Finding, FindingLimit, Verdict

UNREADABLE = "unreadable"


def not_measured(gate: str, name: str, requirement: Requirement) -> Finding:
    """The finding of a requirement that a gate yielded none for: a requirement without an answer is never met."""
    return Finding(
        id=finding_id(gate, name, ()),
        requirement=name,
        subject=requirement.subject_text,
        slice={},
        observed=None,
        interval=None,
        champion=None,
        limit=FindingLimit(requirement.op, None, str(requirement.limit)),
        decided=None,
        rows=0,
        positives=None,
        rows_needed=None,
        verdict=Verdict.INCONCLUSIVE,
        code="not_measured",
        reason=f"nothing was measured for {str(requirement)!r}",
    )


def unreadable(gate: str, name: str, requirement: Requirement, fault: VersionFault) -> Finding:
    """The finding of a requirement that needs what the candidate says of itself, where that is nonsense."""
    return replace(
        not_measured(gate, name, requirement),
        verdict=Verdict.FAIL, code=UNREADABLE, reason=fault.message, remedy=fault.remedy,
    )  # fmt: skip

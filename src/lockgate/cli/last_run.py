"""Say what the last run of this checkout staged, where a command finds nothing in Staging."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lockgate.evidence.evidence import Evidence
from lockgate.evidence.run_folder import readable, runs
from lockgate.promotion.ledger.standing import Standing
from lockgate.reports.blockers import unwaived_blockers
from lockgate.reports.run_facts import verdict_sentence
from lockgate.text import cut

_MOST = 300  # characters of a reason


@dataclass(frozen=True)
class LastRun:
    """A run that left nothing in Staging. verdict: what came of it. reason: with what stops it most. remedy: what leads on."""

    verdict: str
    reason: str
    remedy: str


def last_run(root: Path, standings: Mapping[str, Standing]) -> LastRun | None:
    """The newest run below a root that came to its end, of a model whose versions stand so by its ledger.

    None without one, and where it is on record in the ledger, or its version is Production already.
    """
    for evidence in readable(runs(root)):
        if (standing := standings.get(evidence.model)) is not None:
            return None if _moved(evidence, standing) else unstaged(evidence)
    return None


def _moved(evidence: Evidence, standing: Standing) -> bool:
    on_record = evidence.digest in standing.evidence.values()
    return on_record or standing.production == str(evidence.candidate["version"])


def unstaged(evidence: Evidence) -> LastRun:
    """Why nothing of this evidence is in Staging."""
    run = f"the last run ({evidence.run_id})"
    if evidence.can_be_approved:
        verdict = f"{run} was not staged: {verdict_sentence(evidence)}"
        return LastRun(verdict, verdict, "stage it with gate run --resume --stage")
    stops = [stop for gate in evidence.gates if gate.counts for stop in unwaived_blockers(gate, evidence.waived)]
    worst = max(stops, key=lambda stop: stop.verdict.rank, default=None)
    verdict = f"{run} staged nothing: {verdict_sentence(evidence)}"
    if worst is None:
        return LastRun(verdict, verdict, "gate report shows it; run every gate with gate run --stage")
    remedy = (
        f"{worst.remedy}; then gate run --stage" if worst.remedy else "bring a better candidate; gate report shows all"
    )
    return LastRun(verdict, f"{verdict}; {cut(worst.reason, _MOST)}", remedy)

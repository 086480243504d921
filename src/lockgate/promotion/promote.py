"""Promote evaluated versions to Staging and Production, on evidence that still holds."""

from __future__ import annotations

from pathlib import Path

from lockgate.errors import Refused
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.finding import Verdict
from lockgate.promotion.apply import (
    Operator,
    carry_out,
    revert_late_write,
    serving_notes,
    settle,
)
from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.entry import MOVES, Entry
from lockgate.promotion.outcome import Outcome
from lockgate.promotion.preconditions import (
    PromotionRequest,
    PromotionTerms,
    RollbackCheck,
    check_preconditions,
    check_signoff,
)
from lockgate.promotion.publish import metric_tags, publish
from lockgate.signoff.decision import decide
from lockgate.signoff.override import decide_override, describe_overridden


def promote(
    operator: Operator, request: PromotionRequest, *, terms: PromotionTerms, rollback_check: RollbackCheck
) -> Outcome:
    """Make the evidence's candidate Production, if everything that it rests on still holds.

    Raises Waiting or Refused with a stable code; nothing is moved then.
    """
    evidence = request.evidence
    version = str(evidence.candidate["version"])
    state, forwarded = settle(operator)
    if state.standing.production == version and state.aliases.get("production") == version:
        entry = _admitting_entry(state.chain, version)
        other = (
            [] if entry.evidence == evidence.digest else [f"it got there on other evidence: {entry.evidence or 'none'}"]
        )
        return Outcome(operator.model, entry, state.standing, already=True, forwarded=forwarded, notes=tuple(other))
    decision = decide(terms.signoff, evidence, request.ballot, operator.clock())
    overridden, rollback_note = check_preconditions(
        operator, request, state, decision, terms=terms, rollback_check=rollback_check
    )
    if overridden:
        decision = decide_override(terms.signoff, evidence, request.ballot, operator.clock())
        check_signoff(decision)
    publish(operator.registry, evidence, request.folder, votes=request.votes)
    notes = [*describe_overridden(overridden), *([rollback_note] if rollback_note else [])]
    draft = operator.draft(
        state.chain,
        "override" if overridden else "promoted",
        source=state.standing.production,
        target=version,
        evidence=evidence.digest,
        votes=decision.counted,
        reason="; ".join([decision.reason, *notes]),
    )
    state = carry_out(operator, state, draft, tags=metric_tags(evidence))
    state, late = revert_late_write(operator, state, draft)
    notes += serving_notes(draft, state)
    return Outcome(operator.model, draft, state.standing, forwarded=(*forwarded, *late), notes=tuple(notes))


def record_staging(operator: Operator, evidence: Evidence, *, folder: Path) -> Outcome:
    """Publish the evidence of a pass and record its candidate as Staging. Raises Refused for any other verdict."""
    if evidence.verdict is not Verdict.PASS or evidence.opens != "yes":
        raise Refused(
            f"the verdict is {evidence.verdict} and the evidence blocks promotion (opens: {evidence.opens}), so nothing is staged",
            code="not_open",
            remedy="see gate report for what stopped it",
        )
    version = str(evidence.candidate["version"])
    publish(operator.registry, evidence, folder)
    state, forwarded = settle(operator)
    before = state.standing
    if before.production == version or (
        before.staging == version
        and before.evidence.get(version) == evidence.digest
        and state.aliases.get("staging") == version
    ):
        entry = _admitting_entry(state.chain, version)
        return Outcome(operator.model, entry, before, already=True, forwarded=forwarded)
    draft = operator.draft(
        state.chain,
        "staged",
        source=before.staging,
        target=version,
        evidence=evidence.digest,
        reason="every requirement was met",
    )
    state = carry_out(operator, state, draft)
    return Outcome(operator.model, draft, state.standing, forwarded=forwarded)


def _admitting_entry(chain: Chain, version: str) -> Entry:
    """The entry that put a version where it is."""
    return next(
        entry for entry in reversed(chain.entries) if entry.target == version and entry.kind in MOVES | {"staged"}
    )

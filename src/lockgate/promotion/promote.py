"""Promote evaluated versions to Staging and Production, on evidence that still holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

from lockgate.errors import Refused
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.finding import Verdict
from lockgate.promotion.adopt import adoption
from lockgate.promotion.apply import carry_out, decorate, revert_late_write, serving_notes, settle
from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.entry import MOVES, Entry
from lockgate.promotion.operator import Operator
from lockgate.promotion.outcome import Outcome
from lockgate.promotion.preconditions import (
    PromotionRequest,
    PromotionTerms,
    RollbackCheck,
    check_preconditions,
    check_signoff,
)
from lockgate.promotion.publish import finished_after_entry, publish, version_tags
from lockgate.promotion.version_copy import copy_version, placed_version, source_of
from lockgate.signoff.decision import decide
from lockgate.signoff.override import decide_override, describe_overridden


def promote(
    operator: Operator, request: PromotionRequest, *, terms: PromotionTerms, rollback_check: RollbackCheck
) -> Outcome:
    """Make the evidence's candidate Production, if everything that it rests on still holds.

    Raises Waiting or Refused with a stable code; nothing is moved then.
    """
    evidence = request.evidence
    state, forwarded = settle(operator)
    source = source_of(operator.model, evidence)
    version = placed_version(state.chain, evidence, source)
    begins, adopted = adoption(operator, state), list[str]()
    if begins.draft is not None and begins.draft.target == version:
        state, adopted = begins.carry_out(operator, state)
    if version is not None and state.standing.production == version == state.aliases.get("production"):
        entry, state = _admitting_entry(state.chain, version), decorate(operator, state)
        other = (
            [] if entry.evidence == evidence.digest else [f"it got there on other evidence: {entry.evidence or 'none'}"]
        )
        return Outcome(
            operator.model,
            entry,
            state.standing,
            already=True,
            forwarded=forwarded,
            notes=(*adopted, *other, *state.warnings),
        )
    decision = decide(terms.signoff, evidence, request.ballot, operator.clock())
    overridden, rollback_note = check_preconditions(
        operator, request, begins.assumed, decision, terms=terms, rollback_check=rollback_check
    )
    if overridden:
        decision = decide_override(terms.signoff, evidence, request.ballot, operator.clock())
        check_signoff(decision)
    unset = publish(
        operator.registry, evidence, request.folder, now=operator.clock(), votes=request.votes,
        evaluations=request.evaluations,
    )  # fmt: skip
    state, adopted = begins.carry_out(operator, state)
    if source is not None:
        version = copy_version(operator, source, scratch=rollback_check.scratch)
        state = replace(state, stages=operator.registry.stages(operator.model))  # the copy stands in one, too
    notes = [*describe_overridden(overridden), *([rollback_note] if rollback_note else [])]
    draft = operator.draft(
        state.chain,
        "override" if overridden else "promoted",
        source=state.standing.production,
        target=version,
        evidence=evidence.digest,
        votes=decision.counted,
        copied=source,
        reason="; ".join([decision.reason, *notes]),
    )
    tags = version_tags(evidence, operator.registry.storable_tags, counts=True)
    state = carry_out(operator, state, draft, tags=tags)
    state, late = revert_late_write(operator, state, draft)
    notes += [*adopted, *(unset if source is not None else ()), *serving_notes(draft, state)]
    return Outcome(operator.model, draft, state.standing, forwarded=(*forwarded, *late), notes=tuple(notes))


def record_staging(operator: Operator, evidence: Evidence, *, folder: Path) -> Outcome:
    """Publish evidence that can be approved and record its candidate as Staging. Raises Refused for any other."""
    if not evidence.can_be_approved:
        raise Refused(
            f"the verdict is {evidence.verdict} and the evidence blocks promotion (opens: {evidence.opens}), so nothing is staged",
            code="not_open",
            remedy="see gate report for what stopped it",
        )
    state, forwarded = settle(operator)
    unset = publish(operator.registry, evidence, folder, now=operator.clock())
    state, adopted = adoption(operator, state).carry_out(operator, state)
    before, override, source = state.standing, state.chain.override, source_of(operator.model, evidence)
    version = placed_version(state.chain, evidence, source)
    if source is not None and (version is None or version != before.production):
        version = str(source)  # which version that will be here is known once it is copied
    passed = evidence.verdict is Verdict.PASS
    passed_since = (
        passed and override is not None and override.target == version and finished_after_entry(evidence, override)
    )
    if (before.production == version and not passed_since) or (
        version is not None
        and before.staging == version
        and before.evidence.get(version) == evidence.digest
        and before.aliases.get("staging") == state.aliases.get("staging")
    ):
        entry, state = _admitting_entry(state.chain, version), decorate(operator, state)
        notes = (*adopted, *unset, *state.warnings)
        return Outcome(operator.model, entry, before, already=True, forwarded=forwarded, notes=notes)
    draft = operator.draft(
        state.chain,
        "staged",
        source=before.staging,
        target=version,
        copied=source,
        evidence=evidence.digest,
        reason=("every requirement was met" if passed else _undecided_words(evidence))
        + (f", of those too that {override.label} had gone over" if override and passed_since else ""),
    )
    state = carry_out(operator, state, draft)
    return Outcome(
        operator.model, draft, state.standing, forwarded=forwarded, notes=(*adopted, *unset, *state.warnings)
    )


def _undecided_words(evidence: Evidence) -> str:
    """`1 finding of latency/r2 is undecided, and accepted by whoever approves`."""
    verb = "is" if len(evidence.asks) == 1 else "are"
    return f"{evidence.undecided} {verb} undecided, and accepted by whoever approves"


def _admitting_entry(chain: Chain, version: str | None) -> Entry:
    """The entry that put a version where it is, in Production or Staging."""
    return cast(Entry, chain.last_of(version, MOVES | {"staged"}))

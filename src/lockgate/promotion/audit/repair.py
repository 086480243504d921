"""Put the registry back to what the ledger says; the ledger only gains the entry that records this."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from lockgate.errors import Refused
from lockgate.promotion.apply import carry_out, serving_notes
from lockgate.promotion.ledger.projection import ShownProjections, due_projections
from lockgate.promotion.operator import Operator
from lockgate.promotion.outcome import ForwardedEntry, Outcome
from lockgate.promotion.registry_writes import storable
from lockgate.registries.ports import version_order
from lockgate.signoff.vote import check_reason

REASON = "the registry did not show what the ledger says"


def repair(operator: Operator, *, reason: str) -> Outcome | None:
    """Finish what others left, then set what differs of aliases, stages and tags, as an entry; None where nothing does.

    Traffic is switched where Production had been moved. Raises Refused where the version that the ledger calls
    Production is gone, Waiting while somebody moves a version.
    """
    registry, model = operator.registry, operator.model
    state, forwarded = operator.read_state(), tuple[ForwardedEntry, ...]()
    unfinished = state.chain.unfinished
    if unfinished is not None:
        state = carry_out(operator, state, None)
        forwarded = (ForwardedEntry(unfinished, state.chain.done[unfinished.epoch]),)
    standing, stages = state.standing, state.stages
    tags = {version.version: version.tags for version in registry.versions(model)}
    projections = ShownProjections(state.aliases, tags, stages)
    due = due_projections(state.chain.finished, projections, partial(storable, registry))
    if not due.lines:
        if not forwarded:
            return None
        return Outcome(model, forwarded[-1].entry, standing, already=True, forwarded=forwarded)
    gone = sorted({version for version in due.aliases.values() if version not in tags}, key=version_order)
    if gone:
        raise Refused(
            f"version {', '.join(gone)} of {model} is gone from the registry, so nothing can point to it",
            code="target_gone",
            remedy=f'gate rollback {model} --to N --reason "…" goes to a version that is kept',
        )
    draft = operator.draft(
        state.chain,
        "repaired",
        source=state.aliases.get("production"),
        target=standing.production,
        reason=check_reason(reason),
    )
    moved = "production" in due.aliases or any(
        stages.names["production"] in (stages.by_version[version], stage) for version, stage in due.stages.items()
    )
    state = carry_out(operator if moved else replace(operator, switch_traffic=None), state, draft)
    done = replace(due, tags={}, idle={}) if state.warnings else due
    notes = [f"done: {line}" for line in done.lines] + list(serving_notes(draft, state) if moved else state.warnings)
    return Outcome(model, draft, state.standing, forwarded=forwarded, notes=tuple(notes))

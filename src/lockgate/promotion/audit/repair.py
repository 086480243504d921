"""Put the registry back to what the ledger says; the ledger only gains the entry that records this."""

from __future__ import annotations

from dataclasses import replace

from lockgate.errors import Refused
from lockgate.promotion.apply import Operator, carry_out, serving_notes
from lockgate.promotion.audit.verify import repairs
from lockgate.promotion.ledger.projection import all_tags, differing_aliases, differing_tags
from lockgate.promotion.outcome import ForwardedEntry, Outcome
from lockgate.registries.ports import version_order

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
        forwarded = (ForwardedEntry(unfinished, state.chain.ending(unfinished) or "done"),)
    standing, stages = state.standing, state.stages
    tags = {version.version: version.tags for version in registry.versions(model)}
    due_aliases = differing_aliases(standing.aliases, state.aliases, tags)
    due_stages = standing.stages_due(stages)
    done = repairs(due_aliases, differing_tags(all_tags(state.chain.finished), tags), due_stages)
    if not done:
        if not forwarded:
            return None
        return Outcome(model, forwarded[-1].entry, standing, already=True, forwarded=forwarded)
    gone = sorted({version for version in due_aliases.values() if version not in tags}, key=version_order)
    if gone:
        raise Refused(
            f"version {', '.join(gone)} of {model} is gone from the registry, so nothing can point to it",
            code="target_gone",
            remedy=f'gate rollback {model} --to N --reason "…" goes to a version that is kept',
        )
    draft = state.chain.draft(
        "repaired",
        source=state.aliases.get("production"),
        target=standing.production,
        actor=operator.actor,
        reason=reason,
        at=operator.clock(),
        lease=operator.promotion.lease,
    )
    moved = "production" in due_aliases or any(
        stages.names["production"] in (stages.by_version[version], stage) for version, stage in due_stages.items()
    )
    state = carry_out(operator if moved else replace(operator, switch_traffic=None), state, draft)
    notes = [f"done: {line}" for line in done] + list(serving_notes(draft, state) if moved else ())
    return Outcome(model, draft, state.standing, forwarded=forwarded, notes=tuple(notes))

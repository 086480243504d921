"""Put the registry back to what the ledger says; the ledger itself is never changed but by the entry that records this."""

from __future__ import annotations

from lockgate.errors import Refused
from lockgate.promotion.audit.verify import repairs
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.ledger.projection import all_tags, differing_aliases, differing_tags
from lockgate.promotion.promote import Clock, Left, Outcome, TurnOver, after, carry_out, look
from lockgate.registries.ports import Registry
from lockgate.signoff.identity import Identity

REASON = "the registry did not show what the ledger says"


def repair(
    registry: Registry,
    model: str,
    *,
    reason: str,
    promotion: PromotionPolicy,
    actor: Identity,
    clock: Clock,
    turn_over: TurnOver | None = None,
) -> Outcome | None:
    """Finish what others left, then set what differs of aliases, stages and tags, as an entry; None where nothing does.

    turn_over: makes serving follow where Production had been moved, None where the policy has no switch.
    Raises Refused where the version that the ledger calls Production is gone, Waiting while somebody moves a version.
    """
    place, forwarded = look(registry, model), tuple[Left, ...]()
    left = place.chain.unfinished
    if left is not None:
        place = carry_out(registry, model, place, None, actor=actor, clock=clock, turn_over=turn_over)
        forwarded = (Left(left, place.chain.ending(left) or "done"),)
    production = place.standing.production
    shown = {one.version: one.tags for one in registry.versions(model)}
    aliases = differing_aliases(place.standing.aliases, place.seen, shown)
    mirror = place.stages or {}
    stages = place.standing.stages_due(mirror)
    done = repairs(aliases, differing_tags(all_tags(place.chain.finished), shown), stages)
    if not done:
        if not forwarded:
            return None
        return Outcome(model, forwarded[-1].entry, place.standing, already=True, forwarded=forwarded)
    gone = sorted({version for version in aliases.values() if version not in shown}, key=int)
    if gone:
        raise Refused(
            f"version {', '.join(gone)} of {model} is gone from the registry, so nothing can point to it",
            code="target_gone",
            remedy=f'gate rollback {model} --to N --reason "…" goes to a version that is kept',
        )
    wanted = place.chain.draft(
        "repaired",
        source=place.seen.get("production"),
        target=production,
        actor=actor,
        reason=reason,
        at=clock(),
        lease=promotion.lease,
    )
    moved = "production" in aliases or any("Production" in (mirror[one], stage) for one, stage in stages.items())
    follow = turn_over if moved else None
    place = carry_out(registry, model, place, wanted, actor=actor, clock=clock, turn_over=follow)
    notes = [f"done: {one}" for one in done] + list(after(wanted, place) if moved else ())
    return Outcome(model, wanted, place.standing, forwarded=forwarded, notes=tuple(notes))

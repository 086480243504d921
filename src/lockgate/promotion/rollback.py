"""The way back, and the beginning: roll back to a version that held Production before, adopt one that holds it now."""

from __future__ import annotations

from collections.abc import Sequence

from lockgate import hashing as digest
from lockgate.errors import NotFound, Refused, UsageError, Waiting
from lockgate.promotion import compatibility as callers
from lockgate.promotion.compatibility import Callers
from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.entry import MOVES, Entry
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.ledger.standing import Standing
from lockgate.promotion.promote import Clock, Left, Outcome, Place, TurnOver, after, carry_out, look, settle, undone
from lockgate.promotion.rollback_consent import Consents, Planned
from lockgate.registries.ports import Registry
from lockgate.signoff.identity import Identity
from lockgate.units import utc_text


def rollback(
    registry: Registry,
    model: str,
    *,
    to: str | None = None,
    reason: str,
    withdrawn_ok: bool = False,
    promotion: PromotionPolicy,
    actor: Identity,
    clock: Clock,
    turn_over: TurnOver | None = None,
    consents: Consents | None = None,
) -> Outcome:
    """Make the standby, or the retained version `to`, Production; the one that leaves is withdrawn.

    turn_over: makes serving follow, None where the policy has no switch. consents: where an owner's word comes from; None
    where the policy asks nobody.
    Raises Refused with a stable code where there is nothing to go back to.
    """
    reason = _given(reason)
    place = look(registry, model)
    left = place.chain.unfinished
    if consents is not None and left is not None and left.kind != "rolled_back":
        consents.may_leave(left)
    place, forwarded = _cleared(registry, model, place, to, actor=actor, clock=clock, turn_over=turn_over)
    if forwarded and forwarded[0].entry.kind == "rolled_back" and forwarded[0].ending == "done":
        entry = forwarded[0].entry
        said = ("that was the rollback which had been left unfinished; nothing further was rolled back",)
        called = _callers(registry, model, entry)
        notes = [*said, *called.notes, *after(entry, place)]
        return Outcome(
            model, entry, place.standing, forwarded=forwarded, already=True, notes=tuple(notes), breaks=called.breaks
        )
    before = place.standing
    plan = _planned(registry, model, place, to, promotion, clock, withdrawn_ok=withdrawn_ok)
    votes = () if consents is None else tuple(consents(plan))
    kept = _keep(registry, before, plan, votes)
    wanted = place.chain.draft(
        "rolled_back",
        source=plan.source,
        target=plan.target,
        actor=actor,
        evidence=before.evidence.get(plan.target),
        votes=[digest.sha256(vote) for vote, _ in votes],
        reason=reason,
        at=clock(),
        lease=promotion.lease,
    )
    found = _found(place, before)
    place = carry_out(registry, model, place, wanted, actor=actor, clock=clock, turn_over=turn_over)
    place, late = undone(registry, model, place, wanted, actor=actor, clock=clock, turn_over=turn_over)
    forwarded = (*forwarded, *late)
    notes = [*found, *kept, *_again(model, wanted, place.chain)]
    if place.standing.standby is None:
        notes.append("no standby is left: the alias previous equals production")
    called = _callers(registry, model, wanted)
    notes += [*called.notes, *after(wanted, place)]
    return Outcome(model, wanted, place.standing, forwarded=forwarded, notes=tuple(notes), breaks=called.breaks)


def _callers(registry: Registry, model: str, entry: Entry) -> Callers:
    """What a rollback that stands means for whoever called the version that left."""
    if entry.source is None or entry.target is None:
        return Callers(None)
    return callers.compare(registry, model, leaves=entry.source, returns=entry.target)


def planned(
    registry: Registry,
    model: str,
    *,
    to: str | None = None,
    withdrawn_ok: bool = False,
    promotion: PromotionPolicy,
    clock: Clock,
) -> Planned:
    """What a rollback would do now, for an owner to agree to. Raises as `rollback` does, Waiting while others move."""
    place = look(registry, model)
    left = place.chain.unfinished
    if left is not None:
        raise Waiting(
            f"epoch {left.epoch} ({left.kind.replace('_', ' ')} by {left.actor}) is not done, so nobody knows yet from where",
            code="in_progress",
            remedy="ask again when it is; any command that moves a version finishes it after its lease",
        )
    return _planned(registry, model, place, to, promotion, clock, withdrawn_ok=withdrawn_ok)


def _planned(
    registry: Registry,
    model: str,
    place: Place,
    to: str | None,
    promotion: PromotionPolicy,
    clock: Clock,
    *,
    withdrawn_ok: bool,
) -> Planned:
    before, last = place.standing, place.chain.last
    if before.production is None or last is None:
        raise Refused(
            f"the ledger knows no Production of {model}",
            code="nothing_to_roll_back",
            remedy=f'begin with gate adopt {model} --version N --reason "…"',
        )
    target = to or before.standby
    if target is None:
        others = [version for version in _held(place.chain) if version != before.production]
        raise Refused(
            f"no standby is left behind version {before.production}",
            code="no_standby",
            remedy=f"name a version with --to ({', '.join(others)})" if others else "promote another version instead",
        )
    _may_return(model, target, place.chain, before, promotion, clock, withdrawn_ok=withdrawn_ok)
    try:
        registry.version(model, target)
    except NotFound as error:
        raise Refused(
            f"version {target} of {model} is gone from the registry",
            code="target_gone",
            remedy="name another with --to; gate status shows them",
        ) from error
    return Planned(model, before.production, target, last.sha256)


def _keep(registry: Registry, before: Standing, plan: Planned, votes: Sequence[tuple[bytes, bytes]]) -> list[str]:
    """Store the votes where the record is kept: beside the evidence of the version that returns, else of the one that
    leaves. Says so where neither has any."""
    store = registry.evidence(plan.model)
    found = [before.evidence[one] for one in (plan.target, plan.source) if one in before.evidence]
    for vote, signature in votes:
        for place in found:
            try:
                store.add_vote(place, vote, signature)
            except NotFound:
                continue
            break
        else:
            return ["no published evidence belongs to either version, so the ledger alone names the vote, by its hash"]
    return []


def _cleared(
    registry: Registry,
    model: str,
    place: Place,
    to: str | None,
    *,
    actor: Identity,
    clock: Clock,
    turn_over: TurnOver | None,
) -> tuple[Place, tuple[Left, ...]]:
    """Where things stand once an unfinished entry is out of the way.

    A rollback that was left unfinished is finished: whoever repeats the command wants that one, not a second. Anything
    else is ended without turning serving over to a version that is to be left anyway.
    """
    left = place.chain.unfinished
    if left is None:
        return place, ()
    same = to == left.target or (to is None and left.kind == "rolled_back")
    place = carry_out(
        registry, model, place, None, actor=actor, clock=clock, turn_over=turn_over, leave_serving=not same
    )
    return place, (Left(left, place.chain.ending(left) or "done"),)


def _found(place: Place, before: Standing) -> list[str]:
    """What is told of an alias that does not show what the ledger says; a rollback goes on all the same."""
    shown = place.seen.get("production")
    if shown == before.production:
        return []
    late = None if shown is None else place.chain.late_writer("production", shown)
    if late is not None:
        return [f"the alias production showed version {shown}, set too late by a writer of epoch {late.epoch}"]
    return [f"the alias production had been moved by hand, to {shown or 'nothing'}"]


def _again(model: str, wanted: Entry, chain: Chain) -> list[str]:
    """What is told of a second rollback in a row, which goes one version further back."""
    before = next((one for one in reversed(chain.finished) if one.epoch < wanted.epoch and one.kind in MOVES), None)
    if before is None or before.kind != "rolled_back" or wanted.source != before.target:
        return []
    return [
        f"this was a second rollback in a row: {before.actor} had gone from version {before.source} to {before.target} on "
        f'{utc_text(before.at)}; if once was meant: gate rollback {model} --to {before.target} --withdrawn-ok --reason "…"'
    ]


def adopt(
    registry: Registry,
    model: str,
    *,
    version: str,
    reason: str,
    promotion: PromotionPolicy,
    actor: Identity,
    clock: Clock,
    turn_over: TurnOver | None = None,
) -> Outcome:
    """Begin the ledger with the version that is Production already. Raises Refused where it begins elsewhere."""
    reason = _given(reason)
    place, forwarded = settle(registry, model, actor=actor, clock=clock, turn_over=turn_over)
    before, shown = place.standing, place.seen.get("production")
    if before.production is not None:
        first = next(
            entry
            for entry in reversed(place.chain.entries)
            if entry.kind in MOVES and entry.target == before.production
        )
        if before.production == version and shown == version:
            return Outcome(model, first, before, already=True, forwarded=forwarded)
        raise Refused(
            f"the ledger of {model} knows version {before.production} as Production since {utc_text(first.at)}",
            code="already_begun",
            remedy=f"gate verify {model} --repair points the alias back to it"
            if before.production == version
            else "use gate promote, or gate rollback --to",
        )
    if shown not in (None, version):
        raise Refused(
            f"the alias production points to version {shown}, not to {version}",
            code="alias_elsewhere",
            remedy=f"adopt version {shown}, or move the alias first",
        )
    holders = [one for one, stage in (place.stages or {}).items() if stage == "Production"]
    if holders and version not in holders:
        raise Refused(
            f"the stage Production holds version {', '.join(holders)}, not {version}",
            code="stage_elsewhere",
            remedy=f"adopt version {holders[0]}, or move version {version} there first",
        )
    registry.version(model, version)
    if place.stages is not None:  # the first write of all, since a registry that cannot do it would finish no entry
        registry.set_stage(model, version, "Production")
    taken = [
        f"the alias {alias} pointed to version {place.seen[alias]}, which is not in the ledger, and was moved"
        for alias in ("previous", "staging")
        if place.seen.get(alias, version) not in (version, before.staging)
    ]
    wanted = place.chain.draft("adopted", target=version, actor=actor, reason=reason, at=clock(), lease=promotion.lease)
    place = carry_out(registry, model, place, wanted, actor=actor, clock=clock, turn_over=turn_over)
    return Outcome(model, wanted, place.standing, forwarded=forwarded, notes=tuple(taken))


def _may_return(
    model: str,
    version: str,
    chain: Chain,
    before: Standing,
    promotion: PromotionPolicy,
    clock: Clock,
    *,
    withdrawn_ok: bool,
) -> None:
    if version == before.production:
        raise Refused(
            f"version {version} is Production already",
            code="already_production",
            remedy=f"see gate status {model}",
        )
    if version not in _held(chain):
        raise Refused(
            f"version {version} was never Production, so there is nothing to roll back to",
            code="never_production",
            remedy="evaluate it with gate run and use gate promote",
        )
    if before.is_withdrawn(version) and not withdrawn_ok:
        raise Refused(
            f"version {version} was withdrawn on {utc_text(before.withdrawn_at[version])}",
            code="withdrawn_target",
            remedy="if that was the mistake, add --withdrawn-ok",
        )
    until = before.retain_until(version, promotion.retain)
    if until is not None and until < clock():
        raise Refused(
            f"version {version} was kept until {utc_text(until)} and may not be complete any more",
            code="not_retained",
            remedy="evaluate it with gate run and use gate promote",
        )


def _held(chain: Chain) -> list[str]:
    """Versions that were Production, latest first, each once."""
    held = (entry.target for entry in reversed(chain.finished) if entry.kind in MOVES and entry.target is not None)
    return list(dict.fromkeys(held))


def _given(reason: str) -> str:
    if not reason.strip():
        raise UsageError("a reason is needed, for whoever reads this in a year", remedy='add --reason "…"')
    return reason.strip()

"""The way back, and the beginning: roll back to a version that held Production before, adopt one that holds it now."""

from __future__ import annotations

from lockgate.errors import NotFound, Refused, UsageError
from lockgate.ledger import MOVES, Chain, PromotionPolicy, Standing
from lockgate.promotion import SERVING, Clock, Outcome, carry_out, settle
from lockgate.registry import Identity, Registry, utc_text


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
) -> Outcome:
    """Make the standby, or the retained version `to`, Production; the one that leaves is withdrawn.

    Raises Refused with a stable code where there is nothing to go back to.
    """
    reason = _given(reason)
    place, forwarded = settle(registry, model, actor=actor, clock=clock)
    before = place.standing
    if before.production is None:
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
    wanted = place.chain.draft(
        "rolled_back",
        source=before.production,
        target=target,
        actor=actor,
        evidence=before.evidence.get(target),
        reason=reason,
        at=clock(),
        lease=promotion.lease,
    )
    notes = [SERVING]
    if place.seen.get("production") != before.production:
        notes.insert(0, f"the alias production had been moved by hand, to {place.seen.get('production') or 'nothing'}")
    place = carry_out(registry, model, place, wanted, actor=actor, clock=clock)
    if place.standing.standby is None:
        notes.insert(0, "no standby is left: the alias previous equals production")
    return Outcome(model, wanted, place.standing, forwarded=forwarded, notes=tuple(notes))


def adopt(
    registry: Registry,
    model: str,
    *,
    version: str,
    reason: str,
    promotion: PromotionPolicy,
    actor: Identity,
    clock: Clock,
) -> Outcome:
    """Begin the ledger with the version that is Production already. Raises Refused where it begins elsewhere."""
    reason = _given(reason)
    place, forwarded = settle(registry, model, actor=actor, clock=clock)
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
    registry.version(model, version)
    taken = [
        f"the alias {alias} pointed to version {place.seen[alias]}, which is not in the ledger, and was moved"
        for alias in ("previous", "staging")
        if place.seen.get(alias, version) not in (version, before.staging)
    ]
    wanted = place.chain.draft("adopted", target=version, actor=actor, reason=reason, at=clock(), lease=promotion.lease)
    place = carry_out(registry, model, place, wanted, actor=actor, clock=clock)
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

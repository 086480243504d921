"""Adopt the version that holds Production already: begin the ledger without evidence."""

from __future__ import annotations

from lockgate.errors import Refused
from lockgate.promotion.apply import Operator, RegistryState, carry_out, settle
from lockgate.promotion.ledger.entry import MOVES
from lockgate.promotion.outcome import Outcome, require_reason
from lockgate.units import utc_text


def adopt(operator: Operator, *, version: str, reason: str) -> Outcome:
    """Begin the ledger with the version that is Production already. Raises Refused where it begins elsewhere."""
    reason, model = require_reason(reason), operator.model
    state, forwarded = settle(operator)
    before, holder = state.standing, state.aliases.get("production")
    if before.production is not None:
        first = next(
            entry
            for entry in reversed(state.chain.entries)
            if entry.kind in MOVES and entry.target == before.production
        )
        if before.production == version and holder == version:
            return Outcome(model, first, before, already=True, forwarded=forwarded)
        raise Refused(
            f"the ledger of {model} knows version {before.production} as Production since {utc_text(first.at)}",
            code="already_begun",
            remedy=f"gate verify {model} --repair points the alias back to it"
            if before.production == version
            else "use gate promote, or gate rollback --to",
        )
    _check_place(state, version)
    operator.registry.version(model, version)
    stage = state.stages.names.get("production")
    if stage is not None:  # the first write of all, since a registry that cannot do it would finish no entry
        operator.registry.set_stage(model, version, stage)
    moved = [
        f"the alias {alias} pointed to version {state.aliases[alias]}, which is not in the ledger, and was moved"
        for alias in ("previous", "staging")
        if state.aliases.get(alias, version) not in (version, before.staging)
    ]
    draft = operator.draft(state.chain, "adopted", target=version, reason=reason)
    state = carry_out(operator, state, draft)
    return Outcome(model, draft, state.standing, forwarded=forwarded, notes=tuple(moved))


def _check_place(state: RegistryState, version: str) -> None:
    """Raises Refused where the alias or the stage of Production shows another version."""
    holder = state.aliases.get("production")
    if holder not in (None, version):
        raise Refused(
            f"the alias production points to version {holder}, not to {version}",
            code="alias_elsewhere",
            remedy=f"adopt version {holder}, or move the alias first",
        )
    production = state.stages.names.get("production")
    staged = [other for other, stage in state.stages.by_version.items() if stage == production]
    if staged and version not in staged:
        raise Refused(
            f"the stage {production} holds version {', '.join(staged)}, not {version}",
            code="stage_elsewhere",
            remedy=f"adopt version {staged[0]}, or move version {version} there first",
        )

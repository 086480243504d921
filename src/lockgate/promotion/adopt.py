"""Adopt the version that holds Production already: begin the ledger without evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from lockgate.errors import Refused
from lockgate.promotion.apply import carry_out, settle
from lockgate.promotion.ledger.entry import MOVES, Entry
from lockgate.promotion.operator import Operator, RegistryState
from lockgate.promotion.outcome import Outcome, require_reason
from lockgate.units import utc_text


def adopt(operator: Operator, *, version: str, reason: str) -> Outcome:
    """Begin the ledger with the version that is Production already. Raises Refused where it begins elsewhere."""
    reason, model = require_reason(reason), operator.model
    state, forwarded = settle(operator)
    before, holder = state.standing, state.aliases.get("production")
    if before.production is not None:
        first = cast(Entry, state.chain.last_of(before.production, MOVES))
        if before.production == version and holder == version:
            return Outcome(model, first, before, already=True, forwarded=forwarded)
        raise Refused(
            f"the ledger of {model} knows version {before.production} as Production since {utc_text(first.at)}",
            code="already_begun",
            remedy=f"gate verify {model} --repair points the alias back to it"
            if before.production == version
            else "use gate promote, or gate rollback --to",
        )
    draft = operator.draft(state.chain, "adopted", target=version, reason=reason)
    state, notes = _begin(operator, state, draft)
    return Outcome(model, draft, state.standing, forwarded=forwarded, notes=(*notes, *state.warnings))


@dataclass(frozen=True)
class Adoption:
    """What a Production that somebody set by hand means where no ledger exists yet: it would begin with that version.

    draft: the entry that adopts it, None where there is nothing to adopt. assumed: the state as it would be then.
    """

    draft: Entry | None
    assumed: RegistryState

    def carry_out(self, operator: Operator, state: RegistryState) -> tuple[RegistryState, list[str]]:
        """Begin the ledger, for a command that writes to it anyway: (the state, what is to be told)."""
        if self.draft is None:
            return state, []
        state, notes = _begin(operator, state, self.draft)
        return state, [
            f"version {self.draft.target} held the alias production, set by hand, and was adopted: the ledger begins with it",
            *notes,
        ]


def adoption(operator: Operator, state: RegistryState) -> Adoption:
    """What is to be adopted before anything else; nothing is written."""
    holder, chain = state.aliases.get("production"), state.chain
    if chain.finished or holder is None:
        return Adoption(None, state)
    draft = operator.draft(
        chain, "adopted", target=holder, reason="it held the alias production before the ledger began"
    )
    mark = chain.mark(draft, actor=operator.actor, at=draft.at)
    begun = replace(chain, entries=(*chain.entries, draft), done={**chain.done, draft.epoch: mark})
    return Adoption(draft, replace(state, chain=begun))


def _begin(operator: Operator, state: RegistryState, draft: Entry) -> tuple[RegistryState, list[str]]:
    """Carry out the entry that adopts a version: (the state, what became of other aliases of ours)."""
    version, shown = str(draft.target), state.aliases
    _check_place(state, version)
    operator.registry.version(operator.model, version)
    stage = state.stages.names.get("production")
    if stage is not None:  # the first write of all, since a registry that cannot do it would finish no entry
        operator.registry.set_stage(operator.model, version, stage)
    state = carry_out(operator, state, draft)
    return state, [
        f"the alias {alias} pointed to version {shown[alias]}, which is not in the ledger, and was deleted"
        for alias in ("previous", "staging")
        if alias in shown and alias not in state.aliases
    ]


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

"""Roll back to a version that held Production before; the one that leaves is withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from lockgate.errors import NotFound, Refused, UnknownOutcome, Waiting
from lockgate.hashing import sha256
from lockgate.promotion.apply import carry_out, revert_late_write, serving_notes, settle
from lockgate.promotion.compatibility import ClientCompatibility, compare_signatures
from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.entry import Entry, version_text
from lockgate.promotion.ledger.standing import Standing
from lockgate.promotion.operator import Operator, RegistryState
from lockgate.promotion.outcome import ForwardedEntry, Outcome, require_reason
from lockgate.promotion.rollback_consent import RollbackConsent, RollbackPlan
from lockgate.registries.ports import Registry
from lockgate.units import utc_text


def rollback(
    operator: Operator,
    *,
    to: str | None = None,
    reason: str,
    withdrawn_ok: bool = False,
    consent: RollbackConsent | None = None,
) -> Outcome:
    """Make the standby, or the retained version `to`, Production; the one that leaves is withdrawn.

    consent: where an owner's approval comes from; None where the policy requires none.
    Raises Refused with a stable code where there is nothing to go back to.
    """
    reason, registry, model = require_reason(reason), operator.registry, operator.model
    state = operator.read_state()
    unfinished = state.chain.unfinished
    if consent is not None and unfinished is not None and unfinished.kind != "rolled_back":
        consent.check_unfinished(unfinished)
    state, forwarded = _finish_unfinished(operator, state, to)
    if forwarded and _is_meant(forwarded[0].entry, to) and forwarded[0].mark.ending == "done":
        note = "that was the rollback which had been left unfinished; nothing further was rolled back"
        return _outcome(operator, forwarded[0].entry, state, forwarded, [note], already=True)
    before = state.standing
    if to is not None and to == before.production and (_just_done(state) or _shows_another(state)):
        return _put_back(operator, to, forwarded)
    try:
        plan = _plan(operator, state, to, withdrawn_ok=withdrawn_ok)
    except Refused:
        with suppress(Waiting):  # whoever reads what stands shall see it, and not what somebody set too late
            settle(operator)
        raise
    votes = () if consent is None else tuple(consent(plan))
    notes = [*_describe_alias(state, before), *_store_votes(registry, before, plan, votes)]
    draft = operator.draft(
        state.chain,
        "rolled_back",
        source=plan.source,
        target=plan.target,
        evidence=before.evidence.get(plan.target),
        votes=[sha256(vote) for vote, _ in votes],
        reason=reason,
    )
    try:
        state = carry_out(operator, state, draft)
    except UnknownOutcome as unknown:  # repeated without a version it would go one further back, were it done
        raise UnknownOutcome(
            f"whether version {plan.target} of {model} is Production again is not known: {unknown.message}",
            remedy=f'gate rollback {model} --to {plan.target} --reason "…" finishes this rollback, and goes no further back',
        ) from unknown
    state, late = revert_late_write(operator, state, draft)
    notes += _describe_repeated(model, draft, state.chain)
    if state.standing.standby is None:
        notes.append("no previous version is left, and no alias previous")
    return _outcome(operator, draft, state, (*forwarded, *late), notes)


def _outcome(
    operator: Operator,
    entry: Entry,
    state: RegistryState,
    forwarded: tuple[ForwardedEntry, ...],
    notes: list[str],
    *,
    already: bool = False,
) -> Outcome:
    """The outcome of a rollback that stands, with what it means for clients of the version that left."""
    compatibility = ClientCompatibility(None)
    if entry.source is not None and entry.target is not None:
        compatibility = compare_signatures(operator.registry, operator.model, leaves=entry.source, returns=entry.target)
    notes = [*notes, *compatibility.notes, *serving_notes(entry, state)]
    return Outcome(operator.model, entry, state.standing, already, forwarded, tuple(notes), breaks=compatibility.breaks)


def plan_rollback(operator: Operator, *, to: str | None = None, withdrawn_ok: bool = False) -> RollbackPlan:
    """What a rollback would do now, for an owner to approve. Raises as `rollback` does, Waiting while others move."""
    state = operator.read_state()
    entry = state.chain.unfinished
    if entry is not None:
        raise Waiting(
            f"{entry.label} ({entry.kind.replace('_', ' ')} by {entry.actor}) is not done, so it is not known yet what is left",
            code="in_progress",
            remedy="run it again when it is; any command that moves a version finishes it after its lease",
        )
    return _plan(operator, state, to, withdrawn_ok=withdrawn_ok)


def _plan(operator: Operator, state: RegistryState, to: str | None, *, withdrawn_ok: bool) -> RollbackPlan:
    before, last, model = state.standing, state.chain.last, operator.model
    if before.production is None or last is None:
        raise Refused(
            f"the ledger knows no Production of {model}",
            code="nothing_to_roll_back",
            remedy=f'begin with gate adopt {model} --version N --reason "…"',
        )
    target = to or before.standby
    if target is None:
        others = [version for version in state.chain.past_production if version != before.production]
        withdrawn = ", ".join(filter(before.is_withdrawn, others))
        also = f"; with --withdrawn-ok for what was withdrawn: {withdrawn}" if withdrawn else ""
        raise Refused(
            f"no previous version is left behind version {before.production}",
            code="no_standby",
            remedy=f"name a version with --to ({', '.join(others)}){also}"
            if others
            else "promote another version instead",
        )
    _check_target(operator, target, state.chain, before, withdrawn_ok=withdrawn_ok)
    try:
        operator.registry.version(model, target)
    except NotFound as error:
        raise Refused(
            f"version {target} of {model} is gone from the registry",
            code="target_gone",
            remedy="name another with --to; gate status shows them",
        ) from error
    return RollbackPlan(model, before.production, target, last.sha256)


def _store_votes(
    registry: Registry, before: Standing, plan: RollbackPlan, votes: Sequence[tuple[bytes, bytes]]
) -> list[str]:
    """Store the votes where the record is kept: beside the evidence of the version that returns, else of the one that
    leaves. Says so where neither has any."""
    store = registry.evidence(plan.model)
    digests = [before.evidence[version] for version in (plan.target, plan.source) if version in before.evidence]
    for vote, signature in votes:
        for digest in digests:
            try:
                store.add_vote(digest, vote, signature)
            except NotFound:
                continue
            break
        else:
            return [
                "no published evidence belongs to either version, so the ledger alone names the approval, by its hash"
            ]
    return []


def _finish_unfinished(
    operator: Operator, state: RegistryState, to: str | None
) -> tuple[RegistryState, tuple[ForwardedEntry, ...]]:
    """Where things stand once an unfinished entry is out of the way.

    A rollback to that version is finished: whoever repeats the command wants that one, not a second. Anything else, other
    rollbacks too, is ended without switching traffic to a version that is to be left anyway.
    """
    entry = state.chain.unfinished
    if entry is None:
        return state, ()
    stays = to == entry.target or _is_meant(entry, to)
    state = carry_out(operator, state, None, leave_serving=not stays)
    return state, (ForwardedEntry(entry, state.chain.done[entry.epoch]),)


def _just_done(state: RegistryState) -> bool:
    """Whether Production is what it is because of a rollback to it, which nothing followed."""
    return state.chain.moves[0].kind == "rolled_back"


def _shows_another(state: RegistryState) -> bool:
    """Whether the alias of Production, or a stage, shows another version than the ledger says."""
    standing = state.standing
    return state.aliases.get("production") != standing.production or bool(standing.stages_due(state.stages))


def _is_meant(entry: Entry, to: str | None) -> bool:
    """Whether an unfinished entry is the rollback that is asked for."""
    return entry.kind == "rolled_back" and to in (None, entry.target)


def _put_back(operator: Operator, to: str, forwarded: tuple[ForwardedEntry, ...]) -> Outcome:
    """Let the alias show the Production that the ledger has. Raises Refused where it was moved by hand."""
    state, repaired = settle(operator)
    holder, entry = state.aliases.get("production"), state.chain.moves[0]
    if (entry.target, holder) != (to, to):
        raise Refused(
            f"version {state.standing.production} is Production in the ledger, and the alias points to "
            f"{version_text(holder)}",
            code="moved_by_hand",
            remedy=f"gate verify {operator.model} --repair points it back",
        )
    return _outcome(operator, entry, state, (*forwarded, *repaired), [], already=True)


def _describe_alias(state: RegistryState, before: Standing) -> list[str]:
    """A note on an alias that does not show what the ledger says; a rollback goes on all the same."""
    holder = state.aliases.get("production")
    if holder == before.production:
        return []
    late = None if holder is None else state.chain.late_writer("production", holder)
    if late is not None:
        return [f"the alias production showed version {holder}, set too late by a writer of {late.label}"]
    return [f"the alias production had been moved by hand, to {holder or 'nothing'}"]


def _describe_repeated(model: str, draft: Entry, chain: Chain) -> list[str]:
    """A note on a second rollback in a row, which goes one version further back."""
    before = next((entry for entry in chain.moves if entry.epoch < draft.epoch), None)
    if before is None or before.kind != "rolled_back" or draft.source != before.target:
        return []
    return [
        f"this was a second rollback in a row: {before.actor} had gone from version {before.source} to {before.target} on "
        f'{utc_text(before.at)}; if once was meant: gate rollback {model} --to {before.target} --withdrawn-ok --reason "…"'
    ]


def _check_target(operator: Operator, version: str, chain: Chain, before: Standing, *, withdrawn_ok: bool) -> None:
    """Raises Refused where a version may not become Production again."""
    if version == before.production:
        raise Refused(
            f"version {version} is Production already",
            code="already_production",
            remedy=f"see gate status {operator.model}",
        )
    if version not in chain.past_production:
        raise Refused(
            f"version {version} was never Production, so there is nothing to roll back to",
            code="never_production",
            remedy="evaluate it with gate run and use gate promote",
        )
    if before.is_withdrawn(version) and not withdrawn_ok:
        _, withdrawn_at = before.released[version]
        raise Refused(
            f"version {version} was withdrawn on {utc_text(withdrawn_at)}",
            code="withdrawn_target",
            remedy="if that was the mistake, add --withdrawn-ok",
        )
    until = before.retain_until(version, operator.promotion.retain)
    if until is not None and until < operator.clock():
        raise Refused(
            f"version {version} was kept until {utc_text(until)} and may not be complete any more",
            code="not_retained",
            remedy="evaluate it with gate run and use gate promote",
        )

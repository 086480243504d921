"""Carry an entry out: claim it, apply it to the registry, read back, switch traffic, mark it done.

A plain loop over `next_step`, against ports and values.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from lockgate.errors import (
    LockgateError,
    NotFound,
    Refused,
    RegistryError,
    ServingFault,
    Unavailable,
    UnknownOutcome,
    Waiting,
)
from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.entry import Done, Ending, Entry
from lockgate.promotion.ledger.holder import renewing
from lockgate.promotion.ledger.projection import Tags, all_tags
from lockgate.promotion.ledger.steps import (
    TURNS,
    Apply,
    Claim,
    Finish,
    InProgress,
    Lapsed,
    Overtaken,
    Settled,
    Switch,
    Turn,
    next_step,
)
from lockgate.promotion.operator import Operator, RegistryState, TrafficSwitch
from lockgate.promotion.outcome import ForwardedEntry, describe
from lockgate.promotion.registry_writes import apply_entry, remove_aliases, show_tags
from lockgate.units import utc_text

SERVING = "which version answers your users was not checked; promotion.switch with a check does that"
_SETTLE_TRIES = 4
_NOTE = 500  # characters of a failure that the ledger keeps


def settle(operator: Operator) -> tuple[RegistryState, tuple[ForwardedEntry, ...]]:
    """Read where things stand, after finishing what others left and undoing what a late writer did.

    Raises Waiting while an entry of others is in progress.
    """
    state = operator.read_state()
    finished: list[ForwardedEntry] = []
    for _ in range(_SETTLE_TRIES):
        unfinished = state.chain.unfinished
        repair = _draft_repair(operator, state) if unfinished is None else None
        if unfinished is None and repair is None:
            return state, tuple(finished)
        try:
            state = carry_out(operator, state, repair)
        except Refused as refused:
            if repair is None or refused.code != "overtaken":
                raise
            state = operator.read_state()  # nobody asked for the repair: whoever came first may have made it needless
            continue
        entry = unfinished or repair
        if entry is not None:
            finished.append(ForwardedEntry(entry, state.chain.done[entry.epoch]))
    raise RegistryError(
        f"the aliases of {operator.model} do not stay where the ledger has them: {dict(state.aliases)}",
        remedy="see who else sets them, then run the same command again",
    )


def _draft_repair(operator: Operator, state: RegistryState) -> Entry | None:
    """The entry that repairs what a late writer did; None where all is well, or where the ledger cannot explain it.

    Somebody who claimed an entry, froze, and woke when others had finished it, sets the alias of its own entry. An alias
    that stood for nothing may be deleted any time after, so one that is missing is set again, but Production's. Any
    other difference was made by hand, and is for people to look at.
    """
    standing, last = state.standing, state.chain.last
    if last is None:
        return None
    wrong, missing = _differing(state.aliases, standing.aliases)
    late = {alias: state.chain.late_writer(alias, version) for alias, version in wrong.items()}
    if any(writer is None for writer in late.values()):
        return None
    reasons = [
        f"{alias} had been set to version {wrong[alias]} too late, by a writer of {writer.label} that others had ended"
        for alias, writer in late.items()
        if writer is not None
    ]
    reasons += [f"{alias} was missing" for alias, version in missing.items() if _exists(operator, version)]
    stages = {} if standing.production is None else standing.stages_due(state.stages)
    reasons += [f"version {version} stood in the stage {state.stages.by_version.get(version)}" for version in stages]
    if not reasons:
        return None
    production = standing.production
    return state.chain.draft(
        "repaired",
        source=state.aliases.get("production"),
        target=production,
        actor=operator.actor,
        evidence=None if production is None else standing.evidence.get(production),
        reason=f"put back: {', '.join(reasons)}",
        at=operator.clock(),
        lease=last.lease,
        rollback_owners=last.rollback_owners,
    )


def _differing(aliases: Mapping[str, str], expected: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """(alias → where it points, for those that should point elsewhere; alias → its version, for those that are missing).

    Production counts as neither where it is missing: no writer deletes it.
    """
    allowed = {alias: (version, expected.get("production")) for alias, version in expected.items()}
    wrong = {alias: aliases[alias] for alias in expected if alias in aliases and aliases[alias] not in allowed[alias]}
    missing = {alias: version for alias, version in expected.items() if alias not in aliases and alias != "production"}
    return wrong, missing


def _exists(operator: Operator, version: str) -> bool:
    """Whether the registry has a version still; with one that is gone its aliases go."""
    try:
        operator.registry.version(operator.model, version)
    except NotFound:
        return False
    return True


def carry_out(
    operator: Operator,
    state: RegistryState,
    draft: Entry | None,
    *,
    leave_serving: bool = False,
    tags: Mapping[str, str] | None = None,
) -> RegistryState:
    """Take steps until the drafted entry stands, or, without one, until nothing is left unfinished.

    leave_serving: end what is unfinished without switching traffic, because another entry takes over at once.
    tags: further ones for the drafted version. Raises Waiting while somebody else is at it, Refused if they came first
    or the version is gone, ServingFault where serving does not follow: the entry then stays unfinished.
    """
    model, clock = operator.model, operator.clock
    turn: Turn = "nothing" if operator.switch_traffic is None else "left" if leave_serving else "due"
    switched: Entry | None = None
    applied = 0
    state = replace(state, gone=frozenset())
    while True:
        if _lost_hold(state.chain, draft, clock()):
            state = _reread(operator, state)
        step = next_step(state.chain, state.aliases, draft, clock(), turn=turn, gone=state.gone, stages=state.stages)
        if isinstance(step, Settled):
            state = state if switched is None else _follow(operator, state, switched)
            if draft is not None and state.chain.ending(draft) not in ("done", None):
                raise _closed(model, draft, state.chain.done[draft.epoch])
            return state
        ours = draft is not None and step.entry.bytes == draft.bytes
        objection = (
            operator.objection_to_hold(state.chain, step.entry) if isinstance(step, InProgress | Lapsed) else None
        )
        if objection is not None:
            _give_up(operator, state.chain, step.entry, objection)
            state = _reread(operator, state)
        elif isinstance(step, InProgress | Lapsed | Overtaken):
            raise _blocked(model, step, state.chain, clock())
        elif isinstance(step, Claim):
            state = _claim(operator, state, step.entry)
        elif isinstance(step, Apply):
            try:
                state = apply_entry(operator, state, step, tries=applied)
            except (UnknownOutcome, Unavailable):
                raise
            except RegistryError as failure:
                if not ours or clock() >= step.entry.lease_ends:
                    raise
                raise _refused(operator, state, step.entry, failure) from failure
            applied += 1
        elif isinstance(step, Switch) and operator.switch_traffic is not None:
            state = replace(state, serving=(_switch(operator, operator.switch_traffic, state.chain, step.entry),))
            turn, switched = "turned", step.entry
        elif isinstance(step, Finish):
            if not ours or clock() < step.entry.lease_ends:  # else others may have it, and be ahead
                state = _remove_idle(operator, state, step)
            state = _finish(operator, state, step, (tags or {}) if ours else {})


def _claim(operator: Operator, state: RegistryState, entry: Entry) -> RegistryState:
    """Write the entry unless somebody else did; what others wrote is read anew."""
    ledger, text = operator.registry.ledger(operator.model), entry.bytes.decode()
    with suppress(
        LockgateError, OSError
    ):  # before the claim: whatever is lost after it, the next command knows whose it is
        operator.show_holder(entry)
    if ledger.put_if_absent(f"epoch-{entry.epoch}", text) != text:
        return replace(state, chain=operator.read_chain())
    return replace(state, chain=replace(state.chain, entries=(*state.chain.entries, Entry.read(text))))


def _end(operator: Operator, chain: Chain, entry: Entry, ending: Ending, note: str = "") -> Done | None:
    """Write `done-N`, or `failed-N`, unless somebody did: the mark, None where theirs stands. note: its first line is kept."""
    word, note = "failed" if ending == "failed" else "done", note.partition("\n")[0][:_NOTE]
    mark = chain.mark(entry, actor=operator.actor, at=operator.clock(), ending=ending, note=note).bytes.decode()
    stored = operator.registry.ledger(operator.model).put_if_absent(f"{word}-{entry.epoch}", mark)
    return Done.read(stored) if stored == mark else None


def _give_up(operator: Operator, chain: Chain, entry: Entry, reason: str) -> None:
    """Write `failed-N`: nobody waits for whoever claimed the entry, who may still wake. The entry stays unfinished."""
    _end(operator, chain, entry, "failed", reason)


def _refused(operator: Operator, state: RegistryState, entry: Entry, failure: RegistryError) -> RegistryError:
    """The failure, with what becomes of our entry, of which the registry refused a write.

    Where nothing moved it is given up and counts for nothing: else some later command would carry out what its own author
    saw fail. Where something moved already, nobody need wait for us to finish it.
    """
    registry, model = operator.registry, operator.model
    outcome = f"{describe(entry)} is left half done, and the next command finishes it"
    with suppress(RegistryError):
        if (registry.aliases(model), registry.stages(model)) == (state.aliases, state.stages):
            if _end(operator, state.chain, entry, "abandoned", failure.message) is not None:
                outcome = f"nothing moved, and {describe(entry)} was given up and counts for nothing"
        else:
            _give_up(operator, state.chain, entry, failure.message)
    return type(failure)(f"{failure.message}; {outcome}", remedy=failure.remedy)


def _finish(operator: Operator, state: RegistryState, step: Finish, tags: Mapping[str, str]) -> RegistryState:
    """Write how the entry ended, then set tags. tags: further ones for its version.

    Where somebody else ended it first, they may have gone on since: all is read anew.
    """
    entry, chain = step.entry, state.chain
    note = f"version {entry.target} is gone from the registry" if step.ending == "abandoned" else ""
    mark = _end(operator, chain, entry, step.ending, note)
    if mark is None:
        return _reread(operator, state)
    state = replace(state, chain=replace(chain, done={**chain.done, entry.epoch: mark}))
    return state if step.ending == "abandoned" else decorate(operator, state, {str(entry.target): tags})


def decorate(operator: Operator, state: RegistryState, extra: Tags | None = None) -> RegistryState:
    """Set all tags that are missing, or other than the ledger says. extra: version → further ones."""
    due = {version: dict(tags) for version, tags in all_tags(state.chain.finished).items()}
    for version, tags in (extra or {}).items():
        if version in due:
            due[version] |= tags
    warnings = show_tags(operator.registry, operator.model, due, shown=state.stages.tags)
    return replace(state, warnings=(*state.warnings, *warnings))


def _remove_idle(operator: Operator, state: RegistryState, step: Finish) -> RegistryState:
    """Delete the aliases that stand for nothing once the entry is done; now, because nobody else sets any before that."""
    standing = state.standing if step.ending == "abandoned" else state.standing.after(step.entry)
    idle = standing.idle(state.aliases, state.gone)
    gone, warnings = remove_aliases(operator.registry, operator.model, idle)
    aliases = {alias: version for alias, version in state.aliases.items() if alias not in gone}
    return replace(state, aliases=aliases, warnings=(*state.warnings, *warnings))


def _reread(operator: Operator, state: RegistryState) -> RegistryState:
    return replace(operator.read_state(), serving=state.serving, gone=state.gone, warnings=state.warnings)


def _lost_hold(chain: Chain, draft: Entry | None, now: datetime) -> bool:
    """Whether our own entry may have been taken over: then the ledger is read anew before anything more is written."""
    entry = chain.unfinished
    return draft is not None and entry is not None and entry.bytes == draft.bytes and now >= entry.lease_ends


def _switch(operator: Operator, switch_traffic: TrafficSwitch, chain: Chain, entry: Entry) -> str:
    """Switch traffic. Where that fails, `failed-N` lets others go on at once; the entry stays unfinished."""
    model = operator.model
    try:
        with renewing(lambda: operator.show_holder(entry)):
            return switch_traffic(entry)
    except BaseException as failure:
        with suppress(RegistryError):  # its lease ends anyway
            message = failure.message if isinstance(failure, LockgateError) else type(failure).__name__
            _give_up(operator, chain, entry, message)
        if not isinstance(failure, ServingFault):
            raise
        other = " --to VERSION" if entry.kind == "rolled_back" else ""
        raise ServingFault(
            f"the registry shows version {entry.target} of {model} as Production, and serving does not: {failure.message}",
            remedy=f"{failure.remedy}, then run the same command again; or leave that version with "
            f'gate rollback {model}{other} --reason "…"',
        ) from failure


def _follow(operator: Operator, state: RegistryState, switched: Entry) -> RegistryState:
    """Switch traffic once more where, while we did, others ended our entry and moved on: ours may have come last."""
    newest = next((entry for entry in reversed(state.chain.finished) if entry.kind in TURNS), None)
    if newest is None or newest.epoch <= switched.epoch or operator.switch_traffic is None:
        return state
    return replace(state, serving=(*state.serving, operator.switch_traffic(newest)))


def revert_late_write(
    operator: Operator, state: RegistryState, entry: Entry
) -> tuple[RegistryState, tuple[ForwardedEntry, ...]]:
    """Where others ended our entry and moved on: put back what we may have set too late ourselves."""
    if state.standing.production == entry.target:
        return state, ()
    try:
        settled, forwarded = settle(operator)
    except Waiting:  # whoever is at it now, or the next command, finds it and puts it back
        return state, ()
    return replace(settled, serving=state.serving, warnings=state.warnings + settled.warnings), forwarded


def serving_notes(entry: Entry, state: RegistryState) -> tuple[str, ...]:
    """Notes on an entry that moves Production and stands: on serving, and on what others did meanwhile."""
    notes = [*state.warnings, *(state.serving or (SERVING,))]
    if state.standing.production != entry.target and state.chain.last is not None:
        notes.append(
            f"meanwhile {describe(state.chain.last)} followed: version {state.standing.production} is Production now"
        )
    return tuple(notes)


def _blocked(model: str, step: InProgress | Lapsed | Overtaken, chain: Chain, now: datetime) -> Waiting | Refused:
    if isinstance(step, Overtaken):
        return Refused(
            f"{describe(step.entry)} came first",
            code="overtaken",
            remedy=f"see gate status {model}, then run the same command again",
        )
    until = utc_text(chain.held_until(step.entry, now))
    return Waiting(
        f"{describe(step.entry)} is in progress",
        code="in_progress",
        remedy=f"try again; unless it is done by {until}, the next command finishes it",
    )


def _closed(model: str, entry: Entry, mark: Done) -> Refused:
    """What becomes of whoever drafted an entry that others ended otherwise than as done."""
    if mark.ending == "unswitched":
        return Refused(
            f"{describe(entry)} was closed by {mark.actor} without switching traffic, to roll back",
            code="overtaken",
            remedy=f"see gate status {model}, then run the same command again",
        )
    return Refused(
        f"{describe(entry)} was given up by {mark.actor} and counts for nothing, because {mark.reason}",
        code="target_gone",
        remedy=f"see gate status {model}; what is gone is registered again, as a new version, and evaluated",
    )

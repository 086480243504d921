"""Move a version: verify, claim, apply, look, done. A plain loop over `ledger.next_step`, against ports and values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from lockgate.errors import LockgateError, NotFound, Refused, RegistryError, ServingFault, Waiting
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.finding import Verdict
from lockgate.models.signature_diff import Change
from lockgate.promotion import preconditions as recheck
from lockgate.promotion.ledger import projection
from lockgate.promotion.ledger.chain import Chain, read_chain
from lockgate.promotion.ledger.entry import MOVES, Done, Ending, Entry, Kind
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.ledger.standing import Standing, standing
from lockgate.promotion.ledger.steps import (
    TURNS,
    Apply,
    Claim,
    Finish,
    InProgress,
    Overtaken,
    Settled,
    Switch,
    Turn,
    agrees,
    next_step,
)
from lockgate.promotion.preconditions import Prove
from lockgate.promotion.publish import metric_tags, publish
from lockgate.promotion.rollback_proof import Answered, Proof
from lockgate.registries.ports import ModelVersion, Registry
from lockgate.signoff import override as overriding
from lockgate.signoff.decision import Ballot, decide
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import SignoffPolicy
from lockgate.units import utc_text

Clock = Callable[[], datetime]
TurnOver = Callable[[Entry], str]

SERVING = "serving was not checked"
_APPLY_TRIES = 3
_SETTLE_TRIES = 4
_WORDS = {
    "adopted": "adopted as Production",
    "staged": "Staging",
    "promoted": "Production",
    "override": "Production, against the rules",
    "rolled_back": "Production again",
    "archived": "Archived",
    "repaired": "Production, as the ledger says",
    "production": "Production",
    "staging": "Staging",
}
_NOTE = 500  # characters of a failure that the ledger keeps


@dataclass(frozen=True)
class Left:
    """An entry that others had left unfinished, and how it ended now."""

    entry: Entry
    ending: Ending

    @property
    def line(self) -> str:
        what = _sentence(self.entry)
        if self.ending == "abandoned":
            return f"gave up what was left: {what}, because version {self.entry.target} is gone from the registry"
        if self.ending == "unswitched":
            return f"closed what was left: {what}, which had not turned serving over"
        return f"finished what was left: {what}"

    def to_json(self) -> dict[str, Any]:
        return {**self.entry.to_json(), "ending": self.ending}


@dataclass(frozen=True)
class Outcome:
    """What became of a request. already: nothing had to be moved. forwarded: entries others had left unfinished.

    breaks: what callers of the version that left may break on, None where that is not known or was not asked.
    """

    model: str
    entry: Entry
    standing: Standing
    already: bool = False
    forwarded: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()
    breaks: tuple[Change, ...] | None = None

    @property
    def lines(self) -> list[str]:
        """What people are told."""
        finished = [left.line for left in self.forwarded]
        entry, state = self.entry, self.standing
        at, version = utc_text(entry.at), entry.target or entry.source
        if self.already:
            now = state.state(str(version))
            head = f"{self.model} version {version} is {_WORDS.get(now, now)} already, since {at} ({entry.actor})"
        else:
            what = self.model if version is None else f"{self.model} version {version}"
            words = "as the ledger says" if version is None else _WORDS[entry.kind]
            head = f"{what} is {words} (epoch {entry.epoch}, {at})"
        left = []
        if entry.kind in MOVES and not self.already:
            if entry.kind == "rolled_back" and entry.source is not None:
                left.append(f"version {entry.source} is withdrawn")
            if state.standby is not None:
                left.append(f"version {state.standby} stands by for gate rollback {self.model}")
        return [*finished, head, *left, *self.notes]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": "lockgate/outcome/v1",
            "model": self.model,
            "already": self.already,
            "entry": self.entry.to_json(),
            "entry_sha256": self.entry.sha256,
            "production": self.standing.production,
            "standby": self.standing.standby,
            "staging": self.standing.staging,
            "finished": [left.to_json() for left in self.forwarded],
            "notes": list(self.notes),
            "breaks": None if self.breaks is None else [asdict(change) for change in self.breaks],
        }


@dataclass(frozen=True)
class Place:
    """The ledger and the aliases of a model as they were read last.

    stages: version → stage where those mirror the aliases, None elsewhere. said: what turning serving over led to.
    """

    chain: Chain
    seen: Mapping[str, str]
    stages: Mapping[str, str] | None = None
    said: tuple[str, ...] = ()

    @property
    def standing(self) -> Standing:
        return standing(self.chain.finished)


def look(registry: Registry, model: str) -> Place:
    """Read ledger and aliases. Raises Refused where the ledger is broken or deleted."""
    chain = read_chain(registry.ledger(model).keys()).whole()
    return Place(chain, registry.aliases(model), registry.stages(model))


def settle(
    registry: Registry,
    model: str,
    *,
    actor: Identity,
    clock: Clock,
    turn_over: TurnOver | None,
) -> tuple[Place, tuple[Left, ...]]:
    """Read where things stand, after finishing what others left and undoing what a late writer did.

    turn_over: makes serving follow an entry, None where the policy has no switch. Raises Waiting while an entry of
    others is in progress.
    """
    place = look(registry, model)
    finished: list[Left] = []
    for _ in range(_SETTLE_TRIES):
        left = place.chain.unfinished
        wanted = _put_back(place, actor, clock()) if left is None else None
        if left is None and wanted is None:
            return place, tuple(finished)
        place = carry_out(registry, model, place, wanted, actor=actor, clock=clock, turn_over=turn_over)
        entry = left or wanted
        if entry is not None:
            finished.append(Left(entry, place.chain.ending(entry) or "done"))
    raise RegistryError(
        f"the aliases of {model} do not stay where the ledger has them: {dict(place.seen)}",
        remedy="see who else sets them, then run the same command again",
    )


def _put_back(place: Place, actor: Identity, now: datetime) -> Entry | None:
    """The entry that repairs what a late writer did; None where all is well, or where the ledger cannot explain it.

    Somebody who claimed an entry, froze, and woke when others had finished it, sets the alias of its own entry. Any
    other difference was made by hand, and is for people to look at.
    """
    here, last = place.standing, place.chain.last
    if last is None:
        return None
    wrong = {} if agrees(place.seen, here.aliases) else _differing(place.seen, here.aliases)
    late = {alias: place.chain.late_writer(alias, version) for alias, version in wrong.items()}
    if any(writer is None for writer in late.values()):
        return None
    what = [
        f"{alias} had been set to version {wrong[alias]} too late, by a writer of epoch {writer.epoch} that others had ended"
        for alias, writer in late.items()
        if writer is not None
    ]
    stages = {} if place.stages is None or here.production is None else here.stages_due(place.stages)
    what += [f"version {version} stood in the stage {(place.stages or {}).get(version)}" for version in stages]
    if not what:
        return None
    production = here.production
    return place.chain.draft(
        "repaired",
        source=place.seen.get("production"),
        target=production,
        actor=actor,
        evidence=None if production is None else here.evidence.get(production),
        reason=f"put back: {', '.join(what)}",
        at=now,
        lease=last.lease,
    )


def _differing(seen: Mapping[str, str], meant: Mapping[str, str]) -> dict[str, str]:
    """alias → where it points, for those that should point elsewhere."""
    wanted = {alias: version for alias, version in meant.items() if alias in seen}
    return {
        alias: seen[alias] for alias, version in wanted.items() if seen[alias] not in (version, meant.get("production"))
    }


def carry_out(
    registry: Registry,
    model: str,
    place: Place,
    wanted: Entry | None,
    *,
    actor: Identity,
    clock: Clock,
    turn_over: TurnOver | None,
    leave_serving: bool = False,
    tags: Mapping[str, str] | None = None,
) -> Place:
    """Take steps until the wanted entry stands, or, without one, until nothing is left unfinished.

    leave_serving: end what is unfinished without turning serving over, because another entry takes over at once.
    tags: further ones for the wanted version. Raises Waiting while somebody else is at it, Refused if they came first
    or the version is gone, ServingFault where serving does not follow: the entry then stays unfinished.
    """
    ledger = registry.ledger(model)
    turn: Turn = "nothing" if turn_over is None else "left" if leave_serving else "due"
    gone: frozenset[str] = frozenset()
    turned: Entry | None = None
    applied = 0
    while True:
        if _lost_hold(place.chain, wanted, clock()):
            place = replace(look(registry, model), said=place.said)
        step = next_step(place.chain, place.seen, wanted, clock(), turn=turn, gone=gone, stages=place.stages)
        if isinstance(step, Settled):
            if wanted is not None and place.chain.ending(wanted) == "abandoned":
                raise _is_gone(model, wanted)
            return place if turned is None or turn_over is None else _follow(place, turned, turn_over)
        if isinstance(step, InProgress):
            raise _in_progress(step.entry, place.chain)
        if isinstance(step, Overtaken):
            raise Refused(
                f"{_sentence(step.entry)} came first",
                code="overtaken",
                remedy=f"see gate status {model}, then run the same command again",
            )
        if isinstance(step, Claim):
            ledger.put_if_absent(f"epoch-{step.entry.epoch}", step.entry.bytes.decode())
            place = replace(place, chain=read_chain(ledger.keys()).whole())
        elif isinstance(step, Apply):
            if applied == _APPLY_TRIES:
                raise RegistryError(
                    f"the registry does not show {_sentence(step.entry)} after {applied} tries: {dict(place.seen)}",
                    remedy=f"see who else sets the aliases of {model}, then run the same command again",
                )
            applied += 1
            try:
                gone |= _apply(registry, model, step, place)
            except NotFound:
                gone = _gone(registry, model, (step.entry.target, *step.aliases.values()), gone)
            place = replace(place, seen=registry.aliases(model), stages=registry.stages(model))
        elif isinstance(step, Switch) and turn_over is not None:
            place = replace(place, said=(_turned(registry, model, place, step.entry, turn_over, actor, clock),))
            turn, turned = "turned", step.entry
        elif isinstance(step, Finish):
            ours = wanted is not None and step.entry.bytes == wanted.bytes
            if step.ending != "abandoned":
                try:
                    _tag(registry, model, step.entry, place.chain, (tags or {}) if ours else {})
                except NotFound:
                    gone = _gone(registry, model, (step.entry.target,), gone)
                    continue
            note = f"version {step.entry.target} is gone from the registry" if step.ending == "abandoned" else ""
            mark = place.chain.mark(step.entry, actor=actor, at=clock(), ending=step.ending, note=note)
            stored = ledger.put_if_absent(f"done-{step.entry.epoch}", mark.bytes.decode())
            chain = place.chain
            place = replace(place, chain=replace(chain, done={**chain.done, mark.epoch: Done.read(stored)}))
            if stored != mark.bytes.decode():  # somebody else ended it, and may have gone on since
                place = replace(look(registry, model), said=place.said)


def _lost_hold(chain: Chain, wanted: Entry | None, now: datetime) -> bool:
    """Whether our own entry may have been taken over: then the ledger is read anew before anything more is written."""
    left = chain.unfinished
    return wanted is not None and left is not None and left.bytes == wanted.bytes and now >= left.lease_ends


def _turned(
    registry: Registry, model: str, place: Place, entry: Entry, turn_over: TurnOver, actor: Identity, clock: Clock
) -> str:
    """Turn serving over. Where that fails, `failed-N` lets others go on at once; the entry stays unfinished."""
    try:
        return turn_over(entry)
    except BaseException as failure:
        what = failure.message if isinstance(failure, LockgateError) else type(failure).__name__
        note = what.partition("\n")[0][:_NOTE]
        mark = place.chain.mark(entry, actor=actor, at=clock(), ending="failed", note=note)
        with suppress(RegistryError):  # its lease ends anyway
            registry.ledger(model).put_if_absent(f"failed-{entry.epoch}", mark.bytes.decode())
        if not isinstance(failure, ServingFault):
            raise
        other = " --to VERSION" if entry.kind == "rolled_back" else ""
        raise ServingFault(
            f"the registry shows version {entry.target} of {model} as Production, and serving does not: {failure.message}",
            remedy=f"{failure.remedy}, then run the same command again; or leave that version with "
            f'gate rollback {model}{other} --reason "…"',
        ) from failure


def _follow(place: Place, entry: Entry, turn_over: TurnOver) -> Place:
    """Turn serving over once more where, while we did, others ended our entry and moved on: ours may have come last."""
    newest = next((one for one in reversed(place.chain.finished) if one.kind in TURNS), None)
    if newest is None or newest.epoch <= entry.epoch:
        return place
    return replace(place, said=(*place.said, turn_over(newest)))


def _gone(registry: Registry, model: str, versions: Iterable[str | None], known: frozenset[str]) -> frozenset[str]:
    """Which of these versions the registry has no longer. Raises NotFound where all that is not yet known is there."""
    missing = set[str]()
    for version in {version for version in versions if version is not None} - known:
        try:
            registry.version(model, version)
        except NotFound:
            missing.add(version)
    if not missing:
        raise NotFound(f"the registry says that a version of {model} is gone, and shows all", remedy="try again")
    return known | missing


def promote(
    registry: Registry,
    evidence: Evidence,
    *,
    signoff: SignoffPolicy,
    promotion: PromotionPolicy,
    policy_digest: str,
    ballot: Ballot,
    actor: Identity,
    clock: Clock,
    scratch: Path,
    prove: Prove,
    proof: Proof | None = None,
    turn_over: TurnOver | None = None,
    folder: Path | None = None,
    votes: Sequence[tuple[bytes, bytes]] = (),
    follows_production: bool = True,
    override: bool = False,
) -> Outcome:
    """Make the evidence's candidate Production, if everything that it rests on still holds.

    scratch: where model files are downloaded to. prove: raises where the outgoing version does not answer any more;
    not asked where `proof`, from another job, says that it did, or where the policy waives it.
    turn_over: makes serving follow, None where the policy has no switch.
    folder: the run folder, published with `votes` (bytes, signature) where they are not yet in the registry.
    follows_production: whether the policy compares with whoever holds Production, so that it must be who it was.
    override: go over what `overriding.OVERRIDABLE` names, where its own quorum says so; where nothing stands in the way
    this is an ordinary promotion.
    Raises Waiting or Refused with a stable code; nothing is moved then.
    """
    model, version = evidence.model, str(evidence.candidate["version"])
    place, forwarded = settle(registry, model, actor=actor, clock=clock, turn_over=turn_over)
    if place.standing.production == version and place.seen.get("production") == version:
        entry = _letting_in(place.chain, version)
        return Outcome(model, entry, place.standing, already=True, forwarded=forwarded, notes=_other(entry, evidence))
    decision = decide(signoff, evidence, ballot, clock())
    against = recheck.objections(
        registry,
        evidence,
        place.standing,
        place.seen,
        decision=decision,
        policy_digest=policy_digest,
        follows_production=follows_production,
        scratch=scratch,
    )
    gone_over = [_stops(objection, override=override) for objection in against]
    way_back = None
    try:
        way_back = recheck.way_back(
            registry,
            evidence,
            place.standing,
            scratch,
            prove=prove,
            proof=proof,
            waived=promotion.waived,
            now=clock(),
        )
    except Refused as refused:
        gone_over.append(_stops(refused, override=override))
    kind: Kind = "promoted"
    if gone_over:
        kind, decision = "override", overriding.agreed(signoff, evidence, ballot, clock())
        refused_too = recheck.not_signed(decision)
        if refused_too is not None:
            raise refused_too
    publish(registry, evidence, folder, votes=votes)
    over = overriding.said(gone_over)
    wanted = place.chain.draft(
        kind,
        source=place.standing.production,
        target=version,
        actor=actor,
        evidence=evidence.digest,
        votes=decision.counted,
        reason="; ".join([decision.reason, *over, *([way_back] if way_back else [])]),
        at=clock(),
        lease=promotion.lease,
    )
    place = carry_out(
        registry, model, place, wanted, actor=actor, clock=clock, turn_over=turn_over, tags=metric_tags(evidence)
    )
    place, late = undone(registry, model, place, wanted, actor=actor, clock=clock, turn_over=turn_over)
    forwarded = (*forwarded, *late)
    notes = (*over, *([way_back] if way_back else []), *after(wanted, place))
    return Outcome(model, wanted, place.standing, forwarded=forwarded, notes=notes)


def _stops(objection: recheck.Objection, *, override: bool) -> recheck.Objection:
    """The objection, where it may be gone over and is asked to be. Raises it otherwise."""
    if override and objection.code in overriding.OVERRIDABLE:
        return objection
    raise objection


def prove(
    registry: Registry, evidence: Evidence, *, answer: Callable[[ModelVersion], Answered], by: Identity, clock: Clock
) -> Proof:
    """Prove the way back for a job that may move things and shall run no model. It needs to read the registry only.

    answer: asks a version its input example and says what it answered to; raises where it does not answer.
    """
    production = look(registry, evidence.model).standing.production
    if production is None:
        return Proof(evidence.model, evidence.digest, None, None, None, 0, clock(), by)
    outgoing = registry.version(evidence.model, production)
    found = recheck.answers(outgoing, answer)
    recheck.compared_files(evidence, outgoing, found.files)
    return Proof(evidence.model, evidence.digest, production, found.files, found.asked, found.rows, clock(), by)


def undone(
    registry: Registry,
    model: str,
    place: Place,
    wanted: Entry,
    *,
    actor: Identity,
    clock: Clock,
    turn_over: TurnOver | None,
) -> tuple[Place, tuple[Left, ...]]:
    """Where others ended our entry and moved on: put back what we may have set too late ourselves."""
    if place.standing.production == wanted.target:
        return place, ()
    try:
        settled, late = settle(registry, model, actor=actor, clock=clock, turn_over=turn_over)
    except Waiting:  # whoever is at it now, or the next command, finds it and puts it back
        return place, ()
    return replace(settled, said=place.said), late


def after(wanted: Entry, place: Place) -> tuple[str, ...]:
    """What is to be said once an entry that moves Production stands: of serving, and of what others did meanwhile."""
    notes = list(place.said or (SERVING,))
    if place.standing.production != wanted.target and place.chain.last is not None:
        notes.append(
            f"meanwhile {_sentence(place.chain.last)} followed: version {place.standing.production} is Production now"
        )
    return tuple(notes)


def record_staging(
    registry: Registry,
    evidence: Evidence,
    *,
    folder: Path,
    promotion: PromotionPolicy,
    actor: Identity,
    clock: Clock,
    turn_over: TurnOver | None = None,
) -> Outcome:
    """Publish the evidence of a pass and record its candidate as Staging. Raises Refused for any other verdict."""
    if evidence.verdict is not Verdict.PASS or evidence.opens != "yes":
        raise Refused(
            f"the verdict is {evidence.verdict} and it opens {evidence.opens}, so nothing is staged",
            code="not_open",
            remedy="see gate report for what stopped it",
        )
    model, version = evidence.model, str(evidence.candidate["version"])
    publish(registry, evidence, folder)
    place, forwarded = settle(registry, model, actor=actor, clock=clock, turn_over=turn_over)
    before = place.standing
    if before.production == version or (
        before.staging == version
        and before.evidence.get(version) == evidence.digest
        and place.seen.get("staging") == version
    ):
        return Outcome(model, _letting_in(place.chain, version), before, already=True, forwarded=forwarded)
    wanted = place.chain.draft(
        "staged",
        source=before.staging,
        target=version,
        actor=actor,
        evidence=evidence.digest,
        reason="every requirement was met",
        at=clock(),
        lease=promotion.lease,
    )
    place = carry_out(registry, model, place, wanted, actor=actor, clock=clock, turn_over=turn_over)
    return Outcome(model, wanted, place.standing, forwarded=forwarded)


def _apply(registry: Registry, model: str, step: Apply, place: Place) -> frozenset[str]:
    """Set what differs, the alias production first. Where its version is gone, which is returned, another alias equals
    Production."""
    lost = set[str]()
    for alias, version in step.aliases.items():
        if place.seen.get(alias) == version:
            continue
        try:
            registry.set_alias(model, alias, version)
        except NotFound:
            if alias == "production" or "production" not in step.aliases:
                raise
            lost.add(version)
            registry.set_alias(model, alias, step.aliases["production"])
    moved = "Production" in step.stages.values()
    for version, stage in step.stages.items():
        if moved and stage == "Archived" and (place.stages or {}).get(version) == "Production":
            continue  # it left with the same write that brought the other one in; reading back shows it
        with suppress(NotFound):  # deleted since it was looked at
            registry.set_stage(model, version, stage)
    return frozenset(lost)


def _tag(registry: Registry, model: str, entry: Entry, chain: Chain, more: Mapping[str, str]) -> None:
    """Say on the versions what the ledger says, for people and searches; a repair says everything anew that differs."""
    if entry.kind == "repaired":
        shown = {found.version: found.tags for found in registry.versions(model)}
        wanted = projection.differing_tags(projection.all_tags(chain.finished), shown)
    else:
        wanted = projection.tags_after(entry, standing(chain.finished))
    for version, tags in wanted.items():
        try:
            registry.set_tags(model, version, {**tags, **(more if version == entry.target else {})})
        except NotFound:
            if version == entry.target:
                raise


def _letting_in(chain: Chain, version: str) -> Entry:
    """The entry that put a version where it is."""
    return next(
        entry for entry in reversed(chain.entries) if entry.target == version and entry.kind in MOVES | {"staged"}
    )


def _other(entry: Entry, evidence: Evidence) -> tuple[str, ...]:
    return () if entry.evidence == evidence.digest else (f"it got there on other evidence: {entry.evidence or 'none'}",)


def _in_progress(entry: Entry, chain: Chain) -> Waiting:
    return Waiting(
        f"{_sentence(entry)} is in progress",
        code="in_progress",
        remedy=f"try again; unless it is done by {utc_text(chain.held_until(entry))}, the next command finishes it",
    )


def _is_gone(model: str, entry: Entry) -> Refused:
    return Refused(
        f"version {entry.target} of {model} was deleted from the registry meanwhile, so {_sentence(entry)} was given up "
        "and counts for nothing",
        code="target_gone",
        remedy="register the model again, as a new version, and evaluate that",
    )


def _sentence(entry: Entry) -> str:
    what = entry.kind.replace("_", " ")
    return (
        f"epoch {entry.epoch} (version {entry.target or entry.source} {what} by {entry.actor} at {utc_text(entry.at)})"
    )

"""Move a version: verify, claim, apply, look, done. A plain loop over `ledger.next_step`, against ports and values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from lockgate import digest, looks, projection
from lockgate.errors import LockgateError, ModelFault, NotFound, Refused, RegistryError, Waiting
from lockgate.evidence import Evidence, Verdict
from lockgate.ledger import (
    MOVES,
    Apply,
    Chain,
    Claim,
    Done,
    Entry,
    Finish,
    InProgress,
    Overtaken,
    PromotionPolicy,
    Settled,
    Standing,
    next_step,
    read_chain,
    standing,
)
from lockgate.registry import Identity, ModelVersion, Registry, utc, utc_text
from lockgate.runfolder import RunFolder
from lockgate.signoff import Ballot, Decision, SignoffPolicy, decide

Clock = Callable[[], datetime]
Prove = Callable[[ModelVersion], None]

SERVING = "serving was not checked"
_APPLY_TRIES = 3
_WORDS = {
    "adopted": "adopted as Production",
    "staged": "Staging",
    "promoted": "Production",
    "override": "Production, against the rules",
    "rolled_back": "Production again",
    "archived": "Archived",
    "repaired": "repaired",
    "production": "Production",
    "staging": "Staging",
}
_TAG_SIGNS = re.compile(r"[^\w\-. :/]")


@dataclass(frozen=True)
class Outcome:
    """What became of a request. already: nothing had to be moved. forwarded: entries others had left unfinished."""

    model: str
    entry: Entry
    standing: Standing
    already: bool = False
    forwarded: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """What people are told."""
        finished = [f"finished what was left: {_sentence(entry)}" for entry in self.forwarded]
        entry, state = self.entry, self.standing
        at, version = utc_text(entry.at), entry.target or entry.source
        if self.already:
            now = state.state(str(version))
            head = f"{self.model} version {version} is {_WORDS.get(now, now)} already, since {at} ({entry.actor})"
        else:
            head = f"{self.model} version {version} is {_WORDS[entry.kind]} (epoch {entry.epoch}, {at})"
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
            "finished": [entry.to_json() for entry in self.forwarded],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Place:
    """The ledger and the aliases of a model as they were read last."""

    chain: Chain
    seen: Mapping[str, str]

    @property
    def standing(self) -> Standing:
        return standing(self.chain.finished)


def look(registry: Registry, model: str) -> Place:
    """Read ledger and aliases. Raises Refused where the ledger is broken or deleted."""
    return Place(read_chain(registry.ledger(model).keys()).whole(), registry.aliases(model))


def settle(registry: Registry, model: str, *, actor: Identity, clock: Clock) -> tuple[Place, tuple[Entry, ...]]:
    """Read where things stand, after finishing what others left. Raises Waiting while theirs is in progress."""
    place = look(registry, model)
    left = place.chain.unfinished
    if left is None:
        return place, ()
    return carry_out(registry, model, place, None, actor=actor, clock=clock), (left,)


def carry_out(
    registry: Registry,
    model: str,
    place: Place,
    wanted: Entry | None,
    *,
    actor: Identity,
    clock: Clock,
    tags: Mapping[str, str] | None = None,
) -> Place:
    """Take steps until the wanted entry stands, or, without one, until nothing is left unfinished.

    tags: further ones for the wanted version. Raises Waiting while somebody else is at it, Refused if they came first.
    """
    ledger = registry.ledger(model)
    applied = 0
    while True:
        step = next_step(place.chain, place.seen, wanted, clock())
        if isinstance(step, Settled):
            return place
        if isinstance(step, InProgress):
            raise _in_progress(step.entry)
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
            _apply(registry, model, step, place.seen)
            place = replace(place, seen=registry.aliases(model))
        elif isinstance(step, Finish):
            ours = wanted is not None and step.entry.bytes == wanted.bytes
            _tag(registry, model, step.entry, place.chain, (tags or {}) if ours else {})
            mark = place.chain.mark(step.entry, actor=actor, at=clock())
            stored = Done.read(ledger.put_if_absent(f"done-{step.entry.epoch}", mark.bytes.decode()))
            chain = place.chain
            place = replace(place, chain=replace(chain, done={**chain.done, stored.epoch: stored}))


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
    folder: Path | None = None,
    votes: Sequence[tuple[bytes, bytes]] = (),
    follows_production: bool = True,
) -> Outcome:
    """Make the evidence's candidate Production, if everything that it rests on still holds.

    scratch: where model files are downloaded to. prove: raises where the outgoing version does not answer any more.
    folder: the run folder, published with `votes` (bytes, signature) where they are not yet in the registry.
    follows_production: whether the policy compares with whoever holds Production, so that it must be who it was.
    Raises Waiting or Refused with a stable code; nothing is moved then.
    """
    model, version = evidence.model, str(evidence.candidate["version"])
    place, forwarded = settle(registry, model, actor=actor, clock=clock)
    if place.standing.production == version and place.seen.get("production") == version:
        entry = _letting_in(place.chain, version)
        return Outcome(model, entry, place.standing, already=True, forwarded=forwarded, notes=_other(entry, evidence))
    _same_policy(evidence, policy_digest)
    decision = _signed(signoff, evidence, ballot, clock())
    _not_withdrawn(evidence, place.standing)
    _newest(registry, evidence)
    _same_champion(evidence, place, follows_production=follows_production)
    _same_files(registry, evidence, scratch)
    _way_back(registry, evidence, place.standing, scratch, prove)
    publish(registry, evidence, folder, votes=votes)
    wanted = place.chain.draft(
        "promoted",
        source=place.standing.production,
        target=version,
        actor=actor,
        evidence=evidence.digest,
        votes=decision.counted,
        reason=decision.reason,
        at=clock(),
        lease=promotion.lease,
    )
    place = carry_out(registry, model, place, wanted, actor=actor, clock=clock, tags=metric_tags(evidence))
    return Outcome(model, wanted, place.standing, forwarded=forwarded, notes=(SERVING,))


def record_staging(
    registry: Registry,
    evidence: Evidence,
    *,
    folder: Path,
    promotion: PromotionPolicy,
    actor: Identity,
    clock: Clock,
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
    place, forwarded = settle(registry, model, actor=actor, clock=clock)
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
    place = carry_out(registry, model, place, wanted, actor=actor, clock=clock)
    return Outcome(model, wanted, place.standing, forwarded=forwarded)


def publish(
    registry: Registry, evidence: Evidence, folder: Path | None, *, votes: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Store the evidence and the votes on it beside the version; what is stored already stays as it is.

    folder: its run folder; scored tables and raw latencies stay there. None where it came from the registry.
    """
    store = registry.evidence(evidence.model)
    if folder is not None:
        stored = folder / "evidence.json"
        if not stored.is_file() or digest.sha256_file(stored) != evidence.digest:
            raise LockgateError(
                f"{stored} is not the evidence {evidence.digest}", remedy="evaluate again with gate run"
            )
        store.publish(evidence.digest, folder, files=RunFolder(folder).publishable, facts=published_facts(evidence))
    for vote, signature in votes:
        store.add_vote(evidence.digest, vote, signature)


def published_facts(evidence: Evidence) -> dict[str, str]:
    """The short values under which published evidence is found."""
    return {
        "version": str(evidence.candidate["version"]),
        "verdict": evidence.verdict.value,
        "opens": evidence.opens,
        "run_id": evidence.run_id,
        "data": looks.fact(evidence),
        "at": utc_text(finished_at(evidence)),
    }


def finished_at(evidence: Evidence) -> datetime:
    try:
        return utc(evidence.document["run"]["finished_at"])
    except (KeyError, TypeError, ValueError) as error:
        raise LockgateError(
            "the evidence does not say when it was finished", remedy="evaluate again with gate run"
        ) from error


def metric_tags(evidence: Evidence) -> dict[str, str]:
    """`lockgate.metric.<name>` for what was measured overall, the first gate that did it speaking for each."""
    tags: dict[str, str] = {}
    for gate in evidence.gates:
        for finding in gate.findings:
            observed = digest.number(finding.observed)
            if not finding.slice and observed is not None:
                tags.setdefault("lockgate.metric." + _TAG_SIGNS.sub("_", finding.subject), observed)
    return tags


def _same_policy(evidence: Evidence, policy_digest: str) -> None:
    if evidence.document["policy"]["sha256"] != policy_digest:
        raise Refused(
            "the pipeline is not the one that was evaluated: its policy has changed since",
            code="policy_changed",
            remedy="evaluate again with gate run, and ask for sign-off on that",
        )


def _signed(signoff: SignoffPolicy, evidence: Evidence, ballot: Ballot, now: datetime) -> Decision:
    decision = decide(signoff, evidence, ballot, now)
    if decision.state == "pending":
        raise Waiting(decision.reason, code=decision.code, remedy=decision.remedy)
    if decision.state != "approved":
        raise Refused(decision.reason, code=decision.code, remedy=decision.remedy)
    return decision


def _not_withdrawn(evidence: Evidence, place: Standing) -> None:
    version = str(evidence.candidate["version"])
    withdrawn = place.withdrawn_at.get(version)
    if evidence.digest in place.dead or (withdrawn is not None and finished_at(evidence) <= withdrawn):
        raise Refused(
            f"version {version} was withdrawn after this evidence was made, so it opens nothing any more",
            code="withdrawn",
            remedy="evaluate it anew with gate run",
        )


def _newest(registry: Registry, evidence: Evidence) -> None:
    version = str(evidence.candidate["version"])
    newest = registry.evidence(evidence.model).newest(version)
    if newest is not None and newest["digest"] != evidence.digest and utc(newest["at"]) > finished_at(evidence):
        raise Refused(
            f"version {version} was evaluated again on {newest['at']} ({newest.get('verdict')}), as {newest['digest']}",
            code="not_newest",
            remedy=f"promote that with gate promote {newest['digest']}, or evaluate again",
        )


def _same_champion(evidence: Evidence, place: Place, *, follows_production: bool) -> None:
    production, shown = place.standing.production, place.seen.get("production")
    if production is None and shown is not None:
        raise Refused(
            f"version {shown} holds the alias production, and the ledger knows nothing of it",
            code="not_adopted",
            remedy=f'begin with gate adopt {evidence.model} --version {shown} --reason "…"',
        )
    if production != shown:
        raise Refused(
            f"the ledger says that version {production} is Production, the alias points to "
            + (f"version {shown}" if shown else "nothing"),
            code="moved_by_hand",
            remedy=f"find out who moved it, and set the alias production of {evidence.model} back to {production}",
        )
    compared = None if evidence.champion is None else str(evidence.champion["version"])
    if follows_production and compared != production:
        raise Refused(
            f"the champion has changed: the evidence compares with {_named(compared)}, "
            f"and {_named(production)} is Production now",
            code="champion_moved",
            remedy="evaluate again with gate run, and ask for sign-off on that",
        )


def _same_files(registry: Registry, evidence: Evidence, scratch: Path) -> None:
    version = registry.version(evidence.model, str(evidence.candidate["version"]))
    found = digest.folder_digest(registry.fetch(version, scratch))
    if found != evidence.candidate.get("digest"):
        raise Refused(
            f"the files of {version} are not those that were evaluated: they are {found} now, "
            f"and were {evidence.candidate.get('digest')}",
            code="model_changed",
            remedy="find out who changed them, and register the model as a new version",
        )


def _way_back(registry: Registry, evidence: Evidence, place: Standing, scratch: Path, prove: Prove) -> None:
    """The outgoing version has the files it was compared with, and it answers."""
    if place.production is None:
        return
    try:
        outgoing = registry.version(evidence.model, place.production)
        champion = evidence.champion
        if champion is not None and str(champion["version"]) == place.production:
            found = digest.folder_digest(registry.fetch(outgoing, scratch))
            if found != champion.get("digest"):
                raise Refused(
                    f"there is no way back: the files of {outgoing} are {found} now, "
                    f"and were {champion.get('digest')} when the candidate was compared with them",
                    code="way_back",
                    remedy="find out who changed them; a rollback would not bring back what ran before",
                )
        prove(outgoing)
    except (ModelFault, NotFound) as error:
        raise Refused(
            f"there is no way back: version {place.production} is Production and does not answer: {error.what}",
            code="way_back",
            remedy=error.remedy or "repair it first; without it a rollback has nowhere to go",
        ) from error


def _apply(registry: Registry, model: str, step: Apply, seen: Mapping[str, str]) -> None:
    """Set what differs, Production first. Where the older version is gone, `previous` equals Production."""
    for alias, version in step.aliases.items():
        if seen.get(alias) == version:
            continue
        try:
            registry.set_alias(model, alias, version)
        except NotFound:
            if alias != "previous":
                raise
            registry.set_alias(model, alias, step.aliases["production"])


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


def _in_progress(entry: Entry) -> Waiting:
    return Waiting(
        f"{_sentence(entry)} is in progress",
        code="in_progress",
        remedy=f"try again; unless it is done by {utc_text(entry.lease_ends)}, the next command finishes it",
    )


def _sentence(entry: Entry) -> str:
    what = entry.kind.replace("_", " ")
    return (
        f"epoch {entry.epoch} (version {entry.target or entry.source} {what} by {entry.actor} at {utc_text(entry.at)})"
    )


def _named(version: str | None) -> str:
    return "nothing" if version is None else f"version {version}"

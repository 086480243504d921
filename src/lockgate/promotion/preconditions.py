"""Does everything that a promotion rests on still hold? Asked anew, right before anything moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from lockgate import hashing as digest
from lockgate.errors import LockgateError, ModelFault, NotFound, Refused, Waiting
from lockgate.evidence.evidence import Evidence
from lockgate.promotion.ledger.standing import Standing
from lockgate.promotion.publish import finished_at
from lockgate.promotion.rollback_proof import Proof, Waived
from lockgate.registries.ports import ModelVersion, Registry
from lockgate.signoff.decision import Decision
from lockgate.units import utc

T = TypeVar("T")
Prove = Callable[[ModelVersion], object]
Objection = Refused | Waiting


def objections(
    registry: Registry,
    evidence: Evidence,
    place: Standing,
    seen: Mapping[str, str],
    *,
    decision: Decision,
    policy_digest: str,
    follows_production: bool,
    scratch: Path,
) -> Iterator[Objection]:
    """What stands against promoting the evidence's candidate from this standing, one after the other; the way back aside.

    seen: the aliases as the registry shows them. decision: what the votes come to. follows_production: whether the policy
    compares with whoever holds Production, so that it must be who it was. scratch: where model files are downloaded to.
    """
    asked: tuple[Callable[[], Objection | None], ...] = (
        lambda: _another_policy(evidence, policy_digest),
        lambda: not_signed(decision),
        lambda: _withdrawn(evidence, place),
        lambda: _evaluated_again(registry, evidence),
        lambda: _moved(evidence, place, seen),
        lambda: _another_champion(evidence, place, follows_production=follows_production),
        lambda: _other_files(registry, evidence, scratch),
    )
    for ask in asked:
        objection = ask()
        if objection is not None:
            yield objection


def not_signed(decision: Decision) -> Objection | None:
    """What a decision of the votes says against it, None where they approve."""
    if decision.state == "approved":
        return None
    kind = Waiting if decision.state == "pending" else Refused
    return kind(decision.reason, code=decision.code, remedy=decision.remedy)


def _another_policy(evidence: Evidence, policy_digest: str) -> Objection | None:
    if evidence.document["policy"]["sha256"] == policy_digest:
        return None
    return Refused(
        "the pipeline is not the one that was evaluated: its policy has changed since",
        code="policy_changed",
        remedy="evaluate again with gate run, and ask for sign-off on that",
    )


def _withdrawn(evidence: Evidence, place: Standing) -> Objection | None:
    version = str(evidence.candidate["version"])
    withdrawn = place.withdrawn_at.get(version)
    if evidence.digest not in place.dead and (withdrawn is None or finished_at(evidence) > withdrawn):
        return None
    return Refused(
        f"version {version} was withdrawn after this evidence was made, so it opens nothing any more",
        code="withdrawn",
        remedy="evaluate it anew with gate run",
    )


def _evaluated_again(registry: Registry, evidence: Evidence) -> Objection | None:
    version = str(evidence.candidate["version"])
    newest = registry.evidence(evidence.model).newest(version)
    if newest is None or newest["digest"] == evidence.digest or utc(newest["at"]) <= finished_at(evidence):
        return None
    return Refused(
        f"version {version} was evaluated again on {newest['at']} ({newest.get('verdict')}), as {newest['digest']}",
        code="not_newest",
        remedy=f"promote that with gate promote {newest['digest']}, or evaluate again",
    )


def _moved(evidence: Evidence, place: Standing, seen: Mapping[str, str]) -> Objection | None:
    shown = seen.get("production")
    if place.production is None and shown is not None:
        return Refused(
            f"version {shown} holds the alias production, and the ledger knows nothing of it",
            code="not_adopted",
            remedy=f'begin with gate adopt {evidence.model} --version {shown} --reason "…"',
        )
    if place.production != shown:
        return Refused(
            f"the ledger says that version {place.production} is Production, the alias points to "
            + (f"version {shown}" if shown else "nothing"),
            code="moved_by_hand",
            remedy="find out who moved it; "
            f"gate verify {evidence.model} --repair points it back to version {place.production}",
        )
    return None


def _another_champion(evidence: Evidence, place: Standing, *, follows_production: bool) -> Objection | None:
    compared = None if evidence.champion is None else str(evidence.champion["version"])
    if not follows_production or compared == place.production:
        return None
    return Refused(
        f"the champion has changed: the evidence compares with {_named(compared)}, "
        f"and {_named(place.production)} is Production now",
        code="champion_moved",
        remedy="evaluate again with gate run, and ask for sign-off on that",
    )


def _other_files(registry: Registry, evidence: Evidence, scratch: Path) -> Objection | None:
    version = registry.version(evidence.model, str(evidence.candidate["version"]))
    found = digest.folder_digest(registry.fetch(version, scratch))
    if found == evidence.candidate.get("digest"):
        return None
    return Refused(
        f"the files of {version} are not those that were evaluated: they are {found} now, "
        f"and were {evidence.candidate.get('digest')}",
        code="model_changed",
        remedy="find out who changed them, and register the model as a new version",
    )


def way_back(
    registry: Registry,
    evidence: Evidence,
    place: Standing,
    scratch: Path,
    *,
    prove: Prove,
    proof: Proof | None,
    waived: Waived | None,
    now: datetime,
) -> str | None:
    """The outgoing version has the files it was compared with, and it answers. Returns what is to be recorded of that.

    Raises Refused where there is no way back, or where what says so does not count.
    """
    if place.production is None:
        return None if proof is None else _counts(proof, evidence, None, None, now)
    try:
        outgoing = registry.version(evidence.model, place.production)
        compared = evidence.champion is not None and str(evidence.champion["version"]) == place.production
        if compared or proof is not None:
            files = digest.folder_digest(registry.fetch(outgoing, scratch))
            compared_files(evidence, outgoing, files)
    except NotFound as error:
        raise _no_way_back(place.production, error) from error
    if waived is not None and (proof is None or proof.version is None):
        if not waived.holds(now):
            raise Refused(
                f"the way back is no longer waived: {waived}",
                code="waiver_expired",
                remedy=f"mend version {place.production}, or set a later day in promotion.way_back and evaluate again",
            )
        told = None if proof is None else _counts(proof, evidence, None, None, now)
        return "; ".join(part for part in (f"the way back is waived: {waived}", told) if part)
    if proof is not None:
        return _counts(proof, evidence, outgoing, files, now)
    answers(outgoing, prove)
    return None


def _counts(
    proof: Proof, evidence: Evidence, outgoing: ModelVersion | None, files: str | None, now: datetime
) -> str | None:
    """What is to be recorded of a proof that holds. files: of the version that is to leave, as they are now."""
    version = None if outgoing is None else outgoing.version
    objection = proof.objection(model=evidence.model, evidence=evidence.digest, outgoing=version, now=now)
    if objection is None and proof.files != files:
        objection = f"the files of {outgoing} are {files} now, and were {proof.files} when they answered"
    if objection is not None:
        raise Refused(
            f"the proof of the way back does not count: {objection}",
            code="proof",
            remedy=f"make one anew with gate promote {evidence.digest} --prove-only FILE",
        )
    return proof.said or None


def answers(outgoing: ModelVersion, ask: Callable[[ModelVersion], T]) -> T:
    """What asking the outgoing version led to. Raises Refused where it does not answer."""
    try:
        return ask(outgoing)
    except (ModelFault, NotFound) as error:
        raise _no_way_back(outgoing.version, error) from error


def compared_files(evidence: Evidence, outgoing: ModelVersion, found: str) -> None:
    """Raises Refused where a version that was compared with has other files now."""
    champion = evidence.champion
    if champion is None or str(champion["version"]) != outgoing.version or found == champion.get("digest"):
        return
    raise Refused(
        f"there is no way back: the files of {outgoing} are {found} now, "
        f"and were {champion.get('digest')} when the candidate was compared with them",
        code="way_back",
        remedy="find out who changed them; a rollback would not bring back what ran before",
    )


def _no_way_back(version: str, error: LockgateError) -> Refused:
    return Refused(
        f"there is no way back: version {version} is Production and does not answer: {error.message}",
        code="way_back",
        remedy=error.remedy or "repair it first; without it a rollback has nowhere to go",
    )


def _named(version: str | None) -> str:
    return "nothing" if version is None else f"version {version}"

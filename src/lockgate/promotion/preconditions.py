"""Check again, right before anything moves, everything that a promotion rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from lockgate.errors import LockgateError, ModelFault, NotFound, Refused, Waiting
from lockgate.evidence.completeness import PolicyGates
from lockgate.evidence.evaluations import Evaluation
from lockgate.evidence.evidence import Evidence
from lockgate.hashing import folder_digest
from lockgate.promotion.ledger.entry import version_text
from lockgate.promotion.ledger.standing import Standing
from lockgate.promotion.operator import Clock, Operator, RegistryState, read_state
from lockgate.promotion.publish import finished_after_entry, finished_after_publication
from lockgate.promotion.rollback_proof import RollbackAnswer, RollbackProof
from lockgate.promotion.version_copy import placed_version, source_of
from lockgate.registries.ports import ModelVersion, Registry
from lockgate.signoff.decision import Ballot, SignoffDecision
from lockgate.signoff.identity import Identity
from lockgate.signoff.override import OVERRIDABLE
from lockgate.signoff.policy import SignoffPolicy

Answer = TypeVar("Answer")
UnmetPrecondition = Refused | Waiting


@dataclass(frozen=True)
class PromotionRequest:
    """Evidence whose candidate is to become Production, and the votes on it.

    folder: the run folder, published with `votes` (bytes, signature) where they are not yet in the registry. evaluations:
    those before it that are on record nowhere else.
    newest: the facts of the newest evidence of its version, where they came with the votes; read anew where it is None.
    override: go over what `OVERRIDABLE` names, where its own quorum says so; where every precondition is met this is an
    ordinary promotion.
    """

    evidence: Evidence
    ballot: Ballot
    folder: Path | None = None
    votes: Sequence[tuple[bytes, bytes]] = ()
    evaluations: Sequence[Evaluation] = ()
    override: bool = False
    newest: Callable[[], Mapping[str, str] | None] | None = None


@dataclass(frozen=True)
class PromotionTerms:
    """What the pipeline demands of a promotion.

    policy_digest: of the policy as it is now. follows_production: whether the policy compares with whoever holds
    Production, so that it must be who it was. gates: what evidence must hold to open anything, None where nobody says.
    """

    signoff: SignoffPolicy
    policy_digest: str
    follows_production: bool = True
    gates: PolicyGates | None = None


@dataclass(frozen=True)
class RollbackCheck:
    """How the rollback to the outgoing version is proven.

    scratch: where model files are downloaded to. run: runs the outgoing version, and raises where it does not answer;
    not called where `proof`, from another job, says that it did, or where the policy waives it.
    """

    scratch: Path
    run: Callable[[ModelVersion], object]
    proof: RollbackProof | None = None


def check_preconditions(
    operator: Operator,
    request: PromotionRequest,
    state: RegistryState,
    decision: SignoffDecision,
    *,
    terms: PromotionTerms,
    rollback_check: RollbackCheck,
) -> tuple[list[UnmetPrecondition], str | None]:
    """The unmet preconditions that the request overrides, and what is recorded of the rollback proof. Raises any other.

    decision: what the votes come to.
    """
    registry, evidence, standing = operator.registry, request.evidence, state.standing
    # From the cheapest to those that download files and run a model; nobody is asked to sign what no signature promotes.
    checks: tuple[Callable[[], str | None], ...] = (
        *_policy_checks(evidence, terms),
        lambda: _check_alias(operator.model, standing, state.aliases),
        *_standing_checks(registry, operator.model, evidence, state, terms, request.newest),
        lambda: check_signoff(decision),
        lambda: _check_files(registry, evidence, rollback_check.scratch),
        lambda: _check_rollback(operator, evidence, standing, rollback_check),
    )
    overridden: list[UnmetPrecondition] = []
    note = None
    for check in checks:
        try:
            note = check()
        except (Refused, Waiting) as unmet:
            if not request.override or unmet.code not in OVERRIDABLE:
                raise
            overridden.append(unmet)
    return overridden, note


def check_promotable(
    registry: Registry,
    model: str,
    evidence: Evidence,
    state: Callable[[], RegistryState],
    *,
    terms: PromotionTerms,
    override: bool = False,
) -> None:
    """Raises Refused where no signature lets evidence promote anything: for the policy as it is now, and for what is on record.

    model: that holds Production; state: of it, read where the policy has no objection. override: whether the signatures are
    such as go over what `OVERRIDABLE` names. Of a version that is Production already nothing on record is asked. Raises
    RegistryError where the registry cannot be read.
    """
    for check in _policy_checks(evidence, terms):
        check()
    current = state()
    placed = placed_version(current.chain, evidence, source_of(model, evidence))
    if placed is not None and placed == current.standing.production:
        return
    for check in _standing_checks(registry, model, evidence, current, terms):
        try:
            check()
        except Refused as unmet:
            if not override or unmet.code not in OVERRIDABLE:
                raise


def _policy_checks(evidence: Evidence, terms: PromotionTerms) -> tuple[Callable[[], None], ...]:
    return (
        lambda: _check_policy(evidence, terms.policy_digest),
        lambda: None if terms.gates is None else _check_gates(evidence, terms.gates),
    )


def _standing_checks(
    registry: Registry,
    model: str,
    evidence: Evidence,
    state: RegistryState,
    terms: PromotionTerms,
    newest: Callable[[], Mapping[str, str] | None] | None = None,
) -> tuple[Callable[[], None], ...]:
    return (
        lambda: _check_withdrawn(model, evidence, state),
        lambda: _check_newest(registry, evidence, newest),
        lambda: _check_champion(evidence, state.standing) if terms.follows_production else None,
    )


def check_signoff(decision: SignoffDecision) -> None:
    """Raises Waiting or Refused unless the votes approve."""
    if decision.state != "approved":
        kind = Waiting if decision.state == "pending" else Refused
        raise kind(decision.reason, code=decision.code, remedy=decision.remedy)


def _check_gates(evidence: Evidence, gates: PolicyGates) -> None:
    """Raises Refused where evidence opens what its gates, as the policy has them, do not come to."""
    gaps = gates.gaps(evidence)
    if gaps:
        raise Refused(
            f"the evidence is not what a run of this pipeline leaves: {'; '.join(gaps)}",
            code="incomplete",
            remedy="evaluate again with gate run, and find out who made this evidence",
        )


def _check_policy(evidence: Evidence, policy_digest: str) -> None:
    """Raises Refused where the policy is another one than that of the evidence."""
    if evidence.document["policy"]["sha256"] == policy_digest:
        return
    raise Refused(
        "the pipeline is not the one that was evaluated: its policy has changed since",
        code="policy_changed",
        remedy="evaluate again with gate run, and ask for sign-off on that",
    )


def _check_withdrawn(model: str, evidence: Evidence, state: RegistryState) -> None:
    version = str(evidence.candidate["version"])
    placed = placed_version(state.chain, evidence, source_of(model, evidence))
    out = (entry for entry in state.chain.moves if entry.kind == "rolled_back" and entry.source == placed)
    withdrawal = None if placed is None else next(out, None)
    after = withdrawal is None or finished_after_entry(evidence, withdrawal)
    if evidence.digest not in state.standing.dead and after:
        return
    raise Refused(
        f"version {version} was withdrawn after this evidence was made, so it can promote nothing any more",
        code="withdrawn",
        remedy="evaluate it anew with gate run",
    )


def _check_newest(registry: Registry, evidence: Evidence, read: Callable[[], Mapping[str, str] | None] | None) -> None:
    """Raises Refused for published evidence that is not the last of its version, and for what others outran unpublished."""
    version, store = str(evidence.candidate["version"]), registry.evidence(evidence.model)
    newest = read() if read else store.newest(version)
    if newest is None or newest["digest"] == evidence.digest:
        return
    if not store.published(evidence.digest) and finished_after_publication(evidence, newest):
        return
    opens = newest.get("opens") != "no"
    raise Refused(
        f"version {version} was evaluated again on {newest['at']} ({newest.get('verdict')}), as {newest['digest']}",
        code="not_newest",
        remedy=f"promote that with gate promote {newest['digest']}, or evaluate again"
        if opens
        else f"gate report {newest['digest']} shows what stopped it; bring another version, or evaluate again",
    )


def _check_alias(model: str, standing: Standing, aliases: Mapping[str, str]) -> None:
    holder = aliases.get("production")
    if standing.production is None and holder is not None:
        raise Refused(
            f"version {holder} holds the alias production, and the ledger knows nothing of it",
            code="not_adopted",
            remedy=f'begin with gate adopt {model} --version {holder} --reason "…"',
        )
    if standing.production != holder:
        raise Refused(
            f"the ledger says that version {standing.production} is Production, the alias points to {version_text(holder)}",
            code="moved_by_hand",
            remedy="find out who moved it; "
            f"gate verify {model} --repair points it back to version {standing.production}",
        )


def _check_champion(evidence: Evidence, standing: Standing) -> None:
    compared = None if evidence.champion is None else str(evidence.champion["version"])
    if compared == standing.production:
        return
    raise Refused(
        f"the champion has changed: the evidence compares with {version_text(compared)}, "
        f"and {version_text(standing.production)} is Production now",
        code="champion_moved",
        remedy="evaluate again with gate run, and ask for sign-off on that",
    )


def _check_files(registry: Registry, evidence: Evidence, scratch: Path) -> None:
    version = ModelVersion(evidence.model, str(evidence.candidate["version"]))
    files = folder_digest(registry.fetch(version, scratch))
    if files == evidence.candidate.get("digest"):
        return
    raise Refused(
        f"the files of {version} are not those that were evaluated: they are {files} now, "
        f"and were {evidence.candidate.get('digest')}",
        code="model_changed",
        remedy="find out who changed them, and register the model as a new version",
    )


def _check_rollback(operator: Operator, evidence: Evidence, standing: Standing, check: RollbackCheck) -> str | None:
    """The outgoing version has the files it was compared with, and it answers. Returns what is to be recorded of that.

    Raises Refused where a rollback is not proven, or where what says so does not count.
    """
    registry, waiver, now = operator.registry, operator.promotion.waiver, operator.clock()
    proof, production = check.proof, standing.production
    if production is None:
        return None if proof is None else _check_proof(operator.model, proof, evidence, None, None, now)
    try:
        outgoing = registry.version(operator.model, production)
        compared = evidence.champion is not None and str(evidence.champion["version"]) == production
        if compared or proof is not None:
            files = folder_digest(registry.fetch(outgoing, check.scratch))
            _check_compared_files(evidence, outgoing, files)
    except NotFound as error:
        raise _no_rollback(production, error) from error
    if waiver is not None and (proof is None or proof.version is None):
        if not waiver.holds(now):
            raise Refused(
                f"the rollback proof is no longer waived: {waiver}",
                code="waiver_expired",
                remedy=f"mend version {production}, or set a later day in promotion.way_back and evaluate again",
            )
        recorded = None if proof is None else _check_proof(operator.model, proof, evidence, None, None, now)
        return "; ".join(part for part in (f"the rollback proof is waived: {waiver}", recorded) if part)
    if proof is not None:
        return _check_proof(operator.model, proof, evidence, outgoing, files, now)
    _run_outgoing(outgoing, check.run)
    return None


def make_rollback_proof(
    registry: Registry,
    evidence: Evidence,
    *,
    run: Callable[[ModelVersion], RollbackAnswer],
    by: Identity,
    clock: Clock,
    model: str | None = None,
) -> RollbackProof:
    """Prove the rollback for a job that may move versions and shall run no model. It only reads the registry.

    model: that holds Production, the evaluated one where it is None. run: runs a version on its input example and says what it answered; raises where it does not answer.
    """
    model = model or evidence.model
    state = read_state(registry, model)
    production = state.standing.production if state.chain.finished else state.aliases.get("production")
    if production is None:
        return RollbackProof(model, evidence.digest, None, None, None, 0, clock(), by)
    outgoing = registry.version(model, production)
    answer = _run_outgoing(outgoing, run)
    _check_compared_files(evidence, outgoing, answer.files)
    return RollbackProof(model, evidence.digest, production, answer.files, answer.sample, answer.rows, clock(), by)


def _check_proof(
    model: str,
    proof: RollbackProof,
    evidence: Evidence,
    outgoing: ModelVersion | None,
    files: str | None,
    now: datetime,
) -> str | None:
    """What is to be recorded of a proof that holds. files: of the version that is to leave, as they are now."""
    version = None if outgoing is None else outgoing.version
    objection = proof.objection(model=model, evidence=evidence.digest, outgoing=version, now=now)
    if objection is None and proof.files != files:
        objection = f"the files of {outgoing} are {files} now, and were {proof.files} when they answered"
    if objection is not None:
        raise Refused(
            f"the rollback proof does not count: {objection}",
            code="proof",
            remedy=f"make one anew with gate promote {evidence.digest} --prove-only FILE",
        )
    return proof.summary or None


def _run_outgoing(outgoing: ModelVersion, run: Callable[[ModelVersion], Answer]) -> Answer:
    """What running the outgoing version led to. Raises Refused where it does not answer."""
    try:
        return run(outgoing)
    except (ModelFault, NotFound) as error:
        raise _no_rollback(outgoing.version, error) from error


def _check_compared_files(evidence: Evidence, outgoing: ModelVersion, files: str) -> None:
    """Raises Refused where a version that was compared with has other files now."""
    champion = evidence.champion
    if champion is None or str(champion["version"]) != outgoing.version or files == champion.get("digest"):
        return
    raise Refused(
        f"a rollback would not work: the files of {outgoing} are {files} now, "
        f"and were {champion.get('digest')} when the candidate was compared with them",
        code="way_back",
        remedy="find out who changed them; a rollback would not bring back what ran before",
    )


def _no_rollback(version: str, error: LockgateError) -> Refused:
    return Refused(
        f"a rollback would not work: version {version} is Production and does not answer: {error.message}",
        code="way_back",
        remedy=error.remedy or "repair it first; without it there is nothing to roll back to",
    )

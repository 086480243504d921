"""The commands that move a version, with everything that they need given by keyword."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lockgate.evidence.evidence import Evidence
from lockgate.promotion import adopt as adopting
from lockgate.promotion import archive as archiving
from lockgate.promotion import promote as promoting
from lockgate.promotion import rollback as rolling_back
from lockgate.promotion.archive import ArchiveResult
from lockgate.promotion.audit import repair as repairing
from lockgate.promotion.operator import Operator
from lockgate.promotion.outcome import Outcome
from lockgate.promotion.preconditions import PromotionRequest, PromotionTerms, RollbackCheck
from lockgate.promotion.rollback_consent import RollbackConsent
from lockgate.promotion.rollback_proof import RollbackProof
from lockgate.registries.ports import ModelVersion
from lockgate.signoff.decision import Ballot
from lockgate.signoff.policy import SignoffPolicy


def adopt(registry: Any, model: str, *, version: str, reason: str, **who: Any) -> Outcome:
    return adopting.adopt(Operator(registry, model, **who), version=version, reason=reason)


def archive(registry: Any, model: str, **who: Any) -> ArchiveResult:
    return archiving.archive(Operator(registry, model, **who))


def repair(registry: Any, model: str, *, reason: str, **who: Any) -> Outcome | None:
    return repairing.repair(Operator(registry, model, **who), reason=reason)


def record_staging(
    registry: Any, evidence: Evidence, *, folder: Path | None, model: str | None = None, **who: Any
) -> Outcome:
    operator = Operator(registry, model or evidence.model, **who)
    return promoting.record_staging(operator, evidence, folder=folder)  # type: ignore[arg-type]


def rollback(
    registry: Any,
    model: str,
    *,
    reason: str,
    to: str | None = None,
    withdrawn_ok: bool = False,
    consent: RollbackConsent | None = None,
    **who: Any,
) -> Outcome:
    return rolling_back.rollback(
        Operator(registry, model, **who), to=to, reason=reason, withdrawn_ok=withdrawn_ok, consent=consent
    )


def promote(
    registry: Any,
    evidence: Evidence,
    *,
    signoff: SignoffPolicy,
    policy_digest: str,
    model: str | None = None,
    ballot: Ballot,
    scratch: Path,
    prove: Callable[[ModelVersion], object],
    proof: RollbackProof | None = None,
    folder: Path | None = None,
    votes: Sequence[tuple[bytes, bytes]] = (),
    follows_production: bool = True,
    override: bool = False,
    newest: Callable[[], Mapping[str, str] | None] | None = None,
    **who: Any,
) -> Outcome:
    return promoting.promote(
        Operator(registry, model or evidence.model, **who),
        PromotionRequest(evidence, ballot, folder, votes, override=override, newest=newest),
        terms=PromotionTerms(signoff, policy_digest, follows_production),
        rollback_check=RollbackCheck(scratch, prove, proof),
    )

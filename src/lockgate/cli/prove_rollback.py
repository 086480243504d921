"""What a job finds out that may only read and runs models, for the one that may move things and runs none."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lockgate.evidence.evidence import Evidence
    from lockgate.pipeline.model import Pipeline
    from lockgate.promotion.rollback_proof import Proof
    from lockgate.registries.ports import Registry
    from lockgate.signoff.identity import Identity


def prove(of: Pipeline, registry: Registry, evidence: Evidence, *, by: Identity, repeat: bool) -> Proof:
    """Ask the version that would be the way back, unless the policy waives that, and the repeatable gates where wanted.

    Raises Refused where it does not answer, or where a gate contradicts the evidence.
    """
    from lockgate.cli.notifications import run_url
    from lockgate.promotion import promote as promotion
    from lockgate.promotion.rollback_proof import Proof
    from lockgate.runs.promotion_hooks import prove_rollback
    from lockgate.runs.reevaluate import reevaluate
    from lockgate.runs.run import now

    if of.promotion.waived is None:
        made = promotion.prove(
            registry,
            evidence,
            answer=lambda outgoing: prove_rollback(of, registry, outgoing, environ=os.environ),
            by=by,
            clock=now,
        )
    else:
        made = Proof(evidence.model, evidence.digest, None, None, None, 0, now(), by)
    again = reevaluate(of, registry, evidence, environ=os.environ) if repeat else None
    return replace(made, repeats=again, run=run_url(os.environ))


def lines(of: Pipeline, proof: Proof) -> list[str]:
    """What people are told of it."""
    if of.promotion.waived is not None:
        asked = f"the way back was not asked, because it is waived: {of.promotion.waived}"
    elif proof.version is None:
        asked = "nothing holds Production"
    else:
        asked = f"version {proof.version} answered {proof.rows} rows"
    return [asked, *([] if proof.repeats is None else proof.repeats.lines)]
